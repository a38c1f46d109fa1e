package dev.cairn.transaction;

import java.util.Arrays;

/// A B+ tree from keys to a seq and a reference, all in arrays of numbers: for what is looked up, changed and thrown away a
/// hundred thousand times a second. No object belongs to an item, so the collector has nothing to follow and no barrier is
/// paid for a change; and a lookup touches some ten cache lines, where a tree of objects touches thirty.
///
/// A key's 26 bytes are four words, the last one filled up with zeros, each with its sign bit turned so that they compare as
/// signed numbers. An item is those four and two more:
///
///     leaf:   … | key 0..3, seq, reference | …            sorted; doubly linked to its neighbours
///     inner:  … | key 0..3 | …  and children              child i holds what is not below key i; key 0 means nothing
///
/// Changed by one thread at a time; [Walk] may be used by another one while nothing is changed.
final class ItemTree {
    private static final int KEY_WORDS = 4, SEQ = 4, REFERENCE = 5, ITEM_WORDS = 6;
    /// 3 KiB: halves of it are moved by an insertion in the time of two cache misses.
    private static final int LEAF_ITEMS = 64;
    private static final int CHILDREN = 64;
    /// Neighbours that have become this small together are joined.
    private static final int JOINED_ITEMS_MAX = LEAF_ITEMS / 2;

    private static final class Node {
        /// Items of a leaf, keys of an inner node.
        final long[] words;
        /// Null: a leaf.
        final Node[] children;
        int count;
        Node before, after;

        Node(boolean leaf) {
            words = new long[leaf ? LEAF_ITEMS * ITEM_WORDS : CHILDREN * KEY_WORDS];
            children = leaf ? null : new Node[CHILDREN];
        }
    }

    private Node root = new Node(true);
    private Node firstLeaf = root;
    private int size;

    // The last search: the words looked for, the way down, and where it ended.
    private long a, b, c, d;
    private Node[] way = new Node[4];
    private int[] wayAt = new int[4];
    private int depth;
    private Node leaf = root;
    private int at;

    int size() {
        return size;
    }

    // ---- words of keys

    private static long flip(long word) {
        return word ^ Long.MIN_VALUE;
    }

    private static long word0(Key key) {
        return flip((long) key.zone() << 56 | key.first() >>> 8);
    }

    private static long word1(Key key) {
        return flip(key.first() << 56 | (key.type() & 0xffL) << 48 | key.second() >>> 16);
    }

    private static long word2(Key key) {
        return flip(key.second() << 48 | key.third() >>> 16);
    }

    private static long word3(Key key) {
        return flip(key.third() << 48);
    }

    private static Key key(long[] words, int at) {
        long a = flip(words[at]), b = flip(words[at + 1]), c = flip(words[at + 2]), d = flip(words[at + 3]);
        return new Key((byte) (a >>> 56), a << 8 | b >>> 56, (byte) (b >>> 48), b << 16 | c >>> 48, c << 16 | d >>> 48);
    }

    // Below zero when the words at `at` are less than those looked for.
    private static int compare(long[] words, int at, long a, long b, long c, long d) {
        if (words[at] != a) return words[at] < a ? -1 : 1;
        if (words[at + 1] != b) return words[at + 1] < b ? -1 : 1;
        if (words[at + 2] != c) return words[at + 2] < c ? -1 : 1;
        return Long.compare(words[at + 3], d);
    }

    // ---- looking up

    /// Whether there is an item of this key. Then [#seq] and [#reference] are its own, [#set] changes and [#remove] removes it;
    /// otherwise [#insert] puts it there. All of them before the next search.
    boolean find(Key key) {
        return find(word0(key), word1(key), word2(key), word3(key));
    }

    private boolean find(long w0, long w1, long w2, long w3) {
        a = w0;
        b = w1;
        c = w2;
        d = w3;
        depth = 0;
        var node = root;
        while (node.children != null) {
            int child = childOf(node, w0, w1, w2, w3);
            if (depth == way.length) {
                way = Arrays.copyOf(way, 2 * depth);
                wayAt = Arrays.copyOf(wayAt, 2 * depth);
            }
            way[depth] = node;
            wayAt[depth++] = child;
            node = node.children[child];
        }
        leaf = node;
        at = lowerBound(node, w0, w1, w2, w3);
        return at < node.count && compare(node.words, at * ITEM_WORDS, w0, w1, w2, w3) == 0;
    }

    private static int childOf(Node inner, long a, long b, long c, long d) {
        var words = inner.words;
        int low = 0, high = inner.count - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (compare(words, middle * KEY_WORDS, a, b, c, d) <= 0) low = middle;
            else high = middle - 1;
        }
        return low;
    }

    // The first item that is not below the key.
    private static int lowerBound(Node leaf, long a, long b, long c, long d) {
        var words = leaf.words;
        int low = 0, high = leaf.count;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (compare(words, middle * ITEM_WORDS, a, b, c, d) < 0) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    long seq() {
        return leaf.words[at * ITEM_WORDS + SEQ];
    }

    long reference() {
        return leaf.words[at * ITEM_WORDS + REFERENCE];
    }

    /// Copies the words of the key that was looked for, for [#findAgain].
    void keyInto(long[] into, int from) {
        into[from] = a;
        into[from + 1] = b;
        into[from + 2] = c;
        into[from + 3] = d;
    }

    boolean findAgain(long[] words, int from) {
        return find(words[from], words[from + 1], words[from + 2], words[from + 3]);
    }

    // ---- changing

    void set(long seq, long reference) {
        leaf.words[at * ITEM_WORDS + SEQ] = seq;
        leaf.words[at * ITEM_WORDS + REFERENCE] = reference;
    }

    void insert(long seq, long reference) {
        if (leaf.count == LEAF_ITEMS) splitLeaf();
        var words = leaf.words;
        int from = at * ITEM_WORDS;
        System.arraycopy(words, from, words, from + ITEM_WORDS, (leaf.count - at) * ITEM_WORDS);
        keyInto(words, from);
        words[from + SEQ] = seq;
        words[from + REFERENCE] = reference;
        leaf.count++;
        size++;
    }

    // What grows at its end (inode numbers, positions) leaves full leaves behind.
    private void splitLeaf() {
        int kept = at == LEAF_ITEMS ? LEAF_ITEMS : LEAF_ITEMS / 2;
        var right = new Node(true);
        right.count = LEAF_ITEMS - kept;
        System.arraycopy(leaf.words, kept * ITEM_WORDS, right.words, 0, right.count * ITEM_WORDS);
        leaf.count = kept;
        right.before = leaf;
        right.after = leaf.after;
        if (leaf.after != null) leaf.after.before = right;
        leaf.after = right;
        // What is to be inserted begins the right leaf only when that is empty: otherwise it is below its first key.
        boolean begins = right.count == 0;
        if (begins) keyInto(right.words, 0);
        addChild(depth - 1, leaf, right.words, 0, right);
        if (at > kept || begins) {
            leaf = right;
            at -= kept;
        }
    }

    // Puts `right`, which holds what is not below the key, behind `left` in the inner node of that level of the way.
    private void addChild(int level, Node left, long[] key, int keyAt, Node right) {
        if (level < 0) {
            root = new Node(false);
            root.children[0] = left;
            root.children[1] = right;
            System.arraycopy(key, keyAt, root.words, KEY_WORDS, KEY_WORDS);
            root.count = 2;
            return;
        }
        var parent = way[level];
        int place = wayAt[level] + 1;
        if (parent.count == CHILDREN) {
            int kept = place == CHILDREN ? CHILDREN : CHILDREN / 2;
            var upper = new Node(false);
            upper.count = CHILDREN - kept;
            System.arraycopy(parent.words, kept * KEY_WORDS, upper.words, 0, upper.count * KEY_WORDS);
            System.arraycopy(parent.children, kept, upper.children, 0, upper.count);
            Arrays.fill(parent.children, kept, CHILDREN, null);
            parent.count = kept;
            if (upper.count == 0) addChild(level - 1, parent, key, keyAt, upper);
            else addChild(level - 1, parent, upper.words, 0, upper);
            if (place > kept || upper.count == 0) {
                parent = upper;
                place -= kept;
            }
        }
        int after = parent.count - place;
        System.arraycopy(parent.words, place * KEY_WORDS, parent.words, (place + 1) * KEY_WORDS, after * KEY_WORDS);
        System.arraycopy(parent.children, place, parent.children, place + 1, after);
        System.arraycopy(key, keyAt, parent.words, place * KEY_WORDS, KEY_WORDS);
        parent.children[place] = right;
        parent.count++;
    }

    void remove() {
        var words = leaf.words;
        int from = at * ITEM_WORDS;
        System.arraycopy(words, from + ITEM_WORDS, words, from, (leaf.count - at - 1) * ITEM_WORDS);
        leaf.count--;
        size--;
        if (depth > 0 && leaf.count <= JOINED_ITEMS_MAX / 2) join();
    }

    // A small leaf takes up the next one of its parent, or is taken up by the one before.
    private void join() {
        var parent = way[depth - 1];
        int child = wayAt[depth - 1];
        if (child + 1 < parent.count && joined(parent, child) || child > 0 && joined(parent, child - 1)) return;
        if (leaf.count == 0) {
            unlink(leaf);
            removeChild(depth - 1);
        }
    }

    private boolean joined(Node parent, int child) {
        Node left = parent.children[child], right = parent.children[child + 1];
        if (left.count + right.count > JOINED_ITEMS_MAX) return false;
        System.arraycopy(right.words, 0, left.words, left.count * ITEM_WORDS, right.count * ITEM_WORDS);
        left.count += right.count;
        unlink(right);
        wayAt[depth - 1] = child + 1;
        removeChild(depth - 1);
        return true;
    }

    private void unlink(Node gone) {
        if (gone.before == null) firstLeaf = gone.after;
        else gone.before.after = gone.after;
        if (gone.after != null) gone.after.before = gone.before;
    }

    private void removeChild(int level) {
        var parent = way[level];
        int place = wayAt[level], after = parent.count - place - 1;
        System.arraycopy(parent.words, (place + 1) * KEY_WORDS, parent.words, place * KEY_WORDS, after * KEY_WORDS);
        System.arraycopy(parent.children, place + 1, parent.children, place, after);
        parent.children[--parent.count] = null;
        if (level > 0 && parent.count == 0) removeChild(level - 1);
        if (level > 0) return;
        while (root.children != null && root.count == 1) root = root.children[0];
        if (root.count == 0 && root.children != null) {
            root = new Node(true);
            firstLeaf = root;
        }
    }

    // ---- in order

    /// From one item to the next. Not to be used any more when the tree has been changed.
    final class Walk {
        private Node node;
        private int index;

        /// From the first item on.
        Walk() {
            node = firstLeaf;
            index = -1;
        }

        /// From the first item on that is not below `key`, or above it.
        Walk(Key key, boolean inclusive) {
            boolean there = find(key);
            node = leaf;
            index = there && !inclusive ? at : at - 1;
        }

        /// To the next item.
        ///
        /// @return false when there is none
        boolean next() {
            index++;
            while (node != null && index >= node.count) {
                node = node.after;
                index = 0;
            }
            return node != null;
        }

        Key key() {
            return ItemTree.key(node.words, index * ITEM_WORDS);
        }

        long seq() {
            return node.words[index * ITEM_WORDS + SEQ];
        }

        long reference() {
            return node.words[index * ITEM_WORDS + REFERENCE];
        }

        /// Looks for the same key in another tree.
        boolean findIn(ItemTree other) {
            return other.findAgain(node.words, index * ITEM_WORDS);
        }
    }
}
