package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.ENOENT;
import static dev.cairn.transaction.Errno.ENOTDIR;
import static dev.cairn.transaction.Errno.ESTALE;

import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;

/// Inode items and the two index items that go with each, always changed together.
final class Inodes {
    /// Of items that are all key. Shared: nobody changes a value.
    static final byte[] EMPTY = new byte[0];

    /// The lock is the caller's business.
    static Inode load(Tx tx, long ino) {
        var inode = loadOrNull(tx, ino);
        if (inode == null) throw ESTALE.failure();
        return inode;
    }

    static Inode loadOrNull(Tx tx, long ino) {
        byte[] value = tx.get(Keys.inode(ino));
        return value == null ? null : Inode.decode(ino, value);
    }

    static Inode loadDirectory(Tx tx, long ino) {
        var inode = load(tx, ino);
        if (!inode.isDirectory()) throw ENOTDIR.failure();
        return inode;
    }

    /// That there is such a directory, for who needs nothing of its inode.
    static void requireDirectory(Tx tx, long ino) {
        byte[] value = tx.get(Keys.inode(ino));
        if (value == null) throw ESTALE.failure();
        if (!Inode.isDirectory(ino, value)) throw ENOTDIR.failure();
    }

    /// A directory that can get new names: one that was removed, but is still somebody's working directory, cannot.
    static Inode loadLiveDirectory(Tx tx, long ino) {
        var inode = loadDirectory(tx, ino);
        if (inode.nlink == 0) throw ENOENT.failure();
        return inode;
    }

    static void lockBoth(Tx tx, long a, long b, LockMode mode) {
        tx.lockInode(Math.min(a, b), mode);
        tx.lockInode(Math.max(a, b), mode);
    }

    /// A new inode in `dir`, both locked, not stored yet.
    /// @param mode as asked for: umask or default ACL are applied here
    static Inode create(Tx tx, Inode dir, long ino, int mode, Caller caller, Time now) {
        var inode = new Inode(ino);
        inode.mode = mode;
        inode.uid = caller.uid();
        inode.gid = caller.gid();
        // In a setgid directory everything belongs to the directory's group, and so it goes on below.
        if ((dir.mode & Inode.S_ISGID) != 0) {
            inode.gid = dir.gid;
            if (inode.isDirectory()) inode.mode |= Inode.S_ISGID;
        }
        inode.nlink = inode.isDirectory() ? 2 : 1;
        inode.nextPosition = inode.isDirectory() ? Directories.POSITION_FIRST : 0;
        inode.nextXattrId = 1;
        Acls.inherit(tx, dir, inode, caller);
        inode.project = dir.project;
        inode.atime(now);
        inode.mtimeExactly(now);
        inode.ctimeExactly(now);
        inode.crtime(now);
        return inode;
    }

    /// The first store of a new inode: nothing to move away from.
    static void storeNew(Tx tx, Inode inode) {
        long seq = tx.seq();
        inode.metaSeq = seq;
        tx.create(Keys.index(false, seq, inode.ino), EMPTY);
        if (inode.isRegular()) {
            inode.dataSeq = seq;
            tx.create(Keys.index(true, seq, inode.ino), EMPTY);
        }
        tx.create(Keys.inode(inode.ino), inode.encode());
        tx.countInodes(1);
    }

    /// Any change of an inode: its meta_seq moves to this transaction's.
    static void store(Tx tx, Inode inode) {
        long seq = tx.seq();
        if (inode.metaSeq != seq) {
            move(tx, false, inode.metaSeq, seq, inode.ino);
            inode.metaSeq = seq;
        }
        tx.put(Keys.inode(inode.ino), inode.encode());
    }

    /// A change of a regular file's contents: data_seq moves as well, and the version counts it.
    static void storeContents(Tx tx, Inode inode) {
        inode.dataVersion++;
        storeDataSeq(tx, inode);
    }

    /// Says "look at the contents again" without a new version: a truncation to the size the file has already.
    static void storeDataSeq(Tx tx, Inode inode) {
        long seq = tx.seq();
        if (inode.dataSeq != seq) {
            move(tx, true, inode.dataSeq, seq, inode.ino);
            inode.dataSeq = seq;
        }
        store(tx, inode);
    }

    private static void move(Tx tx, boolean data, long from, long to, long ino) {
        tx.lockIndex(data, from, LockMode.WRITE_ONLY);
        tx.delete(Keys.index(data, from, ino));
        tx.create(Keys.index(data, to, ino), EMPTY);
    }

    /// The last of an inode: its item, its index items, its place among the orphans.
    static void remove(Tx tx, Inode inode) {
        tx.lockIndex(false, inode.metaSeq, LockMode.WRITE_ONLY);
        if (inode.isRegular()) tx.lockIndex(true, inode.dataSeq, LockMode.WRITE_ONLY);
        tx.lockOrphans(LockMode.WRITE_ONLY);
        tx.delete(Keys.index(false, inode.metaSeq, inode.ino));
        if (inode.isRegular()) tx.delete(Keys.index(true, inode.dataSeq, inode.ino));
        tx.delete(Keys.inode(inode.ino));
        tx.delete(Keys.orphan(inode.ino));
        tx.countInodes(-1);
    }

    /// Takes a name's link away (both of a directory, which has only one name). Without any it becomes an orphan.
    static void dropLink(Tx tx, Inode inode, Time now) {
        inode.nlink = inode.isDirectory() ? 0 : inode.nlink - 1;
        inode.changed(now);
        if (inode.nlink == 0) {
            tx.lockOrphans(LockMode.WRITE_ONLY);
            // What is being cut is listed already.
            if (inode.truncating()) tx.put(Keys.orphan(inode.ino), EMPTY);
            else tx.create(Keys.orphan(inode.ino), EMPTY);
        }
        store(tx, inode);
    }

    /// The first name of what was made without one: no orphan any more. Counting the link is the caller's.
    static void named(Tx tx, Inode inode) {
        tx.lockOrphans(LockMode.WRITE_ONLY);
        if (!inode.truncating()) tx.delete(Keys.orphan(inode.ino));
        inode.flags &= ~Inode.NAMELESS;
    }

    private Inodes() {}
}
