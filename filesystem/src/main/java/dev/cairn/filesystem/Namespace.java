package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EBUSY;
import static dev.cairn.transaction.Errno.EEXIST;
import static dev.cairn.transaction.Errno.EINVAL;
import static dev.cairn.transaction.Errno.EISDIR;
import static dev.cairn.transaction.Errno.EMLINK;
import static dev.cairn.transaction.Errno.ENAMETOOLONG;
import static dev.cairn.transaction.Errno.ENOENT;
import static dev.cairn.transaction.Errno.ENOSPC;
import static dev.cairn.transaction.Errno.ENOTDIR;
import static dev.cairn.transaction.Errno.ENOTEMPTY;
import static dev.cairn.transaction.Errno.EPERM;
import static dev.cairn.transaction.Errno.ESTALE;

import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;

/// The calls that make, find, move and remove names.
final class Namespace {
    /// No path has more parts (PATH_MAX), but directories can be moved below each other without ever being named by one.
    /// Deeper than this is taken for a cycle, which no sequence of calls can make: damage.
    static final int DEPTH_MAX = 1_000_000;

    /// Null when there is no such name.
    static Inode find(Tx tx, long dir, byte[] name) {
        tx.lockInode(dir, LockMode.READ);
        if (Directories.isDot(name)) {
            var inode = Inodes.load(tx, dir);
            // By export handle: what was deleted is not to be opened again.
            if (inode.nlink == 0) throw ESTALE.failure();
            return inode;
        }
        if (Directories.isDotDot(name)) {
            Inodes.requireDirectory(tx, dir);
            long parent = Directories.parent(tx, dir);
            if (parent == 0) return null;
            tx.lockInode(parent, LockMode.READ);
            return Inodes.load(tx, parent);
        }
        Directories.check(name);
        var entry = Directories.find(tx, dir, name);
        if (entry == null) {
            // Only now: a name that is there needs no look at the directory.
            Inodes.requireDirectory(tx, dir);
            return null;
        }
        tx.lockInode(entry.ino(), LockMode.READ);
        return target(tx, dir, entry);
    }

    private static Inode target(Tx tx, long dir, Entry entry) {
        var inode = Inodes.loadOrNull(tx, entry.ino());
        if (inode == null)
            throw Inode.damaged(dir, "names inode %d at position %d, which is not there".formatted(entry.ino(), entry.pos()));
        return inode;
    }

    private static void checkNew(byte[] name) {
        if (Directories.isDot(name) || Directories.isDotDot(name)) throw EEXIST.failure();
        Directories.check(name);
    }

    /// Any kind of new inode. What goes beside it (a symlink's target) is the caller's.
    static Inode create(Tx tx, long dirIno, byte[] name, int mode, Caller caller, Time now) {
        checkNew(name);
        int type = mode & Inode.S_IFMT;
        boolean directory = type == Inode.S_IFDIR;
        long ino = tx.allocateInode(directory);
        Inodes.lockBoth(tx, dirIno, ino, LockMode.WRITE);
        tx.want(Directories.firstKey(dirIno, name));
        var dir = Inodes.loadLiveDirectory(tx, dirIno);
        long n = Directories.newNumber(tx, dirIno, name);
        if (directory) addSubdirectory(dir);
        var inode = Inodes.create(tx, dir, ino, type | mode & Inode.PERMISSIONS, caller, now);
        Directories.add(tx, dir, name, n, ino, inode.type());
        dir.touched(now);
        Inodes.store(tx, dir);
        return inode;
    }

    /// A regular file that no directory names: an orphan from birth, which [#link] may give its first name.
    static Inode tmpfile(Tx tx, long dirIno, int mode, Caller caller, Time now) {
        long ino = tx.allocateInode(false);
        Inodes.lockBoth(tx, dirIno, ino, LockMode.WRITE);
        var dir = Inodes.loadLiveDirectory(tx, dirIno);
        var inode = Inodes.create(tx, dir, ino, Inode.S_IFREG | mode & Inode.PERMISSIONS, caller, now);
        inode.nlink = 0;
        inode.flags |= Inode.NAMELESS;
        tx.lockOrphans(LockMode.WRITE_ONLY);
        tx.create(Keys.orphan(ino), Inodes.EMPTY);
        return inode;
    }

    private static void addSubdirectory(Inode dir) {
        if (dir.nlink == FileSystem.LINKS_MAX) throw EMLINK.failure();
        dir.nlink++;
    }

    static Inode symlink(Tx tx, long dir, byte[] name, byte[] target, Caller caller, Time now) {
        if (target.length == 0) throw ENOENT.failure();
        if (target.length > FileSystem.SYMLINK_BYTES_MAX) throw ENAMETOOLONG.failure();
        var inode = create(tx, dir, name, Inode.S_IFLNK | 0777, new Caller(caller.uid(), caller.gid(), 0), now);
        inode.size = target.length;
        tx.create(Keys.symlink(inode.ino), target.clone());
        Inodes.storeNew(tx, inode);
        return inode;
    }

    static byte[] readlink(Tx tx, long ino) {
        tx.lockInode(ino, LockMode.READ);
        tx.want(Keys.symlink(ino));
        var inode = Inodes.load(tx, ino);
        if (!inode.isSymlink()) throw EINVAL.failure();
        byte[] target = tx.get(Keys.symlink(ino));
        if (target == null || target.length != inode.size)
            throw Inode.damaged(ino, "symlink of %d bytes has %s".formatted(inode.size,
                    target == null ? "no target" : target.length));
        return target.clone();
    }

    static Inode link(Tx tx, long ino, long dirIno, byte[] name, Time now) {
        checkNew(name);
        Inodes.lockBoth(tx, ino, dirIno, LockMode.WRITE);
        tx.want(Directories.firstKey(dirIno, name));
        tx.want(Keys.inode(ino));
        var dir = Inodes.loadLiveDirectory(tx, dirIno);
        var inode = Inodes.load(tx, ino);
        if (inode.isDirectory()) throw EPERM.failure();
        if (inode.nlink == 0 && (inode.flags & Inode.NAMELESS) == 0) throw ENOENT.failure();
        long n = Directories.newNumber(tx, dirIno, name);
        if (inode.nlink == 0) Inodes.named(tx, inode);
        if (inode.nlink == FileSystem.LINKS_MAX) throw EMLINK.failure();
        Directories.add(tx, dir, name, n, ino, inode.type());
        dir.touched(now);
        Inodes.store(tx, dir);
        inode.nlink++;
        inode.changed(now);
        Inodes.store(tx, inode);
        return inode;
    }

    static Inode unlink(Tx tx, long dirIno, byte[] name, Time now) {
        if (Directories.isDot(name) || Directories.isDotDot(name)) throw EISDIR.failure();
        return removeName(tx, dirIno, name, false, now);
    }

    static Inode rmdir(Tx tx, long dirIno, byte[] name, Time now) {
        if (Directories.isDot(name)) throw EINVAL.failure();
        if (Directories.isDotDot(name)) throw ENOTEMPTY.failure();
        return removeName(tx, dirIno, name, true, now);
    }

    private static Inode removeName(Tx tx, long dirIno, byte[] name, boolean directory, Time now) {
        Directories.check(name);
        tx.lockInode(dirIno, LockMode.WRITE);
        tx.want(Directories.firstKey(dirIno, name));
        var dir = Inodes.loadDirectory(tx, dirIno);
        var entry = Directories.find(tx, dirIno, name);
        if (entry == null) throw ENOENT.failure();
        tx.lockInode(entry.ino(), LockMode.WRITE);
        var inode = target(tx, dirIno, entry);
        if (directory && !inode.isDirectory()) throw ENOTDIR.failure();
        if (!directory && inode.isDirectory()) throw EISDIR.failure();
        if (directory && inode.entries != 0) throw ENOTEMPTY.failure();
        Directories.remove(tx, dir, entry);
        if (directory) dir.nlink--;
        dir.touched(now);
        Inodes.store(tx, dir);
        Inodes.dropLink(tx, inode, now);
        return inode;
    }

    static Inode rename(Tx tx, long fromDirIno, byte[] fromName, long toDirIno, byte[] toName, int flags, Caller caller, Time now) {
        if (flags != FileSystem.RENAME_EXCHANGE && (flags & ~(FileSystem.RENAME_NOREPLACE | FileSystem.RENAME_WHITEOUT)) != 0)
            throw EINVAL.failure();
        boolean exchange = flags == FileSystem.RENAME_EXCHANGE;
        for (var name : new byte[][] {fromName, toName}) {
            if (Directories.isDot(name) || Directories.isDotDot(name)) throw EBUSY.failure();
            Directories.check(name);
        }
        Inodes.lockBoth(tx, fromDirIno, toDirIno, LockMode.WRITE);
        tx.want(Directories.firstKey(fromDirIno, fromName));
        tx.want(Directories.firstKey(toDirIno, toName));
        tx.want(Keys.inode(toDirIno));
        var fromDir = Inodes.loadDirectory(tx, fromDirIno);
        boolean across = fromDirIno != toDirIno;
        var toDir = across ? Inodes.loadDirectory(tx, toDirIno) : fromDir;

        var from = Directories.find(tx, fromDirIno, fromName);
        if (from == null) throw ENOENT.failure();
        var to = Directories.find(tx, toDirIno, toName);
        if (toDir.nlink == 0 || exchange && to == null) throw ENOENT.failure();
        if ((flags & FileSystem.RENAME_NOREPLACE) != 0 && to != null) throw EEXIST.failure();
        // Two names of one inode: POSIX wants nothing done.
        if (to != null && to.ino() == from.ino()) return null;

        tx.lockInode(to == null ? from.ino() : Math.min(from.ino(), to.ino()), LockMode.WRITE);
        if (to != null) {
            tx.lockInode(Math.max(from.ino(), to.ino()), LockMode.WRITE);
            tx.want(Keys.inode(to.ino()));
        }
        // Renaming is never refused for space, but for this: names that only get longer would use up what deleting needs.
        if (to == null && toName.length > fromName.length && tx.metadataScarce()) throw ENOSPC.failure();
        var moved = target(tx, fromDirIno, from);
        if (across && (moved.isDirectory() || exchange)) {
            // Two renames that each check their own ancestry could together cut a cycle off the tree; one at a time cannot.
            tx.lockRename();
            if (moved.isDirectory() && isWithin(tx, toDirIno, from.ino())) throw EINVAL.failure();
            if (exchange && isWithin(tx, fromDirIno, to.ino())) throw EINVAL.failure();
        }
        var other = to == null ? null : target(tx, toDirIno, to);
        if (exchange) {
            exchange(tx, fromDir, from, moved, toDir, to, other, now);
            return null;
        }
        var whiteout = (flags & FileSystem.RENAME_WHITEOUT) == 0 ? null : whiteout(tx, fromDir, caller, now);
        if (other != null) {
            if (moved.isDirectory() && !other.isDirectory()) throw ENOTDIR.failure();
            if (!moved.isDirectory() && other.isDirectory()) throw EISDIR.failure();
            if (other.entries != 0) throw ENOTEMPTY.failure();
            Directories.retarget(tx, toDir, to, from.ino(), moved.type());
            leave(tx, fromDir, from, whiteout);
            if (other.isDirectory()) toDir.nlink--;
        } else if (across || whiteout != null) {
            leave(tx, fromDir, from, whiteout);
            Directories.add(tx, toDir, toName, Directories.newNumber(tx, toDirIno, toName), from.ino(), moved.type());
        } else {
            Directories.rename(tx, fromDir, from, toName);
        }
        if (moved.isDirectory()) {
            fromDir.nlink--;
            addSubdirectory(toDir);
        }
        touchBoth(tx, fromDir, toDir, now);
        moved.changed(now);
        Inodes.store(tx, moved);
        if (other != null) Inodes.dropLink(tx, other, now);
        return other;
    }

    private static Inode whiteout(Tx tx, Inode dir, Caller caller, Time now) {
        long ino = tx.allocateInode(false);
        // Out of turn, which costs an attempt at worst: nothing is held between attempts.
        tx.lockInode(ino, LockMode.WRITE);
        var inode = Inodes.create(tx, dir, ino, Inode.S_IFCHR, caller, now);
        Inodes.storeNew(tx, inode);
        return inode;
    }

    private static void leave(Tx tx, Inode dir, Entry entry, Inode whiteout) {
        if (whiteout == null) Directories.remove(tx, dir, entry);
        else Directories.retarget(tx, dir, entry, whiteout.ino, whiteout.type());
    }

    private static void exchange(Tx tx, Inode fromDir, Entry from, Inode moved, Inode toDir, Entry to, Inode other, Time now) {
        Directories.retarget(tx, toDir, to, from.ino(), moved.type());
        Directories.retarget(tx, fromDir, from, to.ino(), other.type());
        if (moved.isDirectory()) fromDir.nlink--;
        if (other.isDirectory()) toDir.nlink--;
        if (moved.isDirectory()) addSubdirectory(toDir);
        if (other.isDirectory()) addSubdirectory(fromDir);
        touchBoth(tx, fromDir, toDir, now);
        moved.changed(now);
        other.changed(now);
        Inodes.store(tx, moved);
        Inodes.store(tx, other);
    }

    private static void touchBoth(Tx tx, Inode fromDir, Inode toDir, Time now) {
        fromDir.touched(now);
        Inodes.store(tx, fromDir);
        if (toDir != fromDir) {
            toDir.touched(now);
            Inodes.store(tx, toDir);
        }
    }

    /// Is `dir` the same as, or somewhere below, `ancestor`? Under the rename lock, so the answer stays true.
    private static boolean isWithin(Tx tx, long dir, long ancestor) {
        for (int depth = 0; depth < DEPTH_MAX; depth++) {
            if (dir == ancestor) return true;
            if (dir == FileSystem.ROOT_INO || dir == 0) return false;
            tx.lockInode(dir, LockMode.READ);
            dir = Directories.parent(tx, dir);
        }
        throw Inode.damaged(dir, "is its own ancestor");
    }

    private Namespace() {}
}
