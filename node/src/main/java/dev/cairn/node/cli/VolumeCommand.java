package dev.cairn.node.cli;

import dev.cairn.node.MountTable;
import dev.cairn.proto.AdminReply;
import dev.cairn.proto.AdminRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import picocli.CommandLine.Option;

/// A command that asks a mounted volume something.
abstract class VolumeCommand extends Cairn.Subcommand {
    private static final int PROTOCOL = 1;
    private static final int EPERM = 1, ENOENT = 2, EIO = 5, ENOTTY = 25, ESTALE = 116;

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    AdminReply ask(Path path, Consumer<AdminRequest.Builder> body) {
        var request = AdminRequest.newBuilder().setProtocol(PROTOCOL);
        body.accept(request);
        if (!Files.exists(path)) throw new CommandFailure(path + ": no such file or directory" + deadMount(path));
        AdminReply reply;
        try {
            reply = environment().volume().call(path, request.build());
        } catch (IOException e) {
            throw new CommandFailure(path + " is not on a mounted Cairn volume (" + e.getMessage() + "); 'cairn status' shows what is mounted", e);
        }
        if (reply.getErrno() == 0) return reply;
        throw new CommandFailure(path + ": " + switch (reply.getErrno()) {
            case EPERM -> "not permitted, this needs root (CAP_DAC_READ_SEARCH)";
            case ENOENT -> "no such file or directory";
            case EIO -> "input/output error, the node's log says which device and block";
            case ENOTTY -> "not on a mounted Cairn volume; 'cairn status' shows what is mounted";
            case ESTALE -> "no such inode: it was never made, or has been deleted";
            default -> "error " + reply.getErrno();
        } + (reply.getWhy().isEmpty() || reply.getErrno() == ESTALE ? "" : ": " + reply.getWhy()));
    }

    // A mount whose node has died looks like a missing file to everybody.
    private static String deadMount(Path path) {
        var table = MountTable.read();
        for (Path at = path; at != null; at = at.getParent())
            if (table.cairnAt(at)) return "; " + at + " was left behind by a node that has ended: 'cairn up " + at + "' mounts it again";
        return "";
    }

    /// The mount to ask: as an argument, by -p, by the environment, or the current directory, in this order.
    abstract static class AtPath extends VolumeCommand {
        @Option(names = {"-p", "--path"}, paramLabel = "DIR",
                description = "Any directory of the mount. Default: $CAIRN_MOUNT_PATH, then the current directory.")
        Path option;

        Path mount(Path argument) {
            if (argument != null && option != null) throw usage("the mount is given twice, as " + argument + " and with -p as " + option);
            if (argument != null) return environment().absolute(argument);
            if (option != null) return environment().absolute(option);
            var variable = environment().variables().get("CAIRN_MOUNT_PATH");
            return variable == null || variable.isEmpty() ? environment().cwd() : environment().absolute(Path.of(variable));
        }
    }
}
