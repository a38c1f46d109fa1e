package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/// A mounted volume grows, as an operator does it.
class ResizeTest {
    private static final long MIB = 1 << 20;

    private static void enlarge(Path device, long bytes) throws Exception {
        try (var file = new RandomAccessFile(device.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }

    private static int write(String mount) {
        return TestVolume.run(Duration.ofSeconds(30), Map.of(), "dd", "if=/dev/zero", "of=" + mount + "/big", "bs=1M", "count=80").code();
    }

    @Test
    void a_full_volume_goes_on_after_growing_and_remembers_it_after_a_kill() throws Exception {
        try (var volume = TestVolume.create("256M", "64M")) {
            var mount = volume.mount.toString();
            for (var wrong : new String[][] {{"-d", "32M", "can only grow"}, {"-m", "300M", "enlarge"}, {"-d", "1T", "enlarge"}}) {
                var refused = TestVolume.cairn("resize", wrong[0], wrong[1], mount);
                assertThat(refused.code()).isEqualTo(1);
                assertThat(refused.err()).contains(wrong[2]);
            }
            assertThat(TestVolume.cairn("resize", mount).orFail().out()).contains("as before");
            assertThat(write(mount)).isNotZero();

            enlarge(volume.state.resolve("data.img"), 128 * MIB);
            enlarge(volume.state.resolve("meta.img"), 320 * MIB);
            TestVolume.cairn("resize", "-d", "100M", mount).orFail();
            Awaitility.await().atMost(Duration.ofSeconds(5)).untilAsserted(() -> assertThat(volume.df("Data", "total")).isEqualTo(25_600));
            assertThat(volume.df("MetaData", "total")).isEqualTo(4096);
            Awaitility.await().atMost(Duration.ofSeconds(5)).until(() -> write(mount) == 0);
            volume.sync();
            TestVolume.cairn("resize", mount).orFail();
            Awaitility.await().atMost(Duration.ofSeconds(5)).untilAsserted(() -> assertThat(volume.df("MetaData", "total")).isEqualTo(5120));

            volume.kill(volume.pid());
            volume.up();
            assertThat(volume.df("MetaData", "total")).isEqualTo(5120);
            assertThat(volume.df("Data", "total")).isEqualTo(32_768);
            assertThat(volume.mount.resolve("big").toFile().length()).isEqualTo(80 * MIB);
        }
    }
}
