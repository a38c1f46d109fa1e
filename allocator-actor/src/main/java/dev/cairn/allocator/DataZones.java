package dev.cairn.allocator;

import dev.cairn.block.Extent;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;

/// Keeps the mounts of a volume apart on the data device, so that files written side by side through several mounts do not
/// interleave there: zone `n` is the blocks from `n × zoneBlocks` on, and a refill is made of free blocks
///
/// 1. of zones in which this holder has blocks in its share, and no other holder has;
/// 2. of zones in which nobody has blocks in a share;
/// 3. of anywhere.
///
/// Zones belong to nobody: what a share holds now decides, so a mount that has gone leaves its zones vacant, and nothing
/// has to be remembered. Blocks that files use count for no one.
final class DataZones {
    /// Of a zone with more free extents than this only the first are looked at: crumbs are no reason to stay in it.
    static final int EXTENTS_SEEN_MAX = 4096;

    private DataZones() {}

    /// As [SpacePools#chooseData]: `free` is as before when it returns.
    static List<Extent> choose(ExtentSet free, long zoneBlocks, ExtentSet own, Iterable<ExtentSet> others, long count, int extentsMax) {
        if (count <= 0 || free.isEmpty()) return List.of();
        var taken = new BitSet();
        for (var other : others) mark(other, zoneBlocks, taken);
        var mine = new BitSet();
        mark(own, zoneBlocks, mine);
        mine.andNot(taken);

        var chosen = new ArrayList<Extent>();
        long missing = count;
        for (int zone = mine.nextSetBit(0); zone >= 0 && missing > 0 && chosen.size() < extentsMax; zone = mine.nextSetBit(zone + 1))
            missing -= takeOf(free, zone, zoneBlocks, missing, extentsMax, chosen);
        taken.or(mine);
        int zones = zone(free.end() - 1, zoneBlocks) + 1;
        for (int zone = taken.nextClearBit(0); zone < zones && missing > 0 && chosen.size() < extentsMax; zone = taken.nextClearBit(zone + 1))
            missing -= takeOf(free, zone, zoneBlocks, missing, extentsMax, chosen);
        if (missing > 0 && chosen.size() < extentsMax) chosen.addAll(free.take(missing, extentsMax - chosen.size()));
        chosen.forEach(free::add);
        return chosen;
    }

    /// Few and large extents rather than many.
    private static long takeOf(ExtentSet free, int zone, long zoneBlocks, long count, int extentsMax, List<Extent> chosen) {
        var here = free.within(zone * zoneBlocks, (zone + 1) * zoneBlocks, EXTENTS_SEEN_MAX);
        here.sort(Comparator.comparingLong(Extent::count).reversed());
        long took = 0;
        for (var extent : here) {
            if (took == count || chosen.size() == extentsMax) break;
            var part = new Extent(extent.start(), Math.min(extent.count(), count - took));
            free.remove(part);
            chosen.add(part);
            took += part.count();
        }
        return took;
    }

    private static void mark(ExtentSet share, long zoneBlocks, BitSet zones) {
        share.forEach((start, count) -> zones.set(zone(start, zoneBlocks), zone(start + count - 1, zoneBlocks) + 1));
    }

    static int zone(long block, long zoneBlocks) {
        return Math.toIntExact(block / zoneBlocks);
    }
}
