package dev.cairn.block;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/// Decides what to discard next. Discards are slow and nobody waits for them: one small batch at a time, neighbouring
/// extents joined. A write to blocks whose discard still waits takes them out of it; a write to blocks that are being
/// discarded must wait for the batch, or the discard would take the new bytes. No clock, no I/O.
///
/// @param <T> who asks
final class DiscardQueue<T> {
    /// A batch delays the writes that meet it, so it stays small.
    static final int BATCH_EXTENTS = 64;

    /// Under steady reads and writes discards would never get their turn; with so many waiting they take it.
    private static final int OVERDUE_REQUESTS = 64;

    private static final class Request<T> {
        final T who;
        List<Extent> left;
        /// Part of it is in the batch that runs, or in one that has.
        boolean begun;

        Request(T who, List<Extent> left) {
            this.who = who;
            this.left = left;
        }
    }

    /// @param answer those whose requests end with this batch
    record Batch<T>(List<Extent> extents, List<T> answer) {}

    /// So many extents take less than a megabyte of the heap.
    private static final int FEW_EXTENTS = 10_000;

    private final ArrayDeque<Request<T>> waiting = new ArrayDeque<>();
    private Batch<T> running;

    void ask(T who, List<Extent> extents) {
        waiting.add(new Request<>(who, new ArrayList<>(extents)));
    }

    /// The next batch, or null when there is nothing to do or one is running.
    Batch<T> next() {
        if (running != null || waiting.isEmpty()) return null;
        var extents = new ArrayList<Extent>();
        var answer = new ArrayList<T>();
        while (!waiting.isEmpty() && extents.size() < BATCH_EXTENTS) {
            var request = waiting.peek();
            int part = Math.min(request.left.size(), BATCH_EXTENTS - extents.size());
            extents.addAll(request.left.subList(0, part));
            request.left = request.left.subList(part, request.left.size());
            request.begun = true;
            if (!request.left.isEmpty()) break;
            waiting.poll();
            answer.add(request.who);
        }
        running = new Batch<>(joined(extents), answer);
        return running;
    }

    Batch<T> finished() {
        var batch = running;
        running = null;
        return batch;
    }

    /// Whoever asked last needs its blocks: they are not discarded.
    ///
    /// @return who, to be answered; null when the batch that runs has to be waited for, or nothing is left
    T forgo() {
        var last = waiting.peekLast();
        if (last == null || running != null && last.begun) return null;
        waiting.pollLast();
        return last.who;
    }

    /// Whether more may gather without harm.
    boolean few() {
        int extents = 0;
        for (var request : waiting) extents += request.left.size();
        return extents < FEW_EXTENTS;
    }

    boolean overdue() {
        return waiting.size() >= OVERDUE_REQUESTS;
    }

    /// Whether nothing waits and nothing runs.
    boolean idle() {
        return running == null && waiting.isEmpty();
    }

    /// Takes written blocks out of what waits.
    ///
    /// @return whether the write has to wait for the batch that runs
    boolean written(Extent extent) {
        for (var request : waiting) {
            var left = new ArrayList<Extent>();
            for (var old : request.left) subtract(old, extent, left);
            request.left = left;
        }
        return running != null && running.extents.stream().anyMatch(extent::overlaps);
    }

    private static void subtract(Extent from, Extent taken, List<Extent> rest) {
        if (!from.overlaps(taken)) {
            rest.add(from);
            return;
        }
        if (from.start() < taken.start()) rest.add(new Extent(from.start(), taken.start() - from.start()));
        if (from.end() > taken.end()) rest.add(new Extent(taken.end(), from.end() - taken.end()));
    }

    private static List<Extent> joined(List<Extent> extents) {
        var byStart = new TreeMap<Long, Extent>();
        for (var extent : extents) byStart.merge(extent.start(), extent, (a, b) -> a.count() >= b.count() ? a : b);
        var joined = new ArrayList<Extent>();
        for (var extent : byStart.values()) {
            var last = joined.isEmpty() ? null : joined.getLast();
            if (last != null && last.end() >= extent.start())
                joined.set(joined.size() - 1,
                        new Extent(last.start(), Math.max(last.end(), extent.end()) - last.start()));
            else joined.add(extent);
        }
        return joined;
    }
}
