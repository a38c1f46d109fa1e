package dev.cairn.quorum;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.UUID;

/// Who this node is: a name that stays with its state directory, and a number that is new at each start. Holding it proves
/// that no other process uses the directory, and so that every mount of an earlier incarnation is dead.
public final class NodeIdentity implements AutoCloseable {
    private final FileChannel file;
    private final FileLock lock;
    private final String nodeId;
    private final long incarnation;

    private NodeIdentity(FileChannel file, FileLock lock, String nodeId) {
        this.file = file;
        this.lock = lock;
        this.nodeId = nodeId;
        this.incarnation = new SecureRandom().nextLong();
    }

    /// Locks the directory (made when it is missing) until [#close] or the end of the process.
    ///
    /// @throws QuorumException naming the process that holds it
    public static NodeIdentity take(Path state) {
        var path = state.resolve("lock");
        try {
            Files.createDirectories(state);
            var file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
            try {
                var lock = tryLock(file);
                if (lock == null) throw new QuorumException("the state directory %s is in use by %s. Stop that node, or use "
                        .formatted(state, holder(file)) + "another state directory");
                file.truncate(0);
                file.write(ByteBuffer.wrap((ProcessHandle.current().pid() + "\n").getBytes(StandardCharsets.US_ASCII)), 0);
                return new NodeIdentity(file, lock, nodeId(state));
            } catch (IOException | RuntimeException e) {
                file.close();
                throw e;
            }
        } catch (IOException e) {
            throw new QuorumException("cannot use the state directory %s: %s".formatted(state, e), e);
        }
    }

    private static FileLock tryLock(FileChannel file) throws IOException {
        try {
            return file.tryLock();
        } catch (OverlappingFileLockException e) {
            return null;
        }
    }

    private static String holder(FileChannel file) throws IOException {
        var bytes = ByteBuffer.allocate(32);
        file.read(bytes, 0);
        var pid = new String(bytes.array(), 0, bytes.position(), StandardCharsets.US_ASCII).strip();
        return pid.matches("\\d+") ? "process " + pid : "another process";
    }

    private static String nodeId(Path state) throws IOException {
        var path = state.resolve("node_id");
        if (Files.exists(path)) {
            var id = Files.readString(path).strip();
            if (!id.matches("[0-9a-zA-Z-]{1,64}")) throw new QuorumException(
                    "%s does not hold a node's name. Delete it: the node gets a new one".formatted(path));
            return id;
        }
        var id = UUID.randomUUID().toString();
        var temporary = state.resolve("node_id.new");
        try (var file = FileChannel.open(temporary, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
            file.write(ByteBuffer.wrap((id + "\n").getBytes(StandardCharsets.US_ASCII)));
            file.force(true);
        }
        Files.move(temporary, path, StandardCopyOption.ATOMIC_MOVE);
        try (var directory = FileChannel.open(state, StandardOpenOption.READ)) {
            directory.force(true);
        }
        return id;
    }

    /// Stable.
    public String nodeId() {
        return nodeId;
    }

    /// Random, of this start.
    public long incarnation() {
        return incarnation;
    }

    @Override
    public void close() throws IOException {
        lock.release();
        file.close();
    }
}
