package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EIO;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// An inode, decoded from its item. One operation's own copy: changing it changes nothing until it is stored.
/// Fields are public because it is a plain struct that the bridge copies from; only this package changes them.
///
/// The item's value, version 1, little-endian:
///
///      0  u8   version        another one is damage, or a newer Cairn: never guessed at
///      1  u24  zero
///      4  u32  mode           type and permissions
///      8  u32  uid
///     12  u32  gid
///     16  u32  nlink          of a directory 2 + subdirectories; 0: an orphan
///     20  u32  flags          TRUNCATING, RETENTION, NAMELESS
///     24  u32  rdev           of devices
///     28  u32  xattrs         how many there are: without any, getxattr needs no further look
///     32  u32  atime nsec, 36 mtime nsec, 40 ctime nsec, 44 crtime nsec
///     48  i64  atime sec, 56 mtime sec, 64 ctime sec, 72 crtime sec
///     80  u64  size           of a directory the bytes of its names, of a symlink those of its target
///     88  u64  meta_seq       where the index has it
///     96  u64  data_seq       of regular files, otherwise 0
///    104  u64  data_version   counts changes of the contents
///    112  u64  online blocks  mapped and written
///    120  u64  offline blocks
///    128  u64  next position  of directories: the cookie of the next entry, never reused
///    136  u64  next xattr id  never reused
///    144  u64  entries        of directories, `.` and `..` not counted
///    152  u64  zero from      see [#zeroFrom]
///    160  u64  project
///    168  u64  extents        items of the block map: without any, nobody needs to look for one
public final class Inode {
    public static final int S_IFMT = 0170000, S_IFSOCK = 0140000, S_IFLNK = 0120000, S_IFREG = 0100000,
            S_IFBLK = 0060000, S_IFDIR = 0040000, S_IFCHR = 0020000, S_IFIFO = 0010000;
    public static final int S_ISUID = 04000, S_ISGID = 02000, S_IXGRP = 010, PERMISSIONS = 07777;

    /// Blocks beyond `size` are still to be freed; until then nothing may make the file longer.
    static final int TRUNCATING = 1;
    static final int RETENTION = 2;
    /// Made without a name (O_TMPFILE) and still without one: unlike what was unlinked it may get one.
    static final int NAMELESS = 4;
    /// A clock that is being set goes back no further than this.
    private static final int CLOCK_STEP_SECONDS = 2;
    private static final int FLAGS_KNOWN = TRUNCATING | RETENTION | NAMELESS;

    static final int BYTES = 176;
    private static final int VERSION = 1;
    private static final int VERSION_AT = 0, MODE_AT = 4, UID_AT = 8, GID_AT = 12, NLINK_AT = 16, FLAGS_AT = 20,
            RDEV_AT = 24, XATTRS_AT = 28, ATIME_NSEC_AT = 32, MTIME_NSEC_AT = 36, CTIME_NSEC_AT = 40,
            CRTIME_NSEC_AT = 44, ATIME_AT = 48, MTIME_AT = 56, CTIME_AT = 64, CRTIME_AT = 72, SIZE_AT = 80,
            META_SEQ_AT = 88, DATA_SEQ_AT = 96, DATA_VERSION_AT = 104, ONLINE_AT = 112, OFFLINE_AT = 120,
            NEXT_POSITION_AT = 128, NEXT_XATTR_ID_AT = 136, ENTRIES_AT = 144, ZERO_FROM_AT = 152, PROJECT_AT = 160,
            EXTENTS_AT = 168;

    private static final VarHandle U32 = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final Logger log = LoggerFactory.getLogger(Inode.class);

    public final long ino;
    public int mode, uid, gid, nlink, flags, rdev, xattrs;
    public long atimeSec, mtimeSec, ctimeSec, crtimeSec;
    public int atimeNsec, mtimeNsec, ctimeNsec, crtimeNsec;
    public long size, metaSeq, dataSeq, dataVersion, onlineBlocks, offlineBlocks;
    public long nextPosition, nextXattrId, entries, project, extents;

    /// Not 0: the bytes from here to the end of their block read as zeros, whatever the device holds there. Set when a
    /// file is made longer without writing: what lies behind its old end is left over from a write that a crash undid, or
    /// from before it was cut. The next write puts zeros there, so there is never more than one such place: a block that
    /// ends in left-overs has been written, and every write settles the place before it.
    public long zeroFrom;

    Inode(long ino) {
        this.ino = ino;
    }

    public boolean isDirectory() {
        return (mode & S_IFMT) == S_IFDIR;
    }

    public boolean isRegular() {
        return (mode & S_IFMT) == S_IFREG;
    }

    public boolean isSymlink() {
        return (mode & S_IFMT) == S_IFLNK;
    }

    /// `d_type` of entries that name it.
    public int type() {
        return mode >>> 12 & 15;
    }

    /// More steps of truncation are to come: see [FileSystem#truncateStep].
    public boolean truncating() {
        return (flags & TRUNCATING) != 0;
    }

    /// For st_blocks, in the 512 bytes that stat counts in.
    public long sectors() {
        return (onlineBlocks + offlineBlocks) * (FileSystem.BLOCK_BYTES / 512);
    }

    void atime(Time to) {
        atimeSec = to.sec();
        atimeNsec = to.nsec();
    }

    /// Any change at `now`. It moves forward, too: of two changes the later one may have been asked for first and have waited,
    /// and a backup that came in between, and goes by ctime, would never see it.
    void changed(Time now) {
        ctimeExactly(moved(ctimeSec, ctimeNsec, now));
    }

    void ctimeExactly(Time to) {
        ctimeSec = to.sec();
        ctimeNsec = to.nsec();
    }

    void crtime(Time to) {
        crtimeSec = to.sec();
        crtimeNsec = to.nsec();
    }

    /// Exactly this, for utimes.
    void mtimeExactly(Time to) {
        mtimeSec = to.sec();
        mtimeNsec = to.nsec();
    }

    /// A change of the contents at `now`: mtime moves forward even if the clock stood still or went back a little. A mount
    /// that sees the same mtime may go on using its cached pages. What somebody has set to a time to come becomes now.
    void touched(Time now) {
        mtimeExactly(moved(mtimeSec, mtimeNsec, now));
        changed(now);
    }

    private static Time moved(long sec, int nsec, Time now) {
        boolean behind = now.sec() < sec || now.sec() == sec && now.nsec() <= nsec;
        return behind && sec - now.sec() <= CLOCK_STEP_SECONDS ? new Time(sec, nsec).next() : now;
    }

    byte[] encode() {
        var to = new byte[BYTES];
        to[VERSION_AT] = VERSION;
        U32.set(to, MODE_AT, mode);
        U32.set(to, UID_AT, uid);
        U32.set(to, GID_AT, gid);
        U32.set(to, NLINK_AT, nlink);
        U32.set(to, FLAGS_AT, flags);
        U32.set(to, RDEV_AT, rdev);
        U32.set(to, XATTRS_AT, xattrs);
        U32.set(to, ATIME_NSEC_AT, atimeNsec);
        U32.set(to, MTIME_NSEC_AT, mtimeNsec);
        U32.set(to, CTIME_NSEC_AT, ctimeNsec);
        U32.set(to, CRTIME_NSEC_AT, crtimeNsec);
        U64.set(to, ATIME_AT, atimeSec);
        U64.set(to, MTIME_AT, mtimeSec);
        U64.set(to, CTIME_AT, ctimeSec);
        U64.set(to, CRTIME_AT, crtimeSec);
        U64.set(to, SIZE_AT, size);
        U64.set(to, META_SEQ_AT, metaSeq);
        U64.set(to, DATA_SEQ_AT, dataSeq);
        U64.set(to, DATA_VERSION_AT, dataVersion);
        U64.set(to, ONLINE_AT, onlineBlocks);
        U64.set(to, OFFLINE_AT, offlineBlocks);
        U64.set(to, NEXT_POSITION_AT, nextPosition);
        U64.set(to, NEXT_XATTR_ID_AT, nextXattrId);
        U64.set(to, ENTRIES_AT, entries);
        U64.set(to, ZERO_FROM_AT, zeroFrom);
        U64.set(to, PROJECT_AT, project);
        U64.set(to, EXTENTS_AT, extents);
        return to;
    }

    private static void requireReadable(long ino, byte[] from) {
        if (from.length != BYTES) throw damaged(ino, "inode item of " + from.length + " bytes, expected " + BYTES);
        if (from[VERSION_AT] != VERSION) throw damaged(ino, "inode item of version " + from[VERSION_AT]);
    }

    /// Without decoding anything else.
    static boolean isDirectory(long ino, byte[] from) {
        requireReadable(ino, from);
        return ((int) U32.get(from, MODE_AT) & S_IFMT) == S_IFDIR;
    }

    static Inode decode(long ino, byte[] from) {
        requireReadable(ino, from);
        var inode = new Inode(ino);
        inode.mode = (int) U32.get(from, MODE_AT);
        inode.uid = (int) U32.get(from, UID_AT);
        inode.gid = (int) U32.get(from, GID_AT);
        inode.nlink = (int) U32.get(from, NLINK_AT);
        inode.flags = (int) U32.get(from, FLAGS_AT);
        inode.rdev = (int) U32.get(from, RDEV_AT);
        inode.xattrs = (int) U32.get(from, XATTRS_AT);
        inode.atimeNsec = (int) U32.get(from, ATIME_NSEC_AT);
        inode.mtimeNsec = (int) U32.get(from, MTIME_NSEC_AT);
        inode.ctimeNsec = (int) U32.get(from, CTIME_NSEC_AT);
        inode.crtimeNsec = (int) U32.get(from, CRTIME_NSEC_AT);
        inode.atimeSec = (long) U64.get(from, ATIME_AT);
        inode.mtimeSec = (long) U64.get(from, MTIME_AT);
        inode.ctimeSec = (long) U64.get(from, CTIME_AT);
        inode.crtimeSec = (long) U64.get(from, CRTIME_AT);
        inode.size = (long) U64.get(from, SIZE_AT);
        inode.metaSeq = (long) U64.get(from, META_SEQ_AT);
        inode.dataSeq = (long) U64.get(from, DATA_SEQ_AT);
        inode.dataVersion = (long) U64.get(from, DATA_VERSION_AT);
        inode.onlineBlocks = (long) U64.get(from, ONLINE_AT);
        inode.offlineBlocks = (long) U64.get(from, OFFLINE_AT);
        inode.nextPosition = (long) U64.get(from, NEXT_POSITION_AT);
        inode.nextXattrId = (long) U64.get(from, NEXT_XATTR_ID_AT);
        inode.entries = (long) U64.get(from, ENTRIES_AT);
        inode.zeroFrom = (long) U64.get(from, ZERO_FROM_AT);
        inode.project = (long) U64.get(from, PROJECT_AT);
        inode.extents = (long) U64.get(from, EXTENTS_AT);
        inode.check();
        return inode;
    }

    // A checksum has passed already: what fails here was written wrong, and going on would spread it.
    private void check() {
        switch (mode & S_IFMT) {
            case S_IFSOCK, S_IFLNK, S_IFREG, S_IFBLK, S_IFDIR, S_IFCHR, S_IFIFO -> {}
            default -> throw damaged(ino, "mode is 0%o".formatted(mode));
        }
        if ((mode & ~(S_IFMT | PERMISSIONS)) != 0) throw damaged(ino, "mode is 0%o".formatted(mode));
        if ((flags & ~FLAGS_KNOWN) != 0) throw damaged(ino, "unknown flags in %x".formatted(flags));
        if (nlink < 0 || isDirectory() && nlink == 1) throw damaged(ino, "link count is " + nlink);
        if (xattrs < 0) throw damaged(ino, "xattr count is " + xattrs);
        if (size < 0 || size > FileSystem.FILE_BYTES_MAX) throw damaged(ino, "size is " + size);
        if (onlineBlocks < 0 || offlineBlocks < 0 || extents < 0 || extents == 0 && onlineBlocks + offlineBlocks != 0)
            throw damaged(ino, "%d online and %d offline blocks in %d extents".formatted(onlineBlocks, offlineBlocks, extents));
        if (entries < 0 || isDirectory() && nextPosition < Directories.POSITION_FIRST)
            throw damaged(ino, "%d entries, next at %d".formatted(entries, nextPosition));
        if (zeroFrom < 0 || zeroFrom > size) throw damaged(ino, "zeros from %d of %d".formatted(zeroFrom, size));
        if (atimeNsec < 0 || atimeNsec > 999_999_999 || mtimeNsec < 0 || mtimeNsec > 999_999_999
                || ctimeNsec < 0 || ctimeNsec > 999_999_999 || crtimeNsec < 0 || crtimeNsec > 999_999_999)
            throw damaged(ino, "nanoseconds out of range");
    }

    /// Logs what is wrong with an inode or what is keyed by it; the caller gets EIO.
    static RuntimeException damaged(long ino, String what) {
        log.error("inode {}: {}. The call fails with EIO; `cairn check` can tell what else is damaged.", ino, what);
        return EIO.failure();
    }
}
