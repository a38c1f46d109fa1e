package dev.cairn.filesystem;

import dev.cairn.block.Extent;
import dev.cairn.transaction.Cursor;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.Tx;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;

/// The map from a file's blocks to the data device's. Each item, keyed by the extent's last block, holds
///
///      0  u8   version
///      1  u8   flags     UNWRITTEN: mapped, reads as zeros. OFFLINE: the contents are in the archive
///      2  u64  count     of blocks
///     10  u64  physical  the first block on the data device; 0 when unmapped (offline)
///
/// Items do not overlap. Neighbours that go on logically and physically with equal flags are always one item, so the
/// number of items is the number of fragments.
final class Extents {
    static final int UNWRITTEN = 1, OFFLINE = 2;
    private static final int FLAGS_KNOWN = UNWRITTEN | OFFLINE;
    /// Blocks of the largest file; a block number is at most this.
    static final long BLOCKS_MAX = FileSystem.FILE_BYTES_MAX / FileSystem.BLOCK_BYTES;

    /// So many blocks are touched by so many bytes from a block's beginning on.
    static long blocks(long bytes) {
        return (bytes + FileSystem.BLOCK_BYTES - 1) / FileSystem.BLOCK_BYTES;
    }

    private static final int VERSION = 1, BYTES = 18;
    private static final int VERSION_AT = 0, FLAGS_AT = 1, COUNT_AT = 2, PHYSICAL_AT = 10;
    private static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    /// One extent of a file: blocks `first` up to but without `end()` are `physical` and following.
    record Mapping(long first, long count, long physical, int flags) {
        long end() {
            return first + count;
        }

        boolean mapped() {
            return physical != 0;
        }

        boolean unwritten() {
            return (flags & UNWRITTEN) != 0;
        }

        boolean offline() {
            return (flags & OFFLINE) != 0;
        }

        /// Mapped and written: the device has the contents.
        boolean online() {
            return mapped() && flags == 0;
        }

        long physicalAt(long block) {
            return physical + (block - first);
        }

        /// The part between two blocks that it covers, `end` excluded.
        Mapping slice(long from, long end) {
            return new Mapping(from, end - from, mapped() ? physicalAt(from) : 0, flags);
        }

        Extent blocks() {
            return new Extent(physical, count);
        }
    }

    static byte[] encode(Mapping mapping) {
        var to = new byte[BYTES];
        to[VERSION_AT] = VERSION;
        to[FLAGS_AT] = (byte) mapping.flags;
        U64.set(to, COUNT_AT, mapping.count);
        U64.set(to, PHYSICAL_AT, mapping.physical);
        return to;
    }

    static Mapping decode(Key key, byte[] from) {
        long ino = key.first(), last = key.second();
        if (from.length != BYTES || from[VERSION_AT] != VERSION)
            throw Inode.damaged(ino, "an extent item of %d bytes, version %d".formatted(from.length,
                    from.length > 0 ? from[VERSION_AT] : -1));
        int flags = from[FLAGS_AT] & 0xff;
        long count = (long) U64.get(from, COUNT_AT), physical = (long) U64.get(from, PHYSICAL_AT);
        boolean plausible = last >= 0 && last < BLOCKS_MAX && count >= 1 && count <= last + 1
                && physical >= 0 && physical <= Long.MAX_VALUE / FileSystem.BLOCK_BYTES - count
                && (flags & ~FLAGS_KNOWN) == 0 && (physical != 0 || flags == OFFLINE);
        if (!plausible)
            throw Inode.damaged(ino, "extent of %d blocks up to block %d is at %d with flags %x".formatted(count, last,
                    physical, flags));
        return new Mapping(last - count + 1, count, physical, flags);
    }

    /// Walks the extents that end at `block` or after it; the first one may begin before it.
    static final class Walk {
        private final Cursor cursor;
        private long seen = -1;

        Walk(Tx tx, Inode inode, long block) {
            cursor = inode.extents == 0 ? null : tx.scan(Keys.extent(inode.ino, block), Keys.extent(inode.ino, BLOCKS_MAX));
        }

        /// The next extent, or null after the last.
        Mapping next() {
            if (cursor == null || !cursor.next()) return null;
            var mapping = decode(cursor.key(), cursor.value());
            if (mapping.first <= seen)
                throw Inode.damaged(cursor.key().first(), "extents overlap at block " + mapping.first);
            seen = mapping.end() - 1;
            return mapping;
        }
    }

    /// The first extent that ends at `block` or after it, or null.
    static Mapping atOrAfter(Tx tx, Inode inode, long block) {
        return new Walk(tx, inode, block).next();
    }

    /// The extent that covers `block`, or null in a hole.
    static Mapping at(Tx tx, Inode inode, long block) {
        var mapping = atOrAfter(tx, inode, block);
        return mapping != null && mapping.first <= block ? mapping : null;
    }

    // What follows keeps the inode's count of extents; storing it is the caller's.

    /// Maps what is a hole now, and joins it with its neighbours.
    static void insert(Tx tx, Inode inode, Mapping mapping) {
        long first = mapping.first, count = mapping.count, physical = mapping.physical;
        var walk = new Walk(tx, inode, Math.max(0, first - 1));
        var before = walk.next();
        var after = before != null && before.end() <= first ? walk.next() : before;
        if (before != after && before.end() == first && goesOn(before, mapping)) {
            tx.delete(Keys.extent(inode.ino, first - 1));
            inode.extents--;
            first = before.first;
            count += before.count;
            physical = before.physical;
        }
        // Keyed by its last block, the joined extent takes the place of the one after it.
        boolean joins = after != null && after.first == mapping.end() && goesOn(mapping, after);
        var joined = new Mapping(first, joins ? count + after.count : count, physical, mapping.flags);
        if (joins) {
            put(tx, inode, joined);
        } else {
            create(tx, inode, joined);
            inode.extents++;
        }
    }

    private static boolean goesOn(Mapping before, Mapping after) {
        return before.flags == after.flags && before.mapped() == after.mapped()
                && (!before.mapped() || before.physical + before.count == after.physical);
    }

    private static void create(Tx tx, Inode inode, Mapping mapping) {
        tx.create(Keys.extent(inode.ino, mapping.end() - 1), encode(mapping));
    }

    private static void put(Tx tx, Inode inode, Mapping mapping) {
        tx.put(Keys.extent(inode.ino, mapping.end() - 1), encode(mapping));
    }

    /// Cuts blocks `from` up to `end` out of an extent that covers them; what is left of it on both sides stays.
    static void cut(Tx tx, Inode inode, Mapping mapping, long from, long end) {
        if (end < mapping.end()) {
            put(tx, inode, mapping.slice(end, mapping.end()));
        } else {
            tx.delete(Keys.extent(inode.ino, mapping.end() - 1));
            inode.extents--;
        }
        if (from > mapping.first) {
            create(tx, inode, mapping.slice(mapping.first, from));
            inode.extents++;
        }
    }

    /// Gives blocks that one extent covers other flags.
    static void reflag(Tx tx, Inode inode, Mapping mapping, long from, long end, int flags) {
        cut(tx, inode, mapping, from, end);
        var part = mapping.slice(from, end);
        insert(tx, inode, new Mapping(part.first, part.count, part.physical, flags));
    }

    /// Unmaps and frees what is between two blocks, up to a number of extents, and counts it out of the inode.
    /// @return the block up to which it is done: `end` when all is
    static long free(Tx tx, Inode inode, long from, long end, int extentsMax) {
        if (from >= end) return end;
        // First all, then the changes: a cursor may see them.
        var found = new ArrayList<Mapping>();
        var walk = new Walk(tx, inode, from);
        long done = end;
        for (Mapping mapping; (mapping = walk.next()) != null && mapping.first < end; ) {
            if (found.size() == extentsMax) {
                done = mapping.first;
                break;
            }
            found.add(mapping);
        }
        for (var mapping : found) {
            long cutFrom = Math.max(mapping.first, from), cutEnd = Math.min(mapping.end(), end);
            cut(tx, inode, mapping, cutFrom, cutEnd);
            var gone = mapping.slice(cutFrom, cutEnd);
            if (gone.mapped()) tx.freeData(gone.blocks());
            count(inode, gone, -1);
        }
        return done;
    }

    /// Keeps online and offline block counts in step with a mapping that comes (+1) or goes (-1).
    static void count(Inode inode, Mapping mapping, int sign) {
        if (mapping.online()) inode.onlineBlocks += sign * mapping.count;
        else if (mapping.offline()) inode.offlineBlocks += sign * mapping.count;
        if (inode.onlineBlocks < 0 || inode.offlineBlocks < 0)
            throw Inode.damaged(inode.ino, "more blocks are mapped than it counts");
    }

    private Extents() {}
}
