package dev.cairn.node.cli;

import dev.cairn.proto.StatMore;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "stat",
        description = {"Prints what Cairn knows about a file beyond stat(1).", "",
            "meta_seq and data_seq are its positions in the two indexes, data_version counts changes of its contents,",
            "online and offline blocks (4 KiB each) are those on this volume and those only in the archive."})
final class StatCommand extends VolumeCommand {
    @Option(names = "-s", paramLabel = "FIELD", description = "Print the value of this field only.")
    String field;

    @Parameters(paramLabel = "FILE", description = "Any file or directory on a mounted volume.")
    Path file;

    @Override
    public Integer call() {
        var reply = ask(environment().absolute(file), request -> request.setStatMore(StatMore.getDefaultInstance())).getStatMore();
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("ino", Long.toUnsignedString(reply.getIno()));
        fields.put("meta_seq", Long.toUnsignedString(reply.getMetaSeq()));
        fields.put("data_seq", Long.toUnsignedString(reply.getDataSeq()));
        fields.put("data_version", Long.toUnsignedString(reply.getDataVersion()));
        fields.put("online_blocks", Long.toUnsignedString(reply.getOnlineBlocks()));
        fields.put("offline_blocks", Long.toUnsignedString(reply.getOfflineBlocks()));
        fields.put("crtime", "%d.%09d".formatted(reply.getCrtimeSec(), reply.getCrtimeNsec()));
        if (field != null) {
            if (!fields.containsKey(field)) throw usage("unknown field '" + field + "': want one of " + String.join(", ", fields.keySet()));
            fields.keySet().retainAll(java.util.Set.of(field));
        }
        if (json) json(fields);
        else if (field != null) print("%s", fields.get(field));
        else fields.forEach((name, value) -> print("%-17s %s", name, value));
        return Cairn.OK;
    }
}
