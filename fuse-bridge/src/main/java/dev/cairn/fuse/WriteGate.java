package dev.cairn.fuse;

import dev.cairn.filesystem.FileSystem;
import org.agrona.collections.Long2ObjectHashMap;

/// Writes of an inode go side by side, each from its plan to its finish, where they touch different blocks; others wait for
/// those that came before. Direct writes that a program has in flight at the same time come so, and pages written back from a
/// mapping. Safe for all threads.
///
/// History that goes wrong without it: two writes to halves of one block that was allocated beforehand fill the rest of it
/// with zeros, each over what the other has written.
final class WriteGate {
    private static final int STRIPES = 16;

    /// Who comes to the gate.
    interface Writer {
        /// It has to wait. Called before it may be resumed, by the thread that entered.
        void handOver();

        /// It is its turn.
        void resumeWrite();
    }

    /// One writer's place at the gate: for the blocks `[first, end)` of an inode.
    static final class Place {
        final Writer writer;
        private long ino, first, end;
        private boolean inside;
        /// Of the same inode, in the order in which they came.
        private Place next;
        private Place nextTurn;

        Place(Writer writer) {
            this.writer = writer;
        }

        private boolean overlaps(Place other) {
            return first < other.end && other.first < end;
        }

        /// Whether nobody else is inside while this is.
        boolean alone() {
            return first == 0 && end == Long.MAX_VALUE;
        }

        /// Whose turn it is as well; asked once, before this one goes on.
        Place takeNextTurn() {
            var taken = nextTurn;
            nextTurn = null;
            return taken;
        }
    }

    private static final class Stripe {
        /// The first of those who are inside or wait, by inode.
        final Long2ObjectHashMap<Place> places = new Long2ObjectHashMap<>();
    }

    private final Stripe[] stripes = new Stripe[STRIPES];

    WriteGate() {
        for (int i = 0; i < STRIPES; i++) stripes[i] = new Stripe();
    }

    private Stripe stripe(long ino) {
        return stripes[(int) (ino ^ ino >>> 10) & STRIPES - 1];
    }

    /// For the blocks that `bytes` bytes at `offset` touch.
    ///
    /// @return false when others are in the way: then the writer is resumed when its turn comes, and no longer the caller's
    boolean enter(Place place, long ino, long offset, long bytes) {
        long end = offset + bytes;
        // What makes no sense is refused by the plan.
        if (offset < 0 || bytes < 0 || end < 0 || end > Long.MAX_VALUE - FileSystem.BLOCK_BYTES) return enterAlone(place, ino);
        return enterBlocks(place, ino, offset / FileSystem.BLOCK_BYTES, Math.ceilDiv(end, FileSystem.BLOCK_BYTES));
    }

    /// As [#enter], for all blocks.
    boolean enterAlone(Place place, long ino) {
        return enterBlocks(place, ino, 0, Long.MAX_VALUE);
    }

    private boolean enterBlocks(Place place, long ino, long first, long end) {
        place.ino = ino;
        place.first = first;
        place.end = end;
        place.next = null;
        var stripe = stripe(ino);
        synchronized (stripe) {
            var head = stripe.places.get(ino);
            place.inside = true;
            if (head == null) {
                stripe.places.put(ino, place);
                return true;
            }
            var last = head;
            for (var before = head; before != null; before = before.next) {
                if (before.overlaps(place)) place.inside = false;
                last = before;
            }
            // Before anybody can give it its turn.
            if (!place.inside) place.writer.handOver();
            last.next = place;
            return place.inside;
        }
    }

    /// @return whose turn it is now, to be resumed by the caller, with more behind it ([Place#takeNextTurn]); or null
    Place leave(Place place) {
        var stripe = stripe(place.ino);
        synchronized (stripe) {
            var head = stripe.places.get(place.ino);
            if (head == place) {
                head = place.next;
                if (head == null) {
                    stripe.places.remove(place.ino);
                    return null;
                }
                stripe.places.put(place.ino, head);
            } else {
                var before = head;
                while (before.next != place) before = before.next;
                before.next = place.next;
            }
            return turns(head);
        }
    }

    private static Place turns(Place head) {
        Place first = null, last = null;
        for (var place = head; place != null; place = place.next) {
            if (place.inside || !free(head, place)) continue;
            place.inside = true;
            if (first == null) first = place;
            else last.nextTurn = place;
            last = place;
        }
        return first;
    }

    private static boolean free(Place head, Place place) {
        for (var before = head; before != place; before = before.next) if (before.overlaps(place)) return false;
        return true;
    }
}
