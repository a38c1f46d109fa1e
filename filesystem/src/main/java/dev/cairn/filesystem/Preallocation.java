package dev.cairn.filesystem;

/// How much room a growing file is given on the data device, so that files which are written at the same time come to lie
/// in few pieces each. Room is kept in the mount's memory and named by no item: a file never has blocks that nobody wrote
/// or asked for by fallocate, and what is not used needs not be given back.
///
/// @param blocks     the most that is kept for one file; 0 or 1: none
/// @param contigOnly only files that are written from their start on, without holes, get room: as much as they are long.
///                   Otherwise every aligned region of `blocks` blocks of a file that is written at all has its place, so
///                   that parts which are written in any order come to lie in theirs
public record Preallocation(long blocks, boolean contigOnly) {
    /// 8 MiB for what is streamed.
    public static final Preallocation DEFAULT = new Preallocation(2048, true);
    /// 1 TiB: more than any device grants a mount at once.
    public static final long BLOCKS_MAX = 1L << 28;

    public Preallocation {
        if (blocks < 0 || blocks > BLOCKS_MAX)
            throw new IllegalArgumentException("preallocation of %d blocks: want 0 to %d".formatted(blocks, BLOCKS_MAX));
    }

    /// What is wished for new blocks: see `Tx#reserveData`.
    record Wish(long goal, long lead, long room) {}

    /// @param online written blocks that the file has or gets before `at`
    /// @param before the mapped extent before the hole, or null
    /// @param at     the first new block, `end` behind the last one
    /// @param after  the extent behind the hole, or null
    Wish of(long online, Extents.Mapping before, long at, long end, Extents.Mapping after) {
        boolean goesOn = before != null && before.mapped() && before.end() == at;
        long goal = goesOn ? before.physical() + before.count() : 0;
        long holeEnd = after == null ? Long.MAX_VALUE : after.first();
        if (contigOnly) {
            boolean streamed = at > 1 && at == online;
            return new Wish(goal, 0, streamed ? Math.min(Math.min(at, blocks), holeEnd - end) : 0);
        }
        if (blocks < 2) return new Wish(goal, 0, 0);
        long region = at - at % blocks, regionEnd = Math.max(end, region + blocks);
        boolean beforeInside = before != null && before.mapped() && before.end() > region;
        boolean afterInside = after != null && after.mapped() && after.first() < regionEnd;
        if (goal == 0 && beforeInside) goal = before.physical() + before.count() + (at - before.end());
        else if (goal == 0 && afterInside) goal = Math.max(0, after.physical() - (after.first() - at));
        // Small files stay together: the first block alone is no sign of more.
        if (online == 0 && at == 0) return new Wish(goal, 0, 0);
        long lead = beforeInside || afterInside ? 0 : at - Math.max(region, before == null ? 0 : before.end());
        return new Wish(goal, lead, Math.min(regionEnd, holeEnd) - end);
    }
}
