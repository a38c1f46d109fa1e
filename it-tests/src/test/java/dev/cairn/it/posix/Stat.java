package dev.cairn.it.posix;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;

/// What statx answers about one inode.
record Stat(int mode, int nlink, int uid, int gid, long ino, long size, long blocks, int blockSize, Instant atime,
            Instant mtime, Instant ctime, Instant btime, int rdevMajor, int rdevMinor, int devMajor, int devMinor) {
    static final int BYTES = 256;

    static Stat of(MemorySegment at) {
        return new Stat(at.get(ValueLayout.JAVA_SHORT, 28) & 0xffff, u32(at, 16), u32(at, 20), u32(at, 24), u64(at, 32),
                u64(at, 40), u64(at, 48), u32(at, 4), time(at, 64), time(at, 112), time(at, 96), time(at, 80), u32(at, 128), u32(at, 132),
                u32(at, 136), u32(at, 140));
    }

    int type() {
        return mode & Linux.S_IFMT;
    }

    int permissions() {
        return mode & 07777;
    }

    boolean sameInode(Stat other) {
        return ino == other.ino && devMajor == other.devMajor && devMinor == other.devMinor;
    }

    private static Instant time(MemorySegment at, long offset) {
        return Instant.ofEpochSecond(u64(at, offset), u32(at, offset + 8));
    }

    private static int u32(MemorySegment at, long offset) {
        return at.get(ValueLayout.JAVA_INT, offset);
    }

    private static long u64(MemorySegment at, long offset) {
        return at.get(ValueLayout.JAVA_LONG, offset);
    }
}
