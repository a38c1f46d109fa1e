package dev.cairn.transaction;

import dev.cairn.proto.InodeGrant;
import java.util.ArrayDeque;

/// Inode numbers in hand for one kind of file (directories have their own, so that a new directory's lock group is its
/// own). Numbers are used in order and never given back: what a mount leaves unused is never used.
final class InodeNumbers {
    /// Several seconds of creating: a commit brings more before they are used up.
    private static final long LOW = 64 << 10;

    private final ArrayDeque<long[]> ranges = new ArrayDeque<>();     // {next, end}
    private long left;

    void grant(InodeGrant grant) {
        if (grant.getCount() == 0) return;
        ranges.add(new long[] {grant.getFirst(), grant.getFirst() + grant.getCount()});
        left += grant.getCount();
    }

    /// Numbers left; 0 means that [#peek] and [#take] must not be called.
    long left() {
        return left;
    }

    /// Whether the next commit should bring more.
    boolean low() {
        return left < LOW;
    }

    long peek(long ahead) {
        for (var range : ranges) {
            if (range[0] + ahead < range[1]) return range[0] + ahead;
            ahead -= range[1] - range[0];
        }
        throw new IllegalStateException("no inode number left");
    }

    void take(long count) {
        left -= count;
        while (count > 0) {
            var range = ranges.getFirst();
            long taken = Math.min(count, range[1] - range[0]);
            range[0] += taken;
            count -= taken;
            if (range[0] == range[1]) ranges.removeFirst();
        }
    }
}
