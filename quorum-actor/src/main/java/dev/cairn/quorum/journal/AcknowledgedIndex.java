package dev.cairn.quorum.journal;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;

/// A note beside the log of a single slot: the greatest index whose entry was fsynced and acknowledged. Without it, a log
/// that lost its last acknowledged entries to damage looks exactly like one whose last write was torn, and the volume would
/// silently go back in time.
///
/// Written after each entry and never fsynced on its own: a killed process leaves it exact, a power cut leaves it old or
/// missing, which only makes the check milder. Never ahead of the log.
///
///      0  u64  index
///      8  u32  checksum  CRC32C of the index; anything else counts as no note
final class AcknowledgedIndex implements AutoCloseable {
    private static final int BYTES = 12;
    private final FileChannel file;
    private final ByteBuffer buffer = ByteBuffer.allocate(BYTES);

    AcknowledgedIndex(Path path) throws IOException {
        file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    /// -1 when there is no note.
    long read() throws IOException {
        buffer.clear();
        if (file.read(buffer, 0) < BYTES) return -1;
        return buffer.getInt(8) == checksum(buffer.getLong(0)) ? buffer.getLong(0) : -1;
    }

    void write(long index) throws IOException {
        buffer.clear();
        buffer.putLong(index).putInt(checksum(index)).flip();
        file.write(buffer, 0);
    }

    @Override
    public void close() throws IOException {
        file.close();
    }

    private static int checksum(long index) {
        var crc = new CRC32C();
        crc.update(ByteBuffer.allocate(8).putLong(0, index));
        return (int) crc.getValue();
    }
}
