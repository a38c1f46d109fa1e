package dev.cairn.transaction;

import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;

/// Dirty items in key order, with what they cost. Changed by one thread at a time; once frozen, read in order by any.
///
/// Changes are noted until [#keep] or [#undo] says what becomes of them: an operation's attempt leaves all or nothing.
final class ItemTable {
    /// What [#value] says of a key that was deleted: an array of its own, told by identity.
    static final byte[] DELETED = new byte[0];

    /// What one item takes on the heap beside its value: 48 bytes in leaves that are at least a quarter, mostly two thirds full.
    private static final int HEAP_BYTES_PER_ITEM = 96;

    // A reference: place of the value | flags | length of the value
    private static final int PLACE_SHIFT = 16, LENGTH_MASK = 0x1fff;
    private static final long IS_DELETED = 1 << 13, IS_BORN = 1 << 14;
    private static final long ABSENT = -1;

    // A noted change: the key's words, seq and reference before it; or ABSENT.
    private static final int NOTE_WORDS = 6, NOTE_SEQ = 4, NOTE_REFERENCE = 5;

    private final ItemTree tree = new ItemTree();
    private final ValueSlab values = new ValueSlab();
    private long[] notes = new long[16 * NOTE_WORDS];
    private int noted;
    private int changes;
    private long bytesInRun;
    private long valueBytes;

    private static int length(long reference) {
        return (int) reference & LENGTH_MASK;
    }

    private static boolean is(long reference, long flag) {
        return reference != ABSENT && (reference & flag) != 0;
    }

    // ---- reading

    /// The value of a key, or [#DELETED], or null when the table does not know the key.
    byte[] value(Key key) {
        return tree.find(key) ? value(tree.reference()) : null;
    }

    private byte[] value(long reference) {
        return isDeleted(reference) ? DELETED : valueOf(reference);
    }

    /// From `first` on, until the table is changed ([#changes]). What its references stand for is told by [#isDeleted] and
    /// [#valueOf], until [#keep] or [#undo].
    ItemTree.Walk from(Key first, boolean inclusive) {
        return tree.new Walk(first, inclusive);
    }

    static boolean isDeleted(long reference) {
        return is(reference, IS_DELETED);
    }

    /// Of an item that is not deleted.
    byte[] valueOf(long reference) {
        return values.copy(reference >>> PLACE_SHIFT, length(reference));
    }

    /// Grows with every change.
    int changes() {
        return changes;
    }

    /// In key order. Only for a table that is not changed any more.
    Iterable<Item> inOrder() {
        return () -> new Items(this, tree.new Walk());
    }

    /// This table's items laid over those of an older one, in key order. Only while neither is changed.
    Iterable<Item> inOrderOver(ItemTable older) {
        return older.isEmpty() ? inOrder() : () -> new Laid(new Items(this, tree.new Walk()), new Items(older, older.tree.new Walk()));
    }

    /// The next item is made when it is asked for, and looked at before.
    private static final class Items implements Iterator<Item> {
        private final ItemTable table;
        private final ItemTree.Walk walk;
        private boolean there;

        Items(ItemTable table, ItemTree.Walk walk) {
            this.table = table;
            this.walk = walk;
            there = walk.next();
        }

        @Override
        public boolean hasNext() {
            return there;
        }

        @Override
        public Item next() {
            if (!there) throw new NoSuchElementException();
            long reference = walk.reference();
            var value = isDeleted(reference) ? null : table.valueOf(reference);
            var item = new Item(walk.key(), walk.seq(), value);
            there = walk.next();
            return item;
        }
    }

    private static final class Laid implements Iterator<Item> {
        private final Items newer, older;
        private Item nextNewer, nextOlder;

        Laid(Items newer, Items older) {
            this.newer = newer;
            this.older = older;
            nextNewer = step(newer);
            nextOlder = step(older);
        }

        private static Item step(Items items) {
            return items.hasNext() ? items.next() : null;
        }

        @Override
        public boolean hasNext() {
            return nextNewer != null || nextOlder != null;
        }

        @Override
        public Item next() {
            if (!hasNext()) throw new NoSuchElementException();
            int order = nextNewer == null ? 1 : nextOlder == null ? -1 : nextNewer.key().compareTo(nextOlder.key());
            var item = order <= 0 ? nextNewer : nextOlder;
            if (order <= 0) nextNewer = step(newer);
            if (order >= 0) nextOlder = step(older);
            return item;
        }
    }

    // ---- changing; each change is noted

    /// The key has this value now. An item that was born in this table stays so.
    void put(Key key, long seq, byte[] value) {
        long before = look(key);
        store(before, seq, reference(value) | (is(before, IS_BORN) ? IS_BORN : 0));
    }

    /// As [#put], of a key that had nothing before the transaction: as long as that is open, deleting the item leaves nothing
    /// behind, not even a deletion. But a deletion that is here hides an older version, and so does what takes its place.
    void create(Key key, long seq, byte[] value) {
        long before = look(key);
        store(before, seq, reference(value) | (before == ABSENT || is(before, IS_BORN) ? IS_BORN : 0));
    }

    /// The key is deleted, whether or not it was there.
    void delete(Key key, long seq) {
        long before = look(key);
        if (is(before, IS_BORN)) remove(before);
        else store(before, seq, IS_DELETED);
    }

    // Finds the key, and notes what is there.
    private long look(Key key) {
        long reference = tree.find(key) ? tree.reference() : ABSENT;
        if (noted + NOTE_WORDS > notes.length) notes = Arrays.copyOf(notes, 2 * notes.length);
        tree.keyInto(notes, noted);
        notes[noted + NOTE_SEQ] = reference == ABSENT ? 0 : tree.seq();
        notes[noted + NOTE_REFERENCE] = reference;
        noted += NOTE_WORDS;
        return reference;
    }

    private long reference(byte[] value) {
        return values.add(value) << PLACE_SHIFT | value.length;
    }

    // At the key that was found, or not found, just now.
    private void store(long before, long seq, long reference) {
        if (before == ABSENT) tree.insert(seq, reference);
        else tree.set(seq, reference);
        changes++;
        count(before, -1);
        count(reference, 1);
    }

    private void remove(long before) {
        tree.remove();
        changes++;
        count(before, -1);
    }

    private void count(long reference, int sign) {
        if (reference == ABSENT) return;
        valueBytes += (long) sign * ValueSlab.bytesOf(length(reference));
        bytesInRun += (long) sign * Item.bytesInRun(length(reference));
    }

    /// What has been changed since the last call stays.
    void keep() {
        for (int n = 0; n < noted; n += NOTE_WORDS) giveBack(notes[n + NOTE_REFERENCE]);
        noted = 0;
    }

    /// What has been changed since the last [#keep] has not been.
    void undo() {
        while (noted > 0) {
            noted -= NOTE_WORDS;
            long then = notes[noted + NOTE_REFERENCE];
            long now = tree.findAgain(notes, noted) ? tree.reference() : ABSENT;
            if (then != ABSENT) store(now, notes[noted + NOTE_SEQ], then);
            else if (now != ABSENT) remove(now);
            giveBack(now);
        }
    }

    private void giveBack(long reference) {
        if (reference != ABSENT) values.giveBack(reference >>> PLACE_SHIFT, length(reference));
    }

    /// Everything of `newer` laid over this one, for good.
    void putAll(ItemTable newer) {
        var walk = newer.tree.new Walk();
        while (walk.next()) {
            long theirs = walk.reference(), before = walk.findIn(tree) ? tree.reference() : ABSENT;
            store(before, walk.seq(), values.add(newer.values, theirs >>> PLACE_SHIFT, length(theirs)) << PLACE_SHIFT
                    | theirs & (LENGTH_MASK | IS_DELETED));
            giveBack(before);
        }
    }

    // ---- costs

    int size() {
        return tree.size();
    }

    boolean isEmpty() {
        return tree.size() == 0;
    }

    /// An upper bound of what the items take in a run before compression.
    long bytesInRun() {
        return bytesInRun;
    }

    long heapBytes() {
        return valueBytes + (long) tree.size() * HEAP_BYTES_PER_ITEM;
    }
}
