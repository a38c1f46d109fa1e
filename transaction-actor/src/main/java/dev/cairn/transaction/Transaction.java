package dev.cairn.transaction;

import dev.cairn.allocator.ExtentSet;
import dev.cairn.block.Extent;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/// One transaction of a mount: its dirty items, the data blocks it referred to and freed, and who waits for it to pass.
///
///     open --freeze--> frozen --written, pins drained, journalled--> passed
final class Transaction {
    final long seq;
    final ItemTable items = new ItemTable();
    /// Filled when the transaction is frozen.
    List<Extent> dataReferred = List.of();
    final ExtentSet dataFreed = new ExtentSet();
    /// Of those referred to, the ones that were allocated beforehand. What is written to them later is written in place.
    final ExtentSet dataUnwritten = new ExtentSet();
    /// Blocks of the share that the commit gives back to the server; filled when the transaction is frozen.
    List<Extent> dataReturned = List.of();
    final DataPins pins = new DataPins();
    /// Told null when the transaction has passed, or what went wrong.
    final List<Consumer<Errno>> waiters = new ArrayList<>();
    long inodesDelta;

    Transaction(long seq) {
        this.seq = seq;
    }

    /// Blocks are referred to by items, so items tell of them, too.
    boolean dirty() {
        return !items.isEmpty() || !dataFreed.isEmpty();
    }

    /// The data blocks that this transaction, frozen, is the first to refer to, that were written, and that it has not freed
    /// again; null when there are more than `blocksMax`.
    List<Extent> freshBlocks(long blocksMax) {
        long atLeast = -dataFreed.blocks() - dataUnwritten.blocks();
        for (var extent : dataReferred) atLeast += extent.count();
        if (atLeast > blocksMax) return null;
        var fresh = new ArrayList<Extent>();
        long blocks = 0;
        for (var referred : dataReferred)
            for (var kept : dataFreed.outside(referred))
                for (var written : dataUnwritten.outside(kept)) {
                    blocks += written.count();
                    if (blocks > blocksMax) return null;
                    fresh.add(written);
                }
        return fresh;
    }

    void tellWaiters(Errno outcome) {
        var told = List.copyOf(waiters);
        waiters.clear();
        for (var waiter : told) waiter.accept(outcome);
    }
}
