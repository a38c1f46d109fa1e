package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class WarmUpTest {
    private static boolean runs(String thread) {
        return Thread.getAllStackTraces().keySet().stream().anyMatch(one -> one.getName().startsWith(thread));
    }

    private static long memoryFiles() throws IOException {
        try (var files = Files.list(Path.of("/proc/self/fd"))) {
            return files.filter(file -> {
                try {
                    return Files.readSymbolicLink(file).toString().contains("cairn-scratch");
                } catch (IOException _) {
                    return false;   // closed meanwhile
                }
            }).count();
        }
    }

    private static void awaitNothingLeft() {
        Awaitility.await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> {
            assertThat(memoryFiles()).isZero();
            for (var thread : new String[] {"cairn-scratch", "cairn-warm-up", "cairn-fuse", "cairn-io", "cairn-merge", "cairn-discard", "cairn-soon"})
                assertThat(runs(thread)).as(thread).isFalse();
        });
    }

    @Test
    void a_day_s_work_is_done_and_leaves_nothing() throws IOException {
        WarmUp.once();
        awaitNothingLeft();
    }

    @Test
    void it_rests_while_the_mount_has_work_and_ends_with_the_node() throws IOException {
        var requests = new AtomicLong();
        var end = new CompletableFuture<Void>();
        // Ever more requests, each time it looks.
        WarmUp.start(() -> requests.addAndGet(1000), end);
        Awaitility.await().atMost(Duration.ofSeconds(30)).until(() -> stack("cairn-warm-up").contains("rest"));
        assertThat(memoryFiles()).isPositive();
        end.complete(null);
        awaitNothingLeft();
    }

    private static String stack(String thread) {
        var text = new StringBuilder();
        Thread.getAllStackTraces().forEach((one, frames) -> {
            if (one.getName().equals(thread)) for (var frame : frames) text.append(frame.getMethodName()).append('\n');
        });
        return text.toString();
    }
}
