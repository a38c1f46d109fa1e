package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/// Eight processes at random on a volume that is nearly full, of data and of metadata: see `nearly_full.py` for what each
/// of their calls may answer. What they leave is sound, and gone when it is deleted.
class NearlyFullTest {
    private static final boolean LONG = System.getProperty("cairn.long") != null;
    private static final int SECONDS = LONG ? 600 : 8;
    /// Of metadata more than a refill of the mount, which is 1800 files here: with less the mount may take what is left, and
    /// everything is refused from the first moment on.
    private static final int DATA_SLACK_MIB = 8, METADATA_SLACK_FILES = 5500;

    @Test
    void nothing_hangs_or_fails_that_should_not_and_every_count_is_right() throws Exception {
        long seed = Long.getLong("cairn.seed", System.nanoTime() % 1_000_000);
        try (var volume = TestVolume.create("64M", "256M")) {
            long before = volume.df("Data", "free");
            var ran = TestVolume.python(Duration.ofSeconds(SECONDS + 180), "nearly_full.py", volume.mount, SECONDS, seed, DATA_SLACK_MIB,
                    METADATA_SLACK_FILES);
            System.err.println("nearly full: seed " + seed + ", " + ran.out());
            ran.orFail();
            TestVolume.cairn("check", volume.mount.toString()).orFail();
            TestVolume.shell("rm -rf '" + volume.mount + "'/*").orFail();
            volume.sync();
            Awaitility.await().atMost(Duration.ofSeconds(20)).untilAsserted(() -> assertThat(volume.df("Data", "free")).isEqualTo(before));
            volume.down();
            TestVolume.cairn("check", "--state", volume.state.toString()).orFail();
        }
    }
}
