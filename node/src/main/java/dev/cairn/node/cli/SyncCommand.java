package dev.cairn.node.cli;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "sync",
        description = {"Commits everything that has been written through a mount and waits until it is durable.", "",
            "sync(1) does not reach file systems in user space; this does."})
final class SyncCommand extends Cairn.Subcommand {
    @Parameters(paramLabel = "DIR", description = "The mount, or any directory of it.")
    Path dir;

    @Override
    public Integer call() {
        var path = environment().absolute(dir);
        if (!Files.isDirectory(path)) throw new CommandFailure(path + ": no such directory");
        // fsync of a directory commits the mount's whole transaction.
        try (var channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            throw new CommandFailure(path + " could not be committed: " + e.getMessage() + "; the node's log says why", e);
        }
        return Cairn.OK;
    }
}
