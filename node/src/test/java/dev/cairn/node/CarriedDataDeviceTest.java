package dev.cairn.node;

import dev.cairn.block.FormatRequest;
import dev.cairn.block.QuorumSlot;
import dev.cairn.block.VolumeDevices;
import dev.cairn.block.VolumeFormat;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class CarriedDataDeviceTest {
    private static final long MIB = 1 << 20;

    @TempDir Path dir;

    @Test
    void data_behind_the_end_that_the_labels_know_makes_them_follow_as_far_as_the_device_goes() throws IOException {
        Path meta = sparse("meta", 64 * MIB), data = sparse("data", 64 * MIB);
        VolumeFormat.format(new FormatRequest(meta, data, OptionalLong.empty(), OptionalLong.empty(),
                List.of(new QuorumSlot(0, "127.0.0.1", 12345)), 0, 0, 0, false, false));
        sparse("data", 128 * MIB);
        try (var devices = VolumeDevices.open(meta, data)) {
            var carried = new CarriedDataDevice(devices);
            carried.write(100 * MIB, new byte[] {7});
            carried.flush();
            assertThatThrownBy(() -> carried.write(128 * MIB, new byte[4096])).isInstanceOf(UncheckedIOException.class)
                    .hasMessageContaining(data.toString());
        }
        try (var devices = VolumeDevices.open(meta, data); var arena = Arena.ofConfined()) {
            var block = arena.allocate(4096, 4096);
            devices.data().read(100 * MIB, block);
            assertThat(block.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 7);
        }
    }

    private Path sparse(String name, long bytes) throws IOException {
        var path = dir.resolve(name);
        try (var file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return path;
    }
}
