package dev.cairn.transaction.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.proto.Manifest;
import dev.cairn.proto.ManifestDelta;
import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.NotReady;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.RejectedExecutionException;
import org.junit.jupiter.api.Test;

class BlockCacheTest {
    private final Volume volume = new Volume(200);
    private final List<Item> items = RunWriterTest.items(new SplittableRandom(5), 4000, 1000, 100);
    private final RunSet set;
    private final Run run;

    BlockCacheTest() throws DeviceException {
        var ref = volume.write(items, 0, List.of(new Extent(1, 60)));
        set = RunSet.of(Manifest.newBuilder().addRuns(ref).build());
        run = new Run(ref);
    }

    private static double counter(Volume volume, String name) {
        return volume.meters.find("cairn.block.cache." + name).functionCounter().count();
    }

    /// An operation that reads everything ends although nothing at all can be cached, and its blocks are read once.
    @Test
    void an_operation_larger_than_the_cache_gets_on() {
        var cache = volume.cache(0);
        assertThat(Volume.scan(set, Key.MIN, Key.MAX, cache)).hasSize(items.size());
        assertThat(cache.bytes()).isZero();
        assertThat(counter(volume, "evictions")).isEqualTo(run.dataBlocks + 1);
    }

    @Test
    void the_bound_holds_and_what_is_used_stays() {
        var cache = volume.cache(600_000);
        for (var item : items) {
            assertThat(Volume.get(set, item.key(), cache)).isNotNull();
            assertThat(cache.bytes()).isLessThanOrEqualTo(600_000);
        }
        // Index and filter are used by every get: a walk over all blocks has not driven them out.
        var needs = new Needs();
        assertThat(cache.get(run, run.indexOrdinal(), needs)).isNotNull();
        assertThat(cache.get(run, run.bloomOrdinal(0), needs)).isNotNull();
        assertThat(counter(volume, "hits")).isGreaterThan(items.size() * 2.0);
    }

    @Test
    void a_walk_asks_for_more_and_more_blocks_ahead() {
        var cache = volume.cache(1 << 26);
        var needs = new Needs();
        var asked = new ArrayList<Integer>();
        for (boolean done = false; !done; ) {
            needs.begin();
            try {
                var cursor = set.seek(Key.MIN, Key.MAX, cache, needs);
                while (cursor.next()) assertThat(cursor.valueLength()).isNotNegative();
                done = true;
            } catch (NotReady e) {
                asked.add(needs.size());
                cache.load(needs, Runnable::run, _ -> { });
            }
        }
        assertThat(asked.subList(0, 4)).containsExactly(2, 2, 4, 8);
        assertThat(asked).allMatch(count -> count <= 9);
        needs.begin();
        var narrow = Volume.scan(set, items.get(10).key(), items.get(12).key(), volume.cache(1 << 26));
        assertThat(narrow).hasSize(3);
    }

    /// Two operations that wait for the same blocks share the reads, and both are told.
    @Test
    void loads_under_way_are_shared() {
        var cache = volume.cache(1 << 26);
        var waiting = new ArrayDeque<Runnable>();
        var told = new ArrayList<LoadResult>();
        var operations = List.of(new Needs(), new Needs());
        for (var needs : operations) {
            assertThat(set.want(items.getFirst().key(), cache, needs)).isFalse();
            cache.load(needs, waiting::add, told::add);
        }
        assertThat(told).isEmpty();
        assertThat(waiting).hasSize(1);
        waiting.remove().run();
        assertThat(told).hasSize(2).allMatch(LoadResult::complete).allMatch(result -> result.loaded() == 2);
    }

    @Test
    void what_the_page_cache_has_is_loaded_on_the_spot() {
        var cache = volume.cache(0);
        var needs = new Needs();
        var item = items.getFirst();
        volume.meta.cacheCold(true);
        assertThat(set.want(item.key(), cache, needs)).isFalse();
        assertThat(cache.loadWithoutWaiting(needs)).isFalse();
        volume.meta.cacheCold(false);
        assertThat(cache.loadWithoutWaiting(needs)).isTrue();
        needs.begin();
        assertThat(set.want(item.key(), cache, needs)).isFalse();
        assertThat(cache.loadWithoutWaiting(needs)).isTrue();
        needs.begin();
        assertThat(set.get(item.key(), cache, needs).item().value()).isEqualTo(item.value());
        needs.clear();
        // Damage is for the other way to report.
        volume.meta.corrupt(run.address(run.indexOrdinal()) * RunFormat.BLOCK_BYTES + 100, 1);
        set.want(item.key(), cache, needs);
        assertThat(cache.loadWithoutWaiting(needs)).isFalse();
    }

    @Test
    void stopped_io_threads_are_an_answer() {
        var cache = volume.cache(1 << 26);
        var told = new ArrayList<LoadResult>();
        var needs = new Needs();
        assertThatThrownBy(() -> set.get(items.getFirst().key(), cache, needs)).isSameAs(NotReady.INSTANCE);
        cache.load(needs, _ -> { throw new RejectedExecutionException(); }, told::add);
        assertThat(told).singleElement().matches(result -> result.damaged().size() == 2);
    }

    @Test
    void runs_that_are_gone_leave_the_cache() {
        var cache = volume.cache(1 << 26);
        Volume.scan(set, Key.MIN, Key.MAX, cache);
        cache.retain(set);
        assertThat(cache.bytes()).isPositive();
        cache.retain(set.without(List.of(run.id)));
        assertThat(cache.bytes()).isZero();
        // Listed again, or never gone for another reader: it is cached as before.
        Volume.scan(set, Key.MIN, Key.MAX, cache);
        var misses = counter(volume, "misses");
        Volume.scan(set, Key.MIN, Key.MAX, cache);
        assertThat(counter(volume, "misses")).isEqualTo(misses);
    }

    /// The server may move a run to another level as it is: its blocks stay.
    @Test
    void a_run_that_sinks_stays_in_the_cache() {
        var cache = volume.cache(1 << 26);
        Volume.scan(set, Key.MIN, Key.MAX, cache);
        var sunk = set.apply(ManifestDelta.newBuilder().setToVersion(5).addUpserted(run.ref.toBuilder().setLevel(3)).build());
        assertThat(sunk.logCount()).isZero();
        assertThat(sunk.treeRunCount()).isEqualTo(1);
        cache.retain(sunk);
        var misses = counter(volume, "misses");
        assertThat(Volume.scan(sunk, Key.MIN, Key.MAX, cache)).hasSize(items.size());
        assertThat(counter(volume, "misses")).isEqualTo(misses);
    }

    /// A lookup of a name that is not there is answered by the filter: no data block is fetched for it.
    @Test
    void the_filter_keeps_absent_keys_from_the_device() {
        var cache = volume.cache(1 << 26);
        var random = new SplittableRandom(9);
        for (int i = 0; i < 2000; i++)
            assertThat(Volume.get(set, new Key((byte) 1, random.nextInt(50), (byte) 1, random.nextLong(), i), cache)).isNull();
        // 1 % of wrong guesses would be 20.
        assertThat(counter(volume, "hits")).isLessThan(2000 + 2 * 60);
        // `third` does not matter to the filter, but it does to the answer.
        var known = items.get(7).key();
        assertThat(Volume.get(set, new Key(known.zone(), known.first(), known.type(), known.second(), 1), cache)).isNull();
    }
}
