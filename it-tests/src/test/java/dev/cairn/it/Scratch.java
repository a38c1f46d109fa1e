package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.node.MountTable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import org.awaitility.Awaitility;

/// A directory of a test's own, in which it makes devices, mounts and starts nodes. Closing it ends and removes all of them,
/// also after a failure.
final class Scratch implements AutoCloseable {
    final Path dir;
    private final List<Path> loops = new ArrayList<>();

    Scratch() throws IOException {
        dir = Files.createTempDirectory("cairn-it-");
    }

    Path folder(String name) throws IOException {
        return Files.createDirectories(dir.resolve(name));
    }

    /// A sparse file.
    Path file(String name, long bytes) throws IOException {
        var path = dir.resolve(name);
        try (var file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return path;
    }

    /// A file system that can be full, of this size in MiB.
    Path tmpfs(String name, int mebibytes) throws IOException {
        var path = folder(name);
        TestVolume.shell("mount -t tmpfs -o size=%dM cairn-it '%s'".formatted(mebibytes, path)).orFail();
        return path;
    }

    /// A block device over this file, whose cache fails to be written back when the file's disk has no room.
    Path loop(Path file) {
        var made = TestVolume.run(Duration.ofSeconds(20), Map.of(), "losetup", "--find", "--show", file.toString());
        made.orFail();
        var device = Path.of(made.out().strip());
        loops.add(device);
        return device;
    }

    /// A free port below those of outgoing connections; the journal takes the next one.
    static int freePort() throws IOException {
        var random = new java.util.SplittableRandom();
        while (true) {
            int port = random.nextInt(10_000, 20_000);
            try (var _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress());
                    var _ = new ServerSocket(port + 1, 1, InetAddress.getLoopbackAddress())) {
                return port;
            } catch (IOException _) {
                // Taken: the next one.
            }
        }
    }

    static long checksum(Path file) throws IOException {
        var sum = new CRC32C();
        var buffer = new byte[1 << 20];
        try (var in = Files.newInputStream(file)) {
            for (int count; (count = in.read(buffer)) > 0; ) sum.update(buffer, 0, count);
        }
        return sum.getValue();
    }

    static void await(Duration within, String what, java.util.concurrent.Callable<Boolean> until) {
        Awaitility.await(what).atMost(within).pollInterval(Duration.ofMillis(100)).until(until);
    }

    /// A refusal as every command makes it: not 0, nothing printed, and one line on standard error, beside what was being
    /// waited for, that says all of this.
    static void refused(TestVolume.Ran ran, String... says) {
        var lines = ran.err().lines().filter(line -> !line.matches("cairn [a-z]+: waiting for .*\\(\\d+ s\\)")).toList();
        assertThat(ran.code()).as("exit code; printed: %s %s", ran.out(), ran.err()).isNotZero();
        assertThat(ran.out()).isEmpty();
        assertThat(lines).as("lines on standard error").hasSize(1);
        assertThat(lines.getFirst()).startsWith("cairn").contains(says).doesNotContain("Exception");
    }

    @Override
    public void close() throws IOException {
        var nodes = new ArrayList<ProcessHandle>();
        ProcessHandle.allProcesses().filter(process -> process.info().commandLine().orElse("").contains(dir.toString())).forEach(nodes::add);
        nodes.forEach(ProcessHandle::destroyForcibly);
        var mounts = new ArrayList<>(MountTable.read().entries().stream().map(MountTable.Entry::dir).filter(mount -> mount.startsWith(dir)).toList());
        for (var mount : mounts.reversed())
            TestVolume.run(Duration.ofSeconds(20), Map.of(), "umount", "-l", mount.toString());
        for (var node : nodes) await(Duration.ofSeconds(10), "the end of " + node.pid(), () -> !node.isAlive());
        for (var loop : loops) TestVolume.run(Duration.ofSeconds(20), Map.of(), "losetup", "--detach", loop.toString());
        TestVolume.deleteTree(dir);
    }

    /// Lines of a log that are neither information nor less.
    static List<String> complaints(Path log) {
        try (var lines = Files.lines(log)) {
            return lines.filter(line -> !line.matches("\\S+ \\S+ (INFO|DEBUG|TRACE) .*")).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
