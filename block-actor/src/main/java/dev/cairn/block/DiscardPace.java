package dev.cairn.block;

import java.util.concurrent.locks.LockSupport;

/// Discards take a tenth of the time of their thread, and so of the device and of the locks of the file system that it may lie
/// on: otherwise whoever deletes much and then fsyncs has every fsync wait. While fsyncs are made they take two hundredths,
/// unless too much has gathered. And all of it when somebody waits for the blocks ([#hurry]).
public final class DiscardPace {
    private static final int REST_TIMES = 9, REST_TIMES_BESIDE_FSYNCS = 199;
    private static final long REST_NANOS_MAX = 1_000_000_000;
    /// The time after an fsync in which the next one is expected.
    private static final long FSYNCS_NANOS = 50_000_000;

    private volatile Thread resting;
    private volatile boolean hurries;
    private volatile long fsyncedAtNanos = System.nanoTime() - FSYNCS_NANOS;

    /// Somebody has waited for something to become durable.
    public void fsynced() {
        fsyncedAtNanos = System.nanoTime();
    }

    /// The thread that discards rests after a piece that took so long.
    ///
    /// @param few whether there is no harm in what waits growing
    void rest(long tookNanos, boolean few) {
        resting = Thread.currentThread();
        long began = System.nanoTime();
        for (long left; !hurries && (left = restNanos(tookNanos, few, System.nanoTime()) - (System.nanoTime() - began)) > 0; )
            LockSupport.parkNanos(this, Math.min(left, FSYNCS_NANOS));
        resting = null;
    }

    long restNanos(long tookNanos, boolean few, long nowNanos) {
        boolean beside = few && nowNanos - fsyncedAtNanos < FSYNCS_NANOS;
        return Math.min((beside ? REST_TIMES_BESIDE_FSYNCS : REST_TIMES) * tookNanos, REST_NANOS_MAX);
    }

    /// No rests until [#leisure].
    void hurry() {
        hurries = true;
        var thread = resting;
        if (thread != null) LockSupport.unpark(thread);
    }

    /// Nobody waits any more.
    void leisure() {
        hurries = false;
    }
}
