package dev.cairn.node;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.Random;

/// A day's work of one client in a directory of its own, which is gone in the evening. Each kind of call comes in a series, and
/// with others before and behind it: a compiler that has seen only the one or the other makes code that does not last.
final class TrainingDay {
    private static final int FILES = 1000, SYNCED = 1000, BLOCK = 4096, STREAM_BLOCKS = 4096, PIECE_BLOCKS = 32, RANDOM = 1000;

    private final Path dir;
    private final Random random = new Random(1);
    private final ByteBuffer block = ByteBuffer.allocateDirect(BLOCK), piece = ByteBuffer.allocateDirect(PIECE_BLOCKS * BLOCK);

    TrainingDay(Path dir) {
        this.dir = dir;
    }

    void run() throws IOException {
        Files.createDirectory(dir);
        empty();
        small();
        directories();
        mixed();
        large();
        Files.delete(dir);
    }

    private void empty() throws IOException {
        for (int i = 0; i < FILES; i++) Files.createFile(dir.resolve("file" + i));
        for (int i = 0; i < FILES; i++) Files.readAttributes(dir.resolve("file" + i), "unix:*");
        list();
        for (int i = 0; i < FILES; i++) {
            Files.getFileAttributeView(dir.resolve("file" + i), UserDefinedFileAttributeView.class)
                    .write("kind", ByteBuffer.wrap(new byte[] {1, 2, 3}));
        }
        for (int i = 0; i < FILES; i++) Files.move(dir.resolve("file" + i), dir.resolve("moved" + i));
        for (int i = 0; i < FILES; i++) Files.delete(dir.resolve("moved" + i));
    }

    private void small() throws IOException {
        for (int i = 0; i < FILES; i++) write(dir.resolve("file" + i));
        for (int i = 0; i < FILES; i++) Files.readAllBytes(dir.resolve("file" + i));
        for (int i = 0; i < FILES; i++) Files.delete(dir.resolve("file" + i));
        for (int i = 0; i < SYNCED; i++) sync(dir.resolve("file" + i));
        for (int i = 0; i < SYNCED; i++) Files.delete(dir.resolve("file" + i));
    }

    private void directories() throws IOException {
        for (int i = 0; i < FILES; i++) Files.createDirectory(dir.resolve("dir" + i));
        for (int i = 0; i < FILES; i++) Files.delete(dir.resolve("dir" + i));
    }

    private void mixed() throws IOException {
        var other = Files.createDirectory(dir.resolve("other"));
        for (int i = 0; i < FILES; i++) {
            var file = dir.resolve("file" + i);
            write(file);
            if (i % 4 == 0) Files.delete(Files.createDirectory(dir.resolve("dir" + i)));
            if (i % 8 == 0) Files.createLink(other.resolve("link" + i), file);
            if (i % 8 == 1) Files.createSymbolicLink(other.resolve("link" + i), file);
            if (i % 8 == 2) missing(other.resolve("file" + i));
            if (i % 8 == 3) Files.write(file, new byte[100], StandardOpenOption.APPEND);
            Files.move(file, other.resolve("moved" + i));
        }
        list();
        try (var names = Files.list(other)) {
            for (var name : names.toList()) Files.delete(name);
        }
        Files.delete(other);
    }

    private void large() throws IOException {
        var stream = dir.resolve("stream");
        try (var out = FileChannel.open(stream, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            for (int i = 0; i < STREAM_BLOCKS; i += PIECE_BLOCKS) out.write(piece.clear());
            out.force(true);
        }
        try (var file = FileChannel.open(stream, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            for (int i = 0; i < STREAM_BLOCKS; i += PIECE_BLOCKS) file.read(piece.clear());
            for (int i = 0; i < RANDOM; i++) file.write(block.clear(), random.nextInt(STREAM_BLOCKS) * (long) BLOCK);
            for (int i = 0; i < RANDOM; i++) file.read(block.clear(), random.nextInt(STREAM_BLOCKS) * (long) BLOCK);
        }
        Files.delete(stream);
    }

    private void list() throws IOException {
        try (var names = Files.list(dir)) {
            for (var name : names.toList()) Files.readAttributes(name, "unix:*");
        }
    }

    private void write(Path file) throws IOException {
        try (var out = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            out.write(block.clear());
        }
    }

    // The way through server and journal is the longest there is, and the first fsyncs are waited for as the later ones are.
    private void sync(Path file) throws IOException {
        try (var synced = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            synced.write(block.clear());
            synced.force(true);
        }
    }

    private static void missing(Path file) throws IOException {
        try {
            Files.readAttributes(file, "unix:*");
        } catch (NoSuchFileException _) {
            return;
        }
        throw new IOException(file + " is there before it was made");
    }
}
