package dev.cairn.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class ScratchDevicesTest {
    private static final long BYTES = 32L << 20;

    @Test
    void they_are_a_volume_s_devices_as_others_are() throws DeviceException {
        try (var devices = ScratchDevices.open(BYTES, BYTES); var arena = Arena.ofConfined()) {
            assertThat(devices.label().metadata().blocks() * devices.metadata().blockBytes()).isEqualTo(BYTES);
            assertThat(devices.label().data().blocks() * devices.data().blockBytes()).isEqualTo(BYTES);
            var written = arena.allocate(4096);
            written.fill((byte) 7);
            devices.data().write(BYTES - 4096, written);
            devices.data().flush();
            var read = arena.allocate(4096);
            devices.data().read(BYTES - 4096, read);
            assertThat(read.mismatch(written)).isEqualTo(-1);
            devices.data().discard(new Extent(BYTES / 4096 - 1, 1));
            devices.data().read(BYTES - 4096, read);
            assertThat(read.mismatch(arena.allocate(4096))).as("a discarded block reads as zeros here").isEqualTo(-1);
        }
    }

    @Test
    void each_volume_is_its_own() throws DeviceException {
        try (var one = ScratchDevices.open(BYTES, BYTES); var other = ScratchDevices.open(BYTES, BYTES)) {
            assertThat(one.label().fsid()).isNotEqualTo(other.label().fsid());
        }
    }

    @Test
    void what_is_too_small_for_a_volume_is_refused_in_words() {
        assertThatThrownBy(() -> ScratchDevices.open(1 << 20, BYTES)).isInstanceOf(DeviceException.class).hasMessageContaining("too small");
    }
}
