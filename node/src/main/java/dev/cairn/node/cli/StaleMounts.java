package dev.cairn.node.cli;

import dev.cairn.node.MountTable;
import dev.cairn.node.ThisUser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    static boolean detach(Path dir) throws IOException {
        if (!MountTable.read().cairnAt(dir) || !dead(dir)) return false;
        takeAway(dir, true);
        return true;
    }

    /// Whoever serves it; by the kernel alone, without umount(8)'s helper, which would ask this program.
    static void takeAway(Path dir, boolean lazy) throws IOException {
        var command = new ArrayList<>(ThisUser.isRoot() ? List.of("umount", "-i") : List.of("fusermount3", "-u"));
        if (lazy) command.add(ThisUser.isRoot() ? "-l" : "-z");
        command.add(dir.toString());
        var process = new ProcessBuilder(command).redirectErrorStream(true).start();
        var said = new String(process.getInputStream().readAllBytes()).strip();
        try {
            if (process.waitFor() != 0) throw new CommandFailure(dir + " cannot be taken away: " + said);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandFailure("interrupted", e);
        }
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
