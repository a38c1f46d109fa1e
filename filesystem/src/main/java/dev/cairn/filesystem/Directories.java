package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EEXIST;
import static dev.cairn.transaction.Errno.EINVAL;
import static dev.cairn.transaction.Errno.ENAMETOOLONG;
import static dev.cairn.transaction.Errno.ENOENT;

import dev.cairn.transaction.Key;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;
import java.util.ArrayList;

/// The items of names: entries, readdir positions and backrefs. What the calls make of them is in [Namespace].
final class Directories {
    /// Cookies 1 and 2 belong to `.` and `..`.
    static final long POSITION_FIRST = 3;
    private static final int DT_DIR = 4;
    private static final byte[] DOT = {'.'}, DOT_DOT = {'.', '.'};

    static boolean isDot(byte[] name) {
        return name.length == 1 && name[0] == '.';
    }

    static boolean isDotDot(byte[] name) {
        return name.length == 2 && name[0] == '.' && name[1] == '.';
    }

    static void check(byte[] name) {
        if (name.length == 0) throw ENOENT.failure();
        if (name.length > FileSystem.NAME_BYTES_MAX) throw ENAMETOOLONG.failure();
        for (byte b : name) if (b == '/' || b == 0) throw EINVAL.failure();
    }

    static Key firstKey(long dir, byte[] name) {
        return Keys.entry(dir, NameHash.of(name), 0);
    }

    static Entry find(Tx tx, long dir, byte[] name) {
        long hash = NameHash.of(name);
        for (long n = 0; ; n++) {
            byte[] value = tx.get(Keys.entry(dir, hash, n));
            if (value == null) return null;
            if (Entry.named(value, name)) return Entry.decode(dir, value, n);
        }
    }

    /// Of a name that must not be there: which of the names with its hash it would be, for [#add].
    static long newNumber(Tx tx, long dir, byte[] name) {
        long hash = NameHash.of(name);
        for (long n = 0; ; n++) {
            byte[] value = tx.get(Keys.entry(dir, hash, n));
            if (value == null) return n;
            if (Entry.named(value, name)) throw EEXIST.failure();
        }
    }

    /// Counts in the directory; storing that is the caller's.
    ///
    /// @param n from [#newNumber] in this attempt, with no name removed since
    static void add(Tx tx, Inode dir, byte[] name, long n, long ino, int type) {
        long pos = dir.nextPosition++;
        byte[] value = new Entry(ino, type, pos, name, -1).encode();
        tx.create(Keys.entry(dir.ino, NameHash.of(name), n), value);
        tx.create(Keys.readdir(dir.ino, pos), value);
        tx.create(Keys.backref(ino, dir.ino, pos), value);
        dir.entries++;
        dir.size += name.length;
    }

    /// @param entry as [#find] found it in this attempt, with no other removed since
    static void remove(Tx tx, Inode dir, Entry entry) {
        removeName(tx, dir, entry);
        tx.delete(Keys.readdir(dir.ino, entry.pos()));
        tx.delete(Keys.backref(entry.ino(), dir.ino, entry.pos()));
        dir.entries--;
    }

    private static void removeName(Tx tx, Inode dir, Entry entry) {
        long hash = NameHash.of(entry.name());
        // The numbers of equal hashes have no gaps: the last one takes the place of the one that goes.
        long last = entry.n();
        byte[] lastValue = null;
        for (byte[] value; (value = tx.get(Keys.entry(dir.ino, hash, last + 1))) != null; last++) lastValue = value;
        if (lastValue != null) tx.put(Keys.entry(dir.ino, hash, entry.n()), lastValue);
        tx.delete(Keys.entry(dir.ino, hash, last));
        dir.size -= entry.name().length;
    }

    /// Another name, which must not be there, for an entry. It keeps its position: at the end, who renames what a listing
    /// brings would meet it there again, and again.
    ///
    /// @param entry as for [#remove]
    static void rename(Tx tx, Inode dir, Entry entry, byte[] name) {
        removeName(tx, dir, entry);
        byte[] value = new Entry(entry.ino(), entry.type(), entry.pos(), name, -1).encode();
        tx.create(Keys.entry(dir.ino, NameHash.of(name), newNumber(tx, dir.ino, name)), value);
        tx.put(Keys.readdir(dir.ino, entry.pos()), value);
        tx.put(Keys.backref(entry.ino(), dir.ino, entry.pos()), value);
        dir.size += name.length;
    }

    /// An entry names another inode from now on. It keeps its position, for the same reason.
    ///
    /// @param entry as for [#remove]
    static void retarget(Tx tx, Inode dir, Entry entry, long ino, int type) {
        byte[] value = new Entry(ino, type, entry.pos(), entry.name(), -1).encode();
        tx.put(Keys.entry(dir.ino, NameHash.of(entry.name()), entry.n()), value);
        tx.put(Keys.readdir(dir.ino, entry.pos()), value);
        tx.delete(Keys.backref(entry.ino(), dir.ino, entry.pos()));
        tx.create(Keys.backref(ino, dir.ino, entry.pos()), value);
    }

    /// The directory that names a directory; 0 when it was removed. The root is its own parent.
    static long parent(Tx tx, long dir) {
        if (dir == FileSystem.ROOT_INO) return dir;
        var cursor = tx.scan(Keys.backref(dir, 0, 0), Keys.backref(dir, -1, -1));
        return cursor.next() ? cursor.key().second() : 0;
    }

    static void readdir(Tx tx, long dir, long after, boolean plus, int limit, DirectorySink sink) {
        if (after < 0) throw EINVAL.failure();
        tx.lockInode(dir, LockMode.READ);
        Inodes.requireDirectory(tx, dir);
        if (after < 1 && !sink.entry(dir, DT_DIR, 1, DOT, null)) return;
        if (after < 2) {
            long parent = parent(tx, dir);
            if (!sink.entry(parent == 0 ? dir : parent, DT_DIR, 2, DOT_DOT, null)) return;
        }
        var cursor = tx.scan(Keys.readdir(dir, Math.max(after + 1, POSITION_FIRST)), Keys.readdir(dir, -1));
        if (!plus) {
            while (cursor.next()) {
                var entry = Entry.decode(dir, cursor.value(), -1);
                if (!sink.entry(entry.ino(), entry.type(), cursor.key().second(), entry.name(), null)) return;
            }
            return;
        }
        // In batches, so that the inodes that are not in memory are fetched together and not one by one.
        int batchMax = Math.clamp(limit, 1, 1024);
        var batch = new ArrayList<Entry>(batchMax);
        for (boolean more = true; more; ) {
            batch.clear();
            while (batch.size() < batchMax && (more = cursor.next())) {
                var entry = Entry.decode(dir, cursor.value(), -1);
                if (entry.pos() != cursor.key().second())
                    throw Inode.damaged(dir, "entry at %d says %d".formatted(cursor.key().second(), entry.pos()));
                batch.add(entry);
            }
            for (var entry : batch) {
                tx.lockInode(entry.ino(), LockMode.READ);
                tx.want(Keys.inode(entry.ino()));
            }
            for (var entry : batch) {
                // A name without an inode would be damage; the listing goes on, and using the name tells.
                var inode = Inodes.loadOrNull(tx, entry.ino());
                if (!sink.entry(entry.ino(), entry.type(), entry.pos(), entry.name(), inode)) return;
            }
        }
    }

    private Directories() {}
}
