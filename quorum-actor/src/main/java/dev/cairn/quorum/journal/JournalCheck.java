package dev.cairn.quorum.journal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.thirdparty.com.google.protobuf.InvalidProtocolBufferException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads every file of a Raft group before Ratis does.
///
/// Ratis reports some damage without naming the file, stops its own threads on other damage long after its start has
/// succeeded, takes a damaged length in the open segment for the log's end (and drops what follows), and refuses to start
/// on a write torn by a power cut. Here damage is an error that names file and position; a torn tail is cut off.
final class JournalCheck {
    private static final Logger LOG = LoggerFactory.getLogger(JournalCheck.class);
    private static final Pattern SEGMENT = Pattern.compile("log_(\\d{1,18})-(\\d{1,18})");
    private static final Pattern OPEN_SEGMENT = Pattern.compile("log_inprogress_(\\d{1,18})");
    private static final byte[] HEADER = "RaftLog1".getBytes(StandardCharsets.US_ASCII);
    private static final int ENTRY_BYTES_MAX = 32 << 20;

    private record Segment(Path path, long first, long last, boolean open) {}

    /// What a segment's bytes say: entries up to `last` are whole and end at `end`; then comes padding, or what `trouble` says.
    private record Scan(long last, int end, String trouble) {}

    private JournalCheck() {}

    /// @param acknowledged the least index the log must reach, or -1
    /// @throws JournalException naming the damaged file
    static void check(Path group, long acknowledged) throws IOException {
        var current = group.resolve("current");
        if (!Files.isDirectory(current)) {
            if (acknowledged >= 0) throw missing(current, acknowledged);
            return;
        }
        var images = SnapshotFile.list(group.resolve("sm"));
        long imaged = -1;
        if (!images.isEmpty()) {
            images.getLast().read();
            imaged = images.getLast().index();
        }
        var segments = segments(current);
        checkMeta(current, !segments.isEmpty() || imaged >= 0);
        long reached = imaged;
        Path lastPath = current;
        for (var segment : segments) {
            lastPath = segment.path;
            // Ends before the image: waiting to be deleted, and nobody will read it.
            if (!segment.open && segment.last <= imaged) continue;
            if (segment.first > reached + 1)
                throw new JournalException(("the journal's log in %s has no entries %d to %d: the file before %s is missing. "
                        + "Restore it from another slot or a backup").formatted(current, reached + 1, segment.first - 1,
                        segment.path.getFileName()));
            reached = Math.max(reached, check(segment, acknowledged));
        }
        if (reached < acknowledged) throw new JournalException(("journal log %s ends at entry %d, but entry %d was "
                + "acknowledged: the end of the file has been lost. Restore it from another slot or a backup")
                .formatted(lastPath, reached, acknowledged));
    }

    private static JournalException missing(Path what, long acknowledged) {
        return new JournalException(("%s is missing, but the journal had acknowledged %d entries. Restore it from another "
                + "slot or a backup").formatted(what, acknowledged + 1));
    }

    private static ArrayList<Segment> segments(Path current) throws IOException {
        var found = new ArrayList<Segment>();
        try (var files = Files.newDirectoryStream(current, "log_*")) {
            for (var path : files) {
                var name = path.getFileName().toString();
                var closed = SEGMENT.matcher(name);
                var open = OPEN_SEGMENT.matcher(name);
                if (closed.matches())
                    found.add(new Segment(path, Long.parseLong(closed.group(1)), Long.parseLong(closed.group(2)), false));
                else if (open.matches())
                    found.add(new Segment(path, Long.parseLong(open.group(1)), Long.MAX_VALUE, true));
            }
        }
        found.sort(Comparator.comparingLong(Segment::first));
        return found;
    }

    /// Raft's vote: without it a peer could vote twice in one term, so it is not made up.
    private static void checkMeta(Path current, boolean expected) throws IOException {
        var meta = current.resolve("raft-meta");
        if (!Files.exists(meta)) {
            if (expected) throw new JournalException(
                    "%s is missing beside the journal's log. Restore it from a backup".formatted(meta));
            return;
        }
        boolean whole = new String(Files.readAllBytes(meta), StandardCharsets.ISO_8859_1).lines()
                .anyMatch(line -> line.matches("term=\\d{1,19}"));
        if (!whole) throw new JournalException("%s is damaged: it names no term. Restore it from a backup".formatted(meta));
    }

    private static long check(Segment segment, long acknowledged) throws IOException {
        if (Files.size(segment.path) > Integer.MAX_VALUE - 16)
            throw damaged(segment, 0, "it is far longer than a segment can be");
        var bytes = Files.readAllBytes(segment.path);
        var scan = scan(bytes, segment.first);
        if (!segment.open) {
            if (scan.trouble != null) throw damaged(segment, scan.end, scan.trouble);
            if (scan.last != segment.last)
                throw damaged(segment, scan.end, "it ends with entry %d and not %d".formatted(scan.last, segment.last));
            return scan.last;
        }
        if (scan.trouble == null) return scan.last;
        if (scan.last < acknowledged) throw damaged(segment, scan.end, scan.trouble
                + ", and entries up to %d were acknowledged".formatted(acknowledged));
        LOG.warn("journal log {}: {} at byte {}. Nothing from there on was acknowledged, so this is a write that was torn by "
                + "a crash; it is cut off", segment.path, scan.trouble, scan.end);
        try (var file = FileChannel.open(segment.path, StandardOpenOption.WRITE)) {
            file.truncate(scan.end);
            file.force(true);
        }
        return scan.last;
    }

    private static JournalException damaged(Segment segment, int at, String how) {
        return new JournalException(("journal log %s is damaged at byte %d: %s. Restore it from another slot or a backup")
                .formatted(segment.path, at, how));
    }

    /// Frames: length as varint, a LogEntryProto, CRC32C (big-endian) of both. A length of 0 begins the padding.
    private static Scan scan(byte[] bytes, long first) {
        int header = Math.min(HEADER.length, bytes.length);
        for (int i = 0; i < header; i++)
            if (bytes[i] != HEADER[i]) return new Scan(first - 1, 0, "it does not begin as a log does");
        if (header < HEADER.length) return new Scan(first - 1, 0, bytes.length == 0 ? null : "its header is cut short");
        int at = HEADER.length;
        long next = first;
        while (at < bytes.length && bytes[at] != 0) {
            int length = 0, shift = 0, p = at;
            byte b;
            do {
                if (p == bytes.length || shift > 28) return new Scan(next - 1, at, "an entry's length is cut short");
                b = bytes[p++];
                length |= (b & 0x7f) << shift;
                shift += 7;
            } while (b < 0);
            if (length <= 0 || length > ENTRY_BYTES_MAX || length > bytes.length - p - 4)
                return new Scan(next - 1, at, "an entry of %d bytes does not fit".formatted(length));
            var crc = new CRC32C();
            crc.update(bytes, at, p + length - at);
            int stored = ByteBuffer.wrap(bytes).getInt(p + length);
            if ((int) crc.getValue() != stored) return new Scan(next - 1, at,
                    "an entry has checksum %08x, the file says %08x".formatted((int) crc.getValue(), stored));
            try {
                long index = LogEntryProto.parser().parseFrom(bytes, p, length).getIndex();
                if (index != next)
                    return new Scan(next - 1, at, "entry %d stands where %d belongs".formatted(index, next));
            } catch (InvalidProtocolBufferException e) {
                return new Scan(next - 1, at, "an entry cannot be parsed");
            }
            at = p + length + 4;
            next++;
        }
        for (int i = at; i < bytes.length; i++)
            if (bytes[i] != 0) return new Scan(next - 1, at, "an entry's length is 0");
        return new Scan(next - 1, at, null);
    }
}
