package dev.cairn.filesystem;

import dev.cairn.transaction.Key;

/// The shapes of all keys (section 4 of docs/architecture.md). Zones and types are part of the format: never renumber.
///
///     zone      first  type     second            third
///     FS        ino    INODE    0                 0
///     FS        ino    XATTR    hash(name)        n << 8 | part      n tells names of equal hash apart
///     FS        ino    SYMLINK  part (0)          0
///     FS        ino    EXTENT   last block        0
///     FS        dir    ENTRY    hash(name)        n
///     FS        dir    READDIR  pos               0
///     FS        ino    BACKREF  dir               pos
///     META_SEQ  seq    0        ino               0
///     DATA_SEQ  seq    0        ino               0
///     ORPHAN    ino    0        0                 0
///
/// * Entries and xattrs of equal hash are numbered 0, 1, 2… without gaps (deleting one moves the last into its place), so
///   a lookup is a get of one exact key, for missing names too: bloom filters answer it and nothing is scanned.
/// * An extent is found by its **last** block: the first one at or after a block is the one that covers it, if any does.
///   By its first block it would take a scan backwards.
/// * The two seq indexes are zones of their own: walking one passes over nothing of the other.
public final class Keys {
    public static final byte ZONE_FS = 1, ZONE_META_SEQ = 2, ZONE_DATA_SEQ = 3, ZONE_ORPHAN = 4;

    public static final byte INODE = 1, XATTR = 2, SYMLINK = 3, EXTENT = 4, ENTRY = 5, READDIR = 6, BACKREF = 7;

    public static Key inode(long ino) {
        return new Key(ZONE_FS, ino, INODE, 0, 0);
    }

    static Key xattr(long ino, long hash, long n, int part) {
        return new Key(ZONE_FS, ino, XATTR, hash, n << 8 | part);
    }

    static Key symlink(long ino) {
        return new Key(ZONE_FS, ino, SYMLINK, 0, 0);
    }

    static Key extent(long ino, long lastBlock) {
        return new Key(ZONE_FS, ino, EXTENT, lastBlock, 0);
    }

    static Key entry(long dir, long hash, long n) {
        return new Key(ZONE_FS, dir, ENTRY, hash, n);
    }

    static Key readdir(long dir, long pos) {
        return new Key(ZONE_FS, dir, READDIR, pos, 0);
    }

    static Key backref(long ino, long dir, long pos) {
        return new Key(ZONE_FS, ino, BACKREF, dir, pos);
    }

    static Key index(boolean data, long seq, long ino) {
        return new Key(data ? ZONE_DATA_SEQ : ZONE_META_SEQ, seq, (byte) 0, ino, 0);
    }

    static Key orphan(long ino) {
        return new Key(ZONE_ORPHAN, ino, (byte) 0, 0, 0);
    }

    private Keys() {}
}
