package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Disks under a running mount that fill up or lose their end: errors that say so, a node that lives, and everything
/// acknowledged still there when the disk is well again.
@Timeout(300)
class FullAndFailingTest {
    private static final long META = 256L << 20, DATA = 1L << 30;

    private Scratch scratch;
    private Path mount;
    private Path state;

    @BeforeEach
    void make() throws IOException {
        assumeTrue(System.getProperty("user.name").equals("root"), "only root can mount a tmpfs");
        scratch = new Scratch();
        mount = scratch.folder("mnt");
        state = scratch.dir.resolve("state");
    }

    @AfterEach
    void remove() throws IOException {
        if (scratch != null) scratch.close();
    }

    private void mkfs(Path meta, Path data) throws IOException {
        TestVolume.cairn("mkfs", "-Q", "0,127.0.0.1," + Scratch.freePort(), meta.toString(), data.toString()).orFail();
    }

    private void mount(Path meta, Path data) {
        TestVolume.cairn("mount", "-o", "quorum_slot_nr=0,metadev_path=" + meta + ",state=" + state, data.toString(), mount.toString()).orFail();
    }

    private TestVolume.Ran status() {
        return TestVolume.cairn("status", "--state", state.toString());
    }

    private TestVolume.Ran sync() {
        return TestVolume.cairn("sync", mount.toString());
    }

    private static byte[] random(int bytes, long seed) {
        var content = new byte[bytes];
        new Random(seed).nextBytes(content);
        return content;
    }

    @Test
    void a_full_disk_under_the_data_and_a_data_file_cut_short() throws Exception {
        var small = scratch.tmpfs("small", 30);
        var meta = scratch.file("meta", META);
        var data = scratch.file("small/data", DATA);
        mkfs(meta, data);
        mount(meta, data);
        Files.write(mount.resolve("before"), random(5 << 20, 1));
        sync().orFail();
        var failed = TestVolume.shell("dd if=/dev/urandom of='%s'/big bs=1M count=60 conv=fsync status=none".formatted(mount));
        assertThat(failed.code()).isNotZero();
        assertThat(failed.err()).contains("Input/output error");
        // What fits, and all that is metadata only, goes on; the error is told and then remembered for a while.
        assertThat(Files.readAllBytes(mount.resolve("before"))).isEqualTo(random(5 << 20, 1));
        Files.createDirectory(mount.resolve("dir"));
        sync().orFail();
        assertThat(status().code()).isEqualTo(1);
        assertThat(status().out()).contains("device-error", data.toString(), "no space left");
        assertThat(Scratch.complaints(state.resolve("node.log"))).isNotEmpty().allMatch(line -> line.contains("no space left") && line.contains("block "));
        // What is deleted goes back to the disk.
        Files.delete(mount.resolve("big"));
        sync().orFail();
        Scratch.await(Duration.ofSeconds(20), "space given back", () -> Files.getFileStore(small).getUsableSpace() > 20 << 20);
        Files.write(mount.resolve("again"), random(10 << 20, 2));
        sync().orFail();

        long end = (Long) Files.getAttribute(data, "size");
        try (var cut = new RandomAccessFile(data.toFile(), "rw")) {
            cut.setLength(7 << 20);
        }
        TestVolume.shell("echo 1 > /proc/sys/vm/drop_caches").orFail();
        assertThat(Files.readAllBytes(mount.resolve("before"))).isEqualTo(random(5 << 20, 1));
        assertThat(TestVolume.shell("cat '%s'/again > /dev/null".formatted(mount)).err()).contains("Input/output error");
        Files.createDirectory(mount.resolve("another"));
        sync().orFail();
        assertThat(status().out()).contains("device-error", data.toString(), "device ends at");
        TestVolume.cairn("umount", mount.toString()).orFail();
        Scratch.refused(TestVolume.cairn("mount", "-o", "quorum_slot_nr=0,metadev_path=" + meta + ",state=" + state, data.toString(), mount.toString()),
                data.toString(), "cut short");
        try (var back = new RandomAccessFile(data.toFile(), "rw")) {
            back.setLength(end);
        }
        mount(meta, data);
        assertThat(Files.isDirectory(mount.resolve("another"))).isTrue();
        status().orFail();
        TestVolume.cairn("umount", mount.toString()).orFail();
    }

    @Test
    void a_device_that_loses_what_it_had_in_its_cache_ends_the_mount_and_nothing_acknowledged() throws Exception {
        scratch.tmpfs("small", 40);
        var meta = scratch.file("meta", META);
        var data = scratch.loop(scratch.file("small/disk", DATA));
        mkfs(meta, data);
        mount(meta, data);
        Files.write(mount.resolve("before"), random(5 << 20, 1));
        sync().orFail();
        var filler = scratch.dir.resolve("small/filler");
        TestVolume.shell("head -c 100M /dev/zero > '%s' 2>/dev/null || true".formatted(filler)).orFail();
        // Its data is in the journal, whatever becomes of the device's cache.
        for (int n = 0; n < 20; n++) acknowledged(mount.resolve("small" + n), random(3000, n));
        var failed = TestVolume.shell("dd if=/dev/urandom of='%s'/big bs=1M count=20 conv=fsync status=none".formatted(mount));
        assertThat(failed.code()).isNotZero();
        assertThat(failed.err()).contains("Input/output error");
        assertThat(status().code()).isNotZero();
        assertThat(status().out()).contains("mount-failed", data.toString() + ": flush", "stop and start the node");
        Scratch.refused(TestVolume.cairn("umount", mount.toString()), mount + " is unmounted, but its last changes are lost", data.toString());
        Files.delete(filler);
        TestVolume.shell("echo 3 > /proc/sys/vm/drop_caches").orFail();
        mount(meta, data);
        assertThat(Files.readAllBytes(mount.resolve("before"))).isEqualTo(random(5 << 20, 1));
        for (int n = 0; n < 20; n++) assertThat(Files.readAllBytes(mount.resolve("small" + n))).isEqualTo(random(3000, n));
        acknowledged(mount.resolve("after"), random(100_000, 3));
        assertThat(status().out()).doesNotContain("failed");
        TestVolume.cairn("umount", mount.toString()).orFail();
    }

    private static void acknowledged(Path file, byte[] content) throws IOException {
        try (var channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(content));
            channel.force(true);
        }
    }

    @Test
    void a_full_disk_under_the_metadata_and_a_damaged_block_of_a_run() throws Exception {
        var small = scratch.tmpfs("small", 2);
        var meta = scratch.file("small/meta", META);
        var data = scratch.file("data", DATA);
        mkfs(meta, data);
        mount(meta, data);
        int acknowledged = 0, created = 0;
        boolean refused = false;
        while (created < 60_000 && !refused) {
            try {
                for (int end = created + 2000; created < end; created++)
                    Files.createFile(mount.resolve("file-with-a-rather-long-name-" + created));
                force(mount);
                acknowledged = created;
            } catch (IOException e) {
                assertThat(e.getMessage()).containsAnyOf("Input/output error", "I/O error");
                refused = true;
            }
        }
        assertThat(refused).isTrue();
        assertThat(acknowledged).isPositive();
        assertThat(sync().err()).contains("Input/output error");
        var ailing = status();
        assertThat(ailing.code()).isEqualTo(1);
        assertThat(ailing.out()).contains("commit-failed", meta.toString(), "no space left");
        TestVolume.shell("mount -o remount,size=400M '" + small + "'").orFail();
        Scratch.await(Duration.ofSeconds(20), "a commit", () -> sync().code() == 0);
        assertThat(status().out()).doesNotContain("commit-failed");
        TestVolume.cairn("umount", mount.toString()).orFail();
        mount(meta, data);
        assertThat(names()).isEqualTo(created);
        TestVolume.cairn("umount", mount.toString()).orFail();

        // One bit of every third block that holds something: some of it must matter. The label's four blocks stay.
        damage(meta, 4, 3);
        var up = TestVolume.cairn("mount", "-o", "quorum_slot_nr=0,metadev_path=" + meta + ",state=" + state, data.toString(), mount.toString());
        var log = Files.readString(state.resolve("node.log"));
        assertThat(log).containsPattern(meta + ".*block \\d+");
        if (up.code() != 0) {
            Scratch.refused(up, meta.toString());
        } else {
            TestVolume.shell("ls '%s' > /dev/null".formatted(mount));
            assertThat(status().out()).contains("device-error");
        }
    }

    private long names() throws IOException {
        try (var all = Files.list(mount)) {
            return all.count();
        }
    }

    private static void damage(Path device, int first, int step) throws IOException {
        try (var file = new RandomAccessFile(device.toFile(), "rw")) {
            int seen = 0;
            var block = new byte[65536];
            for (long n = first; n < 400; n++) {
                file.seek(n * 65536);
                file.readFully(block);
                if (java.util.Arrays.equals(block, new byte[65536]) || seen++ % step != 0) continue;
                file.seek(n * 65536 + 1000);
                file.write(block[1000] ^ 0x10);
            }
            assertThat(seen).isPositive();
        }
    }

    private static void force(Path directory) throws IOException {
        try (var channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    @Test
    void a_full_state_directory_makes_fsync_wait_and_loses_nothing() throws Exception {
        state = scratch.tmpfs("small", 16).resolve("state");
        var meta = scratch.file("meta", META);
        var data = scratch.file("data", 256L << 20);
        mkfs(meta, data);
        mount(meta, data);
        var filler = scratch.dir.resolve("small/filler");
        TestVolume.shell("head -c 100M /dev/zero > '%s' 2>/dev/null || true".formatted(filler)).orFail();
        var acknowledged = new java.util.concurrent.ConcurrentLinkedQueue<Path>();
        var stop = new java.util.concurrent.atomic.AtomicBoolean();
        var writer = CompletableFuture.runAsync(() -> {
            for (int n = 0; !stop.get(); n++) {
                var file = mount.resolve("f" + n);
                try (var channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                    channel.write(ByteBuffer.wrap(random(100, n)));
                    // A commit of this size travels in the journal.
                    Files.getFileAttributeView(file, UserDefinedFileAttributeView.class).write("x", ByteBuffer.wrap(random(20_000, n)));
                    channel.force(true);
                    acknowledged.add(file);
                } catch (IOException notDurable) {
                    // Allowed as well: fsync said no.
                }
            }
        });
        try {
            Scratch.await(Duration.ofSeconds(60), "trouble", () -> status().code() == 1);
            assertThat(status().out()).contains("problem", "o space left", state.toString());
            int before = acknowledged.size();
            assertThat(before).isPositive();
            Files.delete(filler);
            Scratch.await(Duration.ofSeconds(90), "fsync goes on", () -> acknowledged.size() > before + 1);
        } finally {
            Files.deleteIfExists(filler);
            stop.set(true);
            writer.get(90, TimeUnit.SECONDS);
        }
        Awaitility.await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> assertThat(status().out()).contains("health     ok"));
        TestVolume.shell("kill -9 " + com.typesafe.config.ConfigFactory.parseFile(state.resolve("running.json").toFile()).getLong("pid")).orFail();
        Scratch.await(Duration.ofSeconds(10), "the node's end", () -> status().code() == 3);
        mount(meta, data);
        for (var file : acknowledged)
            assertThat(Files.readAllBytes(file)).isEqualTo(random(100, Long.parseLong(file.getFileName().toString().substring(1))));
        TestVolume.cairn("umount", mount.toString()).orFail();
    }
}
