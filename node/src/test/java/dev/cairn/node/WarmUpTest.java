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
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class WarmUpTest {
    @TempDir
    Path state;

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

    private void awaitNothingLeft() {
        Awaitility.await().atMost(Duration.ofSeconds(30)).untilAsserted(() -> {
            assertThat(memoryFiles()).isZero();
            assertThat(state).isEmptyDirectory();
            for (var thread : new String[] {"cairn-scratch", "cairn-warm-up", "cairn-fuse", "cairn-io", "cairn-merge", "cairn-discard", "cairn-soon", "slot-0@"})
                assertThat(runs(thread)).as(thread).isFalse();
        });
    }

    @Test
    void a_day_s_work_is_done_and_leaves_nothing() throws IOException {
        // What one that was killed has left.
        Files.createDirectories(state.resolve("warm-up/raft"));
        Files.writeString(state.resolve("warm-up/raft/front-0"), "no log of this one");
        WarmUp.once(state.resolve("warm-up"));
        awaitNothingLeft();
    }

    @Test
    void it_does_without_a_disk() throws IOException {
        WarmUp.once(null);
        awaitNothingLeft();
    }

    @Test
    void a_scratch_directory_begins_empty_and_follows_no_link() throws IOException {
        var elsewhere = Files.createDirectory(state.resolve("elsewhere"));
        Files.writeString(elsewhere.resolve("kept"), "text");
        var place = Files.createSymbolicLink(state.resolve("warm-up"), elsewhere);
        try (var scratch = new ScratchDirectory(place)) {
            assertThat(scratch.path()).isEmptyDirectory();
            Files.createSymbolicLink(place.resolve("link"), elsewhere);
            Files.writeString(Files.createDirectory(place.resolve("inner")).resolve("file"), "text");
        }
        assertThat(place).doesNotExist();
        assertThat(elsewhere.resolve("kept")).hasContent("text");
        assertThat(ScratchDirectory.isWelcome(place, 0, Long.MAX_VALUE)).isTrue();
        assertThat(ScratchDirectory.isWelcome(place, Long.MAX_VALUE, Long.MAX_VALUE)).isFalse();
        assertThat(ScratchDirectory.isWelcome(place, 0, 0)).isFalse();
        assertThat(ScratchDirectory.isWelcome(state.resolve("none/warm-up"), 0, Long.MAX_VALUE)).isFalse();
        assertThat(state).isDirectoryContaining(file -> file.equals(elsewhere)).isDirectoryNotContaining(file -> !file.equals(elsewhere));
    }

    @Test
    void a_scratch_directory_goes_also_when_others_delete_in_it() throws Exception {
        for (int round = 0; round < 20; round++) {
            var scratch = new ScratchDirectory(state.resolve("warm-up"));
            for (int i = 0; i < 200; i++) Files.createFile(Files.createDirectories(scratch.path().resolve("inner" + i % 10)).resolve("file" + i));
            var other = CompletableFuture.supplyAsync(() -> ScratchDirectory.discard(scratch.path()));
            assertThat(ScratchDirectory.discard(scratch.path())).isTrue();
            assertThat(other.join()).isTrue();
            assertThat(scratch.path()).doesNotExist();
            scratch.close();
        }
    }

    @Test
    void it_rests_while_the_mount_has_work_and_ends_with_the_node() throws IOException {
        var requests = new AtomicLong();
        var end = new CompletableFuture<Void>();
        // Ever more requests, each time it looks.
        WarmUp.start(() -> requests.addAndGet(1000), end, state.resolve("warm-up"));
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
