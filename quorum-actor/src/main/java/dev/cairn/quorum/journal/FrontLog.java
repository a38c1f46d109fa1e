package dev.cairn.quorum.journal;

import com.google.protobuf.InvalidProtocolBufferException;
import com.sun.nio.file.ExtendedOpenOption;
import dev.cairn.proto.JournalEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.zip.CRC32C;

/// A short log of a single slot's latest entries in two files of fixed size, written in turn. An entry is here, fsynced, by
/// one write of the thread that has it, before Ratis' log gets it; how the two work together is in [FrontLane].
///
/// The files are filled with zeros when they are made, so that writing an entry changes nothing but data blocks: one flush
/// of the device and no transaction of the file system around it. Where the file system takes direct writes, whole blocks
/// go to the device and the flush follows in the same call; a block that holds earlier records as well is written again
/// with the same bytes for them, so no tear harms those. Records follow each other from a file's beginning,
/// big-endian; their numbers count up by one across both files, so what an earlier round left behind a file's end is told
/// from records by its number:
///
///      0  u24  magic     "CJF"
///      3  u8   version   1; files that begin with another one are refused
///      4  u32  length    of the entry
///      8  u64  number    1, 2, …
///     16  u64  handed on every record up to this number was in Ratis' log, fsynced, when this one was written
///     24  u32  checksum  CRC32C of bytes 0 to 23 and the entry
///     28       entry     a JournalEntry message
///
/// Which records must be there is known from two sides: records themselves say what has been handed on, and a note (written
/// but not fsynced after each record, see [AcknowledgedIndex]) says what was acknowledged. A record between the two that
/// cannot be read is damage; one behind the acknowledged ones is a torn write, and nobody was told that it is there.
final class FrontLog implements AutoCloseable {
    static final int FILE_BYTES = 2 << 20;
    /// Larger entries are not worth a second copy.
    static final int ENTRY_BYTES_MAX = 128 << 10;
    private static final int MAGIC_AND_VERSION = 0x434a4601, HEADER_BYTES = 28, CHECKSUM_AT = 24;
    private static final int BLOCK_BYTES = 4096, BUFFER_BYTES = ENTRY_BYTES_MAX + 2 * BLOCK_BYTES;
    private static final byte[] ZEROS = new byte[BLOCK_BYTES];

    record Found(long number, JournalEntry entry) {}

    private static final class Ring {
        final Path path;
        final FileChannel file;
        /// Null where the file system has no direct writes.
        FileChannel direct;
        int end;
        long last;

        Ring(Path path, FileChannel file) {
            this.path = path;
            this.file = file;
        }
    }

    private record Scanned(TreeMap<Long, Found> records, int end, long handedOn) {}

    private final Ring[] rings = new Ring[2];
    private final AcknowledgedIndex acknowledged;
    private final List<Found> found = new ArrayList<>();
    /// The block that the current file ends in, up to its end, and the next record.
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES + BLOCK_BYTES).alignedSlice(BLOCK_BYTES);
    private int current;
    private long number;

    /// @throws JournalException naming the file, when an acknowledged record is missing or damaged
    FrontLog(Path directory) throws IOException {
        acknowledged = new AcknowledgedIndex(directory.resolve("front-acknowledged"));
        try {
            for (int i = 0; i < rings.length; i++) rings[i] = open(directory.resolve("front-" + i));
            recover();
            for (var ring : rings) {
                fill(ring);
                ring.direct = direct(ring.path);
            }
            loadLastBlock();
        } catch (IOException | RuntimeException e) {
            close();
            throw e;
        }
    }

    private static Ring open(Path path) throws IOException {
        return new Ring(path, FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE));
    }

    /// After the check, so that a file that damage has made shorter is still as it was found.
    private static void fill(Ring ring) throws IOException {
        long size = ring.file.size();
        if (size >= FILE_BYTES) return;
        var zeros = ByteBuffer.allocateDirect((int) (FILE_BYTES - size));
        for (long at = size; zeros.hasRemaining(); ) at += ring.file.write(zeros, at);
        ring.file.force(true);
        SnapshotFile.syncDirectory(ring.path.getParent());
    }

    private void recover() throws IOException {
        var records = new TreeMap<Long, Found>();
        var scans = new Scanned[rings.length];
        long handedOn = 0;
        for (int i = 0; i < rings.length; i++) {
            scans[i] = scan(rings[i]);
            rings[i].end = scans[i].end;
            rings[i].last = scans[i].records.isEmpty() ? 0 : scans[i].records.lastKey();
            records.putAll(scans[i].records);
            handedOn = Math.max(handedOn, scans[i].handedOn);
        }
        current = rings[1].last > rings[0].last ? 1 : 0;
        number = Math.max(handedOn, rings[current].last);
        long promised = acknowledged.read();
        for (long n = handedOn + 1; n <= Math.max(promised, number); n++) {
            var record = records.get(n);
            if (record == null) throw damaged(n, promised);
            found.add(record);
        }
    }

    /// The file that the record was in: the one whose records end right before it, or else the one that was begun with it.
    private JournalException damaged(long n, long promised) {
        var where = rings[0].last == n - 1 ? rings[0] : rings[1].last == n - 1 ? rings[1] : rings[0].last == 0 ? rings[0] : rings[1];
        return new JournalException(("journal log %s is damaged at byte %d: record %d cannot be read there, and records up to "
                + "%d were acknowledged. Restore it from a backup").formatted(where.path, where.end, n, Math.max(promised, number)));
    }

    private static Scanned scan(Ring ring) throws IOException {
        var bytes = ByteBuffer.allocate(FILE_BYTES);
        while (bytes.hasRemaining() && ring.file.read(bytes, bytes.position()) > 0);
        bytes.flip();
        requireVersion(ring.path, bytes);
        var records = new TreeMap<Long, Found>();
        long expected = 0, handedOn = 0;
        int at = 0;
        while (bytes.limit() - at >= HEADER_BYTES && bytes.getInt(at) == MAGIC_AND_VERSION) {
            int length = bytes.getInt(at + 4);
            long number = bytes.getLong(at + 8);
            if (length < 0 || length > ENTRY_BYTES_MAX || length > bytes.limit() - at - HEADER_BYTES
                    || number <= 0 || expected != 0 && number != expected) break;
            if (bytes.getInt(at + CHECKSUM_AT) != checksum(bytes, at, length)) break;
            try {
                var entry = JournalEntry.parser().parseFrom(bytes.array(), at + HEADER_BYTES, length);
                records.put(number, new Found(number, entry));
            } catch (InvalidProtocolBufferException e) {
                throw new JournalException("record %d of a journal's front log cannot be parsed".formatted(number), e);
            }
            handedOn = Math.max(handedOn, bytes.getLong(at + 16));
            expected = number + 1;
            at += HEADER_BYTES + length;
        }
        return new Scanned(records, at, handedOn);
    }

    private static void requireVersion(Path path, ByteBuffer bytes) {
        int begin = bytes.limit() < Integer.BYTES ? 0 : bytes.getInt(0);
        if (begin >>> 8 == MAGIC_AND_VERSION >>> 8 && begin != MAGIC_AND_VERSION) throw new JournalException(
                "journal log %s has version %d, this Cairn knows %d. Start the Cairn that wrote it".formatted(path, begin & 0xff, MAGIC_AND_VERSION & 0xff));
    }

    private static int checksum(ByteBuffer bytes, int at, int length) {
        var crc = new CRC32C();
        crc.update(bytes.slice(at, CHECKSUM_AT));
        crc.update(bytes.slice(at + HEADER_BYTES, length));
        return (int) crc.getValue();
    }

    /// Several slots have no front log: what a single one has left behind must be in Ratis' log before there are more.
    ///
    /// @throws JournalException when it may not be
    static void requireEmpty(Path directory) throws IOException {
        if (!Files.exists(directory.resolve("front-0"))) return;
        try (var log = new FrontLog(directory)) {
            if (log.found.stream().anyMatch(one -> one.entry.getAppend().getEventsCount() > 0)) throw new JournalException(
                    "the journal in %s was last used by a single slot that did not end cleanly. Start and stop it as one once more"
                            .formatted(directory));
        }
    }

    /// What Ratis' log may have lacked when this was opened, oldest first; told once.
    List<Found> takeFound() {
        var taken = List.copyOf(found);
        found.clear();
        return taken;
    }

    /// Number of the latest record, or what the next one counts from.
    long last() {
        return number;
    }

    /// Appends and fsyncs. An exception leaves the entry's fate open, and nothing may be appended after it.
    ///
    /// @param handedOn the greatest number up to which Ratis' log has everything
    /// @return the record's number, or 0 when there is no room before more has been handed on
    long append(JournalEntry entry, long handedOn) throws IOException {
        int length = entry.getSerializedSize(), total = HEADER_BYTES + length;
        if (length > ENTRY_BYTES_MAX) throw new IllegalArgumentException("an entry of " + length + " bytes");
        if (!room(total, handedOn)) return 0;
        var ring = rings[current];
        int at = ring.end % BLOCK_BYTES;
        var record = buffer.duplicate().position(at);
        record.putInt(MAGIC_AND_VERSION).putInt(length).putLong(number + 1).putLong(handedOn).putInt(0).put(entry.toByteArray());
        buffer.putInt(at + CHECKSUM_AT, checksum(buffer, at, length));
        write(ring, at, at + total);
        ring.end += total;
        ring.last = ++number;
        acknowledged.write(number);
        keepLastBlock(at + total);
        return number;
    }

    private void write(Ring ring, int from, int to) throws IOException {
        if (ring.direct == null) {
            var bytes = buffer.duplicate().position(from).limit(to);
            for (long at = ring.end; bytes.hasRemaining(); ) at += ring.file.write(bytes, at);
            ring.file.force(false);
            return;
        }
        int end = Math.ceilDiv(to, BLOCK_BYTES) * BLOCK_BYTES;
        buffer.put(to, ZEROS, 0, end - to);
        var blocks = buffer.duplicate().position(0).limit(end);
        // Opened for synchronous writes: when it returns, device caches have been flushed, too.
        int written = ring.direct.write(blocks, ring.end - from);
        if (written != end) throw new IOException("only %d of %d bytes could be written to %s".formatted(written, end, ring.path));
    }

    private void keepLastBlock(int to) {
        int block = to / BLOCK_BYTES * BLOCK_BYTES;
        if (block > 0) buffer.put(0, buffer, block, to - block);
    }

    private void loadLastBlock() throws IOException {
        var ring = rings[current];
        int from = ring.end / BLOCK_BYTES * BLOCK_BYTES;
        var bytes = buffer.duplicate().limit(ring.end - from);
        while (bytes.hasRemaining() && ring.file.read(bytes, from + bytes.position()) > 0);
        if (bytes.hasRemaining()) throw new IOException(ring.path + " has become shorter");
    }

    private static FileChannel direct(Path path) {
        try {
            return FileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.DSYNC, ExtendedOpenOption.DIRECT);
        } catch (IOException | UnsupportedOperationException e) {
            return null;
        }
    }

    // A file is begun anew when nothing in it is needed, or when its last record is not the one that the next follows.
    private boolean room(int bytes, long handedOn) {
        var ring = rings[current];
        if (ring.last == number && ring.end + bytes <= FILE_BYTES) return true;
        var other = rings[1 - current];
        if (other.last > handedOn) return false;
        current = 1 - current;
        other.end = 0;
        return true;
    }

    @Override
    public void close() throws IOException {
        for (var ring : rings) {
            if (ring == null) continue;
            ring.file.close();
            if (ring.direct != null) ring.direct.close();
        }
        acknowledged.close();
    }
}
