package dev.cairn.transaction;

import java.util.concurrent.atomic.AtomicBoolean;

/// One thread after the other takes its own message into an actor that runs on the calling thread.
///
/// Without turns a thread that finds the mailbox running elsewhere leaves its message there: the thread inside runs it, too,
/// while its own caller waits for it to return, and this one does nothing but watch. With turns it waits for those few
/// microseconds, then runs its message itself, with the request's bytes in its own CPU's cache, and the other is back at
/// its work. A turn is no lock: who has waited for [#WAIT_NANOS] goes in without one, and the mailbox sees to the order.
final class Turns {
    /// An operation takes some microseconds, and a wake-up across CPUs, which a parked request costs, 70.
    private static final long WAIT_NANOS = 30_000;

    /// Where nobody can be running meanwhile, nobody is waited for.
    private final long waitNanos = Runtime.getRuntime().availableProcessors() > 1 ? WAIT_NANOS : 0;
    private final AtomicBoolean taken = new AtomicBoolean();

    /// @return whether it is this thread's turn, to be given back by [#give]; false when it took too long
    boolean take() {
        return taken.compareAndSet(false, true) || waitFor();
    }

    private boolean waitFor() {
        long until = System.nanoTime() + waitNanos;
        do {
            Thread.onSpinWait();
            if (!taken.getOpaque() && taken.compareAndSet(false, true)) return true;
        } while (System.nanoTime() - until < 0);
        return false;
    }

    void give() {
        taken.setRelease(false);
    }
}
