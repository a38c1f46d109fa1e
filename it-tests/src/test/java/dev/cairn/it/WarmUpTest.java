package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A node that works for nobody after its start, as every node does that is not one of a test.
@Timeout(300)
class WarmUpTest {
    private static TestVolume.Ran up(TestVolume volume) {
        return TestVolume.run(Duration.ofSeconds(90), Map.of("CAIRN_WARM_UP", ""), TestVolume.launcher(), "up", "--state", volume.state.toString(),
                volume.mount.toString()).orFail();
    }

    /// CPUs that threads of rings are kept on; not that of the thread for CPUs which are not there.
    private static Set<String> pinnedTo(TestVolume volume) {
        return TestVolume.shell("cd /proc/%d/task; for t in $(grep -l '^cairn-fuse-ring' */comm); do grep Cpus_allowed_list ${t%%/*}/status | cut -f2; done"
                .formatted(volume.pid())).orFail().out().lines().filter(cpus -> cpus.matches("\\d+")).collect(Collectors.toSet());
    }

    private static boolean logSays(TestVolume volume, String what) throws IOException {
        try (var lines = Files.lines(volume.state.resolve("node.log"))) {
            return lines.anyMatch(line -> line.contains(what));
        }
    }

    @Test
    void it_shows_in_the_log_and_nowhere_in_the_volume() throws Exception {
        try (var volume = TestVolume.create("256M", "256M")) {
            volume.down();
            if (RingSwitch.canBeOn()) RingSwitch.on(() -> up(volume));
            else up(volume);
            long free = volume.df("Data", "free");
            var inodes = volume.walkInodes("meta_seq");
            Scratch.await(Duration.ofMinutes(2), "the end of warming up", () -> logSays(volume, "warmed up in"));
            assertThat(volume.df("Data", "free")).isEqualTo(free);
            assertThat(volume.walkInodes("meta_seq")).isEqualTo(inodes);
            try (var names = Files.list(volume.mount)) {
                assertThat(names).isEmpty();
            }
            var fds = TestVolume.shell("ls -l /proc/%d/fd; grep -c cairn-scratch /proc/%d/task/*/comm || true".formatted(volume.pid(), volume.pid())).orFail().out();
            assertThat(fds).doesNotContain("memfd:cairn-scratch").doesNotContainPattern("comm:[1-9]").doesNotContain("warm-up");
            assertThat(volume.state.resolve("warm-up")).doesNotExist();
            // Its own mount, over /dev/fuse, has places for its readers; those of the real one's threads are not its business.
            if (RingSwitch.canBeOn()) {
                var cpus = TestVolume.shell("nproc").orFail().out().strip();
                assertThat(pinnedTo(volume)).hasSize(Integer.parseInt(cpus));
                assertThat(LargeReadTest.metrics(volume)).containsPattern("(?m)^cairn_fuse_pinned_threads\\{[^}]*} %s(\\.0)?$".formatted(cpus));
            }
            assertThat(Scratch.complaints(volume.state.resolve("node.log"))).isEqualTo(List.of());
        }
    }

    @Test
    void a_node_in_use_and_told_to_stop_meanwhile_loses_nothing() throws Exception {
        try (var volume = TestVolume.create("256M", "256M")) {
            volume.down();
            up(volume);
            for (int i = 0; i < 500; i++) Files.writeString(volume.mount.resolve("file" + i), "text " + i);
            volume.down();
            assertThat(logSays(volume, "warming up")).isTrue();
            volume.up();
            for (int i = 0; i < 500; i++) assertThat(volume.mount.resolve("file" + i)).hasContent("text " + i);
            TestVolume.cairn("check", "--state", volume.state.toString()).orFail();
            assertThat(Scratch.complaints(volume.state.resolve("node.log"))).isEqualTo(List.of());
        }
    }
}
