package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/// `write`, `fallocate`, `mknod`, `mkdir`, `symlink`, `link`, `setxattr`, O_TMPFILE and what only changes or frees, just before,
/// at and after either edge of a volume: see `edges.py`.
class EdgeTest {
    private static void at(String edge) throws Exception {
        try (var volume = TestVolume.create("64M", "64M")) {
            var ran = TestVolume.python(Duration.ofMinutes(3), "edges.py", volume.mount, edge).orFail();
            assertThat(ran.out()).contains("refused: write", "refused: fallocate", "works: unlink", "works again: write");
            TestVolume.cairn("check", volume.mount.toString()).orFail();
        }
    }

    @Test
    void everything_at_the_edge_of_the_metadata() throws Exception {
        at("metadata");
    }

    @Test
    void everything_at_the_edge_of_the_data() throws Exception {
        at("data");
    }
}
