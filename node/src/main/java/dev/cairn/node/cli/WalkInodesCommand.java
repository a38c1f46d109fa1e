package dev.cairn.node.cli;

import dev.cairn.proto.InodeIndex;
import dev.cairn.proto.WalkInodes;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

@Command(name = "walk-inodes",
        description = {"Lists inodes in the order in which they changed.", "",
            "Each inode appears once, at the sequence number (major) of its last change: of anything in meta_seq, of the",
            "contents of regular files in data_seq. A change appears when it has been committed, after seconds or by",
            "'cairn sync'. To follow a volume, walk from the last major seen plus one."})
final class WalkInodesCommand extends VolumeCommand.AtPath {
    private static final int HEADER_EVERY = 25;
    private static final String ROW = "%-20s %-20s %-10s %-20s";

    enum Index { meta_seq, data_seq }

    @Parameters(index = "0", paramLabel = "INDEX", description = "meta_seq or data_seq.")
    Index index;

    @Parameters(index = "1", paramLabel = "FIRST",
            description = "First position: major[.minor[.ino]], where -1 is the greatest number. What is left out is 0.")
    String first;

    @Parameters(index = "2", paramLabel = "LAST", description = "Last position, included. What is left out is the greatest number.")
    String last;

    @Parameters(index = "3", arity = "0..1", paramLabel = "DIR", description = "The mount; or see --path.")
    Path dir;

    /// A place in an index. Numbers are unsigned 64-bit; the minor one is always 0 in these two indexes.
    record Position(long major, int minor, long ino) {
        static Position parse(String text, boolean isLast) {
            var parts = text.split("\\.", -1);
            if (parts.length > 3) throw new IllegalArgumentException("'" + text + "' has too many parts: want major[.minor[.ino]]");
            try {
                return new Position(part(parts, 0, 0), (int) minor(parts, isLast), part(parts, 2, isLast ? -1 : 0));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("'" + text + "' is not a position: want major[.minor[.ino]] in numbers, or -1 for the greatest");
            }
        }

        private static long part(String[] parts, int at, long otherwise) {
            if (at >= parts.length) return otherwise;
            if (parts[at].equals("max") || parts[at].equals("-1")) return -1;
            if (parts[at].startsWith("+") || parts[at].startsWith("-")) throw new NumberFormatException();
            return parts[at].startsWith("0x") ? Long.parseUnsignedLong(parts[at].substring(2), 16) : Long.parseUnsignedLong(parts[at]);
        }

        private static long minor(String[] parts, boolean isLast) {
            long minor = part(parts, 1, isLast ? -1 : 0);
            if (minor != -1 && (minor < 0 || minor > 0xffff_ffffL)) throw new NumberFormatException();
            return minor;
        }
    }

    @Override
    public Integer call() {
        Position from, to;
        try {
            from = Position.parse(first, false);
            to = Position.parse(last, true);
        } catch (IllegalArgumentException e) {
            throw usage(e.getMessage());
        }
        // Every row has minor 0. Behind it the first position begins with the next major; a last one covers all of its own.
        if (from.minor() != 0) {
            if (from.major() == -1) return Cairn.OK;
            from = new Position(from.major() + 1, 0, 0);
        }
        if (to.minor() != 0) to = new Position(to.major(), 0, -1);
        var mount = mount(dir);
        long major = from.major(), ino = from.ino(), rows = 0;
        while (true) {
            var walk = WalkInodes.newBuilder()
                    .setIndex(index == Index.meta_seq ? InodeIndex.META_SEQ : InodeIndex.DATA_SEQ)
                    .setFirstMajor(major).setFirstIno(ino).setLastMajor(to.major()).setLastIno(to.ino());
            var reply = ask(mount, request -> request.setWalkInodes(walk)).getWalkInodes();
            for (var row : reply.getRowsList()) {
                row(rows++, row.getMajor(), row.getIno());
                major = row.getMajor();
                ino = row.getIno();
            }
            // Whoever reads may have seen enough (walk-inodes | head): the rest of the walk is spared.
            if (environment().out().checkError()) return Cairn.FAILED;
            if (!reply.getMore() || reply.getRowsCount() == 0) return Cairn.OK;
            if (++ino == 0 && ++major == 0) return Cairn.OK;
        }
    }

    // JSON is one object in each line here: a walk may have a billion of them.
    private void row(long nr, long major, long ino) {
        if (json) {
            var row = new LinkedHashMap<String, Object>();
            row.put("index", nr);
            row.put("major", Long.toUnsignedString(major));
            row.put("minor", 0);
            row.put("ino", Long.toUnsignedString(ino));
            environment().out().println(dev.cairn.node.Json.line(row));
            return;
        }
        if (nr % HEADER_EVERY == 0) print(ROW, "#", "major", "minor", "ino");
        print(ROW, nr, Long.toUnsignedString(major), 0, Long.toUnsignedString(ino));
    }
}
