package dev.cairn.node.cli;

import dev.cairn.node.NodeConfig;
import dev.cairn.node.StateDirectory;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "down",
        description = {"Unmounts a volume, commits everything, and stops its node.", "",
            "Refused while somebody uses the mount. The volume stays; 'up' brings it back."})
final class DownCommand extends StateCommand {
    @Option(names = "--timeout", paramLabel = "SECONDS", defaultValue = "60",
            description = "How long to wait before giving up. Default: ${DEFAULT-VALUE}.")
    int timeoutSeconds;

    @Option(names = {"-l", "--lazy"},
            description = "Take the mount away even while it is used: who has files open there gets errors from now on.")
    boolean lazy;

    @Override
    public Integer call() throws IOException {
        if (timeoutSeconds < 1) throw usage("--timeout is " + timeoutSeconds + ": want at least 1");
        var state = state();
        if (!state.exists()) throw new CommandFailure("there is no volume in " + state.dir(), null, Cairn.NOT_RUNNING);
        var mounts = NodeConfig.load(state.config()).mounts().stream().map(NodeConfig.Mount::dir).toList();
        if (!state.nodeAlive()) {
            for (var mount : mounts)
                if (StaleMounts.detach(mount, progress())) print("removed the dead mount at %s", mount);
            print("not running");
            return Cairn.OK;
        }
        var within = Duration.ofSeconds(timeoutSeconds);
        Optional<String> lost;
        try {
            lost = stop(state, mounts, within);
        } catch (SocketTimeoutException e) {
            throw notInTime(state);
        }
        if (!progress().await(within, () -> "waiting for the node to end", () -> !state.nodeAlive())) throw notInTime(state);
        if (lost.isPresent()) throw new CommandFailure("the node has stopped, " + lost.get());
        print("stopped; everything is committed");
        return Cairn.OK;
    }

    private Optional<String> stop(StateDirectory state, List<java.nio.file.Path> mounts, Duration within) throws IOException {
        // A node that has only just been started does not take orders yet.
        progress().await(within, () -> "waiting for the node to finish starting", () -> state.running().isPresent() || !state.nodeAlive());
        var running = state.running();
        if (running.isEmpty()) {
            if (state.nodeAlive()) throw notInTime(state);
            return Optional.empty();
        }
        try {
            return new NodePort(running.get()).stop(lazy, within);
        } catch (CommandFailure refused) {
            var users = mounts.stream().flatMap(mount -> MountUsers.of(mount).stream()).distinct().limit(5).toList();
            throw users.isEmpty() ? refused : new CommandFailure(refused.getMessage() + "; in use by " + String.join(", ", users)
                    + ": end these first, or take the mount away with --lazy", refused);
        }
    }

    private static CommandFailure notInTime(StateDirectory state) {
        var pid = state.running().map(node -> "kill -9 " + node.pid() + " is safe: nothing that was synced is lost").orElse("its log says why");
        return new CommandFailure("the node is still stopping, see " + state.log() + "; wait with 'cairn down', or " + pid);
    }
}
