package dev.cairn.fuse;

import org.agrona.collections.Long2LongHashMap;
import org.agrona.collections.LongHashSet;

/// What the kernel knows: how often each inode was given to it (nlookup), and which of them have lost their last name.
/// Without OPEN, the kernel's knowledge of an inode is the only sign that somebody may have it open.
///
/// An unlinked inode is deleted by whoever takes its last knowledge away: exactly one of [#unlinked] and [#forget]
/// answers true. Safe for all threads; striped by inode number, because every LOOKUP and FORGET passes here.
final class KnownInodes {
    private static final int STRIPES = 16;      // readers are as many as cores
    private static final long NONE = 0;         // a count of 0 is never stored

    private final Stripe[] stripes = new Stripe[STRIPES];

    private static final class Stripe {
        final Long2LongHashMap counts = new Long2LongHashMap(NONE);
        final LongHashSet unlinked = new LongHashSet();
    }

    KnownInodes() {
        for (int i = 0; i < STRIPES; i++) stripes[i] = new Stripe();
    }

    private Stripe stripe(long ino) {
        return stripes[(int) (ino ^ ino >>> 10) & STRIPES - 1];
    }

    /// The kernel is told of `ino` once more. Before the reply is sent: a FORGET may follow it at once.
    void given(long ino) {
        var stripe = stripe(ino);
        synchronized (stripe) {
            stripe.counts.put(ino, stripe.counts.get(ino) + 1);
        }
    }

    /// @return whether the inode was unlinked and nobody knows it any more: the caller deletes it
    boolean forget(long ino, long times) {
        var stripe = stripe(ino);
        synchronized (stripe) {
            long left = stripe.counts.get(ino) - times;
            if (left > 0) {
                stripe.counts.put(ino, left);
                return false;
            }
            // Below zero would be the kernel's mistake; nothing better than "unknown" can be made of it.
            stripe.counts.remove(ino);
            return stripe.unlinked.remove(ino);
        }
    }

    /// The inode lost its last name, or never had one.
    ///
    /// @return whether nobody knows it: the caller deletes it
    boolean unlinked(long ino) {
        var stripe = stripe(ino);
        synchronized (stripe) {
            if (stripe.counts.get(ino) == NONE) return true;
            stripe.unlinked.add(ino);
            return false;
        }
    }

    /// An inode without a name got one.
    void linked(long ino) {
        var stripe = stripe(ino);
        synchronized (stripe) {
            stripe.unlinked.remove(ino);
        }
    }

    boolean known(long ino) {
        var stripe = stripe(ino);
        synchronized (stripe) {
            return stripe.counts.get(ino) != NONE;
        }
    }

    /// All unlinked inodes, and forgets everything: the mount is gone, and with it every user.
    long[] drainUnlinked() {
        var all = new LongHashSet();
        for (var stripe : stripes)
            synchronized (stripe) {
                all.addAll(stripe.unlinked);
                stripe.unlinked.clear();
                stripe.counts.clear();
            }
        var inodes = new long[all.size()];
        int i = 0;
        for (var ino = all.iterator(); ino.hasNext();) inodes[i++] = ino.nextValue();
        return inodes;
    }

    long size() {
        long size = 0;
        for (var stripe : stripes)
            synchronized (stripe) {
                size += stripe.counts.size();
            }
        return size;
    }
}
