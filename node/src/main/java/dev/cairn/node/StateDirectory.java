package dev.cairn.node;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/// What one node keeps between its starts, and how other processes find it while it runs.
///
///     node.conf      how `cairn up` starts the node again
///     meta.img, data.img   the devices of a volume that `cairn up` made
///     journal/       the journal of the quorum slot
///     node.lock      locked for as long as the node's process lives: the one proof that it does
///     running.json   its pid and HTTP address, once that answers
///     http.port      the port it chose, so that it is the same next time
///     token          who can read it may give the node orders over HTTP
///     node.log       its output, when it runs in the background
///     warm-up/       the journal of a rehearsal, for some seconds after a start
///     failure        why it ended, in one line, when it could not start or go on
public final class StateDirectory {
    private static final SecureRandom RANDOM = new SecureRandom();
    private static final HexFormat HEX = HexFormat.of();

    private final Path dir;

    public StateDirectory(Path dir) {
        this.dir = dir;
    }

    /// A running node: where it is to be asked. `http` is host:port.
    public record Running(long pid, String http, String token) {}

    public Path dir() {
        return dir;
    }

    public Path config() {
        return dir.resolve("node.conf");
    }

    public Path log() {
        return dir.resolve("node.log");
    }

    /// The journal of a node that warms up, for as long as it does: on the disk of the real one, whose fsyncs are what takes
    /// time.
    Path warmUp() {
        return dir.resolve("warm-up");
    }

    public Path journal() {
        return dir.resolve("journal");
    }

    public Path metaImage() {
        return dir.resolve("meta.img");
    }

    public Path dataImage() {
        return dir.resolve("data.img");
    }

    /// Makes it, for its owner alone, when it does not exist.
    public void create() throws IOException {
        if (Files.isDirectory(dir)) return;
        if (dir.getParent() != null) Files.createDirectories(dir.getParent());
        Files.createDirectories(dir, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }

    // ---- the node's side

    /// Taken by the node for its whole life; empty when another process has it. Kept until the process ends.
    public Optional<FileLock> lock() throws IOException {
        var channel = FileChannel.open(dir.resolve("node.lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = null;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException heldByThisProcess) {
            // The answer is the same as for any other holder.
        } finally {
            if (lock == null) channel.close();
        }
        return Optional.ofNullable(lock);
    }

    /// As [#lock], asking again until the time is over.
    Optional<FileLock> lockPatiently(Duration within) throws IOException {
        long end = System.nanoTime() + within.toNanos();
        var lock = lock();
        while (lock.isEmpty() && System.nanoTime() < end) {
            LockSupport.parkNanos(10_000_000);
            lock = lock();
        }
        return lock;
    }

    /// Says where the node answers. Written whole or not at all: others may read at any moment.
    public void announce(long pid, String http) throws IOException {
        var json = new LinkedHashMap<String, Object>();
        json.put("pid", pid);
        json.put("http", http);
        replace("running.json", Json.line(json) + "\n");
    }

    public void withdraw() throws IOException {
        Files.deleteIfExists(dir.resolve("running.json"));
    }

    /// A secret of this directory's owner, made at first use.
    public String token() throws IOException {
        var file = dir.resolve("token");
        if (Files.exists(file)) return Files.readString(file).strip();
        var secret = new byte[24];
        RANDOM.nextBytes(secret);
        replace("token", HEX.formatHex(secret) + "\n");
        return HEX.formatHex(secret);
    }

    public Optional<Integer> rememberedPort() throws IOException {
        try {
            int port = Integer.parseInt(Files.readString(dir.resolve("http.port")).strip());
            return port > 0 && port < 65536 ? Optional.of(port) : Optional.empty();
        } catch (NoSuchFileException | NumberFormatException nothingUseful) {
            return Optional.empty();
        }
    }

    public void rememberPort(int port) throws IOException {
        replace("http.port", port + "\n");
    }

    public void reportFailure(String why) throws IOException {
        replace("failure", why.replace('\n', ' ') + "\n");
    }

    public void clearFailure() throws IOException {
        Files.deleteIfExists(dir.resolve("failure"));
    }

    // ---- everybody else's side

    public boolean exists() {
        return Files.isRegularFile(config());
    }

    /// Whether a node's process lives on this directory, whatever its files say.
    public boolean nodeAlive() {
        if (!Files.exists(dir.resolve("node.lock"))) return false;
        try (var channel = FileChannel.open(dir.resolve("node.lock"), StandardOpenOption.WRITE)) {
            try (var lock = channel.tryLock()) {
                return lock == null;
            } catch (OverlappingFileLockException heldByThisProcess) {
                return true;
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot look at " + dir.resolve("node.lock"), e);
        }
    }

    /// The node that runs here, once it answers.
    public Optional<Running> running() {
        if (!nodeAlive()) return Optional.empty();
        try {
            Config json = ConfigFactory.parseString(Files.readString(dir.resolve("running.json")));
            return Optional.of(new Running(json.getLong("pid"), json.getString("http"), Files.readString(dir.resolve("token")).strip()));
        } catch (NoSuchFileException notYet) {
            return Optional.empty();
        } catch (IOException | ConfigException e) {
            throw new IllegalStateException("cannot make sense of " + dir.resolve("running.json") + ": " + e.getMessage(), e);
        }
    }

    public Optional<String> failure() {
        try {
            return Optional.of(Files.readString(dir.resolve("failure")).strip()).filter(text -> !text.isEmpty());
        } catch (IOException none) {
            return Optional.empty();
        }
    }

    // Only the owner can read any of these.
    private void replace(String name, String text) throws IOException {
        var fresh = Files.createTempFile(dir, name, ".new");    // createTempFile makes it rw-------
        Files.writeString(fresh, text);
        Files.move(fresh, dir.resolve(name), StandardCopyOption.ATOMIC_MOVE);
    }
}
