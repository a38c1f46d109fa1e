package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.block.simulated.SimulatedDevice;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.proto.ServerEvent;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/// The power goes at any instant of a workload, and the devices forget what was not flushed, whole or in sectors: what
/// comes back is exactly one committed transaction, the newest that the journal knows.
class PowerLossTest {
    private static final int STATES = System.getProperty("cairn.long") == null ? 60 : 2000;

    /// What the files were when the n-th commit had passed: name -> content's seed and size.
    private record Content(long seed, int size) {
        byte[] bytes() {
            var bytes = new byte[size];
            new SplittableRandom(seed).nextBytes(bytes);
            return bytes;
        }
    }

    @Test
    void every_state_recovers_to_the_last_journalled_commit() {
        long seed = Long.getLong("cairn.seed", System.nanoTime());
        var random = new SplittableRandom(seed);
        var history = new History(new ArrayList<>(), new TreeMap<>());
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            volume.commit();
            int firstCommits = commits(volume);
            history.done(Map.of());
            history.committed(firstCommits);
            workload(volume, random, history);
            long end = volume.metadata.recording().now();
            var boundaries = new ArrayList<>(volume.metadata.recording().flushBoundaries());
            for (int n = 0; n < STATES; n++) {
                // Every flush boundary in turn, and instants in between.
                long instant = n % 2 == 0 && !boundaries.isEmpty()
                        ? boundaries.get(n / 2 * boundaries.size() / ((STATES + 1) / 2)) : random.nextLong(end + 1);
                var past = volume.journalAt(instant);
                int passed = commits(past);
                if (passed < firstCommits) continue;
                var tearing = SimulatedDevice.Tearing.values()[random.nextInt(SimulatedDevice.Tearing.values().length)];
                recover(volume.metadata.crash(instant, random.split(), tearing),
                        volume.data.crash(instant, random.split(), tearing), past, history.possible(passed),
                        "seed %d, instant %d of %d, %s, commit %d".formatted(seed, instant, end, tearing, passed));
            }
        }
    }

    /// What the files were after each operation, and after which operation each of the workload's own commits was made. The
    /// mount commits by itself as well, when it runs short of space in hand: then, and only then, what comes back is the
    /// state after some operation between two of the workload's commits.
    private record History(List<Map<String, Content>> states, TreeMap<Integer, Integer> commits) {
        void done(Map<String, Content> files) {
            states.add(Map.copyOf(files));
        }

        void committed(int journalled) {
            commits.put(journalled, states.size() - 1);
        }

        List<Map<String, Content>> possible(int journalled) {
            var before = commits.floorEntry(journalled);
            if (before.getKey() == journalled) return List.of(states.get(before.getValue()));
            return states.subList(before.getValue(), commits.higherEntry(journalled).getValue() + 1);
        }
    }

    private static int commits(SimulatedVolume volume) {
        return commits(volume.journalAt(Long.MAX_VALUE));
    }

    private static int commits(List<ServerEvent> events) {
        return (int) events.stream().filter(ServerEvent::hasLogRecorded).count();
    }

    private static void workload(SimulatedVolume volume, SplittableRandom random, History history) {
        var files = new TreeMap<String, Content>();
        var inodes = new HashMap<String, Long>();
        for (int commit = 0; commit < 25; commit++) {
            // Small commits carry their data in the journal, others flush it.
            for (int n = random.nextInt(1, random.nextBoolean() ? 5 : 40); n > 0; n--) {
                var name = "f" + random.nextInt(60);
                switch (random.nextInt(4)) {
                    case 0, 1 -> {
                        var content = new Content(random.nextLong(), random.nextInt(random.nextInt(6) == 0 ? 200_000 : 6_000));
                        long ino = volume.create(FileSystem.ROOT_INO, "new");
                        if (content.size() > 0) volume.write(ino, 0, content.bytes());
                        volume.rename(FileSystem.ROOT_INO, "new", name);
                        files.put(name, content);
                        inodes.put(name, ino);
                    }
                    case 2 -> {
                        if (files.remove(name) != null) volume.unlink(FileSystem.ROOT_INO, name);
                    }
                    default -> {
                        var content = files.remove(name);
                        if (content == null) break;
                        volume.rename(FileSystem.ROOT_INO, name, "moved" + name);
                        files.put("moved" + name, content);
                    }
                }
                history.done(files);
            }
            volume.commit();
            history.committed(commits(volume));
        }
    }

    private static void recover(SimulatedDevice metadata, SimulatedDevice data, List<ServerEvent> past,
            List<Map<String, Content>> possible, String what) {
        try (var volume = SimulatedVolume.after(metadata, data, past)) {
            volume.deleteOrphans();
            var found = volume.list(FileSystem.ROOT_INO);
            // Half made, when the mount committed by itself: it has no final name and promises nothing.
            if (possible.size() > 1) found.remove("new");
            var bytes = new HashMap<String, byte[]>();
            found.forEach((name, ino) -> bytes.put(name, volume.read(ino)));
            assertThat(possible).as(what).anySatisfy(expected -> {
                assertThat(bytes.keySet()).isEqualTo(expected.keySet());
                bytes.forEach((name, content) -> assertThat(content).as(name).isEqualTo(expected.get(name).bytes()));
            });
            // And it works on.
            volume.create(FileSystem.ROOT_INO, "after");
            volume.commit();
        }
    }
}
