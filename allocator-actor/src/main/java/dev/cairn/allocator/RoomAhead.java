package dev.cairn.allocator;

import dev.cairn.block.Extent;
import java.util.ArrayList;
import java.util.function.Consumer;

/// Blocks in hand that are kept for the files they lie beside, so that what is streamed at the same time does not
/// alternate on the device. Nothing but memory: no item names them, they count as in hand, and whoever finds nothing else
/// may have them. So there is nothing to give back at the end of a file, of the mount, or after a crash.
///
/// The rooms used longest ago give way to new ones.
final class RoomAhead {
    /// As many streams as keep their room at the same time. Few enough to be searched one by one.
    private static final int ROOMS_MAX = 64;

    private final ArrayList<Extent> rooms = new ArrayList<>();       // used last: at the end
    private long blocks;

    long blocks() {
        return blocks;
    }

    /// Up to `count` blocks from `goal` on, when that block is kept; null otherwise.
    Extent take(long count, long goal) {
        for (int i = rooms.size() - 1; i >= 0; i--) {
            var room = rooms.get(i);
            if (goal < room.start() || goal >= room.end()) continue;
            rooms.remove(i);
            long end = Math.min(room.end(), goal + count);
            if (goal > room.start()) rooms.add(new Extent(room.start(), goal - room.start()));
            if (end < room.end()) rooms.add(new Extent(end, room.end() - end));
            blocks -= end - goal;
            return new Extent(goal, end - goal);
        }
        return null;
    }

    boolean has(long block) {
        for (var room : rooms) if (block >= room.start() && block < room.end()) return true;
        return false;
    }

    /// @param blocksMax of all rooms together
    /// @param free      gets what has to give way
    void keep(Extent room, long blocksMax, Consumer<Extent> free) {
        rooms.add(room);
        blocks += room.count();
        while (rooms.size() > ROOMS_MAX || blocks > blocksMax && rooms.size() > 1) {
            var oldest = rooms.removeFirst();
            blocks -= oldest.count();
            free.accept(oldest);
        }
    }

    void forEach(Consumer<Extent> visitor) {
        rooms.forEach(visitor);
    }

    void giveAll(Consumer<Extent> free) {
        rooms.forEach(free);
        rooms.clear();
        blocks = 0;
    }
}
