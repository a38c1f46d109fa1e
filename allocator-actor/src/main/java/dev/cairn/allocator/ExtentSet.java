package dev.cairn.allocator;

import dev.cairn.block.Extent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A set of blocks, kept as extents that never touch each other: what is freed beside something free becomes one with it.
///
/// Built for tens of millions of extents. They stand in address order in leaves of at most 512, two longs each and no
/// object per extent: 16 bytes for an extent in a full leaf, up to twice that after random splits. Above the leaves are
/// three flat arrays (first block, largest extent, and the largest of each 256 leaves), so any operation is a binary search,
/// a move of at most 8 KiB, and for a search by size three short scans; splitting a leaf shifts the flat arrays, which is rare.
/// Seen once at ten million extents, on two cores busy with other work: 0.1 µs to add in order, 1.5 to 4 µs for random
/// takes and returns, most of it cache misses and splits of leaves that an ascending fill had left full.
///
/// What a search finds depends on the blocks in the set alone, never on how the leaves happen to be cut.
///
/// Adding a block that is in the set, or removing one that is not, is a broken invariant: somebody counted a block twice.
/// It throws an [IllegalStateException] that names the block and leaves the set as it was. One thread.
public final class ExtentSet {
    private static final int LEAF_EXTENTS_MAX = 512;
    private static final int LEAVES_PER_GROUP_SHIFT = 8;

    /// Some extents in address order. `starts[i] < ends[i] < starts[i + 1]`.
    private static final class Leaf {
        long[] starts;
        long[] ends;
        int size;

        Leaf(int capacity) {
            starts = new long[capacity];
            ends = new long[capacity];
        }

        /// The last extent that starts at or before `block`, or -1.
        int floor(long block) {
            int low = 0, high = size - 1;
            while (low <= high) {
                int middle = (low + high) >>> 1;
                if (starts[middle] <= block) low = middle + 1;
                else high = middle - 1;
            }
            return high;
        }

        void insert(int at, long start, long end) {
            if (size == starts.length) {
                int capacity = Math.min(LEAF_EXTENTS_MAX, size * 2);
                starts = Arrays.copyOf(starts, capacity);
                ends = Arrays.copyOf(ends, capacity);
            }
            System.arraycopy(starts, at, starts, at + 1, size - at);
            System.arraycopy(ends, at, ends, at + 1, size - at);
            starts[at] = start;
            ends[at] = end;
            size++;
        }

        void delete(int at) {
            size--;
            System.arraycopy(starts, at + 1, starts, at, size - at);
            System.arraycopy(ends, at + 1, ends, at, size - at);
        }

        long largest() {
            long largest = 0;
            for (int i = 0; i < size; i++) largest = Math.max(largest, ends[i] - starts[i]);
            return largest;
        }
    }

    // One entry for each leaf; no leaf is empty.
    private Leaf[] leaves = new Leaf[4];
    private long[] firsts = new long[4];
    private long[] largests = new long[4];
    private long[] groupLargests = new long[1];
    private int leafCount;
    private long blocks;
    private long extents;

    public interface Visitor {
        void extent(long start, long count);
    }

    public ExtentSet() {
    }

    public ExtentSet(Iterable<Extent> initial) {
        initial.forEach(this::add);
    }

    /// Blocks in the set.
    public long blocks() {
        return blocks;
    }

    /// Extents that they form.
    public long extents() {
        return extents;
    }

    public boolean isEmpty() {
        return blocks == 0;
    }

    // ---- exact changes

    public void add(Extent extent) {
        add(extent.start(), extent.count());
    }

    public void add(long start, long count) {
        checkRange(start, count);
        long end = start + count;
        if (leafCount == 0) {
            insertLeaf(0, new Leaf(4));
            leaves[0].insert(0, start, end);
            extents++;
            changed(0, count, true);
            blocks += count;
            return;
        }
        int l = leafOf(start);
        Leaf leaf = leaves[l];
        int p = leaf.floor(start);
        boolean hasNext = p + 1 < leaf.size || l + 1 < leafCount;
        int nextLeaf = p + 1 < leaf.size ? l : l + 1, nextAt = p + 1 < leaf.size ? p + 1 : 0;
        if (p >= 0 && leaf.ends[p] > start) throw alreadyIn(start, count, leaf.starts[p], leaf.ends[p]);
        if (hasNext && leaves[nextLeaf].starts[nextAt] < end)
            throw alreadyIn(start, count, leaves[nextLeaf].starts[nextAt], leaves[nextLeaf].ends[nextAt]);

        boolean joinsLast = p >= 0 && leaf.ends[p] == start;
        boolean joinsNext = hasNext && leaves[nextLeaf].starts[nextAt] == end;
        if (joinsLast) {
            long newEnd = joinsNext ? leaves[nextLeaf].ends[nextAt] : end;
            leaf.ends[p] = newEnd;
            changed(l, newEnd - leaf.starts[p], false);
            if (joinsNext) deleteAt(nextLeaf, nextAt);
        } else if (joinsNext) {
            Leaf next = leaves[nextLeaf];
            next.starts[nextAt] = start;
            changed(nextLeaf, next.ends[nextAt] - start, nextAt == 0);
        } else {
            insertAt(l, p + 1, start, end);
        }
        blocks += count;
    }

    public void remove(Extent extent) {
        remove(extent.start(), extent.count());
    }

    public void remove(long start, long count) {
        checkRange(start, count);
        int l = leafCount == 0 ? -1 : leafOf(start);
        int p = l < 0 ? -1 : leaves[l].floor(start);
        if (p < 0 || leaves[l].ends[p] < start + count)
            throw new IllegalStateException(("blocks %s are not all in the set that they are taken from; "
                    + "there is %s").formatted(new Extent(start, count), p < 0 ? "nothing before them"
                    : new Extent(leaves[l].starts[p], leaves[l].ends[p] - leaves[l].starts[p])));
        cut(l, p, start, start + count);
    }

    /// Whether all blocks of the extent are in the set.
    public boolean contains(long start, long count) {
        checkRange(start, count);
        if (leafCount == 0) return false;
        Leaf leaf = leaves[leafOf(start)];
        int p = leaf.floor(start);
        return p >= 0 && leaf.ends[p] >= start + count;
    }

    public boolean contains(Extent extent) {
        return contains(extent.start(), extent.count());
    }

    /// Whether any block of the extent is in the set.
    public boolean overlaps(long start, long count) {
        checkRange(start, count);
        if (leafCount == 0) return false;
        int l = leafOf(start);
        Leaf leaf = leaves[l];
        int p = leaf.floor(start);
        if (p >= 0 && leaf.ends[p] > start) return true;
        if (p + 1 < leaf.size) return leaf.starts[p + 1] < start + count;
        return l + 1 < leafCount && firsts[l + 1] < start + count;
    }

    public boolean overlaps(Extent extent) {
        return overlaps(extent.start(), extent.count());
    }

    // ---- taking

    /// Takes exactly `count` consecutive blocks: at `goal` itself, else from the first extent behind it that is large
    /// enough, else from the first such extent of all; null when there is none.
    public Extent takeFit(long count, long goal) {
        checkRange(goal, count);
        if (leafCount == 0) return null;
        int l = leafOf(goal);
        int p = leaves[l].floor(goal);
        if (p >= 0 && leaves[l].ends[p] >= goal + count) return cut(l, p, goal, goal + count);
        long found = findFit(l, p + 1, count);
        if (found < 0) found = findFit(0, 0, count);
        if (found < 0) return null;
        int leaf = (int) (found >>> 32), at = (int) found;
        long start = leaves[leaf].starts[at];
        return cut(leaf, at, start, start + count);
    }

    /// Takes up to `count` consecutive blocks: what follows from `goal` when that block is in the set, however short, for it
    /// continues what the caller has; else as [#takeFit]; else the largest extent there is. Null only when empty.
    public Extent takeUpTo(long count, long goal) {
        checkRange(goal, count);
        if (leafCount == 0) return null;
        int l = leafOf(goal);
        int p = leaves[l].floor(goal);
        if (p >= 0 && leaves[l].ends[p] > goal) return cut(l, p, goal, Math.min(goal + count, leaves[l].ends[p]));
        var fit = takeFit(count, goal);
        return fit != null ? fit : takeLargest(count);
    }

    /// Takes `count` consecutive blocks from the middle of the largest extent, the first of the largest: for something that
    /// will go on behind them, away from everybody else. Null unless at least `room` blocks follow them there, and as many
    /// are before them.
    public Extent takeApart(long count, long room) {
        checkRange(0, count);
        long found = largest();
        if (found < 0) return null;
        int l = (int) (found >>> 32), p = (int) found;
        long start = leaves[l].starts[p], end = leaves[l].ends[p], middle = start + (end - start) / 2;
        if (middle - start < room || end - middle - count < room) return null;
        return cut(l, p, middle, middle + count);
    }

    /// Takes up to `count` blocks in at most `extentsMax` extents, few and large ones rather than many: one that holds all
    /// that is still missing, at the lowest address; else the largest.
    public List<Extent> take(long count, int extentsMax) {
        var taken = new ArrayList<Extent>();
        while (count > 0 && blocks > 0 && taken.size() < extentsMax) {
            var extent = takeFit(count, 0);
            if (extent == null) extent = takeLargest(count);
            taken.add(extent);
            count -= extent.count();
        }
        return taken;
    }

    /// Everything, at most `extentsMax` extents of it; the lowest addresses first.
    public List<Extent> takeAll(int extentsMax) {
        var taken = new ArrayList<Extent>();
        while (blocks > 0 && taken.size() < extentsMax) {
            var leaf = leaves[0];
            taken.add(cut(0, 0, leaf.starts[0], leaf.ends[0]));
        }
        return taken;
    }

    private Extent takeLargest(long count) {
        long found = largest();
        int l = (int) (found >>> 32), p = (int) found;
        long start = leaves[l].starts[p];
        return cut(l, p, start, Math.min(start + count, leaves[l].ends[p]));
    }

    /// The first of the largest extents, as [#findFit] says it; -1 when empty.
    private long largest() {
        long largest = 0;
        int group = -1;
        for (int g = 0; g << LEAVES_PER_GROUP_SHIFT < leafCount; g++)
            if (groupLargests[g] > largest) {
                largest = groupLargests[g];
                group = g;
            }
        return group < 0 ? -1 : findFit(group << LEAVES_PER_GROUP_SHIFT, 0, largest);
    }

    /// The first extent of at least `count` blocks from an entry on: leaf in the upper half, entry in the lower; or -1.
    private long findFit(int fromLeaf, int fromEntry, long count) {
        int l = fromLeaf;
        if (fromEntry > 0) {
            long found = findInLeaf(l++, fromEntry, count);
            if (found >= 0) return found;
        }
        while (l < leafCount) {
            boolean groupStart = (l & (1 << LEAVES_PER_GROUP_SHIFT) - 1) == 0;
            if (groupStart && groupLargests[l >> LEAVES_PER_GROUP_SHIFT] < count) l += 1 << LEAVES_PER_GROUP_SHIFT;
            else if (largests[l] < count) l++;
            else return findInLeaf(l, 0, count);
        }
        return -1;
    }

    private long findInLeaf(int l, int from, long count) {
        var leaf = leaves[l];
        for (int i = from; i < leaf.size; i++)
            if (leaf.ends[i] - leaf.starts[i] >= count) return (long) l << 32 | i;
        return -1;
    }

    // ---- reading all of it

    public void forEach(Visitor visitor) {
        for (int l = 0; l < leafCount; l++)
            for (int i = 0; i < leaves[l].size; i++)
                visitor.extent(leaves[l].starts[i], leaves[l].ends[i] - leaves[l].starts[i]);
    }

    public List<Extent> toList() {
        var list = new ArrayList<Extent>();
        forEach((start, count) -> list.add(new Extent(start, count)));
        return list;
    }

    /// Number of extents, then for each the gap before it and its length, all as variable-length integers: two to six
    /// bytes for an extent. Equal sets have equal encodings. The container guards them with a checksum.
    public byte[] encode() {
        var out = new VarintWriter();
        out.write(extents);
        long[] last = {0};
        forEach((start, count) -> {
            out.write(start - last[0]);
            out.write(count);
            last[0] = start + count;
        });
        return out.toBytes();
    }

    /// @throws IllegalArgumentException when the bytes are not the encoding of a set
    public static ExtentSet decode(byte[] bytes) {
        var in = new VarintReader(bytes);
        var set = new ExtentSet();
        long count = in.read(), last = 0;
        for (long i = 0; i < count; i++) {
            long gap = in.read(), length = in.read();
            if ((gap == 0 && i > 0) || length == 0 || Long.MAX_VALUE - last < gap || Long.MAX_VALUE - last - gap < length)
                throw new IllegalArgumentException("extent %d of %d: gap %d, length %d after block %d"
                        .formatted(i, count, gap, length, last));
            set.add(last + gap, length);
            last += gap + length;
        }
        in.expectEnd();
        return set;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ExtentSet set && blocks == set.blocks && extents == set.extents
                && Arrays.equals(encode(), set.encode());
    }

    @Override
    public int hashCode() {
        return Long.hashCode(blocks) * 31 + Long.hashCode(extents);
    }

    @Override
    public String toString() {
        return extents <= 16 ? toList().toString() : blocks + " blocks in " + extents + " extents";
    }

    // ---- leaves

    /// The leaf in which an extent that starts at `block` stands or would stand.
    private int leafOf(long block) {
        int low = 0, high = leafCount - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (firsts[middle] <= block) low = middle + 1;
            else high = middle - 1;
        }
        return Math.max(high, 0);
    }

    /// Takes `[start, end)` out of the extent at an entry that contains it.
    private Extent cut(int l, int p, long start, long end) {
        var leaf = leaves[l];
        long oldStart = leaf.starts[p], oldEnd = leaf.ends[p];
        blocks -= end - start;
        if (start == oldStart && end == oldEnd) {
            deleteAt(l, p);
        } else {
            if (start == oldStart) leaf.starts[p] = end;
            else leaf.ends[p] = start;
            shrunk(l, oldEnd - oldStart);
            if (p == 0) firsts[l] = leaf.starts[0];
            if (start != oldStart && end != oldEnd) insertAt(l, p + 1, end, oldEnd);
        }
        return new Extent(start, end - start);
    }

    private void insertAt(int l, int at, long start, long end) {
        var leaf = leaves[l];
        if (leaf.size == LEAF_EXTENTS_MAX) {
            // An ascending fill leaves full leaves behind instead of halves.
            int keep = l == leafCount - 1 && at == leaf.size ? leaf.size - 1 : leaf.size / 2;
            var right = new Leaf(LEAF_EXTENTS_MAX);
            right.size = leaf.size - keep;
            System.arraycopy(leaf.starts, keep, right.starts, 0, right.size);
            System.arraycopy(leaf.ends, keep, right.ends, 0, right.size);
            leaf.size = keep;
            insertLeaf(l + 1, right);
            recompute(l);
            recompute(l + 1);
            if (at > keep) {
                l++;
                at -= keep;
            }
            leaf = leaves[l];
        }
        leaf.insert(at, start, end);
        extents++;
        changed(l, end - start, at == 0);
    }

    private void deleteAt(int l, int at) {
        var leaf = leaves[l];
        long count = leaf.ends[at] - leaf.starts[at];
        leaf.delete(at);
        extents--;
        if (leaf.size == 0) {
            deleteLeaf(l);
            return;
        }
        if (at == 0) firsts[l] = leaf.starts[0];
        shrunk(l, count);
        if (leaf.size < LEAF_EXTENTS_MAX / 4) {
            if (l + 1 < leafCount) joinLeaves(l);
            else if (l > 0) joinLeaves(l - 1);
        }
    }

    private void joinLeaves(int l) {
        Leaf left = leaves[l], right = leaves[l + 1];
        int size = left.size + right.size;
        if (size > LEAF_EXTENTS_MAX * 3 / 4) return;
        if (left.starts.length < size) {
            left.starts = Arrays.copyOf(left.starts, LEAF_EXTENTS_MAX);
            left.ends = Arrays.copyOf(left.ends, LEAF_EXTENTS_MAX);
        }
        System.arraycopy(right.starts, 0, left.starts, left.size, right.size);
        System.arraycopy(right.ends, 0, left.ends, left.size, right.size);
        left.size = size;
        deleteLeaf(l + 1);
        recompute(l);
    }

    private void insertLeaf(int at, Leaf leaf) {
        if (leafCount == leaves.length) {
            int capacity = leafCount + leafCount / 2 + 1;
            leaves = Arrays.copyOf(leaves, capacity);
            firsts = Arrays.copyOf(firsts, capacity);
            largests = Arrays.copyOf(largests, capacity);
            groupLargests = Arrays.copyOf(groupLargests, (capacity >> LEAVES_PER_GROUP_SHIFT) + 1);
        }
        System.arraycopy(leaves, at, leaves, at + 1, leafCount - at);
        System.arraycopy(firsts, at, firsts, at + 1, leafCount - at);
        System.arraycopy(largests, at, largests, at + 1, leafCount - at);
        leaves[at] = leaf;
        firsts[at] = leaf.starts[0];
        largests[at] = leaf.largest();
        leafCount++;
        regroup(at);
    }

    private void deleteLeaf(int at) {
        leafCount--;
        System.arraycopy(leaves, at + 1, leaves, at, leafCount - at);
        System.arraycopy(firsts, at + 1, firsts, at, leafCount - at);
        System.arraycopy(largests, at + 1, largests, at, leafCount - at);
        leaves[leafCount] = null;
        regroup(at);
    }

    // ---- the largest extents

    /// An extent of `count` blocks stands in the leaf now.
    private void changed(int l, long count, boolean first) {
        if (first) firsts[l] = leaves[l].starts[0];
        if (count > largests[l]) {
            largests[l] = count;
            int group = l >> LEAVES_PER_GROUP_SHIFT;
            groupLargests[group] = Math.max(groupLargests[group], count);
        }
    }

    /// An extent that had `count` blocks has fewer now, or is gone.
    private void shrunk(int l, long count) {
        if (count < largests[l]) return;
        recompute(l);
    }

    private void recompute(int l) {
        long before = largests[l], now = leaves[l].largest();
        firsts[l] = leaves[l].starts[0];
        largests[l] = now;
        int group = l >> LEAVES_PER_GROUP_SHIFT;
        if (now >= groupLargests[group]) groupLargests[group] = now;
        else if (before == groupLargests[group]) regroupOne(group);
    }

    /// Leaves have shifted from `at` on.
    private void regroup(int at) {
        for (int g = at >> LEAVES_PER_GROUP_SHIFT; g <= leafCount >> LEAVES_PER_GROUP_SHIFT; g++) regroupOne(g);
    }

    private void regroupOne(int group) {
        int from = group << LEAVES_PER_GROUP_SHIFT, to = Math.min(leafCount, from + (1 << LEAVES_PER_GROUP_SHIFT));
        long largest = 0;
        for (int l = from; l < to; l++) largest = Math.max(largest, largests[l]);
        groupLargests[group] = largest;
    }

    private static void checkRange(long start, long count) {
        if (start < 0 || count < 1 || start + count < 0)
            throw new IllegalArgumentException("%d blocks at block %d".formatted(count, start));
    }

    private static IllegalStateException alreadyIn(long start, long count, long inStart, long inEnd) {
        return new IllegalStateException("blocks %s are added, but of these %s is in the set already"
                .formatted(new Extent(start, count), new Extent(inStart, inEnd - inStart)));
    }
}
