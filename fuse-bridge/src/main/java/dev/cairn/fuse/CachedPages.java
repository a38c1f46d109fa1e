package dev.cairn.fuse;

import java.util.concurrent.atomic.AtomicLongArray;

/// Which inodes the kernel may have pages of: those that were read or written through its cache, since the mount began.
/// Several inodes share a bit, so others may be taken for such; none is ever missing. From any thread.
///
/// Who has seen that there are none goes on without telling the kernel. That is right when what it has changed was on the
/// device before it asked: whoever reads into the cache says so here first, and then reads what is on the device.
final class CachedPages {
    private static final int BITS = 1 << 16;

    private final AtomicLongArray words = new AtomicLongArray(BITS / Long.SIZE);

    private static int bit(long ino) {
        return (int) (ino * 0x9e3779b97f4a7c15L >>> Long.SIZE - 16);
    }

    void cached(long ino) {
        int bit = bit(ino), word = bit / Long.SIZE;
        long mask = 1L << bit;
        if ((words.get(word) & mask) == 0) words.getAndAccumulate(word, mask, (before, more) -> before | more);
    }

    boolean mayBe(long ino) {
        int bit = bit(ino);
        return (words.get(bit / Long.SIZE) & 1L << bit) != 0;
    }
}
