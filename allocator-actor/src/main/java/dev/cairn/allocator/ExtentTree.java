package dev.cairn.allocator;

import java.util.Arrays;

/// Extents in address order that neither touch nor overlap, and a place among them: what stands under [ExtentSet].
///
///     top     for each group:  first block, largest extent, the group          some thousand of them
///     group   for each leaf:   first block, largest extent, size, the leaf     up to 256
///     leaf    for each extent: first block, block behind the last              up to 64, one array, no object for each
///
/// Leaves are small because an operation looks at one of them, and nearly all of the time goes into fetching it from memory:
/// with 64 extents that is one or two cache lines for a search that begins where the block would be if extents were spread
/// evenly, and sixteen when the leaf's largest extent has to be found anew. Groups are there so that splitting a leaf moves a
/// few kilobytes and not one entry for every leaf there is.
///
/// An extent takes 16 bytes and its part of the slack: a leaf grows by an eighth at a time, and one that is not full after
/// a split is cut to size. `ExtentSetBenchmark` measures both.
///
/// The place is an extent, or before the first one; every change leaves it somewhere, to be sought again. One thread.
final class ExtentTree {
    static final int LEAF_MAX = 64, GROUP_MAX = 256;

    private static final class Group {
        // They grow to GROUP_MAX: there are many small sets, some for a single commit.
        long[] firsts = new long[1];
        long[] largests = new long[1];
        byte[] sizes = new byte[1];
        long[][] leaves = new long[1][];
        int count;

        private void makeRoom(int wanted) {
            if (wanted <= firsts.length) return;
            int room = Math.min(GROUP_MAX, Math.max(wanted, 2 * firsts.length));
            firsts = Arrays.copyOf(firsts, room);
            largests = Arrays.copyOf(largests, room);
            sizes = Arrays.copyOf(sizes, room);
            leaves = Arrays.copyOf(leaves, room);
        }

        /// Moves `length` leaves, within the group or into another.
        void move(int from, Group to, int at, int length) {
            to.makeRoom(at + length);
            System.arraycopy(firsts, from, to.firsts, at, length);
            System.arraycopy(largests, from, to.largests, at, length);
            System.arraycopy(sizes, from, to.sizes, at, length);
            System.arraycopy(leaves, from, to.leaves, at, length);
        }

        void put(int at, long[] leaf, int size) {
            makeRoom(at + 1);
            leaves[at] = leaf;
            sizes[at] = (byte) size;
            firsts[at] = leaf[0];
            largests[at] = largestOf(leaf, size);
        }

        void cutTo(int newCount) {
            Arrays.fill(leaves, newCount, count, null);
            count = newCount;
        }

        long largest() {
            long largest = 0;
            for (int i = 0; i < count; i++) largest = Math.max(largest, largests[i]);
            return largest;
        }
    }

    private Group[] groups = new Group[1];
    private long[] firsts = new long[1];
    private long[] largests = new long[1];
    private int count;
    private long extents;

    // The place, and the one before the last call of next().
    private int g, l, i = -1;
    private int backG, backL, backI = -1;

    long extents() {
        return extents;
    }

    // ---- the place

    /// To the last extent that starts at or before the block; before all of them, and false, when there is none.
    boolean seek(long block) {
        g = floor(firsts, 1, count, block, count / 2);
        if (g < 0) {
            seekBegin();
            return false;
        }
        var group = groups[g];
        l = floor(group.firsts, 1, group.count, block, guess(firsts, g, count, group.count, block));
        i = floor(group.leaves[l], 2, group.sizes[l], block, guess(group.firsts, l, group.count, group.sizes[l], block));
        return true;
    }

    /// Where the block may stand among the `size` entries between two first blocks, if they are spread evenly.
    private static int guess(long[] firsts, int at, int count, int size, long block) {
        if (at + 1 == count) return size / 2;
        return (int) ((double) (block - firsts[at]) * size / (firsts[at + 1] - firsts[at]));
    }

    /// Before the first extent.
    void seekBegin() {
        g = 0;
        l = 0;
        i = -1;
    }

    /// To the next extent; false, and the place stays, when there is none.
    boolean next() {
        backG = g;
        backL = l;
        backI = i;
        if (count == 0) return false;
        if (i + 1 < groups[g].sizes[l]) {
            i++;
        } else if (l + 1 < groups[g].count) {
            l++;
            i = 0;
        } else if (g + 1 < count) {
            g++;
            l = 0;
            i = 0;
        } else {
            return false;
        }
        return true;
    }

    /// Undoes the last [#next], if nothing has changed since.
    void back() {
        g = backG;
        l = backL;
        i = backI;
    }

    boolean last() {
        if (count == 0) return false;
        g = count - 1;
        l = groups[g].count - 1;
        i = groups[g].sizes[l] - 1;
        return true;
    }

    long start() {
        return groups[g].leaves[l][2 * i];
    }

    long end() {
        return groups[g].leaves[l][2 * i + 1];
    }

    /// To the first extent behind the place that has at least so many blocks; false, and the place stays, when there is none.
    boolean nextOf(long blocks) {
        if (count == 0) return false;
        var group = groups[g];
        if (group.largests[l] >= blocks) {
            int found = inLeaf(group, l, i + 1, blocks);
            if (found >= 0) {
                i = found;
                return true;
            }
        }
        if (largests[g] >= blocks && inGroup(g, l + 1, blocks)) return true;
        for (int h = g + 1; h < count; h++)
            if (largests[h] >= blocks) return inGroup(h, 0, blocks);
        return false;
    }

    private boolean inGroup(int inGroup, int from, long blocks) {
        var group = groups[inGroup];
        for (int k = from; k < group.count; k++)
            if (group.largests[k] >= blocks) {
                g = inGroup;
                l = k;
                i = inLeaf(group, k, 0, blocks);
                return true;
            }
        return false;
    }

    private static int inLeaf(Group group, int l, int from, long blocks) {
        long[] leaf = group.leaves[l];
        for (int k = from; k < group.sizes[l]; k++) if (leaf[2 * k + 1] - leaf[2 * k] >= blocks) return k;
        return -1;
    }

    long largest() {
        long largest = 0;
        for (int h = 0; h < count; h++) largest = Math.max(largest, largests[h]);
        return largest;
    }

    /// All of them in order. The place stays: the visitor may ask the same tree.
    void forEach(ExtentSet.Visitor visitor) {
        for (int h = 0; h < count; h++)
            for (int k = 0; k < groups[h].count; k++) {
                long[] leaf = groups[h].leaves[k];
                for (int at = 0; at < 2 * groups[h].sizes[k]; at += 2) visitor.extent(leaf[at], leaf[at + 1] - leaf[at]);
            }
    }

    // ---- changes at the place

    /// The extent at the place has other bounds now, and is still between its neighbours.
    void set(long start, long end) {
        var group = groups[g];
        long[] leaf = group.leaves[l];
        long before = leaf[2 * i + 1] - leaf[2 * i], now = end - start;
        leaf[2 * i] = start;
        leaf[2 * i + 1] = end;
        if (i == 0) firstChanged(group);
        if (now >= before) raise(group, now);
        else lower(group, before);
    }

    /// Puts an extent behind the place, and before the next one.
    void insert(long start, long end) {
        extents++;
        if (count == 0) {
            var only = new Group();
            only.put(0, new long[] {start, end}, 1);
            only.count = 1;
            insertGroup(0, only);
            return;
        }
        var group = groups[g];
        int at = i + 1, size = group.sizes[l];
        long[] leaf = group.leaves[l];
        if (size < LEAF_MAX) {
            group.leaves[l] = leaf = withEntry(leaf, size, at, start, end);
            group.sizes[l]++;
            if (at == 0) firstChanged(group);
            raise(group, end - start);
            return;
        }
        // An ascending fill leaves full leaves behind instead of halves.
        boolean append = at == size && l + 1 == group.count && g + 1 == count;
        int keep = append ? size : size / 2;
        long[] right = Arrays.copyOfRange(leaf, 2 * keep, 2 * size), left = Arrays.copyOf(leaf, 2 * keep);
        int leftSize = keep, rightSize = size - keep;
        if (at < keep || at == keep && !append) left = withEntry(left, leftSize++, at, start, end);
        else right = withEntry(right, rightSize++, at - keep, start, end);
        group.put(l, left, leftSize);
        if (l == 0) firsts[g] = left[0];
        largests[g] = group.largest();
        insertLeaf(l + 1, right, rightSize, append);
    }

    /// Takes the extent at the place away.
    void delete() {
        var group = groups[g];
        long[] leaf = group.leaves[l];
        long before = leaf[2 * i + 1] - leaf[2 * i];
        int size = --group.sizes[l];
        extents--;
        if (size == 0) {
            deleteLeaf(l);
            return;
        }
        System.arraycopy(leaf, 2 * i + 2, leaf, 2 * i, 2 * (size - i));
        if (i == 0) firstChanged(group);
        lower(group, before);
        if (size < LEAF_MAX / 4) {
            if (l + 1 < group.count) joinLeaves(group, l);
            else if (l > 0) joinLeaves(group, l - 1);
        }
    }

    private static long[] withEntry(long[] leaf, int size, int at, long start, long end) {
        long[] roomy = leaf;
        if (leaf.length == 2 * size) {     // a little more at a time: most leaves grow no further
            roomy = new long[2 * Math.min(LEAF_MAX, size + size / 8 + 2)];
            System.arraycopy(leaf, 0, roomy, 0, 2 * at);
        }
        System.arraycopy(leaf, 2 * at, roomy, 2 * at + 2, 2 * (size - at));
        roomy[2 * at] = start;
        roomy[2 * at + 1] = end;
        return roomy;
    }

    // ---- leaves and groups

    private void insertLeaf(int at, long[] leaf, int size, boolean append) {
        var group = groups[g];
        if (group.count == GROUP_MAX) {
            int keep = append ? GROUP_MAX : GROUP_MAX / 2;
            var right = new Group();
            group.move(keep, right, 0, GROUP_MAX - keep);
            right.count = GROUP_MAX - keep;
            group.cutTo(keep);
            largests[g] = group.largest();
            if (append || at > keep) {
                placeLeaf(right, at - keep, leaf, size);
            } else {
                placeLeaf(group, at, leaf, size);
                largests[g] = group.largest();
            }
            insertGroup(g + 1, right);
            return;
        }
        placeLeaf(group, at, leaf, size);
        largests[g] = Math.max(largests[g], group.largests[at]);
    }

    private static void placeLeaf(Group group, int at, long[] leaf, int size) {
        group.move(at, group, at + 1, group.count - at);
        group.put(at, leaf, size);
        group.count++;
    }

    private void deleteLeaf(int at) {
        var group = groups[g];
        long before = group.largests[at];
        group.move(at + 1, group, at, group.count - at - 1);
        group.cutTo(group.count - 1);
        if (group.count == 0) {
            deleteGroup(g);
            return;
        }
        if (at == 0) firsts[g] = group.firsts[0];
        if (before == largests[g]) largests[g] = group.largest();
        if (group.count < GROUP_MAX / 4) {
            if (g + 1 < count) joinGroups(g);
            else if (g > 0) joinGroups(g - 1);
        }
    }

    private void joinLeaves(Group group, int at) {
        int left = group.sizes[at], right = group.sizes[at + 1];
        if (left + right > LEAF_MAX * 3 / 4) return;
        long[] joined = Arrays.copyOf(group.leaves[at], 2 * (left + right));
        System.arraycopy(group.leaves[at + 1], 0, joined, 2 * left, 2 * right);
        group.put(at, joined, left + right);
        deleteLeaf(at + 1);
    }

    private void joinGroups(int at) {
        Group left = groups[at], right = groups[at + 1];
        if (left.count + right.count > GROUP_MAX * 3 / 4) return;
        right.move(0, left, left.count, right.count);
        left.count += right.count;
        largests[at] = Math.max(largests[at], largests[at + 1]);
        deleteGroup(at + 1);
    }

    private void insertGroup(int at, Group group) {
        if (count == groups.length) {
            int capacity = count + count / 2 + 1;
            groups = Arrays.copyOf(groups, capacity);
            firsts = Arrays.copyOf(firsts, capacity);
            largests = Arrays.copyOf(largests, capacity);
        }
        moveGroups(at, at + 1);
        groups[at] = group;
        firsts[at] = group.firsts[0];
        largests[at] = group.largest();
        count++;
    }

    private void deleteGroup(int at) {
        moveGroups(at + 1, at);
        groups[--count] = null;
    }

    private void moveGroups(int from, int to) {
        System.arraycopy(groups, from, groups, to, count - from);
        System.arraycopy(firsts, from, firsts, to, count - from);
        System.arraycopy(largests, from, largests, to, count - from);
    }

    // ---- first blocks and largest extents

    private void firstChanged(Group group) {
        group.firsts[l] = group.leaves[l][0];
        if (l == 0) firsts[g] = group.firsts[0];
    }

    /// An extent of so many blocks stands in the leaf now.
    private void raise(Group group, long blocks) {
        if (blocks <= group.largests[l]) return;
        group.largests[l] = blocks;
        if (blocks > largests[g]) largests[g] = blocks;
    }

    /// An extent that had so many blocks has fewer now, or is gone.
    private void lower(Group group, long blocks) {
        if (blocks < group.largests[l]) return;
        long now = largestOf(group.leaves[l], group.sizes[l]);
        group.largests[l] = now;
        if (now < blocks && blocks == largests[g]) largests[g] = group.largest();
    }

    private static long largestOf(long[] leaf, int size) {
        long largest = 0;
        for (int k = 0; k < 2 * size; k += 2) largest = Math.max(largest, leaf[k + 1] - leaf[k]);
        return largest;
    }

    /// The last entry that is at or below the block, or -1. From the guess on in steps that double, then between the last
    /// two: a good guess costs one or two cache lines where halving the whole costs one for nearly every step, and a bad
    /// one no more than twice the steps of halving.
    private static int floor(long[] sorted, int stride, int size, long block, int guess) {
        int low = 0, high = size - 1, at = Math.min(guess, high);
        if (at < 0) return -1;
        boolean up = sorted[stride * at] <= block;
        if (up) low = at + 1;
        else high = at - 1;
        for (int step = 1; low <= high; step <<= 1) {
            int probe = up ? Math.min(low + step - 1, high) : Math.max(high - step + 1, low);
            boolean below = sorted[stride * probe] <= block;
            if (below) low = probe + 1;
            else high = probe - 1;
            if (below != up) break;
        }
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (sorted[stride * middle] <= block) low = middle + 1;
            else high = middle - 1;
        }
        return high;
    }
}
