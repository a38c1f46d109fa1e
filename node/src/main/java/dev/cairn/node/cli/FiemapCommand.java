package dev.cairn.node.cli;

import dev.cairn.proto.MapExtents;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "fiemap",
        description = {"Prints where a file's blocks are: a line for each extent, in blocks of 4 KiB.", "",
            "logical is the place in the file, physical the place on the data device. Flags: U for unwritten (allocated, reads",
            "as zeros), O for offline (the contents are in the archive), L for the file's last extent. What no line covers is",
            "a hole."})
final class FiemapCommand extends VolumeCommand {
    private static final String ROW = "%-6s %16s %16s %12s  %s";

    @Parameters(paramLabel = "FILE", description = "A regular file on a mounted volume.")
    Path file;

    private long rows;

    @Override
    public Integer call() {
        var path = environment().absolute(file);
        if (!json) print(ROW, "#", "logical", "physical", "count", "flags");
        for (long block = 0; ; ) {
            long from = block;
            var reply = ask(path, request -> request.setMapExtents(MapExtents.newBuilder().setFirstBlock(from))).getMapExtents();
            for (int i = 0; i < reply.getRowsCount(); i++) {
                var row = reply.getRows(i);
                boolean last = !reply.getMore() && i == reply.getRowsCount() - 1;
                row(row.getLogical(), row.getPhysical(), row.getCount(),
                        (row.getUnwritten() ? "U" : "") + (row.getOffline() ? "O" : "") + (last ? "L" : ""));
                block = row.getLogical() + row.getCount();
            }
            // Whoever reads may have seen enough.
            if (environment().out().checkError()) return Cairn.FAILED;
            if (!reply.getMore() || block <= from) return Cairn.OK;
        }
    }

    // JSON is one object in each line: a file may have very many.
    private void row(long logical, long physical, long count, String flags) {
        if (!json) {
            print(ROW, rows++, logical, physical, count, flags.isEmpty() ? "-" : flags);
            return;
        }
        var row = new LinkedHashMap<String, Object>();
        row.put("index", rows++);
        row.put("logical", logical);
        row.put("physical", physical);
        row.put("count", count);
        row.put("flags", flags);
        environment().out().println(dev.cairn.node.Json.line(row));
    }
}
