package dev.cairn.fuse;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/// Lets a thread that watches requests rest while there are none, at the cost of one look at a flag for each request.
final class RequestBell {
    private static final long REST_NANOS_MAX = 1_000_000_000;

    private final AtomicBoolean listening = new AtomicBoolean();
    private volatile Thread listener;

    /// There is something to see. Called for each request, on its thread, when it has been counted.
    void ring() {
        if (listening.get() && listening.compareAndSet(true, false)) LockSupport.unpark(listener);
    }

    /// Rests while there is nothing to see; called by one thread.
    ///
    /// Whoever is not seen after the mark has been set finds the mark, and takes it away: so it is set each time. One that does
    /// so long after it was counted has been seen already, and one on another kind of CPU may miss the mark: hence the limit.
    void restWhile(BooleanSupplier nothingToSee) {
        listener = Thread.currentThread();
        for (;;) {
            listening.set(true);
            if (!nothingToSee.getAsBoolean()) break;
            LockSupport.parkNanos(this, REST_NANOS_MAX);
        }
        listening.set(false);
    }
}
