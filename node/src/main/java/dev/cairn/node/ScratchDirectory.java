package dev.cairn.node;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Comparator;

/// A directory that begins empty and is deleted at its end. What a killed process has left behind goes with the next
/// beginning at the same place.
final class ScratchDirectory implements AutoCloseable {
    private static final Path MEMORY = Path.of("/dev/shm");
    /// Several times what a node that warms up writes. Containers have 64 MiB.
    private static final long ROOM_BYTES = 40L << 20;
    /// Some thousand fsyncs of a disk as quick as this are done in some seconds.
    private static final long QUICK_NANOS = 1_500_000;
    private static final int PROBES = 5;

    private final Path path;

    ScratchDirectory(Path path) throws IOException {
        this.path = path;
        delete(path);
        Files.createDirectory(path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }

    Path path() {
        return path;
    }

    /// For files that are fsynced often and mean nothing: on the disk, where that is no burden to it; else in memory, if the
    /// system has room there.
    ///
    /// @param name   of the one in memory; nobody else has it
    /// @param onDisk its parent is there
    static Path place(String name, Path onDisk) {
        try {
            if (fsyncTakes(onDisk) < QUICK_NANOS || !Files.isWritable(MEMORY)) return onDisk;
            var store = Files.getFileStore(MEMORY);
            return store.type().equals("tmpfs") && store.getUsableSpace() >= ROOM_BYTES ? MEMORY.resolve(name) : onDisk;
        } catch (IOException _) {
            return onDisk;
        }
    }

    /// The median of a few, in nanoseconds.
    private static long fsyncTakes(Path place) throws IOException {
        var probe = place.resolveSibling(place.getFileName() + ".probe");
        try (var file = FileChannel.open(probe, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE)) {
            var nanos = new long[PROBES];
            for (int i = 0; i < PROBES; i++) {
                long from = System.nanoTime();
                file.write(ByteBuffer.allocate(4096), 0);
                file.force(false);
                nanos[i] = System.nanoTime() - from;
            }
            Arrays.sort(nanos);
            return nanos[PROBES / 2];
        }
    }

    @Override
    public void close() throws IOException {
        delete(path);
    }

    private static void delete(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) return;
        try (var files = Files.walk(path)) {
            for (var file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
        }
    }
}
