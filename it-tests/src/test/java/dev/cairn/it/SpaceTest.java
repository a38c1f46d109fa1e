package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/// Section 6 of docs/architecture.md, through the kernel: "no space" comes when df says so, deleting always works and brings
/// everything back to the block, also when the node is killed on the way, and a walk over everything agrees each time.
class SpaceTest {
    private static final boolean LONG = System.getProperty("cairn.long") != null;
    private static final int ROUNDS = LONG ? 10 : 1;
    private static final long STEP = LONG ? 128 << 20 : 16 << 20;
    /// Ten seconds are the promise; a machine that builds other things meanwhile is allowed more.
    private static final Duration BACK_WITHIN = Duration.ofSeconds(LONG ? 10 : 30);
    /// A commit, and then being left alone for as long as tidying waits for.
    private static final Duration SETTLED_WITHIN = Duration.ofSeconds(60);
    /// As the policy has it for so small a device. Runs of a volume that is not tidy yet take a few blocks more.
    private static final long REFILL = 32, UNTIDY = 16;
    /// As the bridge counts files that can still be made.
    private static final long FILES_PER_BLOCK = 64;

    private static TestVolume create(String metadata, String data) throws Exception {
        var volume = TestVolume.create(metadata, data);
        // Something stays: what is counted exactly is not only nothing.
        TestVolume.shell("mkdir '" + volume.mount + "/stays'; cd '" + volume.mount + "/stays'; for n in $(seq 300); do echo $n > $n; done").orFail();
        return volume;
    }

    private static long fill(TestVolume volume, String kind) {
        return Long.parseLong(TestVolume.python(Duration.ofMinutes(LONG ? 20 : 3), "fill.py", volume.mount, kind, STEP).orFail().out().trim());
    }

    private static void removeAll(TestVolume volume) {
        TestVolume.run(Duration.ofMinutes(20), Map.of(), "bash", "-euc", "rm -rf '" + volume.mount + "'/[abcd]").orFail();
    }

    private static void check(TestVolume volume) {
        TestVolume.cairn("check", volume.mount.toString()).orFail();
    }

    private static void checkOffline(TestVolume volume) {
        TestVolume.cairn("check", "--state", volume.state.toString()).orFail();
    }

    /// Left alone, the volume takes exactly the blocks that its items take, whatever has happened to it.
    private static void settles(TestVolume volume, long free, String after) {
        Awaitility.await().atMost(SETTLED_WITHIN).pollInterval(Duration.ofMillis(500)).untilAsserted(() ->
                assertThat(volume.df("MetaData", "free")).as("free metadata blocks, all deleted after %s", after).isEqualTo(free));
    }

    private static long settled(TestVolume volume) {
        volume.sync();
        var last = new long[] {-1, System.nanoTime()};
        Awaitility.await().atMost(SETTLED_WITHIN).pollInterval(Duration.ofMillis(500)).until(() -> {
            long free = volume.df("MetaData", "free");
            if (free != last[0]) last[1] = System.nanoTime();
            last[0] = free;
            return System.nanoTime() - last[1] > Duration.ofSeconds(9).toNanos();
        });
        return last[0];
    }

    @Test
    void filling_ends_at_zero_free_and_deleting_brings_every_block_back() throws Exception {
        try (var volume = create("64M", LONG ? "16G" : "256M")) {
            rounds(volume, LONG ? List.of("data", "xattrs", "files") : List.of("data", "xattrs"));
        }
    }

    /// Some 600 000 of them are what 32 MiB of metadata hold beside the reserve; the data device has to hold a block for each.
    @Test
    @EnabledIfSystemProperty(named = "cairn.long", matches = ".*")
    void the_extents_of_one_file_fill_the_metadata_and_all_come_back() throws Exception {
        try (var volume = create("32M", "16G")) {
            rounds(volume, List.of("extents"));
        }
    }

    private static void rounds(TestVolume volume, List<String> kinds) throws Exception {
        long dataBefore = volume.df("Data", "free"), metadataBefore = settled(volume);
        if (kinds.contains("data")) {
            fillHalf(volume);
            agree(volume);
        }
        for (int round = 1; round <= ROUNDS; round++) {
            long began = System.nanoTime();
            for (var kind : kinds) {
                if (kind.equals("data")) fillData(volume, dataBefore, round);
                else fillMetadata(volume, kind, metadataBefore, round);
            }
            assertThat(volume.df("Data", "free")).as("free data blocks, all deleted").isEqualTo(dataBefore);
            if (LONG) System.err.printf("space: round %d of %d, %d s%n", round, ROUNDS, (System.nanoTime() - began) / 1_000_000_000);
        }
        agree(volume);
        volume.down();
        checkOffline(volume);
    }

    private static void fillData(TestVolume volume, long before, int round) {
        assertThat(fill(volume, "data")).as("free data blocks as ENOSPC came").isZero();
        assertThat(volume.df("Data", "free")).as("free data blocks").isZero();
        check(volume);
        if (round == 1) agree(volume);
        removeAll(volume);
        volume.sync();
        assertThat(volume.df("Data", "free")).as("free data blocks, all deleted").isEqualTo(before);
    }

    private static void fillMetadata(TestVolume volume, String kind, long before, int round) {
        long filling = System.nanoTime();
        assertThat(fill(volume, kind)).as("free files as ENOSPC came, filling with %s", kind)
                .isLessThanOrEqualTo(REFILL * FILES_PER_BLOCK);
        check(volume);
        if (round == 1) agree(volume);
        long removing = System.nanoTime();
        removeAll(volume);
        long removed = System.nanoTime();
        Awaitility.await().atMost(BACK_WITHIN).untilAsserted(() -> assertThat(volume.df("MetaData", "free"))
                .as("free metadata blocks, %s deleted", kind).isGreaterThanOrEqualTo(before - UNTIDY));
        if (LONG) System.err.printf("space: %s: filled and checked %.1f s, removed %.1f s, back after %.1f s%n", kind,
                (removing - filling) / 1e9, (removed - removing) / 1e9, (System.nanoTime() - removed) / 1e9);
        // Create again at once: what came back can be used.
        TestVolume.shell("mkdir '" + volume.mount + "/a'; head -c 100000 /dev/urandom > '" + volume.mount + "/a/again'").orFail();
        removeAll(volume);
        settles(volume, before, kind);
        check(volume);
    }

    // ---- what users see

    private static void fillHalf(TestVolume volume) {
        long data = volume.df("Data", "free"), metadata = volume.df("MetaData", "free");
        var dir = volume.mount.resolve("a");
        TestVolume.shell("mkdir '%s'; fallocate -l %d '%1$s/half'".formatted(dir, data / 2 * 4096)).orFail();
        TestVolume.run(Duration.ofMinutes(1), Map.of(), "python3", "-c", """
                import os, sys
                for n in range(int(sys.argv[2])):
                    path = "%s/half%d" % (sys.argv[1], n)
                    open(path, "w").close()
                    os.setxattr(path, "user.a", os.urandom(65000))
                """, dir.toString(), Long.toString(metadata / 2)).orFail();
        volume.sync();
        assertThat(volume.df("Data", "free")).isBetween(data * 4 / 10, data * 6 / 10);
        assertThat(volume.df("MetaData", "free")).isBetween(metadata * 3 / 10, metadata * 6 / 10);
    }

    /// statfs(2), df -i, `cairn df`, `cairn status` and the metrics say the same, and all subtract the reserve.
    private static void agree(TestVolume volume) {
        volume.sync();
        var http = HttpClient.newHttpClient();
        Awaitility.await().atMost(Duration.ofSeconds(40)).untilAsserted(() -> {
            var status = ConfigFactory.parseString(TestVolume.cairn("status", "--json", "--state", volume.state.toString()).out());
            var metrics = http.send(HttpRequest.newBuilder(URI.create("http://" + status.getString("http") + "/metrics")).build(),
                    HttpResponse.BodyHandlers.ofString()).body();
            var df = ConfigFactory.parseString(TestVolume.cairn("df", "--json", volume.mount.toString()).orFail().out());
            for (var row : df.getConfigList("rows")) {
                var kind = row.getString("type").toLowerCase(Locale.ROOT);
                for (var state : List.of("total", "used", "free", "reserved", "held")) {
                    assertThat(status.getLong("space." + kind + "." + state)).as("status: %s %s", kind, state).isEqualTo(row.getLong(state));
                    assertThat(metric(metrics, "cairn_blocks{kind=\"" + kind + "\",state=\"" + state + "\"}"))
                            .as("metrics: %s %s", kind, state).isEqualTo(row.getLong(state));
                }
                assertThat(row.getLong("used") + row.getLong("free") + row.getLong("reserved") + row.getLong("held"))
                        .as("the sum of %s", row).isEqualTo(row.getLong("total"));
            }
            statfs(volume, df.getConfigList("rows").get(0), df.getConfigList("rows").get(1), df.getLong("inodes"));
        });
    }

    private static void statfs(TestVolume volume, Config metadata, Config data, long inodes) {
        long files = metadata.getLong("free") * FILES_PER_BLOCK;
        var statfs = TestVolume.shell("stat -f -c '%b %f %a %c %d' '" + volume.mount + "'").orFail().out().trim();
        assertThat(statfs).as("statfs").isEqualTo("%d %d %d %d %d".formatted(data.getLong("total"), data.getLong("free"),
                files == 0 ? 0 : data.getLong("free"), inodes + files, files));
        var df = TestVolume.shell("df --output=itotal,iused,iavail '" + volume.mount + "' | tail -1").orFail().out().trim();
        assertThat(df.split("\\s+")).as("df -i").containsExactly(Long.toString(inodes + files), Long.toString(inodes), Long.toString(files));
    }

    private static long metric(String metrics, String name) {
        var found = Pattern.compile("^" + Pattern.quote(name) + " (\\S+)$", Pattern.MULTILINE).matcher(metrics);
        assertThat(found.find()).as(name).isTrue();
        return (long) Double.parseDouble(found.group(1));
    }

    // ---- kills

    private static final List<String> UNDER_WAY = List.of(
            // Data that is allocated, written and deleted, and names with it.
            "for n in $(seq 400); do mkdir -p $0/a; fallocate -l 8M $0/a/$n; head -c 300000 /dev/urandom > $0/a/w$n; "
                    + "[ $((n % 7)) = 0 ] && rm -rf $0/a; [ -d $0 ] || break; done",
            // Metadata up to the edge and back: commits of large runs, merges while metadata is low, deletions that bring it back.
            "while mkdir -p $0/b; do for n in $(seq 60); do head -c 45000 /dev/urandom | base64 -w0 > ${0%/*}/value; "
                    + "touch $0/b/$n; setfattr -n user.a -v \"0s$(cat ${0%/*}/value)\" $0/b/$n; [ $((n % 20)) = 0 ] && sync $0/b/$n; done; rm -rf $0/b; done",
            // Many names, many small commits.
            "while mkdir -p $0/c; do for n in $(seq 300); do echo $n > $0/c/$n; [ $((n % 50)) = 0 ] && sync $0/c/$n; done; rm -rf $0/c; done");

    @Test
    void a_kill_while_filling_deleting_or_merging_loses_no_block() throws Exception {
        long seed = Long.getLong("cairn.seed", System.nanoTime());
        var random = new SplittableRandom(seed);
        System.err.println("space: kills, seed " + seed);
        try (var volume = TestVolume.create("64M", "256M")) {
            long before = volume.df("Data", "free");
            for (int kill = 0; kill < (LONG ? 40 : 2); kill++) {
                var workers = UNDER_WAY.stream().map(script -> Thread.ofPlatform().start(() ->
                        TestVolume.run(Duration.ofSeconds(60), Map.of(), "bash", "-c", script, volume.mount.toString()))).toList();
                long pid = volume.pid();
                // The moment is the point of this test: nothing to wait for but time; or for a merge job that is out.
                LockSupport.parkNanos(random.nextLong(300_000_000L, 2_500_000_000L));
                if (kill % 2 == 1) awaitMerge(volume);
                volume.kill(pid);
                for (var worker : workers) worker.join();
                if (kill % 4 == 1) checkOffline(volume);
                volume.up();
                check(volume);
            }
            removeAll(volume);
            volume.sync();
            Awaitility.await().atMost(BACK_WITHIN).untilAsserted(() -> assertThat(volume.df("Data", "free")).isEqualTo(before));
            volume.down();
            checkOffline(volume);
        }
    }

    /// Until the server has a merge job out, or a while has passed without one.
    private static void awaitMerge(TestVolume volume) {
        var status = ConfigFactory.parseString(TestVolume.cairn("status", "--json", "--state", volume.state.toString()).out());
        var metrics = HttpRequest.newBuilder(URI.create("http://" + status.getString("http") + "/metrics")).build();
        var http = HttpClient.newHttpClient();
        Awaitility.await().atMost(Duration.ofSeconds(20)).pollInterval(Duration.ofMillis(5)).until(() ->
                metric(http.send(metrics, HttpResponse.BodyHandlers.ofString()).body(), "cairn_merge_jobs") > 0);
    }
}
