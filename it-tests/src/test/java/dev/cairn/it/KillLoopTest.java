package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// Acknowledged by fsync means that it survives kill -9. Writers work on a mounted volume while its node is killed at random
/// moments; after each restart everything that was acknowledged is there, nothing is half there, and all counts are exact.
class KillLoopTest {
    private static final int KILLS = Integer.getInteger("cairn.kills", System.getProperty("cairn.long") == null ? 5 : 50);
    private static final int WRITERS = 3;
    /// The label area of a data device: 256 KiB.
    private static final long LABEL_BLOCKS = 64;

    /// What a writer knows of one name: the version whose fsync returned, and the newest one that it began to write. After
    /// a kill the file is one of the versions in between, whole; or it is absent, when none was acknowledged.
    private record Promise(int acknowledged, int begun) {}

    @Test
    void everything_acknowledged_survives_kills_at_random_moments() throws Exception {
        long seed = Long.getLong("cairn.seed", System.nanoTime());
        var random = new SplittableRandom(seed);
        System.err.println("kill loop: " + KILLS + " kills, seed " + seed);
        try (var volume = TestVolume.create("256M", "1G")) {
            var promises = new ConcurrentSkipListMap<String, Promise>();
            for (int n = 0; n < WRITERS; n++) Files.createDirectory(volume.mount.resolve("w" + n));
            volume.sync();
            for (int kill = 1; kill <= KILLS; kill++) {
                var stop = new AtomicBoolean();
                var writers = new ArrayList<Thread>();
                for (int n = 0; n < WRITERS; n++) {
                    var writer = new Writer("w" + n, volume.mount, promises, stop, random.split());
                    writers.add(Thread.ofPlatform().name("writer-" + n).start(writer));
                }
                long pid = volume.pid();
                // The moment is the point of this test: nothing to wait for but time.
                java.util.concurrent.locks.LockSupport.parkNanos(random.nextLong(200_000_000L, 3_000_000_000L));
                volume.kill(pid);
                stop.set(true);
                for (var writer : writers) writer.join();
                volume.up();
                verify(volume, promises);
            }
        }
    }

    private void verify(TestVolume volume, Map<String, Promise> promises) throws IOException {
        for (var entry : promises.entrySet()) {
            var path = volume.mount.resolve(entry.getKey());
            var promise = entry.getValue();
            int found = version(path);
            assertThat(found).as("%s: version found, of %s", path, promise).isBetween(promise.acknowledged(), promise.begun());
            // What was found is what holds from now on.
            promises.put(entry.getKey(), new Promise(found, found));
        }
        volume.sync();
        var inodes = new TreeSet<Long>();
        long blocks = 0;
        for (var line : TestVolume.shell("find '" + volume.mount + "' -printf '%i %b %y\\n'").orFail().out().lines().toList()) {
            var columns = line.split(" ");
            inodes.add(Long.parseLong(columns[0]));
            if (columns[2].equals("f")) blocks += Long.parseLong(columns[1]) / 8;
        }
        assertThat(volume.walkInodes("meta_seq").keySet()).as("walk-inodes agrees with find").isEqualTo(inodes);
        assertThat(volume.df("Data", "used")).as("used data blocks are those of the files and the label")
                .isEqualTo(blocks + LABEL_BLOCKS);
    }

    /// The version that a file holds, after checking that it is that version from its first byte to its last; 0 when absent.
    private static int version(Path path) throws IOException {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(path);
        } catch (NoSuchFileException _) {
            return 0;
        }
        if (bytes.length == 0) return 0;
        var content = ByteBuffer.wrap(bytes);
        int version = content.getInt(0);
        assertThat(bytes).as("%s holds version %d and nothing else", path, version)
                .isEqualTo(content(path.getFileName().toString(), version));
        return version;
    }

    private static byte[] content(String name, int version) {
        var random = new SplittableRandom(name.hashCode() * 31L + version);
        var bytes = new byte[4 + random.nextInt(random.nextInt(8) == 0 ? 300_000 : 9_000)];
        random.nextBytes(bytes);
        ByteBuffer.wrap(bytes).putInt(0, version);
        return bytes;
    }

    /// Writes new versions of files, each under a temporary name, synced, and renamed over the old one, as careful programs
    /// do; the directory is synced now and then. In between: files that come and go, unsynced.
    private record Writer(String dir, Path mount, Map<String, Promise> promises, AtomicBoolean stop, SplittableRandom random)
            implements Runnable {
        @Override
        public void run() {
            try {
                var unsynced = new ArrayList<String>();
                while (!stop.get()) {
                    var name = dir + "/f" + random.nextInt(200);
                    replace(name);
                    if (random.nextInt(4) == 0) acknowledge(unsynced, name);
                    else unsynced.add(name);
                    if (random.nextInt(8) == 0) comeAndGo();
                }
            } catch (IOException _) {
                // The node was killed under it.
            }
        }

        private void replace(String name) throws IOException {
            var before = promises.getOrDefault(name, new Promise(0, 0));
            int version = before.begun() + 1;
            var file = mount.resolve(name);
            var temporary = mount.resolve(name + ".new");
            promises.put(name, new Promise(before.acknowledged(), version));
            var bytes = content(file.getFileName().toString(), version);
            try (var channel = FileChannel.open(temporary, StandardOpenOption.CREATE, StandardOpenOption.WRITE,
                    StandardOpenOption.TRUNCATE_EXISTING)) {
                var buffer = ByteBuffer.wrap(bytes);
                while (buffer.hasRemaining()) channel.write(buffer);
                if (random.nextBoolean()) channel.force(true);
            }
            Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }

        // A synced directory makes every rename before it durable, and a commit is of the whole mount.
        private void acknowledge(List<String> unsynced, String last) throws IOException {
            unsynced.add(last);
            var versions = unsynced.stream().distinct().collect(Collectors.toMap(n -> n, n -> promises.get(n).begun()));
            try (var channel = FileChannel.open(mount.resolve(dir), StandardOpenOption.READ)) {
                channel.force(true);
            }
            versions.forEach((name, version) -> promises.computeIfPresent(name, (_, p) -> new Promise(version, p.begun())));
            unsynced.clear();
        }

        private void comeAndGo() throws IOException {
            var names = new TreeMap<String, Path>();
            for (int n = 0; n < 20; n++) {
                var path = mount.resolve(dir).resolve("t" + random.nextInt(1000));
                Files.write(path, new byte[random.nextInt(20_000)]);
                names.put(path.toString(), path);
            }
            for (var path : names.values()) if (random.nextInt(3) != 0) Files.delete(path);
        }
    }
}
