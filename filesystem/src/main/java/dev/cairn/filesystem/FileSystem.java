package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EINVAL;
import static dev.cairn.transaction.Errno.ENOENT;

import dev.cairn.proto.SpaceReport;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;

/// All calls of the file system, each one restartable attempt of an operation on a [Tx]; see package-info.
/// Without state but for its settings: one instance serves everybody. Which hold a call needs is said by [OperationKind].
/// Names are the raw bytes between the slashes. Errors are `Errno.Failure`s with the errno of the man page.
public final class FileSystem {
    public static final long ROOT_INO = 1;
    public static final int BLOCK_BYTES = 4096;
    public static final int NAME_BYTES_MAX = 255;
    public static final int SYMLINK_BYTES_MAX = 4095;
    public static final int XATTR_BYTES_MAX = 65_535;
    /// What listxattr can return at the most: the kernel's XATTR_LIST_MAX.
    public static final int XATTR_LIST_BYTES_MAX = 65_536;
    public static final int LINKS_MAX = Integer.MAX_VALUE;
    /// 2^62: far beyond any device, and no sum of two offsets overflows.
    public static final long FILE_BYTES_MAX = 1L << 62;

    // Linux' numbers, as they come from the kernel.
    public static final int RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2, RENAME_WHITEOUT = 4;
    public static final int XATTR_CREATE = 1, XATTR_REPLACE = 2;
    public static final int FALLOC_KEEP_SIZE = 1, FALLOC_PUNCH_HOLE = 2, FALLOC_ZERO_RANGE = 16;
    public static final int SEEK_DATA = 3, SEEK_HOLE = 4;

    private final Preallocation preallocation;

    public FileSystem() {
        this(Preallocation.DEFAULT);
    }

    public FileSystem(Preallocation preallocation) {
        this.preallocation = preallocation;
    }

    /// Makes the root directory, root's own, unless there is one.
    public void format(Tx tx, Time now) {
        format(tx, now, 0, 0);
    }

    /// Makes the root directory unless there is one. Who makes a volume must be able to write to it.
    public void format(Tx tx, Time now, int uid, int gid) {
        tx.lockInode(ROOT_INO, LockMode.WRITE);
        if (Inodes.loadOrNull(tx, ROOT_INO) != null) return;
        var root = new Inode(ROOT_INO);
        root.mode = Inode.S_IFDIR | 0755;
        root.uid = uid;
        root.gid = gid;
        root.nlink = 2;
        root.nextPosition = Directories.POSITION_FIRST;
        root.nextXattrId = 1;
        root.atime(now);
        root.mtimeExactly(now);
        root.ctimeExactly(now);
        root.crtime(now);
        Inodes.storeNew(tx, root);
    }

    // ---- names

    /// The inode behind a name of a directory, `.` and `..` included. ENOENT, ENOTDIR, ENAMETOOLONG.
    public Inode lookup(Tx tx, long dir, byte[] name) {
        var inode = Namespace.find(tx, dir, name);
        if (inode == null) throw ENOENT.failure();
        return inode;
    }

    /// As [#lookup]; null when there is no such name, which is no surprise: the kernel asks before each new one.
    public Inode find(Tx tx, long dir, byte[] name) {
        return Namespace.find(tx, dir, name);
    }

    /// ESTALE when there is no such inode (any more): numbers are never used again.
    public Inode getattr(Tx tx, long ino) {
        return Attributes.get(tx, ino);
    }

    /// AGAIN only when the size grows while an earlier truncation is still freeing blocks. After DONE, when the inode
    /// (see getattr) is [Inode#truncating], call [#truncateStep] until it says so, in the background: nobody waits for it.
    public Outcome setattr(Tx tx, long ino, SetAttr change, Time now) {
        return Attributes.set(tx, ino, change, now);
    }

    /// Instead of where the next step goes on.
    public static final long STEPS_DONE = -1;

    /// Frees a bounded number of blocks beyond the end of a truncated file.
    /// @param from 0, or where the step before said to go on: what it deleted need not be passed again
    /// @return where the next step goes on; [#STEPS_DONE] when there is nothing left
    public long truncateStep(Tx tx, long ino, long from) {
        return Attributes.truncateStep(tx, ino, from);
    }

    /// A regular file. EEXIST when the name is there: the bridge looks up and answers with that one unless O_EXCL.
    public Inode create(Tx tx, long dir, byte[] name, int mode, Caller caller, Time now) {
        return mknod(tx, dir, name, Inode.S_IFREG | mode & Inode.PERMISSIONS, 0, caller, now);
    }

    /// @param mode with the file type: regular, FIFO, socket, or device with `rdev` (as FUSE encodes it)
    public Inode mknod(Tx tx, long dir, byte[] name, int mode, int rdev, Caller caller, Time now) {
        int type = mode & Inode.S_IFMT;
        switch (type) {
            case 0 -> mode |= Inode.S_IFREG;
            case Inode.S_IFREG, Inode.S_IFIFO, Inode.S_IFSOCK, Inode.S_IFCHR, Inode.S_IFBLK -> {}
            default -> throw EINVAL.failure();
        }
        var inode = Namespace.create(tx, dir, name, mode, caller, now);
        if (type == Inode.S_IFCHR || type == Inode.S_IFBLK) inode.rdev = rdev;
        Inodes.storeNew(tx, inode);
        return inode;
    }

    /// A regular file without a name (O_TMPFILE) in the file system of `dir`: an orphan, as after [#unlink], which [#link]
    /// may give a name.
    public Inode tmpfile(Tx tx, long dir, int mode, Caller caller, Time now) {
        var inode = Namespace.tmpfile(tx, dir, mode, caller, now);
        Inodes.storeNew(tx, inode);
        return inode;
    }

    public Inode mkdir(Tx tx, long dir, byte[] name, int mode, Caller caller, Time now) {
        var inode = Namespace.create(tx, dir, name, Inode.S_IFDIR | mode & Inode.PERMISSIONS, caller, now);
        Inodes.storeNew(tx, inode);
        return inode;
    }

    public Inode symlink(Tx tx, long dir, byte[] name, byte[] target, Caller caller, Time now) {
        return Namespace.symlink(tx, dir, name, target, caller, now);
    }

    public byte[] readlink(Tx tx, long ino) {
        return Namespace.readlink(tx, ino);
    }

    /// A further name for an inode that is no directory, or the first one of a [#tmpfile]. EMLINK beyond [#LINKS_MAX];
    /// ENOENT for what was unlinked.
    public Inode link(Tx tx, long ino, long dir, byte[] name, Time now) {
        return Namespace.link(tx, ino, dir, name, now);
    }

    /// @return the inode that lost a name; at `nlink` 0 it has become an orphan: it stays readable and writable until its
    ///         last user here has gone, and then [#deleteOrphanStep] frees it
    public Inode unlink(Tx tx, long dir, byte[] name, Time now) {
        return Namespace.unlink(tx, dir, name, now);
    }

    /// @return as [#unlink]
    public Inode rmdir(Tx tx, long dir, byte[] name, Time now) {
        return Namespace.rmdir(tx, dir, name, now);
    }

    /// @param flags  [#RENAME_EXCHANGE], or any of [#RENAME_NOREPLACE] and [#RENAME_WHITEOUT], which leaves a character device of
    ///               number 0 and mode 0 in the old name's place: what overlayfs takes for "deleted"; otherwise EINVAL
    /// @param caller whose the whiteout is
    /// @return the inode that was replaced, as [#unlink], or null
    public Inode rename(Tx tx, long fromDir, byte[] fromName, long toDir, byte[] toName, int flags, Caller caller, Time now) {
        return Namespace.rename(tx, fromDir, fromName, toDir, toName, flags, caller, now);
    }

    /// Delivers entries in creation order, starting after the one whose cookie is `after` (0: from the start). What is renamed
    /// within the directory, or replaced, keeps its place.
    /// @param plus  with inodes
    /// @param limit about how many entries the sink has room for: how many are fetched together
    public void readdir(Tx tx, long dir, long after, boolean plus, int limit, DirectorySink sink) {
        Directories.readdir(tx, dir, after, plus, limit, sink);
    }

    // ---- extended attributes

    /// ENODATA; the size check against the caller's buffer (ERANGE) is the bridge's.
    public byte[] getxattr(Tx tx, long ino, byte[] name) {
        return Xattrs.get(tx, ino, name);
    }

    /// @param flags [#XATTR_CREATE], [#XATTR_REPLACE] or 0; with both nothing can succeed, and the error says whether it is there
    public void setxattr(Tx tx, long ino, byte[] name, byte[] value, int flags, Time now) {
        setxattr(tx, ino, name, value, flags, false, now);
    }

    /// ACLs (`system.posix_acl_access`, `_default`) are xattrs too: EINVAL for what is no ACL, EACCES for a default one of
    /// what is no directory. An access ACL changes the mode.
    ///
    /// @param killSgid an ACL is set by somebody who must not leave set-group-id behind
    public void setxattr(Tx tx, long ino, byte[] name, byte[] value, int flags, boolean killSgid, Time now) {
        Xattrs.set(tx, ino, name, value, flags, killSgid, now);
    }

    public void removexattr(Tx tx, long ino, byte[] name, Time now) {
        Xattrs.remove(tx, ino, name, now);
    }

    /// The names, each followed by a NUL.
    public byte[] listxattr(Tx tx, long ino) {
        return Xattrs.list(tx, ino);
    }

    // ---- access times

    /// Whether reading the inode at this time is to be followed by [#noteAccess]: by the rule of relatime. False while there
    /// is no metadata left, so that readers of a full volume do not fill its reserve.
    ///
    /// Reading from the kernel's cache is not seen: access times tell when something was last asked for, not each use.
    public boolean accessDue(Tx tx, long ino, long nowSeconds) {
        tx.lockInode(ino, LockMode.READ);
        var inode = Inodes.loadOrNull(tx, ino);
        return inode != null && Attributes.accessDue(inode, nowSeconds) && tx.space().getMetadata().getFree() > 0;
    }

    /// Sets atime. It is no change of the inode: meta_seq stays, archives do not look again at what somebody has read.
    public void noteAccess(Tx tx, long ino, Time now) {
        Attributes.noteAccess(tx, ino, now);
    }

    // ---- data

    /// Resolves a read: clipped at the end of the file, zeros for holes. EISDIR, EINVAL for what has no data.
    public void planRead(Tx tx, long ino, long offset, long length, DataPlan plan) {
        FileData.planRead(tx, ino, offset, length, plan);
    }

    /// Resolves a write and reserves what it needs; changes no item. Then [DataIo#write], then [#finishWrite], or
    /// [#abandonWrite] when the I/O failed; in the end [DataPlan#release]. The caller keeps to one write of an inode at a
    /// time, from plan to finish. A write beyond the bound of one plan or of the free space is shortened.
    /// AGAIN when an earlier truncation has to be finished first. ENOSPC, EFBIG.
    public Outcome planWrite(Tx tx, long ino, long offset, long length, DataPlan plan) {
        return FileData.planWrite(tx, ino, offset, length, plan, preallocation);
    }

    /// Makes what was written part of the file.
    /// AGAIN when the file's mapping changed since the plan (truncated, punched): nothing of it is used, its reserved
    /// blocks are returned; release the plan and start the write over.
    /// @param killPriv clear suid and sgid; null: do not
    public Outcome finishWrite(Tx tx, DataPlan plan, Time now, KillPriv killPriv) {
        return FileData.finishWrite(tx, plan, now, killPriv);
    }

    /// Returns what [#planWrite] reserved.
    public void abandonWrite(Tx tx, DataPlan plan) {
        FileData.abandonWrite(tx, plan);
    }

    /// Zeros on the device for the two ends of a range that share their blocks with other bytes; call it before a fallocate
    /// that punches or zeroes, and carry it out with [DataIo#write] (there is no buffer) if it has segments.
    /// @param punch the range is to be a hole; otherwise zeros that keep their blocks, for which ENOSPC is said here already when
    ///              the allocation would be refused
    public void planZero(Tx tx, long ino, long offset, long length, boolean punch, DataPlan plan) {
        Allocation.planZero(tx, ino, offset, length, punch, plan);
    }

    /// Mode 0, [#FALLOC_KEEP_SIZE], PUNCH_HOLE or ZERO_RANGE with or without KEEP_SIZE as fallocate(2) has it;
    /// EOPNOTSUPP for others. Bounded: not atomic for large ranges.
    /// @return how many bytes of the range are done; less than `length`: call again for the rest (0 is possible, when
    ///         something else had to be done first)
    public long fallocate(Tx tx, long ino, int mode, long offset, long length, Time now) {
        return Allocation.fallocate(tx, ino, mode, offset, length, null, now, null);
    }

    /// As above, after the zeros that [#planZero] planned for the same range have been written: where metadata is scarce a hole
    /// within an extent stays zeros.
    /// @param killPriv clear suid and sgid; null: do not
    public long fallocate(Tx tx, long ino, int mode, long offset, long length, DataPlan zeroes, Time now, KillPriv killPriv) {
        return Allocation.fallocate(tx, ino, mode, offset, length, zeroes, now, killPriv);
    }

    /// The next stretch of a copy from `offset` on: a plan to read up to `bytesMax` bytes of data; or, without segments, a
    /// hole of [DataPlan#bytes] bytes, for [#planZero] and [#copyHole] at the other end; or no bytes at the end of the file.
    public void planCopy(Tx tx, long ino, long offset, long length, long bytesMax, DataPlan plan) {
        FileData.planCopy(tx, ino, offset, length, bytesMax, plan);
    }

    /// Makes a range a hole, as far as it has blocks for itself, and the file at least so long. As bounded as [#fallocate].
    ///
    /// @return how many bytes of the range are done; less than `length`: call again for the rest
    public long copyHole(Tx tx, long ino, long offset, long length, Time now, KillPriv killPriv) {
        return Allocation.copyHole(tx, ino, offset, length, now, killPriv);
    }

    /// @param whence [#SEEK_DATA] or [#SEEK_HOLE]. ENXIO beyond the end.
    public long lseek(Tx tx, long ino, long offset, int whence) {
        return FileData.lseek(tx, ino, offset, whence);
    }

    @FunctionalInterface
    public interface ExtentSink {
        /// @param physical on the data device; 0: nowhere, only in the archive
        /// @return false when there is no room for it
        boolean extent(long logical, long physical, long count, boolean unwritten, boolean offline);
    }

    /// Delivers a file's extents, in blocks, from the one that covers or follows `firstBlock`.
    public void mapExtents(Tx tx, long ino, long firstBlock, ExtentSink sink) {
        FileData.mapExtents(tx, ino, firstBlock, sink);
    }

    // ---- the volume

    public SpaceReport statfs(Tx tx) {
        return tx.space();
    }

    /// The first orphan, or file that is being cut, whose inode number is greater than `after`, or 0.
    public long nextOrphan(Tx tx, long after) {
        return Orphans.next(tx, after);
    }

    /// Whether what [#nextOrphan] found is a file that is being cut: then it goes on with [#truncateStep], and must not be deleted.
    public boolean isNamed(Tx tx, long ino) {
        return Orphans.isNamed(tx, ino);
    }

    /// Frees a bounded part of an inode without names. Only when nobody uses it any more.
    /// @param from 0, or where the step before said to go on: what it deleted need not be passed again
    /// @return where the next step goes on; [#STEPS_DONE] when it is gone (or was, or has a name again)
    public long deleteOrphanStep(Tx tx, long ino, long from) {
        return Orphans.deleteStep(tx, ino, from);
    }

    /// Frees inodes without names, as [#deleteOrphanStep], but in one operation; only those that consist of few items, ten or so.
    /// @return the others, to be freed in steps; empty when there are none
    public long[] deleteSmallOrphans(Tx tx, long[] inos) {
        return Orphans.deleteSmall(tx, inos);
    }

    @FunctionalInterface
    public interface InodeSink {
        /// @return false when there is no room for it
        boolean inode(long seq, long ino);
    }

    /// Walks meta_seq (all inodes) or data_seq (regular files) from (firstSeq, firstIno) to (lastSeq, lastIno), both
    /// included and unsigned, but not beyond the committed seq.
    public void walkInodes(Tx tx, boolean data, long firstSeq, long firstIno, long lastSeq, long lastIno, InodeSink sink) {
        Indexes.walk(tx, data, firstSeq, firstIno, lastSeq, lastIno, sink);
    }

    /// One path of an inode, relative to the root, without a leading slash; the root's own is empty.
    /// (dir, pos) is the entry that it ends with: pass it to get the next one.
    public record Path(byte[] bytes, long dir, long pos) {}

    /// The first path after the entry (afterDir, afterPos), (0, 0) for the first of all; null when there are no more.
    public Path inoPath(Tx tx, long ino, long afterDir, long afterPos) {
        return Indexes.path(tx, ino, afterDir, afterPos);
    }
}
