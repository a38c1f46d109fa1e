package dev.cairn.transaction.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;

/// Random commits and merges, compared with a map.
class RunModelTest {
    private final TreeMap<Key, Item> model = new TreeMap<>();

    @RepeatedTest(40)
    void what_is_read_is_what_was_committed_last_whatever_was_merged(RepetitionInfo run) throws Exception {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var volume = new Volume(2048);
        volume.listsTrimmedBlocks = random.nextBoolean();
        int keys = random.nextBoolean() ? 60 : 600;
        var cache = volume.cache(random.nextBoolean() ? 1 << 26 : 1);
        for (long seq = 1; seq <= 40; seq++) {
            if (random.nextInt(3) > 0) {
                var items = new TreeMap<Key, Item>();
                int count = 1 + random.nextInt(random.nextBoolean() ? 10 : 150);
                for (int i = 0; i < count; i++) {
                    var key = key(random.nextInt(keys));
                    items.put(key, new Item(key, seq, random.nextInt(4) == 0 ? null : value(random)));
                }
                volume.commit(items, random.nextBoolean(), random);
                model.putAll(items);
            } else {
                var job = volume.job(random.nextInt(2), 1 + random.nextInt(6), 1 + random.nextInt(12), random);
                if (job != null) volume.apply(job, MergeRun.merge(job, volume.meta, Volume.FSID));
            }
            cache.retain(volume.set);
            if (seq % 5 == 0) check(volume, cache, keys, random);
        }
        // To the end, job by job: no deletion is left.
        for (int level = 0; level < 2; level++)
            for (var job = volume.job(level, 100, 6, random); job != null; job = volume.job(level, 100, 6, random))
                volume.apply(job, MergeRun.merge(job, volume.meta, Volume.FSID));
        check(volume, cache, keys, random);
        assertThat(Volume.scan(volume.set, Key.MIN, Key.MAX, cache).values()).noneMatch(Item::deleted);
        // What the last job stopped in may still list blocks that it gave back.
        long held = volume.runs.stream().mapToLong(ref -> ref.getExtentsList().stream().mapToLong(e -> e.getCount()).sum()
                - (volume.listsTrimmedBlocks ? ref.getTrimmedBlocks() : 0)).sum();
        assertThat(volume.taken.cardinality()).isEqualTo(held);
    }

    private void check(Volume volume, BlockCache cache, int keys, SplittableRandom random) {
        var afresh = RunSet.of(volume.manifest());
        for (int i = 0; i < keys; i += 1 + random.nextInt(4)) {
            var key = key(i);
            same(model.get(key), Volume.get(volume.set, key, cache));
            same(model.get(key), Volume.get(afresh, key, cache));
        }
        var a = key(random.nextInt(keys));
        var b = key(random.nextInt(keys));
        var first = a.compareTo(b) < 0 ? a : b;
        var last = a.compareTo(b) < 0 ? b : a;
        if (random.nextInt(3) == 0) {
            first = Key.MIN;
            last = Key.MAX;
        }
        var read = Volume.scan(volume.set, first, last, cache);
        read.values().removeIf(Item::deleted);
        var expected = new TreeMap<>(model.subMap(first, true, last, true));
        expected.values().removeIf(Item::deleted);
        assertThat(read.keySet()).isEqualTo(expected.keySet());
        expected.forEach((key, item) -> same(item, read.get(key)));
    }

    /// A deletion may be gone when nothing older is left; otherwise items are equal.
    private static void same(Item expected, Item actual) {
        if (expected == null || expected.deleted()) {
            assertThat(actual == null || actual.deleted()).as("%s, read %s", expected, actual).isTrue();
            return;
        }
        assertThat(actual).as("%s", expected.key()).isNotNull();
        assertThat(actual.seq()).isEqualTo(expected.seq());
        assertThat(actual.value()).isEqualTo(expected.value());
    }

    private static Key key(int i) {
        return new Key((byte) (i % 3), i / 7, (byte) (i % 5 - 2), i * 0x9E3779B97F4A7C15L, i & 1);
    }

    private static byte[] value(SplittableRandom random) {
        var value = new byte[random.nextInt(4) == 0 ? random.nextInt(Item.VALUE_BYTES_MAX + 1) : random.nextInt(800)];
        random.nextBytes(value);
        return value;
    }
}
