package dev.cairn.allocator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.block.Extent;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class ExtentSetTest {
    @Test
    void what_is_freed_beside_something_free_becomes_one_extent() {
        var set = new ExtentSet(List.of(new Extent(10, 5), new Extent(20, 5)));
        set.add(15, 5);
        assertThat(set.toList()).containsExactly(new Extent(10, 15));
        set.add(0, 10);
        set.add(25, 1);
        assertThat(set.toList()).containsExactly(new Extent(0, 26));
        assertThat(set.blocks()).isEqualTo(26);
    }

    @Test
    void adding_a_block_twice_or_removing_a_missing_one_is_refused_by_name_and_changes_nothing() {
        var set = new ExtentSet(List.of(new Extent(10, 5)));
        assertThatThrownBy(() -> set.add(14, 3)).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("3@14").hasMessageContaining("5@10");
        assertThatThrownBy(() -> set.add(5, 6)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> set.remove(14, 2)).isInstanceOf(IllegalStateException.class).hasMessageContaining("2@14");
        assertThatThrownBy(() -> new ExtentSet().remove(1, 1)).isInstanceOf(IllegalStateException.class);
        assertThat(set.toList()).containsExactly(new Extent(10, 5));
    }

    @Test
    void a_goal_inside_the_set_is_taken_however_short_the_rest_behind_it() {
        var set = new ExtentSet(List.of(new Extent(0, 100), new Extent(200, 10)));
        assertThat(set.takeUpTo(50, 205)).isEqualTo(new Extent(205, 5));
        assertThat(set.takeUpTo(50, 300)).isEqualTo(new Extent(0, 50));
        assertThat(set.takeUpTo(80, 0)).isEqualTo(new Extent(50, 50));
        assertThat(set.takeUpTo(80, 0)).isEqualTo(new Extent(200, 5));
        assertThat(set.takeUpTo(80, 0)).isNull();
    }

    @Test
    void apart_is_the_middle_of_the_largest_extent_or_nowhere() {
        var set = new ExtentSet(List.of(new Extent(0, 100), new Extent(200, 300), new Extent(600, 300)));
        assertThat(set.takeApart(10, 100)).isEqualTo(new Extent(350, 10));
        assertThat(set.takeApart(10, 140)).isEqualTo(new Extent(750, 10));
        assertThat(set.takeApart(10, 140)).isNull();
        assertThat(set.blocks()).isEqualTo(680);
        assertThat(new ExtentSet().takeApart(1, 0)).isNull();
    }

    @Test
    void few_large_extents_are_taken_rather_than_many() {
        var set = new ExtentSet(List.of(new Extent(0, 3), new Extent(10, 20), new Extent(50, 7)));
        assertThat(set.take(5, 9)).containsExactly(new Extent(10, 5));
        assertThat(set.take(18, 9)).containsExactly(new Extent(15, 15), new Extent(0, 3));
        assertThat(set.take(9, 9)).containsExactly(new Extent(50, 7));
        assertThat(set.isEmpty()).isTrue();
    }

    @Test
    void damaged_encodings_are_refused() {
        byte[] bytes = new ExtentSet(List.of(new Extent(0, 3), new Extent(10, 20))).encode();
        for (int cut = 0; cut < bytes.length; cut++) {
            var shorter = java.util.Arrays.copyOf(bytes, cut);
            assertThatThrownBy(() -> ExtentSet.decode(shorter)).isInstanceOf(IllegalArgumentException.class);
        }
        assertThatThrownBy(() -> ExtentSet.decode(java.util.Arrays.copyOf(bytes, bytes.length + 1)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ExtentSet.decode(new byte[] {2, 0, 3, 0, 1})).isInstanceOf(IllegalArgumentException.class);
    }

    /// Any history of changes and takes does what a plain set of bits would do.
    @RepeatedTest(60)
    void behaves_like_a_set_of_bits(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        int size = 40_000;
        var set = new ExtentSet();
        var bits = new BitSet(size);
        // Every second history is full of holes, so that there are many leaves.
        if (run.getCurrentRepetition() % 2 == 0)
            for (int b = 0; b < size; b += 2 + random.nextInt(3)) {
                set.add(b, 1);
                bits.set(b);
            }
        for (int step = 0; step < 6_000; step++) {
            int start = random.nextInt(size - 64), count = 1 + random.nextInt(random.nextInt(64) + 1);
            switch (random.nextInt(6)) {
                case 0, 1 -> {
                    boolean clear = bits.get(start, start + count).isEmpty();
                    assertThat(set.overlaps(start, count)).isEqualTo(!clear);
                    if (clear) {
                        set.add(start, count);
                        bits.set(start, start + count);
                    } else {
                        assertThatThrownBy(() -> set.add(start, count)).isInstanceOf(IllegalStateException.class);
                    }
                }
                case 2 -> {
                    boolean whole = bits.get(start, start + count).cardinality() == count;
                    assertThat(set.contains(start, count)).isEqualTo(whole);
                    if (whole) {
                        set.remove(start, count);
                        bits.clear(start, start + count);
                    } else {
                        assertThatThrownBy(() -> set.remove(start, count)).isInstanceOf(IllegalStateException.class);
                    }
                }
                case 3 -> {
                    var taken = set.takeFit(count, start);
                    assertThat(taken).isEqualTo(fit(bits, count, start));
                    if (taken != null) bits.clear((int) taken.start(), (int) taken.end());
                }
                case 4 -> {
                    var taken = set.takeUpTo(count, start);
                    if (taken == null) {
                        assertThat(bits.isEmpty()).isTrue();
                        continue;
                    }
                    if (bits.get(start)) assertThat(taken.start()).isEqualTo(start);
                    assertThat(bits.get((int) taken.start(), (int) taken.end()).cardinality()).isEqualTo((int) taken.count());
                    bits.clear((int) taken.start(), (int) taken.end());
                }
                default -> {
                    long before = set.blocks();
                    var taken = set.take(count, 8);
                    long sum = taken.stream().mapToLong(Extent::count).sum();
                    assertThat(set.blocks()).isEqualTo(before - sum);
                    for (var extent : taken) {
                        assertThat(bits.get((int) extent.start(), (int) extent.end()).cardinality()).isEqualTo((int) extent.count());
                        bits.clear((int) extent.start(), (int) extent.end());
                    }
                }
            }
            assertThat(set.blocks()).isEqualTo(bits.cardinality());
        }
        assertThat(set.toList()).isEqualTo(extents(bits));
        assertThat(set.extents()).isEqualTo(extents(bits).size());
        assertThat(ExtentSet.decode(set.encode())).isEqualTo(set);
    }

    /// Enough extents for several groups of leaves, spread unevenly, so that searches begin at wrong places: the set grows in
    /// random order, is shaken, and is emptied again, which splits and joins all that there is to split and join.
    @RepeatedTest(3)
    void large_sets_are_what_a_sorted_map_is(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var model = new TreeMap<Long, Long>();
        long at = 0;
        for (int i = 0; i < 60_000; i++) {
            at += 2 + (random.nextInt(50) == 0 ? random.nextLong(1L << (20 + random.nextInt(20))) : random.nextInt(8));
            long length = 1 + random.nextInt(9);
            model.put(at, length);
            at += length;
        }
        long end = at;
        var starts = new ArrayList<>(model.keySet());
        java.util.Collections.shuffle(starts, new java.util.Random(run.getCurrentRepetition()));
        var set = new ExtentSet();
        for (long start : starts) set.add(start, model.get(start));
        same(set, model);
        assertThat(set.end()).isEqualTo(end);
        for (int i = 0; i < 30_000; i++) {
            long goal = random.nextInt(4) == 0 ? random.nextLong(end) : starts.get(random.nextInt(starts.size())) + random.nextInt(6);
            long count = 1 + random.nextInt(9);
            var floor = model.floorEntry(goal);
            boolean whole = floor != null && floor.getKey() + floor.getValue() >= goal + count;
            assertThat(set.contains(goal, count)).isEqualTo(whole);
            var higher = model.higherKey(goal);
            assertThat(set.overlaps(goal, count)).isEqualTo(floor != null && floor.getKey() + floor.getValue() > goal
                    || higher != null && higher < goal + count);
            var taken = set.takeUpTo(count, goal);
            if (floor != null && floor.getKey() + floor.getValue() > goal) assertThat(taken.start()).isEqualTo(goal);
            var from = model.floorEntry(taken.start());
            assertThat(from.getKey() + from.getValue()).isGreaterThanOrEqualTo(taken.end());
            if (random.nextInt(3) == 0) {
                set.add(taken);
                continue;
            }
            model.remove(from.getKey());
            if (from.getKey() < taken.start()) model.put(from.getKey(), taken.start() - from.getKey());
            if (taken.end() < from.getKey() + from.getValue()) model.put(taken.end(), from.getKey() + from.getValue() - taken.end());
        }
        same(set, model);
        for (var entry : List.copyOf(model.entrySet())) if (random.nextInt(20) > 0) {
            set.remove(entry.getKey(), entry.getValue());
            model.remove(entry.getKey());
        }
        same(set, model);
        while (!model.isEmpty()) {
            long largest = model.values().stream().max(Long::compare).orElseThrow();
            var first = model.entrySet().stream().filter(entry -> entry.getValue() == largest).findFirst().orElseThrow();
            assertThat(set.take(1 << 20, 1)).containsExactly(new Extent(first.getKey(), largest));
            model.remove(first.getKey());
        }
        assertThat(set.isEmpty()).isTrue();
        assertThat(set.extents()).isZero();
    }

    private static void same(ExtentSet set, TreeMap<Long, Long> model) {
        assertThat(set.extents()).isEqualTo(model.size());
        assertThat(set.blocks()).isEqualTo(model.values().stream().mapToLong(Long::longValue).sum());
        var list = new ArrayList<Extent>();
        model.forEach((start, count) -> list.add(new Extent(start, count)));
        assertThat(set.toList()).isEqualTo(list);
    }

    /// What is found depends on the blocks alone: a set that was built in another order answers the same.
    @Property(tries = 50)
    void the_cut_of_leaves_does_not_show(@ForAll @IntRange(min = 1, max = 5_000) int extents, @ForAll long seed) {
        var random = new SplittableRandom(seed);
        var grown = new ExtentSet();
        for (int i = 0; i < extents; i++) grown.add(i * 10L, 1 + random.nextInt(9));
        for (int i = 0; i < extents; i++)
            if (random.nextInt(3) == 0) grown.take(1 + random.nextInt(8), 1);
        var decoded = ExtentSet.decode(grown.encode());
        for (int i = 0; i < 200 && !grown.isEmpty(); i++) {
            long count = 1 + random.nextInt(12), goal = random.nextLong(extents * 10L);
            assertThat(decoded.takeUpTo(count, goal)).isEqualTo(grown.takeUpTo(count, goal));
            assertThat(decoded.take(count, 3)).isEqualTo(grown.take(count, 3));
        }
        assertThat(decoded.encode()).isEqualTo(grown.encode());
    }

    private static Extent fit(BitSet bits, int count, int goal) {
        if (bits.nextClearBit(goal) >= goal + count) return new Extent(goal, count);
        // The extent that holds the goal is behind it only when it starts behind it.
        var all = extents(bits);
        var order = new ArrayList<Extent>();
        for (var extent : all) if (extent.start() > goal) order.add(extent);
        order.addAll(all);
        for (var extent : order) if (extent.count() >= count) return new Extent(extent.start(), count);
        return null;
    }

    private static List<Extent> extents(BitSet bits) {
        var list = new ArrayList<Extent>();
        for (int start = bits.nextSetBit(0); start >= 0; ) {
            int end = bits.nextClearBit(start);
            list.add(new Extent(start, end - start));
            start = bits.nextSetBit(end);
        }
        return list;
    }
}
