package dev.cairn.node.cli;

import dev.cairn.node.MountTable;
import dev.cairn.node.ThisUser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// What a killed node leaves behind: a mount point at which every call fails with "transport endpoint is not connected".
final class StaleMounts {
    private StaleMounts() {}

    /// Takes a dead mount away; false when there is none. One that answers is left alone, as is one that does not answer
    /// in time: somebody may be serving it.
    static boolean detach(Path dir, Progress progress) throws IOException {
        if (!MountTable.read().cairnAt(dir) || !dead(dir)) return false;
        takeAway(dir, true, progress);
        return true;
    }

    /// Whoever serves it; by the kernel alone, without umount(8)'s helper, which would ask this program. With millions of
    /// inodes in the kernel's memory it takes a while.
    static void takeAway(Path dir, boolean lazy, Progress progress) throws IOException {
        var command = new ArrayList<>(ThisUser.isRoot() ? List.of("umount", "-i") : List.of("fusermount3", "-u"));
        if (lazy) command.add(ThisUser.isRoot() ? "-l" : "-z");
        command.add(dir.toString());
        var process = new ProcessBuilder(command).redirectErrorStream(true).start();
        progress.await(Duration.ofDays(1), () -> "waiting for the kernel to drop what it remembers of the mount at " + dir, () -> !process.isAlive());
        if (process.isAlive()) throw new CommandFailure(dir + " has not been taken away within a day");
        // One line, which fits into the pipe.
        var said = new String(process.getInputStream().readAllBytes()).strip();
        if (process.exitValue() != 0) throw new CommandFailure(dir + " cannot be taken away: " + said);
    }

    // statfs(2) always asks the file system; attributes might still come from the kernel's memory.
    private static boolean dead(Path dir) {
        var answer = new CompletableFuture<Boolean>();
        Thread.ofPlatform().daemon().start(() -> {
            try {
                answer.complete(Files.getFileStore(dir).getTotalSpace() < 0);
            } catch (IOException notConnected) {
                answer.complete(true);
            }
        });
        try {
            return answer.get(5, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
