package dev.cairn.allocator;

import dev.cairn.block.Extent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A set of blocks, kept as extents that never touch each other: what is freed beside something free becomes one with it.
///
/// Built for tens of millions of extents: they stand in an [ExtentTree], two longs each and no object for an extent, so an
/// operation looks into one small leaf: below 1 µs at ten million free extents. An extent takes 17 bytes of memory in a set
/// that was filled in order and 19 in one that was shaken since, so thirty million take 0.6 GB; in a snapshot it takes 2 to
/// 6 bytes. `ExtentSetBenchmark` in src/jmh/java measures all three, docs/benchmarks.md keeps the figures.
///
/// What a search finds depends on the blocks in the set alone, never on how the tree happens to be cut.
///
/// Adding a block that is in the set, or removing one that is not, is a broken invariant: somebody counted a block twice.
/// It throws an [IllegalStateException] that names the block and leaves the set as it was. One thread.
public final class ExtentSet {
    private final ExtentTree tree = new ExtentTree();
    private long blocks;

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
        return tree.extents();
    }

    public boolean isEmpty() {
        return blocks == 0;
    }

    /// The block behind the last one; 0 when empty.
    public long end() {
        return tree.last() ? tree.end() : 0;
    }

    // ---- exact changes

    public void add(Extent extent) {
        add(extent.start(), extent.count());
    }

    public void add(long start, long count) {
        checkRange(start, count);
        long end = start + count;
        boolean hasLast = tree.seek(start);
        long lastStart = hasLast ? tree.start() : 0, lastEnd = hasLast ? tree.end() : -1;
        if (lastEnd > start) throw alreadyIn(start, count, lastStart, lastEnd);
        boolean hasNext = tree.next();
        long nextStart = hasNext ? tree.start() : 0, nextEnd = hasNext ? tree.end() : 0;
        if (hasNext && nextStart < end) throw alreadyIn(start, count, nextStart, nextEnd);

        boolean joinsNext = hasNext && nextStart == end;
        if (lastEnd == start) {
            if (joinsNext) {
                tree.delete();
                tree.seek(start);     // leaves may have been joined
            } else {
                tree.back();
            }
            tree.set(lastStart, joinsNext ? nextEnd : end);
        } else if (joinsNext) {
            tree.set(start, nextEnd);
        } else {
            tree.back();
            tree.insert(start, end);
        }
        blocks += count;
    }

    public void remove(Extent extent) {
        remove(extent.start(), extent.count());
    }

    public void remove(long start, long count) {
        checkRange(start, count);
        boolean found = tree.seek(start);
        if (!found || tree.end() < start + count)
            throw new IllegalStateException(("blocks %s are not all in the set that they are taken from; "
                    + "there is %s").formatted(new Extent(start, count), !found ? "nothing before them"
                    : new Extent(tree.start(), tree.end() - tree.start())));
        cut(start, start + count);
    }

    /// Whether all blocks of the extent are in the set.
    public boolean contains(long start, long count) {
        checkRange(start, count);
        return tree.seek(start) && tree.end() >= start + count;
    }

    public boolean contains(Extent extent) {
        return contains(extent.start(), extent.count());
    }

    /// Whether any block of the extent is in the set.
    public boolean overlaps(long start, long count) {
        checkRange(start, count);
        return tree.seek(start) && tree.end() > start || tree.next() && tree.start() < start + count;
    }

    public boolean overlaps(Extent extent) {
        return overlaps(extent.start(), extent.count());
    }

    /// What of the set lies in `[from, to)`, in address order: the first `extentsMax` extents of it, cut to the range.
    public List<Extent> within(long from, long to, int extentsMax) {
        var found = new ArrayList<Extent>();
        for (boolean more = tree.seek(from) || tree.next(); more && tree.start() < to && found.size() < extentsMax; more = tree.next()) {
            long start = Math.max(from, tree.start()), end = Math.min(to, tree.end());
            if (start < end) found.add(new Extent(start, end - start));
        }
        return found;
    }

    /// What of the extent is not in the set, in address order.
    public List<Extent> outside(Extent extent) {
        var found = new ArrayList<Extent>();
        long at = extent.start();
        for (var inside : within(extent.start(), extent.end(), Integer.MAX_VALUE)) {
            if (at < inside.start()) found.add(new Extent(at, inside.start() - at));
            at = inside.end();
        }
        if (at < extent.end()) found.add(new Extent(at, extent.end() - at));
        return found;
    }

    // ---- taking

    /// Takes exactly `count` consecutive blocks: at `goal` itself, else from the first extent behind it that is large
    /// enough, else from the first such extent of all; null when there is none.
    public Extent takeFit(long count, long goal) {
        checkRange(goal, count);
        if (tree.seek(goal) && tree.end() >= goal + count) return cut(goal, goal + count);
        return takeBehind(count);
    }

    /// Takes up to `count` consecutive blocks: what follows from `goal` when that block is in the set, however short, for it
    /// continues what the caller has; else as [#takeFit]; else the largest extent there is. Null only when empty.
    public Extent takeUpTo(long count, long goal) {
        checkRange(goal, count);
        if (tree.seek(goal) && tree.end() > goal) return cut(goal, Math.min(goal + count, tree.end()));
        var fit = takeBehind(count);
        return fit != null || blocks == 0 ? fit : takeLargest(count);
    }

    /// Takes `count` consecutive blocks from the middle of the largest extent, the first of the largest: for something that
    /// will go on behind them, away from everybody else. Null unless at least `room` blocks follow them there, and as many
    /// are before them.
    public Extent takeApart(long count, long room) {
        checkRange(0, count);
        if (blocks == 0) return null;
        seekLargest();
        long start = tree.start(), end = tree.end(), middle = start + (end - start) / 2;
        if (middle - start < room || end - middle - count < room) return null;
        return cut(middle, middle + count);
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
            tree.seekBegin();
            tree.next();
            taken.add(cut(tree.start(), tree.end()));
        }
        return taken;
    }

    /// From the first extent behind the tree's place, else from the first of all.
    private Extent takeBehind(long count) {
        if (!tree.nextOf(count)) {
            tree.seekBegin();
            if (!tree.nextOf(count)) return null;
        }
        return cut(tree.start(), tree.start() + count);
    }

    /// To the first of the largest extents; there is one.
    private void seekLargest() {
        tree.seekBegin();
        tree.nextOf(tree.largest());
    }

    private Extent takeLargest(long count) {
        seekLargest();
        return cut(tree.start(), Math.min(tree.start() + count, tree.end()));
    }

    /// Takes `[start, end)` out of the extent at the tree's place, which contains it.
    private Extent cut(long start, long end) {
        long oldStart = tree.start(), oldEnd = tree.end();
        if (start == oldStart && end == oldEnd) {
            tree.delete();
        } else if (start == oldStart) {
            tree.set(end, oldEnd);
        } else {
            tree.set(oldStart, start);
            if (end != oldEnd) tree.insert(end, oldEnd);
        }
        blocks -= end - start;
        return new Extent(start, end - start);
    }

    // ---- reading all of it

    public void forEach(Visitor visitor) {
        tree.forEach(visitor);
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
        out.write(extents());
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
        return other instanceof ExtentSet set && blocks == set.blocks && extents() == set.extents()
                && Arrays.equals(encode(), set.encode());
    }

    @Override
    public int hashCode() {
        return Long.hashCode(blocks) * 31 + Long.hashCode(extents());
    }

    @Override
    public String toString() {
        return extents() <= 16 ? toList().toString() : blocks + " blocks in " + extents() + " extents";
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
