package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;

/// A volume as a user has it: made, started, mounted and stopped with the `cairn` launcher, on sparse files in a directory of
/// its own. Leaves no mount, process or file behind, also when a test fails.
public final class TestVolume implements AutoCloseable {
    public record Ran(int code, String out, String err) {
        public Ran orFail() {
            assertThat(code).as("exit code; printed: %s %s", out, err).isZero();
            return this;
        }
    }

    private static final Path ROOT = repositoryRoot();
    /// Of every mount that is made here; null: what `cairn up` does by itself.
    private static final String TRANSPORT = System.getProperty("cairn.transport");

    private final Path base;
    public final Path state;
    public final Path mount;
    private final String metaSize;
    private final String dataSize;

    private TestVolume(String metaSize, String dataSize) throws IOException {
        base = Files.createTempDirectory("cairn-it-");
        state = base.resolve("state");
        mount = Files.createDirectory(base.resolve("mount"));
        this.metaSize = metaSize;
        this.dataSize = dataSize;
    }

    /// A new volume, up and mounted.
    public static TestVolume create(String metaSize, String dataSize) throws IOException {
        var volume = new TestVolume(metaSize, dataSize);
        try {
            volume.up();
            return volume;
        } catch (Throwable e) {
            volume.close();
            throw e;
        }
    }

    static Path repositoryRoot() {
        for (var at = Path.of("").toAbsolutePath(); at != null; at = at.getParent())
            if (Files.isExecutable(at.resolve("cairn")) && Files.isDirectory(at.resolve("it-tests"))) return at;
        throw new IllegalStateException("not inside the repository: " + Path.of("").toAbsolutePath());
    }

    /// Makes the volume the first time; afterwards starts and mounts what there is.
    void up() {
        var command = new ArrayList<>(List.of("up", "--state", state.toString()));
        if (!Files.exists(state)) command.addAll(List.of("--meta-size", metaSize, "--data-size", dataSize));
        if (TRANSPORT != null) command.addAll(List.of("--transport", TRANSPORT));
        command.add(mount.toString());
        var arguments = command.toArray(String[]::new);
        if ("io-uring".equals(TRANSPORT)) RingSwitch.on(() -> cairn(arguments)).orFail();
        else cairn(arguments).orFail();
    }

    void down() {
        cairn("down", "--state", state.toString()).orFail();
    }

    /// What the launcher prints and how it ends.
    public static Ran cairn(String... arguments) {
        var command = new ArrayList<String>();
        command.add(launcher());
        command.addAll(List.of(arguments));
        return run(Duration.ofSeconds(90), Map.of(), command.toArray(String[]::new));
    }

    public static String launcher() {
        return ROOT.resolve("cairn").toString();
    }

    public static Ran shell(String script) {
        return run(Duration.ofMinutes(5), Map.of(), "bash", "-euc", script);
    }

    static Ran python(Duration limit, String program, Object... arguments) {
        return program(limit, "python3", program, arguments);
    }

    /// A program of `src/test/resources/dev/cairn/it`.
    static Ran program(Duration limit, String interpreter, String program, Object... arguments) {
        var command = new ArrayList<String>(List.of(interpreter, ROOT.resolve("it-tests/src/test/resources/dev/cairn/it").resolve(program).toString()));
        for (var argument : arguments) command.add(argument.toString());
        return run(limit, Map.of(), command.toArray(String[]::new));
    }

    public static Ran run(Duration limit, Map<String, String> environment, String... command) {
        try {
            var out = Files.createTempFile("cairn-it-out", null);
            var err = Files.createTempFile("cairn-it-err", null);
            try {
                var builder = new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
                builder.environment().putAll(environment);
                builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
                var process = builder.start();
                boolean ended = process.waitFor(limit.toSeconds(), TimeUnit.SECONDS);
                if (!ended) process.destroyForcibly().waitFor();
                int code = ended ? process.exitValue() : -1;
                return new Ran(code, Files.readString(out), Files.readString(err) + (ended ? "" : " (timed out)"));
            } finally {
                Files.delete(out);
                Files.delete(err);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /// The node's process id, by what `status` says.
    long pid() {
        var status = cairn("status", "--state", state.toString(), "--json").out();
        var found = Pattern.compile("\"pid\"\\s*:\\s*(\\d+)").matcher(status);
        assertThat(found.find()).as("a pid in %s", status).isTrue();
        return Long.parseLong(found.group(1));
    }

    void kill(long pid) {
        ProcessHandle.of(pid).ifPresent(process -> {
            process.destroyForcibly();
            Awaitility.await().atMost(Duration.ofSeconds(10)).until(() -> !process.isAlive());
        });
    }

    void sync() {
        cairn("sync", mount.toString()).orFail();
    }

    /// Column `name` of a row of `cairn df --json`.
    long df(String type, String name) {
        var json = cairn("df", "--json", mount.toString()).orFail().out();
        var row = Pattern.compile("\\{[^{}]*\"type\"\\s*:\\s*\"" + type + "\"[^{}]*}").matcher(json);
        assertThat(row.find()).as("row %s in %s", type, json).isTrue();
        var value = Pattern.compile("\"" + name + "\"\\s*:\\s*(\\d+)").matcher(row.group());
        assertThat(value.find()).as("%s in %s", name, row.group()).isTrue();
        return Long.parseLong(value.group(1));
    }

    /// ino -> seq, as `walk-inodes` prints them.
    Map<Long, Long> walkInodes(String index) {
        var rows = new TreeMap<Long, Long>();
        cairn("walk-inodes", index, "0", "-1", mount.toString()).orFail().out().lines()
                .filter(line -> !line.startsWith("#")).map(line -> line.trim().split("\\s+"))
                .forEach(columns -> assertThat(rows.put(Long.parseLong(columns[3]), Long.parseLong(columns[1])))
                        .as("inode %s is in the index once", columns[3]).isNull());
        return rows;
    }

    @Override
    public void close() {
        if (Files.isDirectory(state)) {
            var down = cairn("down", "--state", state.toString());
            if (down.code() != 0) killLeftovers();
        }
        run(Duration.ofSeconds(20), Map.of(), "umount", "-l", mount.toString());
        deleteTree(base);
    }

    // A node that does not stop when told to is found by the state directory in its command line.
    private void killLeftovers() {
        ProcessHandle.allProcesses()
                .filter(process -> process.info().commandLine().orElse("").contains(state.toString()))
                .forEach(ProcessHandle::destroyForcibly);
    }

    static void deleteTree(Path top) {
        try (var all = Files.walk(top)) {
            for (var path : all.sorted(Comparator.reverseOrder()).toList()) Files.deleteIfExists(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
