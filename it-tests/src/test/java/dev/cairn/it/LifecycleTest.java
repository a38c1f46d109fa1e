package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.cairn.node.MountTable;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A volume's days: up, used, watched, killed, unmounted by others, busy, stopped, up again. One volume for all of them; each
/// begins with it up.
@Timeout(300)
class LifecycleTest {
    private static TestVolume volume;

    @BeforeAll
    static void make() throws IOException {
        volume = TestVolume.create("256M", "1G");
    }

    @AfterAll
    static void remove() {
        volume.close();
    }

    private static TestVolume.Ran status() {
        return TestVolume.cairn("status", "--state", volume.state.toString());
    }

    private static Config json(TestVolume of) {
        return ConfigFactory.parseString(TestVolume.cairn("status", "--state", of.state.toString(), "--json").orFail().out());
    }

    private static HttpResponse<String> get(String path) throws Exception {
        try (var client = HttpClient.newHttpClient()) {
            var uri = URI.create("http://" + json(volume).getString("http") + path);
            return client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
        }
    }

    @Test
    void up_again_says_what_is_there() {
        volume.up();
        long pid = volume.pid();
        var again = TestVolume.cairn("up", "--state", volume.state.toString(), volume.mount.toString()).orFail();
        assertThat(again.out()).contains("mounted at " + volume.mount, "/metrics", "cairn down", "node pid " + pid);
        assertThat(again.err()).isEmpty();
        Scratch.refused(TestVolume.cairn("up", "--state", volume.state.toString(), "--data-size", "2G", volume.mount.toString()), "--data-size");
        var status = status().orFail();
        assertThat(status.out()).contains("health     ok", "slot 0", "serving", "pid " + pid);
        var json = json(volume);
        assertThat(json.getString("health")).isEqualTo("ok");
        assertThat(json.getLong("pid")).isEqualTo(pid);
        assertThat(json.getInt("slot")).isZero();
        assertThat(json.getLong("term")).isPositive();
        assertThat(json.getConfigList("mounts").getFirst().getBoolean("serving")).isTrue();
        assertThat(json.getList("conditions")).isEmpty();
    }

    @Test
    void a_killed_node_leaves_a_dead_mount_that_up_replaces_and_open_unlinked_files_that_end() throws Exception {
        volume.up();
        Files.writeString(volume.mount.resolve("kept"), "kept");
        volume.sync();
        long free = volume.df("Data", "free"), used = volume.df("Data", "used"), inodes = volume.walkInodes("meta_seq").size();
        var path = volume.mount.resolve("open");
        var open = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            open.write(ByteBuffer.allocate(3 << 20));
            Files.delete(path);
            volume.sync();
            assertThat(open.size()).isEqualTo(3 << 20);
            assertThat(volume.df("Data", "used")).isEqualTo(used + 768);
            volume.kill(volume.pid());
        } finally {
            try {
                open.close();
            } catch (IOException _) {
                // Its node is dead.
            }
        }
        var dead = status();
        assertThat(dead.code()).isEqualTo(3);
        assertThat(dead.out()).contains("not-running", "cairn up");
        assertThat(ConfigFactory.parseString(TestVolume.cairn("status", "--state", volume.state.toString(), "--json").out()).getString("health"))
                .isEqualTo("failed");
        assertThat(TestVolume.shell("ls '" + volume.mount + "'").err()).contains("not connected");
        volume.up();
        assertThat(Files.readString(volume.mount.resolve("kept"))).isEqualTo("kept");
        Scratch.await(Duration.ofSeconds(20), "the blocks of a file without a name", () -> volume.df("Data", "used") == used);
        assertThat(volume.df("Data", "free")).isEqualTo(free);
        volume.sync();
        assertThat(volume.walkInodes("meta_seq")).hasSize((int) inodes);
    }

    @Test
    void a_mount_that_somebody_took_away_is_reported_and_comes_back() throws Exception {
        volume.up();
        long pid = volume.pid();
        Files.writeString(volume.mount.resolve("before"), "uncommitted");
        TestVolume.shell("umount '" + volume.mount + "'").orFail();
        Scratch.await(Duration.ofSeconds(20), "the node notices", () -> status().code() == 1);
        assertThat(status().out()).contains("mount-ended", "cairn up");
        assertThat(get0("/health", 503)).contains("mount-ended");
        assertThat(get0("/ready", 503)).contains("why_not");
        volume.up();
        assertThat(volume.pid()).isEqualTo(pid);
        assertThat(Files.readString(volume.mount.resolve("before"))).isEqualTo("uncommitted");
        // And when up comes before the node has noticed.
        TestVolume.shell("umount -l '" + volume.mount + "'").orFail();
        volume.up();
        assertThat(MountTable.read().cairnAt(volume.mount)).isTrue();
        assertThat(Files.readString(volume.mount.resolve("before"))).isEqualTo("uncommitted");
    }

    // By the address that the state directory has: the status of an ailing node ends with 1.
    private static String get0(String path, int code) throws Exception {
        var address = ConfigFactory.parseFile(volume.state.resolve("running.json").toFile()).getString("http");
        try (var client = HttpClient.newHttpClient()) {
            var answer = client.send(HttpRequest.newBuilder(URI.create("http://" + address + path)).build(), HttpResponse.BodyHandlers.ofString());
            assertThat(answer.statusCode()).isEqualTo(code);
            return answer.body();
        }
    }

    @Test
    void down_waits_for_nobody_and_names_who_uses_the_mount() throws Exception {
        volume.up();
        var user = new ProcessBuilder("sleep", "120").directory(volume.mount.toFile()).start();
        try {
            Scratch.refused(TestVolume.cairn("down", "--state", volume.state.toString()), volume.mount.toString(), "in use", "sleep (" + user.pid() + ")", "--lazy");
            status().orFail();
            Files.writeString(volume.mount.resolve("after"), "still works");
            assertThat(TestVolume.cairn("down", "--lazy", "--state", volume.state.toString()).orFail().out()).contains("committed");
        } finally {
            user.destroyForcibly().waitFor();
        }
        assertThat(MountTable.read().cairnAt(volume.mount)).isFalse();
        assertThat(TestVolume.cairn("down", "--state", volume.state.toString()).orFail().out()).contains("not running");
        volume.up();
        assertThat(Files.readString(volume.mount.resolve("after"))).isEqualTo("still works");
    }

    @Test
    void sigterm_unmounts_commits_and_ends_with_0() throws Exception {
        volume.down();
        var log = volume.state.resolve("foreground.log");
        var node = new ProcessBuilder(TestVolume.launcher(), "node", volume.state.resolve("node.conf").toString())
                .redirectErrorStream(true).redirectOutput(log.toFile()).start();
        try {
            Scratch.await(Duration.ofSeconds(60), "a usable node", () -> status().code() == 0);
            Files.writeString(volume.mount.resolve("term"), "not synced by anybody");
            node.destroy();
            assertThat(node.waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(node.exitValue()).isZero();
        } finally {
            node.destroyForcibly();
        }
        assertThat(MountTable.read().cairnAt(volume.mount)).isFalse();
        assertThat(Scratch.complaints(log)).isEmpty();
        volume.up();
        assertThat(Files.readString(volume.mount.resolve("term"))).isEqualTo("not synced by anybody");
    }

    @Test
    void a_normal_life_is_quiet_in_the_log() throws Exception {
        volume.down();
        Files.delete(volume.state.resolve("node.log"));
        volume.up();
        for (int n = 0; n < 100; n++) Files.writeString(volume.mount.resolve("quiet" + n), "content");
        volume.sync();
        for (int n = 0; n < 100; n++) Files.delete(volume.mount.resolve("quiet" + n));
        volume.down();
        assertThat(Scratch.complaints(volume.state.resolve("node.log"))).isEmpty();
        assertThat(Files.readAllLines(volume.state.resolve("node.log")).size()).isBetween(3, 12);
    }

    @Test
    void two_volumes_live_side_by_side() throws Exception {
        volume.up();
        try (var other = TestVolume.create("256M", "512M")) {
            Files.writeString(volume.mount.resolve("which"), "first");
            Files.writeString(other.mount.resolve("which"), "second");
            assertThat(Files.readString(volume.mount.resolve("which"))).isEqualTo("first");
            assertThat(json(other).getString("fsid")).isNotEqualTo(json(volume).getString("fsid"));
            assertThat(json(other).getString("http")).isNotEqualTo(json(volume).getString("http"));
            other.down();
            status().orFail();
        }
    }

    @Test
    void metrics_have_the_documented_names_and_move() throws Exception {
        volume.up();
        var before = get("/metrics");
        assertThat(before.statusCode()).isEqualTo(200);
        assertThat(before.body()).contains("cairn_blocks{kind=\"metadata\",state=\"free\"}", "cairn_blocks{kind=\"data\",state=\"reserved\"}",
                "cairn_space_low{kind=\"data\"} 0.0", "cairn_ready 1.0", "cairn_mounts 1.0", "cairn_merge_debt", "cairn_commit_logs",
                "cairn_dirty_items", "cairn_dirty_bytes", "cairn_commit_failures_total", "cairn_condition{name=\"commit-failed\"",
                "cairn_block_cache_hits_total", "cairn_device_failures_total{device=\"data\"} 0.0", "jvm_memory_used_bytes");
        for (var kind : new String[] {"metadata", "data"}) {
            double sum = 0;
            for (var state : new String[] {"used", "free", "reserved", "held"}) sum += blocks(before.body(), kind, state);
            assertThat(sum).as("blocks of %s add up", kind).isEqualTo(blocks(before.body(), kind, "total"));
        }
        var dir = Files.createDirectories(volume.mount.resolve("metrics"));
        for (int n = 0; n < 50; n++) Files.write(dir.resolve("f" + n), new byte[8192]);
        volume.sync();
        var after = get("/metrics").body();
        assertThat(blocks(after, "data", "used")).isEqualTo(blocks(before.body(), "data", "used") + 100);
        assertThat(value(after, "cairn_commit_seconds_count")).isGreaterThan(value(before.body(), "cairn_commit_seconds_count"));
        assertThat(value(after, "cairn_inodes")).isEqualTo(value(before.body(), "cairn_inodes") + 51);
        assertThat(after).containsPattern("cairn_fuse_requests_seconds_count\\{[^}]*opcode=\"create\"[^}]*} [1-9]")
                .containsPattern("cairn_fuse_requests_seconds_bucket\\{[^}]*opcode=\"create\"[^}]*le=\"[^\"]+\"[^}]*} [1-9]");
        // Loopback only: every address that the node listens at.
        var listening = TestVolume.shell("ss -Hltnp | grep -F 'pid=%d,'".formatted(volume.pid())).orFail().out();
        assertThat(listening.lines()).isNotEmpty().allMatch(line -> line.matches(".*\\s(\\[::ffff:)?127\\.0\\.0\\.1]?:\\d+\\s.*"));
    }

    private static double blocks(String metrics, String kind, String state) {
        return value(metrics, "cairn_blocks{kind=\"%s\",state=\"%s\"}".formatted(kind, state));
    }

    private static double value(String metrics, String name) {
        return metrics.lines().filter(line -> line.startsWith(name + " ")).map(line -> line.substring(name.length() + 1))
                .mapToDouble(Double::parseDouble).findFirst().orElseThrow(() -> new AssertionError("no " + name + " in " + metrics));
    }

    @Test
    void git_and_rsync_work_on_it() {
        volume.up();
        var mount = volume.mount;
        TestVolume.shell("""
                cd '%s'
                git clone -q --no-hardlinks '%s' clone
                git -C clone fsck --strict
                git -C clone status --porcelain > changes; ! [ -s changes ]
                mkdir unpacked
                git -C clone archive HEAD | tar -x -C unpacked
                rsync -a unpacked/ copied/
                diff -r unpacked copied
                rsync -anic unpacked/ copied/ > differences; ! [ -s differences ]
                git -C clone gc -q --prune=now
                git -C clone fsck --strict
                """.formatted(mount, TestVolume.repositoryRoot())).orFail();
        volume.sync();
        assertThat(TestVolume.shell("find '%s' -printf '%%i\\n' | sort -un".formatted(mount)).orFail().out().lines().map(Long::valueOf))
                .containsExactlyInAnyOrderElementsOf(volume.walkInodes("meta_seq").keySet());
        TestVolume.shell("rm -rf '%s'/clone '%s'/unpacked '%s'/copied".formatted(mount, mount, mount)).orFail();
    }
}
