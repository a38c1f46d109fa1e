package dev.cairn.node.cli;

import dev.cairn.proto.InoPath;
import java.nio.file.Path;
import java.util.ArrayList;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "ino-path",
        description = {"Prints every path of an inode, one in each line, relative to the volume's root.", "",
            "Hard links have several. It costs what the paths cost, not a search of the volume. Needs root."})
final class InoPathCommand extends VolumeCommand.AtPath {
    @Parameters(index = "0", paramLabel = "INO", description = "Inode number, as printed by walk-inodes or ls -i.")
    String ino;

    @Parameters(index = "1", arity = "0..1", paramLabel = "DIR", description = "The mount; or see --path.")
    Path dir;

    @Override
    public Integer call() {
        long number;
        try {
            number = Long.parseUnsignedLong(ino);
        } catch (NumberFormatException e) {
            throw usage("'" + ino + "' is not an inode number");
        }
        var mount = mount(dir);
        var inJson = new ArrayList<String>();
        int found = 0;
        long afterDir = 0, afterPos = 0;
        while (true) {
            var question = InoPath.newBuilder().setIno(number).setAfterDir(afterDir).setAfterPos(afterPos);
            var reply = ask(mount, request -> request.setInoPath(question)).getInoPath();
            if (!reply.getFound()) break;
            // Names are bytes: what is not UTF-8 is printed as it is, except in JSON, which has no way to say it.
            found++;
            if (json) inJson.add(reply.getPath().toStringUtf8());
            else {
                var bytes = reply.getPath().toByteArray();
                environment().out().write(bytes, 0, bytes.length);
                environment().out().write('\n');
            }
            afterDir = reply.getDir();
            afterPos = reply.getPos();
        }
        if (found == 0) throw new CommandFailure("inode " + ino + " has no path: it does not exist, or was deleted");
        if (json) json(inJson);
        return Cairn.OK;
    }
}
