package dev.cairn.transaction;

import java.util.concurrent.atomic.AtomicInteger;

/// Counts the reads and writes of file data that one transaction's operations have started and that are still going on.
/// Its commit waits for them: blocks freed in the transaction may still be read or written by those who looked up their
/// place before.
///
/// History that goes wrong without it: a read resolves block 7; a truncate frees block 7; the commit passes; another
/// file gets block 7 and writes to it; the read returns the other file's bytes.
final class DataPins {
    /// One for the transaction itself, until it is frozen.
    private final AtomicInteger held = new AtomicInteger(1);
    private volatile Runnable whenDrained;

    private final DataPin pin = this::release;

    DataPin pin() {
        held.incrementAndGet();
        return pin;
    }

    /// No more pins will be taken. `whenDrained` runs once, on whichever thread releases the last pin, perhaps this one.
    void freeze(Runnable whenDrained) {
        this.whenDrained = whenDrained;
        release();
    }

    private void release() {
        int left = held.decrementAndGet();
        if (left < 0) throw new IllegalStateException("a data pin was released twice");
        if (left == 0) whenDrained.run();
    }
}
