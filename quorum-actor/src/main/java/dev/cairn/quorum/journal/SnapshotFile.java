package dev.cairn.quorum.journal;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.cairn.proto.JournalImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.zip.CRC32C;

/// The image of a [JournalState] in a file, named after the last log entry it includes. Big-endian:
///
///      0  u32  magic     "CJIM"
///      4  u32  version   1; a greater one is refused, not guessed at
///      8  u64  length    of the image in bytes; the file ends with it
///     16  u32  checksum  CRC32C of the image
///     20  u32  checksum  CRC32C of bytes 0 to 19, since the length decides what is read
///     24       image     a JournalImage message
///
/// A file under this name is whole: it was fsynced under another name first. Damage is therefore damage and no torn write.
record SnapshotFile(Path path, long term, long index) {
    private static final int MAGIC = 0x434a494d, VERSION = 1;
    private static final int HEADER_CHECKSUM_AT = 20, IMAGE_AT = 24;
    private static final Pattern NAME = Pattern.compile("snapshot\\.(\\d{1,18})_(\\d{1,18})");

    /// All images in a directory, newest last.
    static List<SnapshotFile> list(Path directory) throws IOException {
        var found = new ArrayList<SnapshotFile>();
        if (!Files.isDirectory(directory)) return found;
        try (var files = Files.newDirectoryStream(directory)) {
            for (var path : files) {
                var name = NAME.matcher(path.getFileName().toString());
                if (name.matches())
                    found.add(new SnapshotFile(path, Long.parseLong(name.group(1)), Long.parseLong(name.group(2))));
            }
        }
        found.sort(Comparator.comparingLong(SnapshotFile::index).thenComparingLong(SnapshotFile::term));
        return found;
    }

    /// Temporary name, fsync, rename, fsync of the directory: at every moment either the old image or the new one is there.
    static SnapshotFile write(Path directory, long term, long index, JournalImage image) throws IOException {
        var path = directory.resolve("snapshot." + term + "_" + index);
        var temporary = directory.resolve("writing." + term + "_" + index);
        var bytes = image.toByteArray();
        var header = ByteBuffer.allocate(IMAGE_AT).putInt(MAGIC).putInt(VERSION).putLong(bytes.length)
                .putInt(crc32c(bytes, 0, bytes.length));
        header.putInt(crc32c(header.array(), 0, HEADER_CHECKSUM_AT)).flip();
        try (var file = FileChannel.open(temporary, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
            for (var buffer : List.of(header, ByteBuffer.wrap(bytes)))
                while (buffer.hasRemaining()) file.write(buffer);
            file.force(true);
        } catch (IOException e) {
            // A full disk must not be made fuller by what could not be written.
            Files.deleteIfExists(temporary);
            throw e;
        }
        Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE);
        syncDirectory(directory);
        return new SnapshotFile(path, term, index);
    }

    static void syncDirectory(Path directory) throws IOException {
        try (var opened = FileChannel.open(directory, StandardOpenOption.READ)) {
            opened.force(true);
        }
    }

    /// @throws JournalException naming the file, when it is damaged
    JournalImage read() throws IOException {
        var bytes = Files.readAllBytes(path);
        if (bytes.length < IMAGE_AT) throw damaged("it has " + bytes.length + " bytes, fewer than its header");
        var header = ByteBuffer.wrap(bytes);
        if (header.getInt(0) != MAGIC) throw damaged("it does not begin as an image does");
        if (header.getInt(HEADER_CHECKSUM_AT) != crc32c(bytes, 0, HEADER_CHECKSUM_AT))
            throw damaged("its header has a wrong checksum");
        if (header.getInt(4) != VERSION)
            throw new JournalException("journal image %s has format %d, this version knows %d: use a newer Cairn"
                    .formatted(path, header.getInt(4), VERSION));
        if (header.getLong(8) != bytes.length - IMAGE_AT)
            throw damaged("it holds %d bytes, its header says %d".formatted(bytes.length - IMAGE_AT, header.getLong(8)));
        if (header.getInt(16) != crc32c(bytes, IMAGE_AT, bytes.length - IMAGE_AT))
            throw damaged("its content has a wrong checksum");
        try {
            return JournalImage.parser().parseFrom(bytes, IMAGE_AT, bytes.length - IMAGE_AT);
        } catch (InvalidProtocolBufferException e) {
            throw damaged("its content cannot be parsed: " + e.getMessage());
        }
    }

    private JournalException damaged(String how) {
        return new JournalException(("journal image %s is damaged: %s. The server's state cannot be rebuilt without it: "
                + "restore the state directory's journal from another slot or a backup").formatted(path, how));
    }

    private static int crc32c(byte[] bytes, int from, int length) {
        var crc = new CRC32C();
        crc.update(bytes, from, length);
        return (int) crc.getValue();
    }
}
