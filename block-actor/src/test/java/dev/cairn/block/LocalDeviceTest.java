package dev.cairn.block;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static dev.cairn.block.LocalDevice.Mode.READ_ONLY;
import static dev.cairn.block.LocalDevice.Mode.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class LocalDeviceTest {
    @TempDir
    Path directory;

    private final Arena arena = Arena.ofAuto();

    private Path file(String name, long bytes) throws IOException {
        var path = directory.resolve(name);
        TestFiles.sparse(path, bytes);
        return path;
    }

    private MemorySegment filled(int bytes, int value) {
        var segment = arena.allocate(bytes);
        segment.fill((byte) value);
        return segment;
    }

    @Test
    void what_is_written_is_read_again_also_after_opening_anew() throws IOException {
        var path = file("device", 1 << 20);
        try (var device = LocalDevice.open(path, READ_WRITE, 4096)) {
            assertThat(device.blocks()).isEqualTo(256);
            device.write(8192, filled(4096, 7));
            device.flush();
            var back = arena.allocate(4096);
            device.read(8192, back);
            assertThat(back.mismatch(filled(4096, 7))).isEqualTo(-1);
        }
        try (var device = LocalDevice.open(path, READ_ONLY, 4096)) {
            var back = arena.allocate(8192);
            device.read(4096, back);
            assertThat(back.get(ValueLayout.JAVA_BYTE, 0)).isZero();
            assertThat(back.get(ValueLayout.JAVA_BYTE, 4096)).isEqualTo((byte) 7);
        }
    }

    @Test
    void a_read_without_waiting_either_fills_the_buffer_or_says_no() throws IOException {
        try (var device = LocalDevice.open(file("device", 1 << 20), READ_WRITE, 4096)) {
            device.write(0, filled(4096, 9));
            var back = arena.allocate(4096);
            if (device.readWithoutWaiting(0, back)) assertThat(back.mismatch(filled(4096, 9))).isEqualTo(-1);
        }
    }

    @Test
    void pages_go_into_a_pipe_unless_it_is_full_or_the_device_ends() throws Exception {
        var fifo = directory.resolve("fifo");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
        var path = file("device", 1 << 20);
        int pipe = Libc.open(fifo.toString(), Libc.O_RDWR);
        try (var device = LocalDevice.open(path, READ_WRITE, 4096);
                var out = java.nio.channels.FileChannel.open(fifo, java.nio.file.StandardOpenOption.READ)) {
            for (int block = 0; block < 8; block++) device.write(block * 4096, filled(4096, block));
            assertThat(device.readsToPipes()).isTrue();
            assertThat(device.readToPipe(4096 + 100, 12_000, pipe)).isTrue();
            var taken = java.nio.ByteBuffer.allocateDirect(20_000);
            assertThat(out.read(taken)).isEqualTo(12_000);
            var read = arena.allocate(12_000);
            device.read(4096 + 100, read);
            assertThat(MemorySegment.ofBuffer(taken.flip()).mismatch(read)).isEqualTo(-1);
            Files.newByteChannel(path, java.nio.file.StandardOpenOption.WRITE).truncate(10_000).close();
            assertThat(device.readToPipe(12_288, 4096, pipe)).isFalse();
            // An ordinary pipe holds sixteen pages.
            int pieces = 0;
            while (device.readToPipe(0, 8192, pipe)) assertThat(++pieces).isLessThanOrEqualTo(16);
            assertThat(pieces).isPositive();
            assertThatThrownBy(() -> device.readToPipe(1 << 20, 1, pipe)).isInstanceOf(DeviceException.class)
                    .hasMessageContaining("read of block 256");
        } finally {
            Libc.close(pipe);
        }
    }

    @Test
    void what_the_page_cache_has_is_told_where_the_system_says_so() throws Exception {
        var path = file("device", 1 << 20);
        try (var device = LocalDevice.open(path, READ_WRITE, 4096)) {
            assertThat(device.isCached(0, 1 << 20)).isFalse();
            device.write(4096, filled(8192, 3));
            int probe = Libc.open(path.toString(), Libc.O_RDONLY);
            boolean told = Libc.hasPages(probe, 0, 1) >= 0;      // Linux 6.5
            Libc.close(probe);
            // The system may take clean pages away at any time.
            if (told) org.awaitility.Awaitility.await().until(() -> {
                device.write(4096, filled(8192, 3));
                return device.isCached(4100, 8000);
            });
            assertThat(device.isCached(4096, (1 << 20) - 4096)).isFalse();
            Files.newByteChannel(path, java.nio.file.StandardOpenOption.WRITE).truncate(10_000).close();
            assertThat(device.isCached(8192, 4096)).isFalse();
            assertThatThrownBy(() -> device.isCached(-1, 1)).isInstanceOf(DeviceException.class);
        }
    }

    @Test
    void discarded_blocks_become_a_hole_and_the_size_stays() throws Exception {
        var path = file("device", 1 << 20);
        try (var device = LocalDevice.open(path, READ_WRITE, 4096)) {
            device.write(0, filled(1 << 20, 1));
            device.discard(new Extent(1, 2));
            var back = arena.allocate(4096 * 4);
            device.read(0, back);
            assertThat(back.get(ValueLayout.JAVA_BYTE, 4095)).isEqualTo((byte) 1);
            assertThat(back.asSlice(4096, 8192).mismatch(filled(8192, 0))).isEqualTo(-1);
            assertThat(back.get(ValueLayout.JAVA_BYTE, 3 * 4096)).isEqualTo((byte) 1);
            assertThat(Files.size(path)).isEqualTo(1 << 20);
        }
    }

    @Test
    void a_second_opening_finds_it_in_use_until_the_first_is_closed() throws IOException {
        var path = file("device", 1 << 20);
        var first = LocalDevice.open(path, READ_WRITE, 4096);
        assertThatThrownBy(() -> LocalDevice.open(path, READ_WRITE, 4096)).isInstanceOf(DeviceInUseException.class)
                .hasMessageContaining(path.toString()).hasMessageContaining("in use");
        assertThatThrownBy(() -> LocalDevice.open(path, READ_ONLY, 4096)).isInstanceOf(DeviceInUseException.class);
        first.close();
        first.close();
        LocalDevice.open(path, READ_WRITE, 4096).close();
    }

    @Test
    void errors_name_device_and_block_and_reason() throws IOException {
        var path = file("device", 1 << 20);
        try (var device = LocalDevice.open(path, READ_WRITE, 4096)) {
            Files.newByteChannel(path, java.nio.file.StandardOpenOption.WRITE).truncate(10_000).close();
            assertThatThrownBy(() -> device.read(8192, arena.allocate(4096))).isInstanceOf(DeviceException.class)
                    .hasMessage(path + ": read of block 2 (4096 bytes at 8192): device ends at 10000");
            assertThat(device.readWithoutWaiting(8192, arena.allocate(4096))).isFalse();
            assertThatThrownBy(() -> device.write(1 << 20, arena.allocate(1))).isInstanceOf(DeviceException.class)
                    .hasMessageContaining("block 256").hasMessageContaining("first 256 blocks");
            assertThatThrownBy(() -> device.read(-1, arena.allocate(1))).isInstanceOf(DeviceException.class);
            assertThatThrownBy(() -> device.discard(new Extent(255, 2))).isInstanceOf(DeviceException.class);
        }
        try (var device = LocalDevice.open(path, READ_ONLY, 4096)) {
            assertThatThrownBy(() -> device.write(0, arena.allocate(1))).isInstanceOf(DeviceException.class)
                    .hasMessageContaining("write of block 0");
        }
        assertThatThrownBy(() -> LocalDevice.open(directory, READ_WRITE, 4096)).hasMessageContaining("is a directory");
        assertThatThrownBy(() -> LocalDevice.open(Path.of("/dev/null"), READ_WRITE, 4096))
                .hasMessageContaining("neither a file nor a block device");
        assertThatThrownBy(() -> LocalDevice.open(directory.resolve("none"), READ_WRITE, 4096))
                .hasMessageContaining("no such file");
    }

    @Test
    void failures_are_counted_and_the_last_one_remembered() throws Exception {
        var path = file("device", 1 << 20);
        try (var device = LocalDevice.open(path, READ_WRITE, 4096); var arena = Arena.ofConfined()) {
            var block = arena.allocate(4096, 4096);
            device.write(0, block);
            assertThat(device.failures().count()).isZero();
            try (var file = FileChannel.open(path, StandardOpenOption.WRITE)) {
                file.truncate(8192);
            }
            assertThatThrownBy(() -> device.read(40960, block)).isInstanceOf(DeviceException.class);
            assertThatThrownBy(() -> device.read(8192, block)).isInstanceOf(DeviceException.class);
            device.read(4096, block);
            assertThat(device.failures().count()).isEqualTo(2);
            assertThat(device.failures().last()).contains("block 2 ").contains("device ends at 8192");
        }
    }

    @Test
    void heap_memory_is_refused() throws IOException {
        try (var device = LocalDevice.open(file("device", 1 << 20), READ_WRITE, 4096)) {
            assertThatThrownBy(() -> device.read(0, MemorySegment.ofArray(new byte[4096])))
                    .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("native memory");
        }
    }

    @Test
    void closing_under_running_calls_ends_them_with_an_answer() throws Exception {
        for (int round = 0; round < 50; round++) {
            var device = LocalDevice.open(file("device", 1 << 20), READ_WRITE, 4096);
            try (var threads = Executors.newFixedThreadPool(4)) {
                for (int i = 0; i < 4; i++)
                    threads.submit(() -> {
                        var buffer = Arena.ofAuto().allocate(4096);
                        while (true) device.write(0, buffer);       // ends with "is closed"
                    });
                device.close();
            }
            assertThatThrownBy(() -> device.read(0, arena.allocate(1))).hasMessageContaining("is closed");
        }
    }
}
