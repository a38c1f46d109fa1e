package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// How many pieces files lie in that are written at the same time, by `cairn fiemap`; and that the room they were given
/// costs nothing.
class PreallocationTest {
    private static final boolean LONG = System.getProperty("cairn.long") != null;
    private static final int MEBIBYTES = LONG ? 1024 : 32, STREAMS = 3;

    @Test
    void streams_lie_in_few_pieces_and_keep_nothing() throws IOException {
        try (var volume = TestVolume.create("256M", LONG ? "12G" : "2G")) {
            var alone = volume.mount.resolve("alone");
            write(alone, 1 << 20, MEBIBYTES);
            assertThat(extents(alone)).isLessThanOrEqualTo(3);
            volume.sync();
            long used = volume.df("Data", "used");
            var files = IntStream.range(0, STREAMS).mapToObj(i -> volume.mount.resolve("stream-" + i)).toList();
            files.parallelStream().forEach(file -> write(file, 4096, MEBIBYTES));
            for (var file : files) {
                // Without room every second block would begin a new one: 8192 of 32 MiB.
                assertThat(extents(file)).as("extents of %s", file).isLessThanOrEqualTo(48 + MEBIBYTES / 8);
                assertThat(TestVolume.shell("stat -c %b '" + file + "'").orFail().out().trim()).isEqualTo(String.valueOf(MEBIBYTES * 2048L));
            }
            volume.sync();
            assertThat(volume.df("Data", "used") - used).isEqualTo(STREAMS * MEBIBYTES * 256L);
            // Between what others have left, and what is in hand when the refill comes.
            var afterwards = volume.mount.resolve("afterwards");
            write(afterwards, 1 << 20, MEBIBYTES);
            assertThat(extents(afterwards)).isLessThanOrEqualTo(Math.max(3, MEBIBYTES / 32));
            // A node that dies in the middle of it all leaves no block behind.
            var halfway = volume.mount.resolve("halfway");
            write(halfway, 4096, 3);
            volume.sync();
            volume.kill(volume.pid());
            volume.up();
            assertThat(extents(halfway)).isLessThan(16);
            volume.down();
            TestVolume.cairn("check", "--state", volume.state.toString()).orFail();
        }
    }

    @Test
    void regions_written_in_any_order_are_one_piece_each() throws IOException {
        try (var scratch = new Scratch()) {
            var meta = scratch.file("meta", 256 << 20);
            var data = scratch.file("data", 256 << 20);
            var mount = scratch.folder("mount");
            TestVolume.cairn("mkfs", "-Q0,127.0.0.1," + Scratch.freePort(), meta.toString(), data.toString()).orFail();
            TestVolume.cairn("mount", "-o", "metadev_path=" + meta + ",quorum_slot_nr=0,state=" + scratch.dir.resolve("state")
                    + ",data_prealloc_blocks=256,data_prealloc_contig_only=0", data.toString(), mount.toString()).orFail();
            var file = mount.resolve("random");
            var parts = new ArrayList<>(IntStream.range(0, 1024).boxed().toList());
            Collections.shuffle(parts, new Random(7));
            try (var to = new RandomAccessFile(file.toFile(), "rw"); var other = new RandomAccessFile(mount.resolve("other").toFile(), "rw")) {
                for (int part : parts) {
                    to.seek(part * 4096L);
                    to.write(new byte[4096]);
                    other.seek(part * 4096L);
                    other.write(new byte[4096]);
                }
            }
            assertThat(extents(file)).isLessThanOrEqualTo(8);
            assertThat(extents(mount.resolve("other"))).isLessThanOrEqualTo(8);
            TestVolume.cairn("umount", mount.toString()).orFail();
        }
    }

    private static void write(Path file, int each, int mebibytes) {
        try (var to = new RandomAccessFile(file.toFile(), "rw")) {
            var part = new byte[each];
            for (long left = (long) mebibytes << 20; left > 0; left -= each) to.write(part);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long extents(Path file) {
        return TestVolume.cairn("fiemap", file.toString()).orFail().out().lines().filter(line -> !line.startsWith("#")).count();
    }
}
