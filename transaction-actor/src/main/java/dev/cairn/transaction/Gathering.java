package dev.cairn.transaction;

/// Lets those who fsync side by side share their commits: decides how long the first of them waits for the others. No clock.
///
/// Commits go one after the other. Two callers that come in turn would each wait for the other's commit and then for their own,
/// twice as long as together. So a commit that several took part in, or queued behind, lets the next one wait until as many
/// ask again, at most as long as it took itself; ext4's journal does the like.
///
///     apart:     A-----A  A-----A          together:   A-----  A-----
///                   B-----B  B-----B                   B-----  B-----
final class Gathering {
    /// However slow the disk: who asks alone, and is taken for one of many, waits so much longer once.
    static final long WAIT_NANOS_MAX = 5_000_000;
    /// A wait in vain is followed by twice as many commits without one as the last, up to this; one that paid, by half as many.
    static final int SKIPPED_MAX = 64;

    private int expected;
    private long nanos;
    private int skip;
    private int skipped;

    /// A commit has passed.
    ///
    /// @param told        how many had asked for it
    /// @param queued      how many have asked for the next one already
    /// @param tookNanos   from its beginning on
    void passed(int told, int queued, long tookNanos) {
        expected = told + queued;
        nanos = Math.min(tookNanos, WAIT_NANOS_MAX);
    }

    /// How long a commit that could begin now is to wait for more than those who have asked for it, in nanoseconds; 0: not at
    /// all. Asked once for each commit.
    long waitNanos(int asked) {
        if (asked >= expected) return 0;
        if (skipped < skip) {
            skipped++;
            return 0;
        }
        return nanos;
    }

    /// Whether nobody else has to be waited for.
    boolean complete(int asked) {
        return asked >= expected;
    }

    /// What came of a wait.
    void waited(boolean inVain) {
        skip = inVain ? Math.clamp(2L * skip, 1, SKIPPED_MAX) : skip / 2;
        skipped = 0;
    }
}
