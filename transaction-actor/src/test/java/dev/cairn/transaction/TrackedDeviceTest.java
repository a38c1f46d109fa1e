package dev.cairn.transaction;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.proto.DataPatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

class TrackedDeviceTest {
    private boolean readable = true;
    private final ArrayList<String> calls = new ArrayList<>();
    private final BlockDevice device = (BlockDevice) Proxy.newProxyInstance(BlockDevice.class.getClassLoader(),
            new Class<?>[] {BlockDevice.class}, (_, method, arguments) -> {
                switch (method.getName()) {
                    case "write", "writeFresh" -> {}
                    case "blockBytes" -> {
                        return 4096;
                    }
                    case "read" -> {
                        if (!readable) throw new DeviceException("bad block");
                        ((MemorySegment) arguments[1]).fill((byte) 9);
                    }
                    default -> calls.add(method.getName());
                }
                return null;
            });
    private final TrackedDevice tracked = new TrackedDevice(device, true, Runnable::run);

    @Test
    void a_stream_is_sent_on_its_way_before_anybody_flushes() throws Exception {
        write(8, 128 << 10);
        assertThat(calls).isEqualTo(List.of("startWriteBack"));
        assertThat(tracked.flushIfWritten()).isTrue();
        assertThat(tracked.flushIfWritten()).isFalse();
        write(1, 128 << 10);
        assertThat(calls).isEqualTo(List.of("startWriteBack", "flush"));
    }

    @Test
    void small_writes_in_place_are_carried_and_large_ones_are_not() throws Exception {
        write(8, 4096);
        assertThat(tracked.takeRecent(List.of())).hasSize(8);
        assertThat(tracked.takeRecent(List.of())).isEmpty();
        write(9, 4096);
        assertThat(tracked.takeRecent(List.of())).isNull();
        tracked.flush();
        assertThat(tracked.takeRecent(List.of())).isEmpty();
    }

    @Test
    void of_fresh_blocks_those_are_carried_that_a_commit_refers_to() throws Exception {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(64 << 10, 4096).fill((byte) 7);
            for (int i = 0; i < 10; i++) tracked.writeFresh((long) i << 16, buffer);
        }
        write(1, 4096);
        var fresh = List.of(new Extent(3, 2), new Extent(80, 1));
        assertThat(tracked.carries(fresh)).isTrue();
        assertThat(tracked.takeRecent(fresh)).extracting(DataPatch::getByteOffset, patch -> patch.getBytes().size())
                .containsExactly(tuple(0L, 4096), tuple(3 * 4096L, 2 * 4096), tuple(80 * 4096L, 4096));
        assertThat(tracked.takeRecent(List.of(new Extent(16, 1)))).singleElement()
                .satisfies(patch -> assertThat(patch.getBytes().toByteArray()).containsOnly(9));
        write(1, 4096);
        assertThat(tracked.carries(List.of(new Extent(3, 8)))).as("more than a commit may carry").isFalse();
        assertThat(tracked.takeRecent(List.of(new Extent(3, 8)))).isNull();
        assertThat(tracked.takeRecent(null)).isNull();
        assertThat(tracked.takeRecent(List.of())).as("what was written in place waits for the flush").hasSize(1);
    }

    @Test
    void what_cannot_be_read_back_is_flushed() throws Exception {
        try (var arena = Arena.ofConfined()) {
            tracked.writeFresh(4096, arena.allocate(4096, 4096));
        }
        readable = false;
        assertThat(tracked.takeRecent(List.of(new Extent(1, 1)))).isNull();
        assertThat(tracked.flushIfWritten()).isTrue();
    }

    private void write(int times, int bytes) throws Exception {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(bytes, 4096);
            for (int i = 0; i < times; i++) tracked.write((long) i * bytes, buffer);
        }
    }
}
