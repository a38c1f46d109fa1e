package dev.cairn.filesystem;

import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;
import java.util.ArrayList;

/// What is asked of a volume as a whole: what changed, and where an inode is.
final class Indexes {
    /// Seqs that one lock covers: see section 9 of the map.
    private static final int SEQS_PER_LOCK_BITS = 10;

    static void walk(Tx tx, boolean data, long firstSeq, long firstIno, long lastSeq, long lastIno,
            FileSystem.InodeSink sink) {
        // Newer ones may still be joined by others from transactions that are not committed: not a stable answer yet.
        long horizon = tx.committedSeq();
        if (Long.compareUnsigned(lastSeq, horizon) > 0) {
            lastSeq = horizon;
            lastIno = -1;
        }
        var first = Keys.index(data, firstSeq, firstIno);
        var last = Keys.index(data, lastSeq, lastIno);
        if (first.compareTo(last) > 0) return;
        tx.lockIndex(data, firstSeq, LockMode.READ);
        long lockedGroup = firstSeq >>> SEQS_PER_LOCK_BITS;
        var cursor = tx.scan(first, last);
        while (cursor.next()) {
            var key = cursor.key();
            // Up to the horizon items only go away; a lock for each group that has any is enough.
            long group = key.first() >>> SEQS_PER_LOCK_BITS;
            if (group != lockedGroup) {
                tx.lockIndex(data, key.first(), LockMode.READ);
                lockedGroup = group;
            }
            if (!sink.inode(key.first(), key.second())) return;
        }
    }

    static FileSystem.Path path(Tx tx, long ino, long afterDir, long afterPos) {
        tx.lockInode(ino, LockMode.READ);
        if (ino == FileSystem.ROOT_INO)
            return afterDir == 0 ? new FileSystem.Path(new byte[0], FileSystem.ROOT_INO, 0) : null;
        Inodes.load(tx, ino);
        if (afterDir == -1 && afterPos == -1) return null;
        var cursor = tx.scan(Keys.backref(ino, afterDir, afterPos).next(), Keys.backref(ino, -1, -1));
        if (!cursor.next()) return null;
        long dir = cursor.key().second(), pos = cursor.key().third();
        var names = new ArrayList<byte[]>();
        names.add(Entry.decode(ino, cursor.value(), -1).name());
        int bytes = names.getFirst().length;
        for (long at = dir; at != FileSystem.ROOT_INO; ) {
            if (names.size() > Namespace.DEPTH_MAX) throw Inode.damaged(ino, "its path has no end");
            tx.lockInode(at, LockMode.READ);
            var up = tx.scan(Keys.backref(at, 0, 0), Keys.backref(at, -1, -1));
            if (!up.next()) throw Inode.damaged(at, "names inode %d but has no name itself".formatted(ino));
            var entry = Entry.decode(at, up.value(), -1);
            names.add(entry.name());
            bytes += 1 + entry.name().length;
            at = up.key().second();
        }
        var path = new byte[bytes];
        int to = 0;
        for (var name : names.reversed()) {
            if (to > 0) path[to++] = '/';
            System.arraycopy(name, 0, path, to, name.length);
            to += name.length;
        }
        return new FileSystem.Path(path, dir, pos);
    }

    private Indexes() {}
}
