package dev.cairn.node.cli;

import dev.cairn.fuse.Transport;
import dev.cairn.node.Bytes;
import dev.cairn.node.MountTable;
import dev.cairn.node.NodeConfig;
import dev.cairn.node.StateDirectory;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "up",
        description = {"Makes a volume on this machine if there is none, starts its node, mounts it at DIR and waits until it is usable.", "",
            "The volume lives in two sparse files under STATE. Repeated, it does what is still missing. Several volumes",
            "run side by side with a --state of their own."})
final class UpCommand extends StateCommand {
    @Option(names = "--meta-size", paramLabel = "SIZE",
            description = "Size of a new volume's metadata file. Default: an eighth of what is free, at most 64G.")
    String metaSize;

    @Option(names = "--data-size", paramLabel = "SIZE",
            description = "Size of a new volume's data file. Default: three quarters of what is free.")
    String dataSize;

    @Option(names = "--transport", paramLabel = "HOW",
            description = "auto, dev-fuse or io-uring: how requests travel between kernel and node. Remembered. Default: auto.")
    String transportName;

    @Parameters(paramLabel = "DIR", description = "Where to mount; made if it does not exist.")
    Path dirArgument;

    @Override
    public Integer call() throws IOException {
        var dir = environment().absolute(dirArgument);
        var state = state();
        var transport = transport();
        if (dir.startsWith(state.dir()) || state.dir().startsWith(dir))
            throw usage("DIR and STATE lie within each other (" + dir + " and " + state.dir() + ")");
        state.create();
        // Two of these commands at once would both make the volume.
        try (var turnstile = FileChannel.open(state.dir().resolve("up.lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                var _ = turnstile.lock()) {
            if (!state.exists()) new NewVolume(environment(), state).make(metaSize, dataSize, dir);
            else if (metaSize != null || dataSize != null)
                throw usage("there is a volume in " + state.dir() + " already: --meta-size and --data-size are for new ones");
            bringUp(state, dir, transport);
        }
        report(state, dir);
        return Cairn.OK;
    }

    private Transport transport() {
        try {
            return transportName == null ? null : Transport.of(transportName);
        } catch (IllegalArgumentException e) {
            throw usage("--" + e.getMessage());
        }
    }

    /// @param transport null: as it was
    private void bringUp(StateDirectory state, Path dir, Transport transport) throws IOException {
        var process = new NodeProcess(environment(), state, progress());
        var config = NodeConfig.load(state.config());
        if (!state.nodeAlive()) {
            // What a killed node left mounted at another directory would stay for ever: nobody starts there again.
            for (var mount : config.mounts())
                if (!mount.dir().equals(dir)) StaleMounts.detach(mount.dir(), progress());
            prepare(dir);
            remember(state, config, dir, transport);
            process.start();
            return;
        }
        if (transport != null && config.mounts().stream().anyMatch(mount -> mount.transport() != transport))
            throw new CommandFailure("the node runs with another transport; '" + commandLine("down") + "' first");
        process.awaitAnswering();
        var port = new NodePort(state.running().orElseThrow(() -> new CommandFailure("the node has just ended; try again")));
        var served = servedMounts(port);
        if (served.contains(dir)) {
            process.awaitUsable();
            return;
        }
        if (!served.isEmpty()) throw new CommandFailure("the volume of " + state.dir() + " is mounted at " + served.getFirst()
                + "; '" + commandLine("down") + "' first, or give another volume a --state of its own");
        prepare(dir);
        remember(state, config, dir, null);
        port.mount(dir, NodeProcess.USABLE_WITHIN);
        process.awaitUsable();
    }

    /// Without those that the kernel has dropped already and the node is about to notice, after committing.
    private List<Path> servedMounts(NodePort port) throws IOException {
        var seen = new AtomicReference<>(port.servedMounts());
        progress().await(NodeProcess.USABLE_WITHIN, () -> "waiting for the node to finish unmounting " + seen.get().getFirst(), () -> {
            if (seen.get().stream().allMatch(MountTable.read()::cairnAt)) return true;
            try {
                seen.set(port.servedMounts());
            } catch (IOException e) {
                throw new CommandFailure("the node does not answer: " + e.getMessage(), e);
            }
            return false;
        });
        return seen.get();
    }

    private void prepare(Path dir) throws IOException {
        StaleMounts.detach(dir, progress());
        MountTable.read().at(dir).ifPresent(other -> {
            throw new CommandFailure(dir + " is in use as the mount point of " + other.source() + " (" + other.type() + "); choose another directory");
        });
        if (Files.exists(dir) && !Files.isDirectory(dir)) throw new CommandFailure(dir + " is not a directory");
        Files.createDirectories(dir);
    }

    private static void remember(StateDirectory state, NodeConfig config, Path dir, Transport transport) throws IOException {
        var mount = config.mounts().isEmpty() ? new NodeConfig.Mount(dir, false, NodeConfig.ROOT)
                : config.mounts().getFirst().at(dir);
        if (transport != null) mount = mount.over(transport);
        if (config.mounts().equals(List.of(mount))) return;
        var fresh = state.dir().resolve("node.conf.new");
        Files.writeString(fresh, config.withMounts(List.of(mount)).toHocon());
        Files.move(fresh, state.config(), StandardCopyOption.ATOMIC_MOVE);
    }

    private void report(StateDirectory state, Path dir) {
        var running = state.running().orElseThrow(() -> new CommandFailure("the node has just ended: " + state.failure().orElse("see " + state.log())));
        print("mounted at %s", dir);
        print("metrics    http://%s/metrics", running.http());
        print("status     %s", commandLine("status"));
        print("stop       %s", commandLine("down"));
        print("files      %s (volume, log, journal; node pid %d)", state.dir(), running.pid());
    }

    /// Parses an option's size.
    static long size(Cairn.Subcommand command, String option, String text) {
        try {
            return Bytes.parse(text);
        } catch (IllegalArgumentException e) {
            throw command.usage(option + ": " + e.getMessage());
        }
    }
}
