package dev.cairn.transaction.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.Extent;
import dev.cairn.proto.Manifest;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class RunWriterTest {
    static List<Item> items(SplittableRandom random, int count, int valueMax, int noise) {
        var items = new TreeMap<Key, Item>();
        for (int i = 0; i < count; i++) {
            var key = new Key((byte) 1, random.nextInt(50), (byte) random.nextInt(4), random.nextLong(), 0);
            var value = new byte[random.nextInt(valueMax + 1)];
            for (int j = 0; j < value.length; j++) if (random.nextInt(100) < noise) value[j] = (byte) random.nextInt();
            items.put(key, new Item(key, random.nextLong(1000), random.nextInt(10) == 0 ? null : value));
        }
        return List.copyOf(items.values());
    }

    /// The mount counts on it: what the bound says is enough, to the block, for any items.
    @Property(tries = 40)
    void the_bound_of_blocks_holds(@ForAll long seed, @ForAll @IntRange(min = 1, max = 2500) int count,
            @ForAll @IntRange(max = 4096) int valueMax, @ForAll @IntRange(max = 100) int noise) throws Exception {
        var random = new SplittableRandom(seed);
        // At most 2 MB in all: many small items, or few large ones.
        var items = items(random, Math.min(count, 2_000_000 / (valueMax / 2 + 40)), valueMax, noise);
        long bound = RunWriter.blocksNeededAtMost(items.size(), Volume.rawBytes(items));
        var volume = new Volume((int) bound + 1);
        var run = volume.write(items, 0, List.of(new Extent(1, bound)));
        long used = run.getExtentsList().stream().mapToLong(dev.cairn.proto.Extent::getCount).sum();
        assertThat(used).isEqualTo(run.getDataBlocks() + run.getIndexBlocks() + run.getBloomBlocks())
                .isLessThanOrEqualTo(bound);
        readsBack(volume, run, items);
    }

    private static void readsBack(Volume volume, RunRef run, List<Item> items) {
        var set = RunSet.of(Manifest.newBuilder().addRuns(run).build());
        var read = Volume.scan(set, Key.MIN, Key.MAX, volume.cache(1 << 26));
        assertThat(read).hasSize(items.size());
        for (var item : items) {
            var found = read.get(item.key());
            assertThat(found.seq()).isEqualTo(item.seq());
            assertThat(found.value()).isEqualTo(item.value());
        }
        assertThat(run.getItems()).isEqualTo(items.size());
        assertThat(run.getDeletions()).isEqualTo(items.stream().filter(Item::deleted).count());
        assertThat(Volume.first(run)).isEqualTo(items.getFirst().key());
        assertThat(Volume.last(run)).isEqualTo(items.getLast().key());
        assertThat(run.getMinSeq()).isEqualTo(items.stream().mapToLong(Item::seq).min().getAsLong());
        assertThat(run.getMaxSeq()).isEqualTo(items.stream().mapToLong(Item::seq).max().getAsLong());
    }

    @Test
    void a_large_run_is_on_its_way_to_the_disk_before_it_is_whole_and_a_small_one_waits_for_the_flush() throws Exception {
        for (int count : new int[] {20, 3000}) {
            var items = items(new SplittableRandom(1), count, 4000, 100);
            long bound = RunWriter.blocksNeededAtMost(items.size(), Volume.rawBytes(items));
            var device = new Volume((int) bound + 1).meta;
            var calls = new ArrayList<String>();
            var recorded = (BlockDevice) Proxy.newProxyInstance(BlockDevice.class.getClassLoader(), new Class<?>[] {BlockDevice.class},
                    (_, method, arguments) -> {
                        calls.add(method.getName());
                        return method.getName().equals("startWriteBack") ? null : method.invoke(device, arguments);
                    });
            try (var writer = new RunWriter(recorded, Volume.FSID, 1, List.of(new Extent(1, bound)))) {
                for (var item : items) writer.add(item.key(), item.seq(), item.value());
                writer.finish(0, 1);
            }
            calls.removeIf(call -> !call.equals("write") && !call.equals("startWriteBack"));
            long writes = calls.stream().filter("write"::equals).count();
            assertThat(calls.stream().filter("startWriteBack"::equals).count()).as("%d items, %s", count, calls).isEqualTo(writes - 1);
            if (count == 20) assertThat(writes).isEqualTo(1);
            else assertThat(writes).isGreaterThan(3);
        }
    }

    /// A writer that goes on while the next item fits always finishes within its space, and wastes little of it.
    @Property(tries = 40)
    void a_full_writer_still_has_room_for_its_index_and_filter(@ForAll long seed,
            @ForAll @IntRange(min = 1, max = 24) int blocks, @ForAll @IntRange(max = 4096) int valueMax) throws Exception {
        var random = new SplittableRandom(seed);
        var items = items(random, 40_000 / (1 + valueMax / 60), valueMax, 100);
        var volume = new Volume(100);
        var space = volume.allocate(blocks, 1 + random.nextInt(5), random);
        var added = new ArrayList<Item>();
        try (var writer = new RunWriter(volume.meta, Volume.FSID, 1, space)) {
            for (var item : items) {
                if (!writer.fits(item.deleted() ? 0 : item.value().length)) break;
                writer.add(item.key(), item.seq(), item.value());
                added.add(item);
            }
            boolean stopped = added.size() < items.size();
            if (stopped) {
                var next = items.get(added.size());
                if (!writer.fits(next.deleted() ? 0 : next.value().length))
                    assertThatThrownBy(() -> writer.add(next.key(), 1, next.value()))
                            .isInstanceOf(IllegalStateException.class);
                assertThat(writer.full()).isTrue();
            }
            var run = writer.finish(0, 1);
            // The last payload could have turned out incompressible: three blocks instead of one.
            int used = run.getDataBlocks() + run.getIndexBlocks() + run.getBloomBlocks();
            if (stopped) assertThat(used).isGreaterThanOrEqualTo(blocks - 3);
            readsBack(volume, run, added);
        }
    }

    @Test
    void keys_must_ascend_and_runs_are_not_empty() throws Exception {
        var volume = new Volume(10);
        try (var writer = new RunWriter(volume.meta, Volume.FSID, 1, List.of(new Extent(0, 10)))) {
            assertThatThrownBy(() -> writer.finish(0, 0)).isInstanceOf(IllegalStateException.class);
            var key = new Key((byte) 1, 2, (byte) 3, 4, 5);
            writer.add(key, 1, new byte[0]);
            assertThatThrownBy(() -> writer.add(key, 1, null)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> writer.add(Key.MIN, 1, null)).isInstanceOf(IllegalArgumentException.class);
            var run = writer.finish(0, 0);
            readsBack(volume, run, List.of(new Item(key, 1, new byte[0])));
        }
    }

    @Property(tries = 40)
    void an_inline_run_that_should_fit_does(@ForAll long seed, @ForAll @IntRange(min = 1, max = 2000) int count,
            @ForAll @IntRange(max = 500) int valueMax) {
        var items = items(new SplittableRandom(seed), count, valueMax, 100);
        if (!InlineRun.fits(items.size(), Volume.rawBytes(items))) return;
        var run = InlineRun.of(items, 1, 2);
        assertThat(run.getInlineBlock().size()).isLessThanOrEqualTo(InlineRun.BYTES_MAX);
        readsBack(new Volume(1), run, items);
    }

    /// A run of more than 160 MB has an index of several blocks.
    @Test
    void an_index_of_several_blocks_is_one_index() {
        var keys = new ArrayList<Key>();
        for (int i = 0; i < RunFormat.INDEX_KEYS + 500; i++) keys.add(new Key((byte) 1, 10L * i, (byte) 0, 0, 0));
        var payloads = new ArrayList<byte[]>();
        for (var part : List.of(keys.subList(0, RunFormat.INDEX_KEYS), keys.subList(RunFormat.INDEX_KEYS, keys.size()))) {
            var payload = new byte[RunFormat.KEYS_AT + part.size() * Key.BYTES];
            ItemBlock.U32.set(payload, 0, part.size());
            for (int i = 0; i < part.size(); i++)
                System.arraycopy(part.get(i).toBytes(), 0, payload, RunFormat.KEYS_AT + i * Key.BYTES, Key.BYTES);
            payloads.add(payload);
        }
        assertThat(RunFormat.indexBlocks(keys.size())).isEqualTo(2);
        var index = (RunIndex) RunIndex.decode(payloads.toArray(byte[][]::new), keys.size());
        assertThat(index.blockOf(Key.MIN)).isZero();
        assertThat(index.blockOf(Key.MAX)).isEqualTo(keys.size() - 1);
        for (int i = 0; i < keys.size(); i++) {
            assertThat(index.blockOf(keys.get(i))).isEqualTo(i);
            assertThat(index.blockOf(keys.get(i).next())).isEqualTo(i);
        }
        assertThat(RunIndex.decode(payloads.reversed().toArray(byte[][]::new), keys.size()))
                .isInstanceOf(Decoded.Damaged.class);
    }

    /// 200 000 items of the size of directory entries: written, read one by one, walked, merged.
    @Test
    void many_items() throws Exception {
        var volume = new Volume(4000);
        var random = new SplittableRandom(1);
        var items = items(random, 200_000, 60, 100);
        var odd = new ArrayList<Item>();
        var even = new ArrayList<Item>();
        for (int i = 0; i < items.size(); i++) (i % 2 == 0 ? even : odd).add(items.get(i));
        for (var half : List.of(even, odd)) {
            var all = new TreeMap<Key, Item>();
            for (var item : half) all.put(item.key(), item);
            volume.commit(all, false, random);
        }
        var job = volume.job(0, 2, 400, random);
        volume.apply(job, MergeRun.merge(job, volume.meta, Volume.FSID));
        assertThat(volume.runs).hasSize(1);
        var cache = volume.cache(4 << 20);
        long live = items.stream().filter(item -> !item.deleted()).count();
        assertThat(Volume.scan(volume.set, Key.MIN, Key.MAX, cache)).hasSize((int) live);
        for (int i = 0; i < items.size(); i += 7) {
            var item = items.get(i);
            var found = Volume.get(volume.set, item.key(), cache);
            if (item.deleted()) assertThat(found).isNull();
            else assertThat(found.value()).isEqualTo(item.value());
        }
        assertThat(cache.bytes()).isLessThanOrEqualTo(4 << 20);
    }
}
