package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// How many requests each call makes, by the node's own counters. What the kernel has been told it does not ask again;
/// what changes something asks once, after what the kernel cannot be spared:
///
/// * GETATTR of a directory after each change of it: the kernel checks permissions (`default_permissions`) by attributes
///   that it dropped itself, and no reply can bring them along.
/// * LOOKUP before CREATE, RENAME and MKDIR: a name that must not be there the kernel asks for even if it knows.
/// * GETXATTR of `security.capability` at the first write or truncation since the kernel was last told the file's attributes.
/// * GETATTR after the first READ or READDIR, for atime, when somebody asks stat.
class RequestCountTest extends PosixTest {
    private static final Pattern COUNT = Pattern.compile(
            "(?m)^cairn_fuse_requests_seconds_count\\{.*opcode=\"(\\w+)\".*} ([0-9.E]+)$");
    private static final Pattern IN_FLIGHT = Pattern.compile("(?m)^cairn_fuse_requests_in_flight\\{.*} ([0-9.E-]+)$");
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private interface Calls { void make(); }

    @BeforeEach
    void settled() {
        Assumptions.assumeTrue(VolumeUnderTest.volume() != null, "needs the node's counters");
        // The first of each kind is special: its answer tells the kernel not to ask again.
        file("first", 0600, "x");
        content(at("first"));
        names(dir);
        root.stat(dir);
    }

    @Test
    void what_is_known_is_not_asked_again() {
        var file = file("f", 0600, "some content");
        ok(root.symlink("f", at("s")));
        directory(root, "d", 0700);
        refused(ENOENT, root.statAnswer(at("nothing"), 0));
        for (int i = 0; i < 2; i++) {
            content(file);
            root.readlink(at("s"));
            for (var name : new String[] {"f", "s", "d", "."}) root.lstat(at(name));
        }
        requests(Map.of(), () -> root.stat(file));
        requests(Map.of(), () -> root.lstat(at("s")));
        requests(Map.of(), () -> root.stat(at("d")));
        requests(Map.of(), () -> assertThat(content(file)).isEqualTo("some content"));
        requests(Map.of(), () -> assertThat(root.readlink(at("s"))).isEqualTo("f"));
        requests(Map.of(), () -> assertThat(content(at("s"))).isEqualTo("some content"));
        requests(Map.of(), () -> refused(ENOENT, root.statAnswer(at("nothing"), 0)));
        requests(Map.of(), () -> refused(ENOENT, root.open(at("nothing"), O_RDONLY, 0)));
        requests(Map.of(), () -> ok(root.access(file, R_OK | W_OK)));
    }

    @Test
    void a_file_that_was_just_written_is_read_without_a_request() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT | O_EXCL, 0600));
        // Whole pages: what is behind the end of the last one the kernel would have to ask.
        root.pwrite(fd, new byte[5 * 4096], 0);
        requests(Map.of(), () -> assertThat(root.pread(fd, 5 * 4096, 0)).hasSize(5 * 4096));
    }

    @Test
    void a_listed_directory_is_listed_again_without_a_request() {
        for (int i = 0; i < 300; i++) file("name-" + i, 0600, "");
        names(dir);
        root.stat(dir);
        requests(Map.of(), () -> assertThat(names(dir)).hasSize(301));
        ok(root.unlink(at("name-7")));
        // Of the directory, then as many replies as the buffer of this test takes.
        var again = requests(() -> assertThat(names(dir)).hasSize(300));
        assertThat(again.keySet()).containsAnyOf("readdirplus").doesNotContain("lookup");
    }

    @Test
    void a_listing_brings_the_attributes_of_everything_in_it() {
        needsRoot();
        Assumptions.assumeTrue(VolumeUnderTest.isMount(), "needs a mount of its own");
        for (int i = 0; i < 300; i++) file("name-" + i, 0600, "");
        ok(root.forgetCached(VolumeUnderTest.directory()));
        var cold = requests(() -> {
            for (var name : names(dir)) assertThat(root.lstat(at(name)).size()).isLessThan(2);
        });
        // The path down to the directory, and perhaps a file's birth time, are looked up; the files are not.
        assertThat(cold.getOrDefault("lookup", 0L)).isLessThanOrEqualTo(2);
        assertThat(cold.get("readdirplus")).isLessThanOrEqualTo(30);
        assertThat(cold).doesNotContainKey("readdir");
    }

    @Test
    void changes_ask_no_more_than_the_kernel_makes_them() {
        requests(Map.of("lookup", 1L, "create", 1L), () -> kept(root.open(at("a"), O_RDWR | O_CREAT | O_EXCL, 0600)));
        requests(Map.of("getattr", 1L, "lookup", 1L, "create", 1L), () -> kept(root.open(at("b"), O_RDWR | O_CREAT | O_EXCL, 0600)));
        refused(ENOENT, root.statAnswer(at("c"), 0));
        requests(Map.of("create", 1L), () -> kept(root.open(at("c"), O_RDWR | O_CREAT, 0600)));
        requests(Map.of("getattr", 1L, "lookup", 1L, "mkdir", 1L), () -> ok(root.mkdir(at("d"), 0700)));
        requests(Map.of("getattr", 1L, "rmdir", 1L), () -> ok(root.rmdir(at("d"))));
        requests(Map.of("getattr", 1L, "lookup", 1L, "rename2", 1L), () -> ok(root.renameat2(at("a"), at("e"), RENAME_NOREPLACE)));
        requests(Map.of("getattr", 1L, "lookup", 1L, "rename", 1L), () -> ok(root.rename(at("e"), at("b"))));
        requests(Map.of("getattr", 1L, "lookup", 1L, "symlink", 1L), () -> ok(root.symlink("b", at("s"))));
        requests(Map.of("getattr", 1L, "lookup", 1L, "link", 1L), () -> ok(root.link(at("b"), at("l"))));
        requests(Map.of("getattr", 1L, "unlink", 1L), () -> ok(root.unlink(at("l"))));
        requests(Map.of("setattr", 1L, "getattr", 1L), () -> ok(root.chmod(at("b"), 0640)));
        requests(Map.of("getxattr", 1L, "setattr", 1L), () -> ok(root.truncate(at("b"), 100)));
    }

    @Test
    void a_small_file_is_five_requests() {
        var small = new byte[4096];
        requests(Map.of("lookup", 1L, "create", 1L, "getxattr", 1L, "write", 1L), () -> {
            int fd = ok(root.open(at("a"), O_WRONLY | O_CREAT | O_EXCL, 0600));
            root.write(fd, small);
            ok(root.close(fd));
        });
        requests(Map.of("getattr", 1L, "lookup", 1L, "create", 1L, "getxattr", 1L, "write", 100L), () -> {
            int fd = ok(root.open(at("b"), O_WRONLY | O_CREAT | O_EXCL, 0600));
            for (int i = 0; i < 100; i++) root.write(fd, small);
            ok(root.close(fd));
        });
    }

    private static void requests(Map<String, Long> expected, Calls calls) {
        assertThat(requests(calls)).isEqualTo(expected);
    }

    /// The requests that the calls made. What the kernel forgets, and says so at any time, is nobody's call.
    private static Map<String, Long> requests(Calls calls) {
        var before = counts();
        calls.make();
        var made = counts();
        made.replaceAll((opcode, count) -> count - before.getOrDefault(opcode, 0L));
        made.values().removeIf(count -> count == 0);
        made.keySet().removeIf(opcode -> opcode.endsWith("forget"));
        return made;
    }

    // A request is counted after its answer, which may have woken us first: so they are read once none has been seen in flight.
    private static Map<String, Long> counts() {
        Awaitility.await().atMost(Duration.ofSeconds(20)).pollDelay(Duration.ZERO).pollInterval(Duration.ofMillis(5)).until(
                () -> IN_FLIGHT.matcher(metrics()).results().allMatch(found -> Double.parseDouble(found.group(1)) == 0));
        var text = metrics();
        var counts = new TreeMap<String, Long>();
        COUNT.matcher(text).results().forEach(found -> counts.merge(found.group(1), (long) Double.parseDouble(found.group(2)), Long::sum));
        return counts;
    }

    private static String metrics() {
        try {
            var port = Files.readString(VolumeUnderTest.volume().state.resolve("http.port")).trim();
            return HTTP.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics")).build(),
                    HttpResponse.BodyHandlers.ofString()).body();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }
}
