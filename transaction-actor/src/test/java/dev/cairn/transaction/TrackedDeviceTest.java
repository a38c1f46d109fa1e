package dev.cairn.transaction;

import dev.cairn.block.BlockDevice;
import java.lang.foreign.Arena;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class TrackedDeviceTest {
    private final ArrayList<String> calls = new ArrayList<>();
    private final BlockDevice device = (BlockDevice) Proxy.newProxyInstance(BlockDevice.class.getClassLoader(),
            new Class<?>[] {BlockDevice.class}, (_, method, _) -> {
                if (!method.getName().equals("write")) calls.add(method.getName());
                return null;
            });
    private final TrackedDevice tracked = new TrackedDevice(device, true, Runnable::run);

    @Test
    void a_stream_is_sent_on_its_way_before_anybody_flushes() throws Exception {
        write(64, 128 << 10);
        assertThat(calls).isEqualTo(java.util.List.of("startWriteBack"));
        assertThat(tracked.flushIfWritten()).isTrue();
        assertThat(tracked.flushIfWritten()).isFalse();
        write(1, 128 << 10);
        assertThat(calls).isEqualTo(java.util.List.of("startWriteBack", "flush"));
    }

    @Test
    void small_writes_are_carried_and_large_ones_are_not() throws Exception {
        write(8, 4096);
        assertThat(tracked.takeRecent()).hasSize(8);
        assertThat(tracked.takeRecent()).isEmpty();
        write(9, 4096);
        assertThat(tracked.takeRecent()).isNull();
        tracked.flush();
        assertThat(tracked.takeRecent()).isEmpty();
    }

    private void write(int times, int bytes) throws Exception {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(bytes, 4096);
            for (int i = 0; i < times; i++) tracked.write((long) i * bytes, buffer);
        }
    }
}
