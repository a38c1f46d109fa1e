package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EFBIG;
import static dev.cairn.transaction.Errno.EINVAL;
import static dev.cairn.transaction.Errno.EISDIR;

import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;

/// getattr, setattr, and the size of files.
///
/// Cutting a file persists its new size together with TRUNCATING, then frees the blocks behind it in bounded steps. A
/// crash between two steps leaves a short file with blocks behind its end, which nobody can see: reads stop at the size,
/// and whatever would make the file longer finishes the steps first. Until the last step it is listed with the orphans, so
/// that the next mount goes on with it.
final class Attributes {
    /// Extents freed by one operation: few enough not to hold up the others, enough to make the commit worth it.
    static final int EXTENTS_PER_STEP = 1000;
    private static final long BLOCK = FileSystem.BLOCK_BYTES;

    static Inode get(Tx tx, long ino) {
        tx.lockInode(ino, LockMode.READ);
        return Inodes.load(tx, ino);
    }

    static Outcome set(Tx tx, long ino, SetAttr change, Time now) {
        tx.lockInode(ino, LockMode.WRITE);
        var inode = Inodes.load(tx, ino);
        if (change.equals(SetAttr.NONE) || change.onlyTakesPrivileges() && isForTheWriteToCome(inode, change.killPriv())) return Outcome.DONE;
        if (change.size() != null) {
            long size = change.size();
            if (inode.isDirectory()) throw EISDIR.failure();
            if (!inode.isRegular() || size < 0) throw EINVAL.failure();
            if (size > FileSystem.FILE_BYTES_MAX) throw EFBIG.failure();
            if (size > inode.size && inode.truncating()) {
                step(tx, inode);
                return Outcome.AGAIN;
            }
        }
        int modeBefore = inode.mode, xattrsBefore = inode.xattrs;
        if (change.mode() != null) {
            inode.mode = inode.mode & Inode.S_IFMT | change.mode() & Inode.PERMISSIONS;
            Acls.followMode(tx, inode);
        }
        killPriv(inode, change.killPriv());      // while the group is the old one
        if (change.uid() != null) inode.uid = change.uid();
        if (change.gid() != null) inode.gid = change.gid();
        // Capabilities go whoever it is, unlike suid and sgid, which stay when a privileged caller does it.
        if (change.killPriv() != null || change.size() != null || change.uid() != null || change.gid() != null)
            Xattrs.dropCapability(tx, inode);
        boolean sized = change.size() != null, resized = sized && change.size() != inode.size;
        if (!resized && change.onlyTruncatesByName()) {
            boolean less = inode.mode != modeBefore || inode.xattrs != xattrsBefore;
            if (less) inode.changed(now);
            if (cutBehindEnd(tx, inode) || less) Inodes.store(tx, inode);
            return Outcome.DONE;
        }
        if (!sized) inode.changed(now);
        else {
            long size = change.size();
            inode.touched(now);
            if (size > inode.size) extend(inode, size);
            else if (size < inode.size) cut(tx, inode, size);
            else cutBehindEnd(tx, inode);
        }
        if (change.atime() != null) inode.atime(change.atime());
        if (change.mtime() != null) inode.mtimeExactly(change.mtime());
        if (change.ctime() != null) inode.ctimeExactly(change.ctime());
        if (resized) Inodes.storeContents(tx, inode);
        else if (sized) Inodes.storeDataSeq(tx, inode);
        else Inodes.store(tx, inode);
        return Outcome.DONE;
    }

    private static final long DAY_SECONDS = 86_400;

    /// As relatime has it: whether reading the inode now is to be noted, because it changed after it was last read, or a day
    /// has passed since.
    static boolean accessDue(Inode inode, long nowSeconds) {
        return olderOrSame(inode, inode.mtimeSec, inode.mtimeNsec) || olderOrSame(inode, inode.ctimeSec, inode.ctimeNsec)
                || nowSeconds - inode.atimeSec >= DAY_SECONDS;
    }

    private static boolean olderOrSame(Inode inode, long sec, int nsec) {
        return inode.atimeSec < sec || inode.atimeSec == sec && inode.atimeNsec <= nsec;
    }

    /// It has been read. That is no change: neither ctime nor the indexes follow.
    static void noteAccess(Tx tx, long ino, Time now) {
        tx.lockInode(ino, LockMode.WRITE);
        var inode = Inodes.loadOrNull(tx, ino);
        if (inode == null || !accessDue(inode, now.sec())) return;
        inode.atime(now);
        tx.put(Keys.inode(ino), inode.encode());
    }

    private static boolean isForTheWriteToCome(Inode inode, KillPriv by) {
        return !by.mayChangeMode(inode.uid) && modeWithout(inode, by) != inode.mode;
    }

    static void killPriv(Inode inode, KillPriv by) {
        if (by == null) return;
        int mode = modeWithout(inode, by);
        if (mode == inode.mode) return;
        inode.mode = mode;
        by.tookAway();
    }

    private static int modeWithout(Inode inode, KillPriv by) {
        if (inode.isDirectory()) return inode.mode;
        int mode = inode.mode & ~Inode.S_ISUID;
        if ((mode & Inode.S_ISGID) == 0) return mode;
        // Without group execution the bit is no privilege (it once meant mandatory locking); a member leaves it.
        return (mode & Inode.S_IXGRP) != 0 || !by.isMember(inode.gid) ? mode & ~Inode.S_ISGID : mode;
    }

    /// Makes a file longer without writing: see [Inode#zeroFrom]. Only when it is not TRUNCATING.
    static void extend(Inode inode, long size) {
        if (inode.zeroFrom == 0 && inode.size % BLOCK != 0) inode.zeroFrom = inode.size;
        inode.size = size;
    }

    private static void cut(Tx tx, Inode inode, long size) {
        inode.size = size;
        // Behind the end there is nothing to promise about what a block holds.
        if (inode.zeroFrom >= size) inode.zeroFrom = 0;
        freeBehindEnd(tx, inode, 0);
    }

    /// What was allocated beyond the end goes with a truncation, also with one to the size that the file has.
    ///
    /// @return whether there was anything
    private static boolean cutBehindEnd(Tx tx, Inode inode) {
        if (Extents.atOrAfter(tx, inode, Extents.blocks(inode.size)) == null) return false;
        cut(tx, inode, inode.size);
        return true;
    }

    /// @param from where the step before ended, or 0
    /// @return where the next one goes on, or STEPS_DONE
    private static long freeBehindEnd(Tx tx, Inode inode, long from) {
        long keep = Extents.blocks(inode.size);
        long done = Extents.free(tx, inode, Math.max(keep, from), Extents.BLOCKS_MAX, EXTENTS_PER_STEP);
        boolean all = done == Extents.BLOCKS_MAX;
        // Between two steps others may have ended this truncation, made the file longer and cut it again: that nothing is left
        // is known to a step that has looked from the end on.
        boolean was = inode.truncating();
        if (all && from <= keep) {
            inode.flags &= ~Inode.TRUNCATING;
            if (was) Orphans.unlist(tx, inode);
            return FileSystem.STEPS_DONE;
        }
        inode.flags |= Inode.TRUNCATING;
        if (!was) Orphans.list(tx, inode);
        return all ? 0 : done;
    }

    /// One step of a truncation, stored.
    static void step(Tx tx, Inode inode) {
        freeBehindEnd(tx, inode, 0);
        Inodes.store(tx, inode);
    }

    static long truncateStep(Tx tx, long ino, long from) {
        tx.lockInode(ino, LockMode.WRITE);
        var inode = Inodes.loadOrNull(tx, ino);
        if (inode == null || !inode.truncating()) return FileSystem.STEPS_DONE;
        long next = freeBehindEnd(tx, inode, from);
        Inodes.store(tx, inode);
        return next;
    }

    private Attributes() {}
}
