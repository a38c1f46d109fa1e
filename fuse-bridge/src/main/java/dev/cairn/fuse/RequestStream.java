package dev.cairn.fuse;

/// Tells a stream of requests from single ones, by looks at how many there have been. No clock, no thread.
///
///     resting --[a request]--> watching --[nothing for a second]--> resting
///                                 '--[a stream]--> streaming --[none for 30 ms]--> watching
final class RequestStream {
    /// Fewer wait for disks or think between requests: then what a wake-up costs does not count.
    static final long PER_SECOND = 2_000;
    /// So many are no stream yet, however soon they came: a command or two.
    static final int FEW = 7;
    static final long KEEP_NANOS = 30_000_000, REST_NANOS = 1_000_000_000;
    /// The first look comes soon, so that a stream's beginning is part of it.
    static final long FIRST_LOOK_NANOS = 1_000_000, LOOK_NANOS = 10_000_000;

    private long seen, lookedAt, requestAt, streamAt;
    private boolean resting = true, streaming, first;

    /// There has been a request.
    void wake(long nowNanos, long requests) {
        resting = false;
        first = true;
        lookedAt = requestAt = nowNanos;
        seen = requests;
    }

    /// @param requests that there have been
    /// @return whether they come in a stream
    boolean look(long nowNanos, long requests) {
        long came = requests - seen, nanos = Math.max(nowNanos - lookedAt, FIRST_LOOK_NANOS);
        if (came > 0) requestAt = nowNanos;
        if (came > FEW && came * 1_000_000_000 >= nanos * PER_SECOND) {
            streaming = true;
            streamAt = nowNanos;
        } else if (nowNanos - streamAt >= KEEP_NANOS) streaming = false;
        if (!streaming && nowNanos - requestAt >= REST_NANOS) resting = true;
        seen = requests;
        lookedAt = nowNanos;
        first = false;
        return streaming;
    }

    boolean resting() {
        return resting;
    }

    /// Until the next look.
    long pauseNanos() {
        return first ? FIRST_LOOK_NANOS : LOOK_NANOS;
    }

    /// As of the last look.
    long seen() {
        return seen;
    }
}
