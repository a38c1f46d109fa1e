package dev.cairn.node;

import dev.cairn.quorum.FileTree;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A directory that begins empty and is deleted at its end. What a killed process has left behind goes with the next
/// beginning at the same place. For a place that nobody else may write to.
final class ScratchDirectory implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ScratchDirectory.class);
    /// Some thousand fsyncs of a disk as quick as this are done in some seconds.
    private static final long QUICK_NANOS = 1_500_000;
    private static final int PROBES = 5;
    /// What has to be free beside it: far more than it takes.
    private static final long ROOM_BYTES = 256L << 20;

    private final Path path;

    ScratchDirectory(Path path) throws IOException {
        this.path = path;
        FileTree.delete(path);
        Files.createDirectory(path, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }

    Path path() {
        return path;
    }

    /// Whether files here may be fsynced thousands of times without anybody minding: the disk is quick, and has room.
    static boolean isWelcome(Path path) {
        return isWelcome(path, ROOM_BYTES, QUICK_NANOS);
    }

    static boolean isWelcome(Path path, long roomBytes, long quickNanos) {
        try {
            return path.getParent().toFile().getUsableSpace() >= roomBytes && fsyncNanos(path) <= quickNanos;
        } catch (IOException e) {
            LOG.info("{} cannot be written to: {}", path.getParent(), e.toString());
            return false;
        }
    }

    /// The median of a few.
    private static long fsyncNanos(Path place) throws IOException {
        var probe = place.resolveSibling(place.getFileName() + ".probe");
        // It has a name all the time: file systems need not write what has none.
        try (var file = FileChannel.open(probe, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            var nanos = new long[PROBES];
            for (int i = 0; i < PROBES; i++) {
                long from = System.nanoTime();
                file.write(ByteBuffer.allocate(4096), 0);
                file.force(false);
                nanos[i] = System.nanoTime() - from;
            }
            Arrays.sort(nanos);
            return nanos[PROBES / 2];
        } finally {
            Files.deleteIfExists(probe);
        }
    }

    /// What it was for is done, whatever becomes of the files: the next beginning tries again.
    @Override
    public void close() {
        discard(path);
    }

    /// Deletes what one has left behind, if it can.
    ///
    /// @return false when something is still there; the log says why
    static boolean discard(Path path) {
        try {
            FileTree.delete(path);
            return true;
        } catch (IOException e) {
            LOG.warn("{} is left behind, and may be deleted: {}", path, e.toString());
            return false;
        }
    }
}
