package dev.cairn.transaction;

import java.util.Iterator;
import java.util.TreeMap;

/// Dirty items in key order, with what they cost. Changed by one thread at a time; once frozen, read by any.
final class ItemTable {
    /// What one item takes on the heap beside its value: key, item, tree node, array header (measured with a 64-bit JVM,
    /// compressed pointers).
    private static final int HEAP_BYTES_PER_ITEM = 144;

    private final TreeMap<Key, Item> items = new TreeMap<>();
    private int changes;
    private long bytesInRun;
    private long valueBytes;

    Item get(Key key) {
        return items.get(key);
    }

    /// @return what was there before, for [#restore]; null when nothing
    Item put(Item item) {
        var before = items.put(item.key(), item);
        changes++;
        count(item, 1);
        if (before != null) count(before, -1);
        return before;
    }

    /// Forgets an item, as if it had never been here.
    void remove(Item item) {
        items.remove(item.key());
        changes++;
        count(item, -1);
    }

    /// Undoes a [#put] or [#remove] of `key`, where `before` was.
    void restore(Key key, Item before) {
        var undone = before == null ? items.remove(key) : items.put(key, before);
        changes++;
        if (undone != null) count(undone, -1);
        if (before != null) count(before, 1);
    }

    private void count(Item item, int sign) {
        int value = item.deleted() ? 0 : item.value().length;
        valueBytes += (long) sign * value;
        bytesInRun += (long) sign * Item.bytesInRun(value);
    }

    /// From `first` on, until the table is changed ([#changes]).
    Iterator<Item> from(Key first, boolean inclusive) {
        return items.tailMap(first, inclusive).values().iterator();
    }

    /// Grows with every change.
    int changes() {
        return changes;
    }

    /// In key order. Only for a table that is not changed any more.
    Iterable<Item> inOrder() {
        return items.values();
    }

    /// Everything of `newer` laid over this one.
    void putAll(ItemTable newer) {
        for (var item : newer.items.values()) put(item);
    }

    int size() {
        return items.size();
    }

    boolean isEmpty() {
        return items.isEmpty();
    }

    /// An upper bound of what the items take in a run before compression.
    long bytesInRun() {
        return bytesInRun;
    }

    long heapBytes() {
        return valueBytes + (long) items.size() * HEAP_BYTES_PER_ITEM;
    }
}
