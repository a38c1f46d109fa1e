package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EFBIG;
import static dev.cairn.transaction.Errno.EINVAL;
import static dev.cairn.transaction.Errno.EISDIR;
import static dev.cairn.transaction.Errno.ENODEV;
import static dev.cairn.transaction.Errno.ENOSPC;
import static dev.cairn.transaction.Errno.EOPNOTSUPP;

import dev.cairn.filesystem.Extents.Mapping;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;
import java.util.ArrayList;

/// fallocate. Whole blocks are mapped, unmapped or marked UNWRITTEN here; the ends of a punched or zeroed range that share
/// a block with other data are zeroed on the device before ([#planZero]).
final class Allocation {
    /// Extents looked at or reserved by one operation.
    private static final int EXTENTS_PER_STEP = 256;
    private static final long BLOCK = FileSystem.BLOCK_BYTES;

    private static void check(int mode, long offset, long length) {
        if (offset < 0 || length <= 0) throw EINVAL.failure();
        switch (mode) {
            case 0, FileSystem.FALLOC_KEEP_SIZE, FileSystem.FALLOC_PUNCH_HOLE | FileSystem.FALLOC_KEEP_SIZE,
                    FileSystem.FALLOC_ZERO_RANGE, FileSystem.FALLOC_ZERO_RANGE | FileSystem.FALLOC_KEEP_SIZE -> {}
            default -> throw EOPNOTSUPP.failure();
        }
        if (length > FileSystem.FILE_BYTES_MAX - offset) throw EFBIG.failure();
    }

    private static Inode loadRegular(Tx tx, long ino) {
        var inode = Inodes.load(tx, ino);
        if (inode.isDirectory()) throw EISDIR.failure();
        if (!inode.isRegular()) throw ENODEV.failure();
        return inode;
    }

    /// @param zeroes the plan of [#planZero] for the whole of a punch, carried out; or null
    static long fallocate(Tx tx, long ino, int mode, long offset, long length, DataPlan zeroes, Time now, KillPriv killPriv) {
        check(mode, offset, length);
        tx.lockInode(ino, LockMode.WRITE);
        var inode = loadRegular(tx, ino);
        if (inode.truncating()) {
            Attributes.step(tx, inode);
            return 0;
        }
        Attributes.killPriv(inode, killPriv);
        Xattrs.dropCapability(tx, inode);
        long end = offset + length;
        // Blocks that the range has for itself. The last block of the file is one when all of its file bytes are inside.
        long ownFrom = Extents.blocks(offset), ownEnd = Math.max(ownFrom, end >= inode.size ? Extents.blocks(end) : end / BLOCK);
        if ((mode & FileSystem.FALLOC_PUNCH_HOLE) != 0) {
            boolean kept = zeroes != null && zeroes.keptCount > 0 && ownFrom == zeroes.keptBlock && ownEnd == ownFrom + zeroes.keptCount
                    && splits(Extents.at(tx, inode, ownFrom), ownFrom, ownEnd)
                    && Extents.at(tx, inode, ownFrom).physicalAt(ownFrom) == zeroes.keptPhysical;
            long done = kept ? ownEnd : Extents.free(tx, inode, ownFrom, ownEnd, Attributes.EXTENTS_PER_STEP);
            inode.touched(now);
            Inodes.storeContents(tx, inode);
            return done == ownEnd ? length : done * BLOCK - offset;
        }
        boolean zero = (mode & FileSystem.FALLOC_ZERO_RANGE) != 0;
        long done = fill(tx, inode, offset / BLOCK, Extents.blocks(end), zero ? ownFrom : 0, zero ? ownEnd : 0);
        long endDone = Math.min(end, done * BLOCK);
        if ((mode & FileSystem.FALLOC_KEEP_SIZE) == 0 && endDone > inode.size) {
            Attributes.extend(inode, endDone);
            inode.touched(now);
            Inodes.storeContents(tx, inode);
        } else if (zero) {
            inode.touched(now);
            Inodes.storeContents(tx, inode);
        } else {
            // The contents are what they were, but ext4 and XFS move mtime for any fallocate, and programs know it so.
            inode.touched(now);
            Inodes.store(tx, inode);
        }
        return endDone - offset;
    }

    static long copyHole(Tx tx, long ino, long offset, long length, Time now, KillPriv killPriv) {
        long done = fallocate(tx, ino, FileSystem.FALLOC_PUNCH_HOLE | FileSystem.FALLOC_KEEP_SIZE, offset, length, null, now, killPriv);
        var inode = loadRegular(tx, ino);
        // Not before all is punched: what a truncation has still to free is freed by then.
        if (done == length && offset + length > inode.size) Attributes.extend(inode, offset + length);
        Inodes.storeContents(tx, inode);
        return done;
    }

    /// Maps what is a hole between two blocks, and takes the contents of those from `unwriteFrom` up to `unwriteEnd`.
    /// @return the block up to which it is done, always some progress
    private static long fill(Tx tx, Inode inode, long from, long end, long unwriteFrom, long unwriteEnd) {
        var found = new ArrayList<Mapping>();
        var walk = new Extents.Walk(tx, inode, from);
        long stop = end;
        for (Mapping mapping; (mapping = walk.next()) != null && mapping.first() < end; ) {
            found.add(mapping);
            if (found.size() == EXTENTS_PER_STEP) {
                stop = Math.min(end, mapping.end());
                break;
            }
        }
        long at = from, goal = 0;
        int reserved = 0;
        for (int i = 0; at < stop; i++) {
            var mapping = i < found.size() ? found.get(i) : null;
            long holeEnd = mapping == null ? stop : Math.min(stop, mapping.first());
            while (at < holeEnd) {
                var fresh = reserved++ == EXTENTS_PER_STEP ? null : FileData.reserve(tx, holeEnd - at, new Preallocation.Wish(goal, 0, 0));
                if (fresh == null && at == from) throw ENOSPC.failure();
                if (fresh == null) return at;
                tx.referUnwritten(fresh);
                Extents.insert(tx, inode, new Mapping(at, fresh.count(), fresh.start(), Extents.UNWRITTEN));
                at += fresh.count();
                goal = fresh.end();
            }
            if (mapping == null) continue;
            long cutFrom = Math.max(Math.max(at, mapping.first()), unwriteFrom);
            long cutEnd = Math.min(Math.min(stop, mapping.end()), unwriteEnd);
            if (mapping.online() && cutFrom < cutEnd) {
                Extents.reflag(tx, inode, mapping, cutFrom, cutEnd, Extents.UNWRITTEN);
                inode.onlineBlocks -= cutEnd - cutFrom;
            }
            at = Math.max(at, Math.min(stop, mapping.end()));
            if (mapping.mapped()) goal = mapping.physical() + mapping.count();
        }
        return at;
    }

    private static boolean splits(Mapping mapping, long from, long end) {
        return mapping != null && mapping.mapped() && mapping.first() < from && end < mapping.end();
    }

    /// Plans zeros on the device for the ends of a range whose blocks hold other bytes as well.
    ///
    /// A punch is never refused, but a hole within an extent makes two of one. When metadata is scarce such a hole becomes
    /// zeros that keep their blocks: history that goes wrong otherwise: holes are punched into a large file of a full volume
    /// until the reserve is used up, and nothing can be deleted any more.
    static void planZero(Tx tx, long ino, long offset, long length, boolean punch, DataPlan plan) {
        if (offset < 0 || length <= 0) throw EINVAL.failure();
        if (length > FileSystem.FILE_BYTES_MAX - offset) throw EFBIG.failure();
        plan.reset(ino, offset, true);
        tx.lockInode(ino, LockMode.WRITE);
        var inode = loadRegular(tx, ino);
        // It would be refused afterwards, with its ends zeroed already.
        if (!punch && tx.metadataLow()) throw ENOSPC.failure();
        long end = offset + length;
        if (offset % BLOCK != 0) zeroWithin(tx, inode, plan, offset, Math.min(Math.min(end, Extents.blocks(offset) * BLOCK), inode.size));
        if (end % BLOCK != 0 && end < inode.size && end / BLOCK >= Extents.blocks(offset))
            zeroWithin(tx, inode, plan, end / BLOCK * BLOCK, end);
        if (punch && tx.metadataScarce()) keepWithin(tx, inode, plan, Extents.blocks(offset), end >= inode.size ? Extents.blocks(end) : end / BLOCK);
        if (plan.segments() > 0) plan.pin(tx.pinData());
    }

    private static void keepWithin(Tx tx, Inode inode, DataPlan plan, long from, long end) {
        if (from >= end) return;
        var mapping = Extents.at(tx, inode, from);
        if (!splits(mapping, from, end)) return;
        plan.keptBlock = from;
        plan.keptCount = end - from;
        plan.keptPhysical = mapping.physicalAt(from);
        if (mapping.online()) plan.add(DataPlan.ZERO, plan.keptPhysical * BLOCK, plan.keptCount * BLOCK);
    }

    private static void zeroWithin(Tx tx, Inode inode, DataPlan plan, long from, long to) {
        if (from >= to) return;
        var mapping = Extents.at(tx, inode, from / BLOCK);
        if (mapping != null && mapping.online())
            plan.add(DataPlan.ZERO, mapping.physicalAt(from / BLOCK) * BLOCK + from % BLOCK, to - from);
    }

    private Allocation() {}
}
