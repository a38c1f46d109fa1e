package dev.cairn.transaction.run;

import dev.cairn.transaction.Key;
import dev.cairn.transaction.NotReady;
import java.util.List;

/// A walk over all runs at once: the newest version of each key, in order, deletions included. Between two calls of
/// [#next] it is the view of the item it stands on. Belongs to one attempt: it is of no use after it has thrown.
public final class RunCursor extends ItemView {
    /// How many further blocks of a source are fetched with one that a walk has run into.
    private static final int READAHEAD_BLOCKS_MAX = 8;
    private static final int RUN_DONE = Integer.MAX_VALUE;

    /// The runs of one commit log, or of one level of the tree, one after the other.
    private static final class Source extends MergeHeap.Source {
        final Run[] runs;
        int runAt;
        /// The block to go to next in the current run; -1 at its beginning.
        int ordinal = -1;
        /// What of the current run belongs to the walk.
        Key low, high;
        /// Where in `block` the walk ends.
        int end;
        int blocksWalked;

        Source(int rank, Run[] runs, int runAt) {
            super(rank);
            this.runs = runs;
            this.runAt = runAt;
        }
    }

    private final Key first, last;
    private final BlockCache cache;
    private final Needs needs;
    private final MergeHeap<Source> heap;

    /// @param logs   that overlap the range, newest first
    /// @param levels from upper to lower
    RunCursor(List<Run> logs, Run[][] levels, Key first, Key last, BlockCache cache, Needs needs) {
        this.first = first;
        this.last = last;
        this.cache = cache;
        this.needs = needs;
        heap = new MergeHeap<>(logs.size() + levels.length);
        int rank = 0;
        boolean ready = true;
        for (var log : logs) ready &= open(new Source(rank++, new Run[] {log}, 0));
        for (var level : levels) ready &= open(new Source(rank++, level, RunSet.firstEndingAtOrAfter(level, first)));
        if (!ready) throw NotReady.INSTANCE;
    }

    private boolean open(Source source) {
        if (!fill(source)) return false;
        if (source.block != null) heap.add(source);
        return true;
    }

    /// Moves to the newest version of the next key, which may be a deletion; false when the range is done.
    ///
    /// @throws NotReady after noting all blocks that this step lacks
    public boolean next() {
        var block = block();
        if (block != null) {
            boolean ready = true;
            while (!heap.isEmpty()) {
                var top = heap.top();
                if (top.block != block || top.at != index())
                    if (top.block.compare(top.at, block, index()) != 0) break;
                if (++top.at < top.end) {
                    heap.topMoved();
                    continue;
                }
                boolean filled = fill(top);
                ready &= filled;
                if (filled && top.block != null) heap.topMoved();
                else heap.removeTop();
            }
            if (!ready) throw NotReady.INSTANCE;
        }
        if (heap.isEmpty()) return false;
        var top = heap.top();
        show(top.block, top.at);
        return true;
    }

    /// Goes to the next block of a source that has items for the walk; no block means that there is none.
    ///
    /// @return false when what is needed to go there is missing, and has been noted
    private boolean fill(Source source) {
        for (; source.runAt < source.runs.length; source.runAt++, source.ordinal = -1) {
            var run = source.runs[source.runAt];
            if (source.ordinal < 0) {
                if (run.firstKey.compareTo(last) > 0) break;
                source.low = run.firstKey.compareTo(first) < 0 ? first : run.firstKey;
                source.high = run.lastKey.compareTo(last) > 0 ? last : run.lastKey;
                if (source.low.compareTo(source.high) > 0) continue;
                int begin = firstBlock(run, source);
                if (begin < 0) return false;
                source.ordinal = begin;
            }
            while (source.ordinal < run.dataBlocks) {
                var block = run.inline != null ? run.inline : (ItemBlock) cache.get(run, source.ordinal, needs);
                if (block == null) {
                    noteAhead(run, source);
                    return false;
                }
                source.blocksWalked++;
                source.ordinal++;
                int count = block.count(), end = block.compare(count - 1, source.high);
                source.at = block.compare(0, source.low) >= 0 ? 0 : block.lowerBound(source.low);
                source.end = end <= 0 ? count : block.upperBound(source.high);
                if (end >= 0) source.ordinal = RUN_DONE;
                if (source.at < source.end) {
                    source.block = block;
                    return true;
                }
            }
        }
        source.block = null;
        return true;
    }

    /// The block where the walk enters a run; -1 when its index is missing.
    private int firstBlock(Run run, Source source) {
        if (run.dataBlocks == 1) return 0;
        var index = (RunIndex) cache.get(run, run.indexOrdinal(), needs);
        if (index != null) return Math.max(index.blockOf(source.low), run.trimmed);
        needs.note(run, run.indexOrdinal());
        // A walk that enters at the run's beginning knows its first block without the index.
        if (source.low == run.firstKey) noteIfMissing(run, run.trimmed);
        return -1;
    }

    private void noteIfMissing(Run run, int ordinal) {
        if (cache.get(run, ordinal, needs) == null) needs.note(run, ordinal);
    }

    private void noteAhead(Run run, Source source) {
        needs.note(run, source.ordinal);
        if (run.dataBlocks == 1) return;
        int end = Math.min(run.dataBlocks - 1, source.ordinal + Math.min(READAHEAD_BLOCKS_MAX, source.blocksWalked));
        if (end == source.ordinal) return;
        var index = (RunIndex) cache.get(run, run.indexOrdinal(), needs);
        if (index != null) end = Math.min(end, index.blockOf(source.high));
        for (int ordinal = source.ordinal + 1; ordinal <= end; ordinal++)
            if (cache.get(run, ordinal, needs) == null) needs.noteAhead(run, ordinal);
    }
}
