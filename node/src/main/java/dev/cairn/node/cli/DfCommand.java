package dev.cairn.node.cli;

import dev.cairn.node.Bytes;
import dev.cairn.proto.Space;
import dev.cairn.proto.StatVolume;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "df",
        description = {"Prints the space of a mounted volume, metadata and data separately.", "",
            "Free is what files can still take: the reserve that deleting needs is not in it, so that 0 free and",
            "'no space left' come together. Held is in the hands of other mounts and of merges. Total is the sum of",
            "used, free, reserved and held; Use%% is what is not free of it."})
final class DfCommand extends VolumeCommand.AtPath {
    @Option(names = {"-h", "--human"}, description = "Print sizes with a unit instead of blocks.")
    boolean human;

    @Parameters(arity = "0..1", paramLabel = "DIR", description = "The mount; or see --path.")
    Path dir;

    @Override
    public Integer call() {
        var volume = ask(mount(dir), request -> request.setStatVolume(StatVolume.getDefaultInstance())).getStatVolume();
        var metadata = volume.getSpace().getMetadata();
        var data = volume.getSpace().getData();
        if (json) {
            var all = new LinkedHashMap<String, Object>();
            all.put("fsid", "%016x".formatted(volume.getFsid()));
            all.put("rid", "%016x".formatted(volume.getRid()));
            all.put("committed_seq", Long.toUnsignedString(volume.getCommittedSeq()));
            all.put("inodes", volume.getSpace().getInodeCount());
            all.put("rows", List.of(fields("MetaData", metadata), fields("Data", data)));
            json(all);
            return Cairn.OK;
        }
        var rows = List.of(
                new String[] {"Type", "Size", "Total", "Used", "Free", "Use%", "Reserved", "Held"},
                row("MetaData", metadata),
                row("Data", data));
        var widths = new int[rows.getFirst().length];
        for (var row : rows)
            for (int i = 0; i < row.length; i++) widths[i] = Math.max(widths[i], row[i].length());
        for (var row : rows) {
            var line = new StringBuilder();
            for (int i = 0; i < row.length; i++) {
                var cell = row[i];
                var pad = " ".repeat(widths[i] - cell.length());
                line.append(i == 0 ? cell + pad : "  " + pad + cell);
            }
            print("%s", line);
        }
        return Cairn.OK;
    }

    private String[] row(String type, Space space) {
        return new String[] {type, Bytes.exact(space.getBlockBytes()) + "B", amount(space, space.getTotal()), amount(space, space.getUsed()),
                amount(space, space.getFree()), percent(space.getTotal() - space.getFree(), space.getTotal()) + "%",
            amount(space, space.getReserved()), amount(space, space.getHeld())};
    }

    private String amount(Space space, long blocks) {
        return human ? Bytes.human(blocks * space.getBlockBytes()) : Long.toString(blocks);
    }

    // Rounded up, as df(1) does: 100 % only when nothing is free, 0 % only when nothing is used.
    private static long percent(long used, long total) {
        if (total == 0) return 0;
        long percent = (long) Math.ceil(100.0 * used / total);
        return used < total ? Math.min(percent, 99) : 100;
    }

    private static Map<String, Object> fields(String type, Space space) {
        var fields = new LinkedHashMap<String, Object>();
        fields.put("type", type);
        fields.put("block_bytes", space.getBlockBytes());
        fields.put("total", space.getTotal());
        fields.put("used", space.getUsed());
        fields.put("free", space.getFree());
        fields.put("reserved", space.getReserved());
        fields.put("held", space.getHeld());
        return fields;
    }
}
