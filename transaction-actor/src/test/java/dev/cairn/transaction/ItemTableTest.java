package dev.cairn.transaction;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/// The table beside a sorted map that knows of each key what it is and whether it was born here.
class ItemTableTest {
    private record Known(long seq, byte[] value, boolean born) {}

    private final ItemTable table = new ItemTable();
    private final TreeMap<Key, Known> model = new TreeMap<>();

    /// Few keys meet often; many make the tree deep; ascending ones fill leaves to the end; each of the fields matters.
    private static Key key(SplittableRandom random, int spread) {
        long n = random.nextLong(spread);
        return switch (random.nextInt(4)) {
            case 0 -> new Key((byte) 1, n, (byte) 2, 0, 0);
            case 1 -> new Key((byte) 1, n % 3, (byte) 3, n * 0x9E3779B97F4A7C15L, n & 1);
            case 2 -> new Key((byte) (n % 2 == 0 ? 1 : -1), 5, (byte) (n % 5 == 0 ? 4 : -4), 7, n);
            default -> new Key((byte) 1, -1L >>> n % 64, (byte) 1, -n, -1L << n % 64);
        };
    }

    private static byte[] value(SplittableRandom random) {
        var value = new byte[random.nextInt(10) == 0 ? random.nextInt(Item.VALUE_BYTES_MAX + 1) : random.nextInt(70)];
        random.nextBytes(value);
        return value;
    }

    private void change(ItemTable table, TreeMap<Key, Known> model, SplittableRandom random, Key key, int deletions) {
        var before = model.get(key);
        long seq = random.nextLong();
        if (random.nextInt(10) < deletions) {
            table.delete(key, seq);
            if (before != null && before.born) model.remove(key);
            else model.put(key, new Known(seq, null, false));
            return;
        }
        var value = value(random);
        boolean create = random.nextBoolean() && (before == null || before.value == null);
        if (create) table.create(key, seq, value);
        else table.put(key, seq, value);
        model.put(key, new Known(seq, value, before == null ? create : before.born));
    }

    private static void same(ItemTable table, TreeMap<Key, Known> model) {
        assertThat(table.size()).isEqualTo(model.size());
        same(table.inOrder(), model);
        long bytes = 0;
        for (var item : model.entrySet()) {
            var known = item.getValue();
            bytes += Item.bytesInRun(known.value == null ? 0 : known.value.length);
            if (known.value == null) assertThat(table.value(item.getKey())).isSameAs(ItemTable.DELETED);
            else assertThat(table.value(item.getKey())).isEqualTo(known.value).isNotSameAs(ItemTable.DELETED);
        }
        assertThat(table.bytesInRun()).isEqualTo(bytes);
    }

    private List<Item> items(ItemTree.Walk walk) {
        var items = new ArrayList<Item>();
        while (walk.next()) {
            long reference = walk.reference();
            items.add(new Item(walk.key(), walk.seq(), ItemTable.isDeleted(reference) ? null : table.valueOf(reference)));
        }
        return items;
    }

    private static void same(Iterable<Item> items, TreeMap<Key, Known> model) {
        var expected = new ArrayList<String>();
        model.forEach((key, known) -> expected.add(key + " " + known.seq + " " + Arrays.toString(known.value)));
        var found = new ArrayList<String>();
        for (var item : items) found.add(item.key() + " " + item.seq() + " " + Arrays.toString(item.value()));
        assertThat(found).isEqualTo(expected);
    }

    @RepeatedTest(60)
    void it_is_what_a_sorted_map_is_and_undone_attempts_leave_no_trace(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        int spread = random.nextInt(4) == 0 ? 20 : 30_000, attempts = random.nextInt(600);
        for (int n = 0; n < attempts; n++) {
            // Stretches that mostly add and stretches that mostly remove: leaves are split, joined and dropped.
            int deletions = n / 100 % 2 == 0 ? 2 : 9;
            var before = new TreeMap<>(model);
            long bytes = table.bytesInRun(), heap = table.heapBytes();
            for (int change = random.nextInt(30); change > 0; change--) {
                var key = deletions == 9 && !model.isEmpty() && random.nextInt(4) > 0
                        ? model.ceilingKey(random.nextBoolean() ? model.firstKey() : model.lastKey()) : key(random, spread);
                change(table, model, random, key, deletions);
            }
            if (random.nextInt(3) > 0) {
                table.keep();
                continue;
            }
            table.undo();
            model.clear();
            model.putAll(before);
            assertThat(table.bytesInRun()).isEqualTo(bytes);
            assertThat(table.heapBytes()).isEqualTo(heap);
        }
        table.keep();
        same(table, model);
        for (int n = 0; n < 20; n++) {
            var from = key(random, spread);
            boolean inclusive = random.nextBoolean();
            same(items(table.from(from, inclusive)), new TreeMap<>(model.tailMap(from, inclusive)));
        }
    }

    @RepeatedTest(20)
    void a_newer_table_lies_over_an_older_one(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var newer = new ItemTable();
        var newerModel = new TreeMap<Key, Known>();
        for (int n = random.nextInt(3_000); n > 0; n--) change(table, model, random, key(random, 500), 3);
        for (int n = random.nextInt(3_000); n > 0; n--) change(newer, newerModel, random, key(random, 500), 3);
        table.keep();
        newer.keep();
        var both = new TreeMap<>(model);
        both.putAll(newerModel);
        same(newer.inOrderOver(table), both);
        table.putAll(newer);
        same(table, both);
        same(newer, newerModel);
    }

    @Test
    void deleting_everything_that_was_born_leaves_an_empty_table() {
        var keys = new ArrayList<Key>();
        for (int n = 0; n < 20_000; n++) keys.add(new Key((byte) 1, n / 50, (byte) 2, n, 0));
        for (var order : List.of(keys, keys.reversed())) {
            for (var key : keys) table.create(key, 1, new byte[20]);
            table.keep();
            for (var key : order) table.delete(key, 2);
            table.keep();
            assertThat(table.isEmpty()).isTrue();
            assertThat(table.heapBytes()).isZero();
            assertThat(table.bytesInRun()).isZero();
            same(table, model);
        }
    }

    @Test
    void values_of_the_same_size_replaced_for_ever_take_no_more_memory() {
        var slab = new ValueSlab();
        var first = slab.add(new byte[200]);
        slab.giveBack(first, 200);
        for (int n = 0; n < 10_000; n++) {
            long place = slab.add(new byte[193 + n % 16]);
            assertThat(place).isEqualTo(first);
            slab.giveBack(place, 193 + n % 16);
        }
    }
}
