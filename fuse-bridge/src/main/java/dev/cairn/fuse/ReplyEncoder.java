package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.Inode;
import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Writes the structs that replies are made of. Each method returns how many bytes it wrote, and writes all of them:
/// buffers are reused.
final class ReplyEncoder {
    /// What a file takes of the metadata device at the most, by rule of thumb: inode, entry, readdir and backref items with
    /// a name of usual length, before compression. For the number of files that statfs says can still be made.
    private static final long METADATA_BYTES_PER_FILE = 1024;

    private final CachePolicy cache;

    ReplyEncoder(CachePolicy cache) {
        this.cache = cache;
    }

    int entry(MemorySegment out, long at, Inode inode) {
        out.set(U64, at + ENTRY_NODE, inode.ino);
        out.set(U64, at + ENTRY_GENERATION, 0);         // inode numbers are never reused
        out.set(U64, at + ENTRY_VALID, cache.entrySeconds());
        out.set(U64, at + ENTRY_ATTR_VALID, cache.attributeSeconds());
        out.set(U64, at + ENTRY_VALID_NSEC, 0);         // and ENTRY_ATTR_VALID_NSEC
        attributes(out, at + ENTRY_ATTR, inode);
        return ENTRY_BYTES;
    }

    /// Says that there is no such name, and that the kernel may remember it.
    int negativeEntry(MemorySegment out, long at) {
        noEntry(out, at);
        out.set(U64, at + ENTRY_VALID, cache.negativeSeconds());
        return ENTRY_BYTES;
    }

    /// An entry that gives nothing: what precedes `.` and `..` in readdirplus.
    int noEntry(MemorySegment out, long at) {
        out.asSlice(at, ENTRY_BYTES).fill((byte) 0);
        return ENTRY_BYTES;
    }

    int attributesReply(MemorySegment out, long at, Inode inode) {
        out.set(U64, at + ATTR_OUT_VALID, cache.attributeSeconds());
        out.set(U64, at + ATTR_OUT_VALID_NSEC, 0);
        attributes(out, at + ATTR_OUT_ATTR, inode);
        return ATTR_OUT_BYTES;
    }

    private static void attributes(MemorySegment out, long at, Inode inode) {
        out.set(U64, at + ATTR_INO, inode.ino);
        out.set(U64, at + ATTR_SIZE, inode.size);
        out.set(U64, at + ATTR_BLOCKS, inode.sectors());
        out.set(U64, at + ATTR_ATIME, inode.atimeSec);
        out.set(U64, at + ATTR_MTIME, inode.mtimeSec);
        out.set(U64, at + ATTR_CTIME, inode.ctimeSec);
        out.set(U32, at + ATTR_ATIME_NSEC, inode.atimeNsec);
        out.set(U32, at + ATTR_MTIME_NSEC, inode.mtimeNsec);
        out.set(U32, at + ATTR_CTIME_NSEC, inode.ctimeNsec);
        out.set(U32, at + ATTR_MODE, inode.mode);
        out.set(U32, at + ATTR_NLINK, inode.nlink);
        out.set(U32, at + ATTR_UID, inode.uid);
        out.set(U32, at + ATTR_GID, inode.gid);
        out.set(U32, at + ATTR_RDEV, inode.rdev);
        out.set(U32, at + ATTR_BLKSIZE, FileSystem.BLOCK_BYTES);
        out.set(U32, at + ATTR_FLAGS, 0);
    }

    int statxReply(MemorySegment out, long at, Inode inode) {
        out.asSlice(at, STATX_OUT_BYTES).fill((byte) 0);
        out.set(U64, at + STATX_OUT_VALID, cache.attributeSeconds());
        long to = at + STATX_OUT_STAT;
        out.set(U32, to + STX_MASK, STATX_BASIC_STATS_AND_BTIME);
        out.set(U32, to + STX_BLKSIZE, FileSystem.BLOCK_BYTES);
        out.set(U32, to + STX_NLINK, inode.nlink);
        out.set(U32, to + STX_UID, inode.uid);
        out.set(U32, to + STX_GID, inode.gid);
        out.set(U16, to + STX_MODE, (short) inode.mode);
        out.set(U64, to + STX_INO, inode.ino);
        out.set(U64, to + STX_SIZE, inode.size);
        out.set(U64, to + STX_BLOCKS, inode.sectors());
        time(out, to + STX_ATIME, inode.atimeSec, inode.atimeNsec);
        time(out, to + STX_BTIME, inode.crtimeSec, inode.crtimeNsec);
        time(out, to + STX_CTIME, inode.ctimeSec, inode.ctimeNsec);
        time(out, to + STX_MTIME, inode.mtimeSec, inode.mtimeNsec);
        // rdev is kept as the kernel encodes it in 32 bits: 12 bits of minor, major, the rest of minor
        out.set(U32, to + STX_RDEV_MAJOR, inode.rdev >>> 8 & 0xfff);
        out.set(U32, to + STX_RDEV_MINOR, inode.rdev & 0xff | inode.rdev >>> 12 & 0xfff00);
        return STATX_OUT_BYTES;
    }

    private static void time(MemorySegment out, long at, long sec, int nsec) {
        out.set(U64, at, sec);
        out.set(U32, at + 8, nsec);
    }

    /// One directory entry; the caller has made sure of the room.
    static int dirent(MemorySegment out, long at, long ino, int type, long cookie, byte[] name) {
        int bytes = direntBytes(name.length);
        out.set(U64, at + bytes - 8, 0);                // the padding, before the name covers its part
        out.set(U64, at + DIRENT_INO, ino);
        out.set(U64, at + DIRENT_OFF, cookie);
        out.set(U32, at + DIRENT_NAME_LENGTH, name.length);
        out.set(U32, at + DIRENT_TYPE, type);
        MemorySegment.copy(name, 0, out, ValueLayout.JAVA_BYTE, at + DIRENT_NAME, name.length);
        return bytes;
    }

    /// Data blocks, in units of 4 KiB, the reserve subtracted. Without metadata left nothing can be written either,
    /// whatever data blocks there are: then none are available, so that "0 free" and ENOSPC come together.
    static int statfs(MemorySegment out, long at, SpaceReport space) {
        out.asSlice(at, STATFS_BYTES).fill((byte) 0);
        Space data = space.getData(), metadata = space.getMetadata();
        long filesFree = metadata.getFree() * Integer.toUnsignedLong(metadata.getBlockBytes()) / METADATA_BYTES_PER_FILE;
        out.set(U64, at + STATFS_BLOCKS, data.getTotal());
        out.set(U64, at + STATFS_BFREE, data.getFree());
        out.set(U64, at + STATFS_BAVAIL, metadata.getFree() == 0 ? 0 : data.getFree());
        out.set(U64, at + STATFS_FILES, space.getInodeCount() + filesFree);
        out.set(U64, at + STATFS_FFREE, filesFree);
        out.set(U32, at + STATFS_BSIZE, FileSystem.BLOCK_BYTES);
        out.set(U32, at + STATFS_NAMELEN, FileSystem.NAME_BYTES_MAX);
        out.set(U32, at + STATFS_FRSIZE, FileSystem.BLOCK_BYTES);
        return STATFS_BYTES;
    }
}
