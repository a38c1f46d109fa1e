package dev.cairn.node.cli;

import dev.cairn.block.DeviceException;
import dev.cairn.block.LocalDevice;
import dev.cairn.block.VolumeDevices;
import dev.cairn.node.MountTable;
import dev.cairn.node.NodeConfig;
import dev.cairn.node.NodeRunner;
import dev.cairn.node.StateDirectory;
import dev.cairn.node.ThisUser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "mount",
        description = {"Mounts a volume: starts a node for it in the background and waits until the mount is usable.", "",
            "The node ends with the mount, by 'cairn umount DIR' or umount(8).", "",
            "Options:",
            // Lines of 80 columns at most: picocli breaks longer ones without regard to the second column.
            "  metadev_path=META     the metadata device (required)",
            "  quorum_slot_nr=NR     the quorum slot that this machine takes; default: none",
            "  state=STATE           where the node keeps its journal and log; default: a",
            "                        directory named by the fsid in /var/lib/cairn, for",
            "                        other users than root in their data directory",
            "  http=[ADDR:]PORT      where metrics and health are served; default:",
            "                        127.0.0.1 and any free port",
            "  cache=SIZE            of the item cache; default: a quarter of the heap",
            "  log=LEVEL             error, warn, info, debug or trace; default: info",
            "  transport=KIND        auto, dev-fuse or io-uring: how requests travel between",
            "                        the kernel and the node; default: auto",
            "  cpu_latency=HOW       auto, off or microseconds (20us): how soon idle CPUs",
            "                        are to wake while requests come in a stream; auto: at",
            "                        once on small virtual machines that would halt",
            "  ro, rw                refuse changes, or not; default: rw",
            "  allow_other, noallow_other",
            "                        other users may use the mount, or not; root's",
            "                        default: allow_other",
            "  acl, noacl            POSIX ACLs count and can be set, or modes alone do;",
            "                        default: acl",
            "  data_prealloc_blocks=N",
            "                        most room, in blocks of 4 KiB, kept for a file that",
            "                        grows; default: 2048",
            "  data_prealloc_contig_only=0|1",
            "                        only for files written from the start on; default: 1",
            "  parallel_direct_writes",
            "                        threads may write one file directly (O_DIRECT) at the",
            "                        same time; costs a message at each open of any file.",
            "                        Asynchronous writes (libaio, io_uring) always may",
            "  nosuid, nodev, noexec, nosymfollow, noatime, nodiratime",
            "                        as in mount(8), default: relatime; what else fstab",
            "                        says to mount(8) is accepted, but for strictatime",
            "  dirsync, sync         what changes names, or everything, is durable before it",
            "                        returns; default: what is not synced may be lost for",
            "                        a few seconds by a crash", "",
            "Where Cairn is installed (deploy/install), mount(8), umount(8) and fstab do the",
            "same: type fuse.cairn, DATA as the device, these options."})
final class MountCommand extends Cairn.Subcommand {
    @Option(names = "-o", required = true, paramLabel = "OPTIONS", description = "Names and name=value, separated by commas.")
    List<String> options;

    @Option(names = {"-f", "--foreground"}, description = "Stay in the foreground until unmounted.")
    boolean foreground;

    @Parameters(index = "0", paramLabel = "DATA", description = "Data device.")
    Path dataArgument;

    @Parameters(index = "1", paramLabel = "DIR", description = "Where to mount; an existing directory.")
    Path dirArgument;

    @Override
    public Integer call() throws IOException {
        MountOptions parsed;
        NodeConfig.Volume volume;
        try {
            parsed = MountOptions.parse(options, environment());
            volume = new NodeConfig.Volume(parsed.metaDevice(), environment().absolute(dataArgument));
        } catch (IllegalArgumentException | NodeConfig.Invalid e) {
            throw usage(e.getMessage());
        }
        var dir = environment().absolute(dirArgument);
        StaleMounts.detach(dir, progress());
        if (!Files.isDirectory(dir)) throw new CommandFailure(dir + " is not a directory: make it first");
        MountTable.read().at(dir).ifPresent(other -> {
            throw new CommandFailure(dir + " is the mount point of " + other.source() + " (" + other.type() + ") already");
        });
        // Looked at here although the node opens them again: what is wrong with a device belongs on this terminal.
        var fsid = fsid(volume);
        var state = new StateDirectory(parsed.state().orElseGet(() -> defaultState(fsid)));
        state.create();
        if (state.nodeAlive()) throw new CommandFailure("a node runs with the state in " + state.dir() + " already: 'cairn status --state " + state.dir() + "' says what it does");
        var config = new NodeConfig(state.dir(), parsed.slot(), volume,
                List.of(new NodeConfig.Mount(dir, parsed.readOnly(), parsed.allowOther(), parsed.acl(), parsed.parallelDirectWrites(), parsed.transport(),
                        parsed.cpuLatency(), parsed.preallocation(), parsed.flags())), parsed.http(), true,
                parsed.cacheBytes(), parsed.logLevel());
        var fresh = state.dir().resolve("node.conf.new");
        Files.writeString(fresh, config.toHocon());
        Files.move(fresh, state.config(), StandardCopyOption.ATOMIC_MOVE);
        if (foreground) return NodeRunner.run(config, environment().variables(), false);
        new NodeProcess(environment(), state, progress()).start();
        return Cairn.OK;
    }

    private static String fsid(NodeConfig.Volume volume) {
        try (var devices = VolumeDevices.open(volume.meta(), volume.data(), LocalDevice.Mode.READ_ONLY)) {
            return devices.label().fsidText();
        } catch (DeviceException e) {
            throw new CommandFailure(e.getMessage(), e);
        }
    }

    private Path defaultState(String fsid) {
        return ThisUser.isRoot() ? Path.of("/var/lib/cairn", fsid)
                : environment().defaultState().resolve(fsid);
    }
}
