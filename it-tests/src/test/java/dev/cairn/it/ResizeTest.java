package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A mounted volume grows, as an operator does it: the device first, then `cairn resize`.
@Timeout(300)
class ResizeTest {
    private static final boolean LONG = System.getProperty("cairn.long") != null;
    private static final long MIB = 1 << 20;
    /// A second or two; a machine that builds other things meanwhile is allowed more.
    private static final Duration SOON = Duration.ofSeconds(30);
    /// Behind them begin the blocks that the server gives away.
    private static final int LABELS_BYTES = 256 << 10;

    private static Path device(TestVolume volume, String kind) {
        return volume.state.resolve(kind + ".img");
    }

    private static void enlarge(Path device, long bytes) throws IOException {
        try (var file = new RandomAccessFile(device.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }

    private static byte[] labels(Path device) throws IOException {
        try (var file = new RandomAccessFile(device.toFile(), "r")) {
            var bytes = new byte[(int) Math.min(LABELS_BYTES, file.length())];
            file.readFully(bytes);
            return bytes;
        }
    }

    private static void putLabels(Path device, byte[] bytes) throws IOException {
        try (var file = new RandomAccessFile(device.toFile(), "rw")) {
            file.write(bytes);
        }
    }

    private static int write(String mount, int mib) {
        return TestVolume.run(Duration.ofSeconds(30), Map.of(), "dd", "if=/dev/zero", "of=" + mount + "/big", "bs=1M", "count=" + mib,
                "conv=fsync").code();
    }

    private static void sizes(TestVolume volume, long metadataBlocks, long dataBlocks) {
        Scratch.await(SOON, "df says " + metadataBlocks + " and " + dataBlocks,
                () -> volume.df("MetaData", "total") == metadataBlocks && volume.df("Data", "total") == dataBlocks);
    }

    private static long metric(TestVolume volume, String series) {
        var port = TestVolume.cairn("status", "--state", volume.state.toString(), "--json").orFail().out()
                .replaceAll("(?s).*\"http\"\\s*:\\s*\"([^\"]+)\".*", "$1");
        var found = TestVolume.shell("curl -s http://" + port + "/metrics | grep -F '" + series + "' | head -1").orFail().out().trim();
        return (long) Double.parseDouble(found.substring(found.lastIndexOf(' ') + 1));
    }

    private static void check(TestVolume volume) {
        TestVolume.cairn("check", volume.mount.toString()).orFail();
    }

    @Test
    void a_full_volume_goes_on_after_growing_and_remembers_it_after_a_kill() throws Exception {
        try (var volume = TestVolume.create("256M", "64M")) {
            var mount = volume.mount.toString();
            for (var wrong : new String[][] {{"-m", "128M", "can only grow"}, {"-d", "0", "can only grow"}, {"-d", "1T", "enlarge"}}) {
                var refused = TestVolume.cairn("resize", wrong[0], wrong[1], mount);
                assertThat(refused.code()).as(refused.toString()).isEqualTo(1);
                assertThat(refused.err()).contains(wrong[2]).hasLineCount(1);
            }
            assertThat(TestVolume.cairn("resize", mount).orFail().out()).contains("as before");
            assertThat(write(mount, 80)).isNotZero();

            enlarge(device(volume, "data"), 128 * MIB);
            enlarge(device(volume, "meta"), 320 * MIB);
            TestVolume.cairn("resize", "-d", "100M", mount).orFail();
            sizes(volume, 4096, 25_600);
            Scratch.await(SOON, "what was refused goes on", () -> write(mount, 80) == 0);
            var said = TestVolume.cairn("resize", "--json", mount).orFail().out();
            assertThat(said).contains("\"metadata_blocks_before\": 4096", "\"metadata_blocks\": 5120", "\"data_blocks\": 32768");
            sizes(volume, 5120, 32_768);
            Scratch.await(SOON, "the metrics say it", () -> metric(volume, "cairn_blocks{kind=\"data\",state=\"total\"}") == 32_768
                    && metric(volume, "cairn_blocks{kind=\"metadata\",state=\"total\"}") == 5120);
            var statfs = TestVolume.shell("stat -f -c '%b %S' '" + mount + "'").orFail().out().trim().split(" ");
            assertThat(Long.parseLong(statfs[0]) * Long.parseLong(statfs[1])).isEqualTo(128 * MIB);
            check(volume);

            volume.kill(volume.pid());
            volume.up();
            sizes(volume, 5120, 32_768);
            assertThat(volume.mount.resolve("big").toFile().length()).isEqualTo(80 * MIB);
            check(volume);
            volume.down();
            TestVolume.cairn("check", "--state", volume.state.toString()).orFail();
        }
    }

    /// A file that cannot be made for lack of metadata can be made once there is more.
    @Test
    void low_metadata_ends_when_the_metadata_device_grows() throws Exception {
        try (var volume = TestVolume.create("64M", "64M")) {
            var fill = TestVolume.run(Duration.ofMinutes(2), Map.of(), "python3", "-c", """
                    import os, sys, errno
                    n = 0
                    try:
                        while True:
                            path = "%s/%d" % (sys.argv[1], n)
                            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                            for k in range(8): os.setxattr(path, "user.%d" % k, os.urandom(60000))
                            n += 1
                    except OSError as e:
                        if e.errno != errno.ENOSPC: raise
                    """, volume.mount.toString());
            assertThat(fill.code()).as(fill.err()).isZero();
            enlarge(device(volume, "meta"), 128 * MIB);
            TestVolume.cairn("resize", volume.mount.toString()).orFail();
            Scratch.await(SOON, "files can be made", () -> TestVolume.shell("mkdir -p '" + volume.mount + "/new'").code() == 0);
            assertThat(volume.df("MetaData", "total")).isEqualTo(2048);
            check(volume);
        }
    }

    /// The instants of a crash, in order: before the journal has it; before the labels have it, which is what putting the old
    /// labels back makes of a volume that has grown; before the second label has it.
    @Test
    void a_crash_leaves_the_old_size_or_the_new_one_and_the_journal_decides() throws Exception {
        var random = new SplittableRandom(Long.getLong("cairn.seed", System.nanoTime()));
        try (var volume = TestVolume.create("256M", "64M")) {
            Path meta = device(volume, "meta"), data = device(volume, "data");
            long metadataBlocks = 4096, dataBlocks = 16_384;
            // One label alone is VolumeFormatTest's as well.
            for (var behind : LONG ? new Path[][] {{meta, data}, {meta}, {data}} : new Path[][] {{meta, data}}) {
                enlarge(meta, (metadataBlocks += 64) << 16);
                enlarge(data, (dataBlocks += 4096) << 12);
                byte[] onMeta = labels(meta), onData = labels(data);
                TestVolume.cairn("resize", volume.mount.toString()).orFail();
                // And it is used before the crash.
                assertThat(write(volume.mount.toString(), (int) (dataBlocks / 256) - 8)).isZero();
                volume.kill(volume.pid());
                for (var device : behind) putLabels(device, device == meta ? onMeta : onData);
                TestVolume.cairn("check", "--state", volume.state.toString()).orFail();
                volume.up();
                sizes(volume, metadataBlocks, dataBlocks);
                check(volume);
            }
            for (int kill = 0; kill < (LONG ? 20 : 1); kill++) {
                enlarge(data, (dataBlocks + 4096) << 12);
                long pid = volume.pid();
                var resize = Thread.ofPlatform().start(() -> TestVolume.cairn("resize", volume.mount.toString()));
                // The moment is the point of this test: nothing to wait for but time. The command itself starts in about a second.
                LockSupport.parkNanos(random.nextLong(500_000_000L, 1_500_000_000L));
                volume.kill(pid);
                resize.join();
                volume.up();
                assertThat(volume.df("Data", "total")).isIn(dataBlocks, dataBlocks + 4096);
                TestVolume.cairn("resize", volume.mount.toString()).orFail();
                sizes(volume, metadataBlocks, dataBlocks += 4096);
            }
        }
    }

    @Test
    void block_devices_with_zones_grow_as_well() throws Exception {
        try (var scratch = new Scratch(); var loops = new Loops()) {
            var files = Map.of("meta", scratch.file("meta", 256 * MIB), "data", scratch.file("data", 64 * MIB));
            Path meta = loops.over(files.get("meta")), data = loops.over(files.get("data")), mount = scratch.folder("mount");
            TestVolume.cairn("mkfs", "-z", "4096", "-Q", "0,127.0.0.1," + Scratch.freePort(), meta.toString(), data.toString()).orFail();
            TestVolume.cairn("mount", "-o", "quorum_slot_nr=0,state=%s,metadev_path=%s".formatted(scratch.dir.resolve("state"), meta),
                    data.toString(), mount.toString()).orFail();
            assertThat(write(mount.toString(), 80)).isNotZero();
            enlarge(files.get("data"), 128 * MIB);
            Scratch.refused(TestVolume.cairn("resize", "-d", "128M", mount.toString()), data.toString(), "enlarge it first");
            TestVolume.shell("losetup -c " + data).orFail();
            assertThat(TestVolume.cairn("resize", mount.toString()).orFail().out()).contains("32768 4KB blocks (128M), before 16384");
            Scratch.await(SOON, "what was refused goes on", () -> write(mount.toString(), 80) == 0);
            TestVolume.cairn("check", mount.toString()).orFail();
            TestVolume.cairn("umount", mount.toString()).orFail();
        }
    }

    /// Loop devices: detached at the end, also when they are still in use then.
    private static final class Loops implements AutoCloseable {
        private final List<Path> made = new ArrayList<>();

        Path over(Path file) {
            var loop = TestVolume.shell("losetup -f --show '" + file + "'");
            assumeTrue(loop.code() == 0, "no loop devices here");
            made.add(Path.of(loop.out().trim()));
            return made.getLast();
        }

        @Override
        public void close() {
            for (var loop : made) TestVolume.shell("losetup -d " + loop);
        }
    }
}
