package dev.cairn.transaction.run;

import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeMap;

/// What the engine costs without a disk: started by hand, prints nanoseconds and rates. Not a test.
final class RunSpeed {
    private static final int COUNT = 300_000, ROUNDS = 6;

    private RunSpeed() {}

    public static void main(String[] arguments) throws Exception {
        var random = new SplittableRandom(1);
        var all = new TreeMap<Key, Item>();
        for (int i = 0; i < COUNT; i++) {
            var value = new byte[40 + random.nextInt(80)];
            for (int j = 0; j < value.length / 2; j++) value[j] = (byte) random.nextInt();
            var key = new Key((byte) 1, 1000 + i / 5, (byte) (i % 5), i % 5 == 2 ? random.nextLong() : 0, 0);
            all.put(key, new Item(key, 100 + i / 10_000, value));
        }
        var items = List.copyOf(all.values());
        long raw = Volume.rawBytes(items);
        for (int round = 0; round < ROUNDS; round++) {
            var volume = new Volume(2000);
            long start = System.nanoTime();
            var parts = 4;
            for (int part = 0; part < parts; part++) {
                var space = volume.allocate((int) RunWriter.blocksNeededAtMost(items.size(), raw / parts * 2), 1000, random);
                var mine = new ArrayList<Item>();
                for (int i = part; i < items.size(); i += parts) mine.add(items.get(i));
                long begin = System.nanoTime();
                var ref = volume.write(mine, 0, space);
                start += part == 0 ? begin - start : 0;
                volume.freeUnused(space, ref);
                volume.runs.add(ref);
                volume.set = volume.set.with(ref, List.of(), ++volume.version);
            }
            print("write (one thread, simulated device)", start, items.size(), raw);
            get(volume, items, "get, present, 4 logs");
            scan(volume, items, raw, "walk, 4 logs");
            var job = volume.job(0, 10, 900, random);
            start = System.nanoTime();
            volume.apply(job, MergeRun.merge(job, volume.meta, Volume.FSID));
            print("merge of 4", start, items.size(), raw);
            get(volume, items, "get, present, 1 run");
            get(volume, items.subList(0, 5000), "get, present, 1 run, 5000 keys");
            scan(volume, items, raw, "walk, 1 run");
            absent(volume, items);
            System.out.println("blocks " + volume.taken.cardinality() + " for " + raw / 1024 / 1024 + " MiB raw");
        }
    }

    private static void get(Volume volume, List<Item> items, String what) {
        var cache = volume.cache(1L << 30);
        Volume.scan(volume.set, Key.MIN, Key.MAX, cache);
        var keys = new ArrayList<Key>();
        for (var item : items) keys.add(item.key());
        Collections.shuffle(keys, new Random(1));
        while (keys.size() < 100_000) keys.addAll(List.copyOf(keys));
        keys.subList(100_000, keys.size()).clear();
        for (var key : keys) Volume.get(volume.set, key, cache);
        var needs = new Needs();
        for (int i = 0; i < 2; i++) {
            long start = System.nanoTime();
            for (var key : keys) if (volume.set.get(key, cache, needs) == null) throw new AssertionError();
            if (i > 0) print(what, start, keys.size(), 0);
        }
    }

    private static void absent(Volume volume, List<Item> items) {
        var cache = volume.cache(1L << 30);
        Volume.scan(volume.set, Key.MIN, Key.MAX, cache);
        var needs = new Needs();
        var keys = new ArrayList<Key>();
        for (var item : items) keys.add(new Key((byte) 1, item.key().first(), (byte) 2, item.key().second() + 77, 0));
        keys.subList(100_000, keys.size()).clear();
        for (var key : keys) Volume.get(volume.set, key, cache);
        long start = System.nanoTime();
        for (var key : keys) volume.set.get(key, cache, needs);
        print("get, absent, 1 run", start, keys.size(), 0);
    }

    private static void scan(Volume volume, List<Item> items, long raw, String what) {
        var cache = volume.cache(1L << 30);
        Volume.scan(volume.set, Key.MIN, Key.MAX, cache);
        var needs = new Needs();
        long start = System.nanoTime();
        var cursor = volume.set.seek(Key.MIN, Key.MAX, cache, needs);
        int count = 0;
        while (cursor.next()) count += cursor.valueLength() > 0 ? 1 : 0;
        if (count != items.size()) throw new AssertionError(count);
        print(what, start, items.size(), raw);
    }

    private static void print(String what, long start, int items, long raw) {
        double seconds = (System.nanoTime() - start) / 1e9;
        System.out.printf("%-40s %8.0f ns/item %12.0f items/s %8.0f MB/s%n", what, seconds * 1e9 / items, items / seconds,
                raw / 1e6 / seconds);
    }
}
