package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/// Section 6 of docs/architecture.md, through the kernel: "no space" comes when df says so, deleting always works and brings
/// everything back to the block, also when the node is killed on the way, and a walk over everything agrees each time.
class SpaceTest {
    private static final boolean LONG = System.getProperty("cairn.long") != null;
    private static final int ROUNDS = LONG ? 10 : 1;
    /// Ten seconds are the promise; a machine that builds other things meanwhile is allowed more.
    private static final Duration BACK_WITHIN = Duration.ofSeconds(LONG ? 10 : 30);

    /// Four at once, each in a directory of its own, until ENOSPC; anything else is an error.
    private static final String FILL = """
            cat > "$1/../fill.py" <<'PY'
            import os, sys, errno
            kind, top = sys.argv[1], sys.argv[2]
            os.makedirs(top, exist_ok=True)
            n = 0
            try:
                while True:
                    path = "%s/%d" % (top, n)
                    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
                    try:
                        if kind == "data":
                            os.posix_fallocate(fd, 0, 32 << 20)
                        elif kind == "xattrs":
                            for k in range(4): os.setxattr(path, "user.%d" % k, os.urandom(60000))
                    finally:
                        os.close(fd)
                    n += 1
            except OSError as e:
                if e.errno != errno.ENOSPC: raise
            print(os.statvfs(top).f_ffree if kind != "data" else os.statvfs(top).f_bavail)
            PY
            pids=
            for d in a b c d; do timeout 120 python3 "$1/../fill.py" "$2" "$1/$d" > "$1/../free.$d" & pids="$pids $!"; done
            for pid in $pids; do wait $pid; done
            """;

    private static void fill(TestVolume volume, String kind) {
        TestVolume.run(Duration.ofMinutes(3), java.util.Map.of(), "bash", "-euc", FILL, "fill", volume.mount.toString(), kind).orFail();
    }

    private static void removeAll(TestVolume volume) {
        TestVolume.shell("rm -rf '" + volume.mount + "'/?").orFail();
    }

    private static void check(TestVolume volume) {
        TestVolume.cairn("check", volume.mount.toString()).orFail();
    }

    @Test
    void filling_ends_at_zero_free_and_deleting_brings_every_block_back() throws Exception {
        try (var volume = TestVolume.create("256M", "1G")) {
            for (int round = 0; round < ROUNDS; round++) {
                long before = volume.df("Data", "free");
                fill(volume, "data");
                assertThat(volume.df("Data", "free")).as("free data blocks at ENOSPC").isZero();
                check(volume);
                removeAll(volume);
                volume.sync();
                assertThat(volume.df("Data", "free")).as("free data blocks, all deleted").isEqualTo(before);

                // What a volume of no files takes may differ by the few blocks of runs that wait for their merge.
                long metadataBefore = volume.df("MetaData", "free");
                fill(volume, "xattrs");
                assertThat(leastFreeAtEnospc(volume)).as("free metadata bytes when ENOSPC came").isLessThanOrEqualTo(REFILL * 65536);
                check(volume);
                removeAll(volume);
                volume.sync();
                Awaitility.await().atMost(BACK_WITHIN).untilAsserted(() -> assertThat(volume.df("MetaData", "free"))
                        .as("free metadata blocks, all deleted").isGreaterThanOrEqualTo(metadataBefore - TIDY));
                check(volume);
            }
            volume.down();
            TestVolume.cairn("check", "--state", volume.state.toString()).orFail();
        }
    }

    /// What statvfs(2) said to the four writers right when they met ENOSPC; later, merging has brought some of it back.
    private static long leastFreeAtEnospc(TestVolume volume) throws Exception {
        long least = Long.MAX_VALUE;
        for (var writer : List.of("a", "b", "c", "d"))
            least = Math.min(least, Long.parseLong(Files.readString(volume.mount.resolveSibling("free." + writer)).trim()));
        return least * METADATA_BYTES_PER_FILE;
    }

    /// As the bridge counts files that can still be made.
    private static final long METADATA_BYTES_PER_FILE = 1024;
    /// A refill of a volume of 256 MiB, and what runs of an idle volume may differ by.
    private static final long REFILL = 128, TIDY = 16;

    @Test
    void a_kill_while_filling_or_deleting_loses_no_block() throws Exception {
        var random = new SplittableRandom(Long.getLong("cairn.seed", System.nanoTime()));
        try (var volume = TestVolume.create("256M", "256M")) {
            long before = volume.df("Data", "free");
            for (int kill = 0; kill < (LONG ? 20 : 2); kill++) {
                var mount = volume.mount;
                var worker = Thread.ofPlatform().start(() -> TestVolume.run(Duration.ofSeconds(60), java.util.Map.of(), "bash", "-c",
                        "for n in $(seq 400); do mkdir -p $0/a; fallocate -l 8M $0/a/$n; head -c 300000 /dev/urandom > $0/a/w$n; "
                                + "[ $((n % 7)) = 0 ] && rm -rf $0/a; [ -d $0 ] || break; done", mount.toString()));
                long pid = volume.pid();
                // The moment is the point of this test: nothing to wait for but time.
                java.util.concurrent.locks.LockSupport.parkNanos(random.nextLong(300_000_000L, 2_500_000_000L));
                volume.kill(pid);
                worker.join();
                volume.up();
                check(volume);
            }
            removeAll(volume);
            volume.sync();
            assertThat(volume.df("Data", "free")).isEqualTo(before);
        }
    }
}
