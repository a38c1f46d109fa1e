package dev.cairn.fuse;

import java.util.ArrayDeque;
import org.agrona.collections.Long2ObjectHashMap;

/// One write of an inode at a time, from its plan to its finish. The kernel mostly sees to that itself; pages written back
/// from a mapping are the exception. Safe for all threads.
final class WriteGate {
    private static final int STRIPES = 16;
    private static final ArrayDeque<FuseRequest> NOBODY = new ArrayDeque<>(0);

    private final Stripe[] stripes = new Stripe[STRIPES];

    private static final class Stripe {
        /// Inodes that are being written, with those who wait; [#NOBODY] until somebody does.
        final Long2ObjectHashMap<ArrayDeque<FuseRequest>> writing = new Long2ObjectHashMap<>();
    }

    WriteGate() {
        for (int i = 0; i < STRIPES; i++) stripes[i] = new Stripe();
    }

    private Stripe stripe(long ino) {
        return stripes[(int) (ino ^ ino >>> 10) & STRIPES - 1];
    }

    /// @return false when another write is inside: then `write` is resumed when its turn comes, and no longer the caller's
    boolean enter(long ino, FuseRequest write) {
        var stripe = stripe(ino);
        synchronized (stripe) {
            var waiting = stripe.writing.get(ino);
            if (waiting == null) {
                stripe.writing.put(ino, NOBODY);
                return true;
            }
            if (waiting == NOBODY) stripe.writing.put(ino, waiting = new ArrayDeque<>());
            write.handOver();
            waiting.add(write);
            return false;
        }
    }

    /// @return who is inside now, to be resumed by the caller; or null
    FuseRequest leave(long ino) {
        var stripe = stripe(ino);
        synchronized (stripe) {
            var waiting = stripe.writing.get(ino);
            if (waiting != NOBODY && !waiting.isEmpty()) return waiting.poll();
            stripe.writing.remove(ino);
            return null;
        }
    }
}
