package dev.cairn.node.cli;

import dev.cairn.node.MountTable;
import dev.cairn.node.NodeConfig;
import dev.cairn.node.ThisUser;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "umount",
        description = {"Unmounts a directory and waits until everything is committed.", "",
            "A node that 'cairn mount' started ends; one of 'cairn up' or 'cairn node' goes on without the mount."})
final class UmountCommand extends Cairn.Subcommand {
    @Option(names = "--timeout", paramLabel = "SECONDS", defaultValue = "60", description = "How long to wait. Default: ${DEFAULT-VALUE}.")
    int timeoutSeconds;

    @Option(names = {"-l", "--lazy"},
            description = "Take the mount away even while it is used: who has files open there gets errors from now on.")
    boolean lazy;

    @Parameters(paramLabel = "DIR", description = "The mount point.")
    Path dirArgument;

    @Override
    public Integer call() throws IOException {
        if (timeoutSeconds < 1) throw usage("--timeout is " + timeoutSeconds + ": want at least 1");
        var dir = environment().absolute(dirArgument);
        var within = Duration.ofSeconds(timeoutSeconds);
        var node = NodePort.serving(environment(), dir);
        if (node.isEmpty()) {
            if (StaleMounts.detach(dir, progress())) return Cairn.OK;
            if (!MountTable.read().cairnAt(dir)) throw new CommandFailure(dir + " is not a Cairn mount");
            if (!ThisUser.isRoot()) throw new CommandFailure(dir + " is served by a node of another user: unmount it as that user");
            // Its node sees that the mount has gone, and commits.
            StaleMounts.takeAway(dir, lazy, progress());
            return Cairn.OK;
        }
        var running = node.get().running().orElseThrow(() -> new CommandFailure("the node of " + dir + " has just ended; try again"));
        Optional<String> lost;
        try {
            lost = new NodePort(running).unmount(dir, lazy, within);
        } catch (SocketTimeoutException e) {
            throw new CommandFailure(dir + " is still being unmounted, see " + node.get().log(), e);
        } catch (CommandFailure refused) {
            var users = MountUsers.of(dir).stream().limit(5).toList();
            throw users.isEmpty() ? refused : new CommandFailure(refused.getMessage() + "; in use by " + String.join(", ", users)
                    + ": end these first, or take the mount away with --lazy", refused);
        }
        boolean ends = NodeConfig.load(node.get().config()).stopWhenUnmounted();
        if (ends && !progress().await(within, () -> "waiting for the node to end", () -> !node.get().nodeAlive()))
            throw new CommandFailure(lost.orElse(dir + " is unmounted and committed") + "; its node is still stopping, see " + node.get().log());
        if (lost.isPresent()) throw new CommandFailure(lost.get());
        return Cairn.OK;
    }
}
