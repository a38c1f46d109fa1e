package dev.cairn.block;

import java.util.concurrent.locks.LockSupport;

/// Discards take a tenth of the time of their thread, and so of the device and of the locks of the file system that it may lie
/// on: otherwise whoever deletes much and then fsyncs has every fsync wait. Unless somebody waits for the blocks ([#hurry]).
final class DiscardPace {
    static final int REST_TIMES = 9;
    private static final long REST_NANOS_MAX = 1_000_000_000;

    private volatile Thread resting;
    private volatile boolean hurries;

    /// The thread that discards rests after a piece that took so long.
    void rest(long tookNanos) {
        resting = Thread.currentThread();
        long until = System.nanoTime() + Math.min(REST_TIMES * tookNanos, REST_NANOS_MAX);
        for (long left; !hurries && (left = until - System.nanoTime()) > 0; ) LockSupport.parkNanos(this, left);
        resting = null;
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
