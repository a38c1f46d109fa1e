package dev.cairn.transaction;

import dev.cairn.transaction.run.Needs;

/// What the last attempt of an operation lacked; filled by the [Attempt] that threw [NotReady], read by the coordinator.
final class Lacking {
    /// BLOCKS unless something else was noted: missing blocks are noted in the needs.
    enum Kind { BLOCKS, LOCK, COMMIT, SPACE, DISCARD }

    Kind kind = Kind.BLOCKS;
    Needs needs = new Needs();
    /// A block was missing, so [Tx#want] looks for more of them. Before that it does nothing: mostly everything is in memory,
    /// and would be looked up twice.
    boolean looksAhead;
    long lockId;
    LockMode lockMode;
    /// For [Kind#COMMIT] and [Kind#SPACE]: the transaction that must pass, which is the open one or the frozen one.
    Transaction mustPass;
    /// It has been delayed once for merge debt, and is not again.
    boolean slowedDown;
    /// The manifest that was asked for because blocks were stale; -1 when none was.
    long manifestVersion = -1;

    NotReady lock(long id, LockMode mode) {
        kind = Kind.LOCK;
        lockId = id;
        lockMode = mode;
        return NotReady.INSTANCE;
    }

    /// Freed blocks are still being discarded; they are in hand when that is done.
    NotReady discard() {
        kind = Kind.DISCARD;
        return NotReady.INSTANCE;
    }

    NotReady commit(Transaction transaction) {
        kind = Kind.COMMIT;
        mustPass = transaction;
        return NotReady.INSTANCE;
    }

    /// Data blocks, which the transaction's commit brings.
    NotReady space(Transaction transaction) {
        kind = Kind.SPACE;
        mustPass = transaction;
        return NotReady.INSTANCE;
    }

    Waiting waiting() {
        return switch (kind) {
            case BLOCKS -> Waiting.BLOCKS;
            case LOCK -> Waiting.LOCK;
            case COMMIT -> Waiting.COMMIT;
            case SPACE, DISCARD -> Waiting.SPACE;
        };
    }
}
