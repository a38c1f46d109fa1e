package dev.cairn.filesystem;

import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;
import java.util.Arrays;

/// Inodes without names, from the last unlink (or from birth: O_TMPFILE) until their last user has gone; and files that are
/// being cut, until all behind their end is freed. The orphan item is put and deleted in the same transactions that take the
/// last name and delete the inode, or that make the first and the last step of a cut, so whoever mounts after a crash finds
/// every one.
final class Orphans {
    /// Xattr items deleted by one operation.
    private static final int ITEMS_PER_STEP = 1000;
    /// An inode with more extents, or more items of xattrs, is not deleted together with others.
    private static final int SMALL_EXTENTS_MAX = 4, SMALL_XATTR_ITEMS_MAX = 4;
    private static final long[] NONE = {};

    static long next(Tx tx, long after) {
        tx.lockOrphans(LockMode.READ);
        if (after == -1) return 0;
        var cursor = tx.scan(Keys.orphan(after + 1), Keys.orphan(-1));
        return cursor.next() ? cursor.key().first() : 0;
    }

    /// A file begins to be cut. One without a name is listed already.
    static void list(Tx tx, Inode inode) {
        if (inode.nlink == 0) return;
        tx.lockOrphans(LockMode.WRITE_ONLY);
        tx.create(Keys.orphan(inode.ino), Inodes.EMPTY);
    }

    /// A file has been cut.
    static void unlist(Tx tx, Inode inode) {
        if (inode.nlink == 0) return;
        tx.lockOrphans(LockMode.WRITE_ONLY);
        tx.delete(Keys.orphan(inode.ino));
    }

    static long deleteStep(Tx tx, long ino, long from) {
        tx.lockInode(ino, LockMode.WRITE);
        var inode = Inodes.loadOrNull(tx, ino);
        return inode == null || inode.nlink > 0 ? FileSystem.STEPS_DONE : deleteStep(tx, inode, from);
    }

    static boolean isNamed(Tx tx, long ino) {
        tx.lockInode(ino, LockMode.READ);
        var inode = Inodes.loadOrNull(tx, ino);
        return inode != null && inode.nlink > 0;
    }

    /// @return those that are still there, because each takes an operation of its own, or several
    static long[] deleteSmall(Tx tx, long[] inos) {
        var left = NONE;
        for (long ino : inos) {
            tx.lockInode(ino, LockMode.WRITE);
            var inode = Inodes.loadOrNull(tx, ino);
            if (inode == null || inode.nlink > 0) continue;
            if (inode.extents <= SMALL_EXTENTS_MAX && fewXattrsDeleted(tx, inode) && deleteStep(tx, inode, 0) == FileSystem.STEPS_DONE) continue;
            left = Arrays.copyOf(left, left.length + 1);
            left[left.length - 1] = ino;
        }
        return left;
    }

    private static boolean fewXattrsDeleted(Tx tx, Inode inode) {
        if (inode.xattrs > SMALL_XATTR_ITEMS_MAX || inode.xattrs > 0 && !Xattrs.deleteFew(tx, inode.ino, SMALL_XATTR_ITEMS_MAX)) return false;
        inode.xattrs = 0;
        return true;
    }

    private static long deleteStep(Tx tx, Inode inode, long from) {
        if (inode.isRegular()) {
            long done = Extents.free(tx, inode, from, Extents.BLOCKS_MAX, Attributes.EXTENTS_PER_STEP);
            boolean all = done == Extents.BLOCKS_MAX;
            if (!all || from > 0 && inode.extents > 0) {
                storeHalf(tx, inode);
                return all ? 0 : done;
            }
        }
        if (inode.xattrs > 0 && Xattrs.deleteItems(tx, inode.ino, ITEMS_PER_STEP) == ITEMS_PER_STEP) {
            storeHalf(tx, inode);
            return from;
        }
        if (inode.isSymlink()) tx.delete(Keys.symlink(inode.ino));
        Inodes.remove(tx, inode);
        return FileSystem.STEPS_DONE;
    }

    // Half deleted it is an empty file: nothing that is left may lead to what has been freed.
    private static void storeHalf(Tx tx, Inode inode) {
        inode.flags &= ~Inode.NAMELESS;
        if (inode.isRegular()) {
            inode.size = 0;
            inode.zeroFrom = 0;
            inode.flags |= Inode.TRUNCATING;
        }
        Inodes.store(tx, inode);
    }

    private Orphans() {}
}
