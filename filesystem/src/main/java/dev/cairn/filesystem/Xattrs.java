package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.E2BIG;
import static dev.cairn.transaction.Errno.EEXIST;
import static dev.cairn.transaction.Errno.EINVAL;
import static dev.cairn.transaction.Errno.ENODATA;
import static dev.cairn.transaction.Errno.ENOSPC;
import static dev.cairn.transaction.Errno.EOPNOTSUPP;
import static dev.cairn.transaction.Errno.ERANGE;

import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;
import java.io.ByteArrayOutputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Extended attributes. The bytes of one, cut into items of at most [Item#VALUE_BYTES_MAX] (part 0, 1, …):
///
///      0  u8   version
///      1  u8   length of the name
///      2  u16  length of the value
///      4  u64  id               never reused within the inode
///     12       name, value
final class Xattrs {
    private static final int VERSION = 1;
    private static final int VERSION_AT = 0, NAME_LENGTH_AT = 1, VALUE_LENGTH_AT = 2, ID_AT = 4, NAME_AT = 12;
    private static final int PART_BYTES = Item.VALUE_BYTES_MAX;
    private static final int NAME_BYTES_MAX = 255;
    private static final VarHandle U16 = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private static final byte[][] PREFIXES = {bytes("user."), bytes("trusted."), bytes("security.")};
    /// What a program may do with more than its user's rights: for the contents that it had when that was said.
    private static final byte[] CAPABILITY = bytes("security.capability");

    /// Where an attribute is: its hash, its number among those, and its first part.
    private record Place(long hash, long n, byte[] head) {}

    private static byte[] bytes(String ascii) {
        return ascii.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    }

    private static void check(byte[] name) {
        if (name.length == 0 || name.length > NAME_BYTES_MAX) throw ERANGE.failure();
        for (byte b : name) if (b == 0) throw EINVAL.failure();
        if (Acls.isAcl(name)) return;
        for (var prefix : PREFIXES) {
            if (name.length < prefix.length || Arrays.mismatch(name, 0, prefix.length, prefix, 0, prefix.length) >= 0)
                continue;
            if (name.length == prefix.length) throw EINVAL.failure();
            return;
        }
        throw EOPNOTSUPP.failure();
    }

    private static Place find(Tx tx, long ino, byte[] name) {
        long hash = NameHash.of(name);
        for (long n = 0; ; n++) {
            byte[] head = tx.get(Keys.xattr(ino, hash, n, 0));
            if (head == null) return null;
            checkHead(ino, head);
            int length = head[NAME_LENGTH_AT] & 0xff;
            if (Arrays.equals(head, NAME_AT, NAME_AT + length, name, 0, name.length)) return new Place(hash, n, head);
        }
    }

    private static void checkHead(long ino, byte[] head) {
        if (head.length < NAME_AT || head[VERSION_AT] != VERSION
                || head.length != Math.min(bytes(head), PART_BYTES) || head[NAME_LENGTH_AT] == 0)
            throw Inode.damaged(ino, "an xattr's first part of %d bytes is not plausible".formatted(head.length));
    }

    /// How long header, name and value are together.
    private static int bytes(byte[] head) {
        return NAME_AT + (head[NAME_LENGTH_AT] & 0xff) + ((short) U16.get(head, VALUE_LENGTH_AT) & 0xffff);
    }

    private static int parts(int bytes) {
        return (bytes + PART_BYTES - 1) / PART_BYTES;
    }

    private static byte[] whole(Tx tx, long ino, Place place) {
        int total = bytes(place.head);
        for (int part = 1; part < parts(total); part++) tx.want(Keys.xattr(ino, place.hash, place.n, part));
        byte[] all = Arrays.copyOf(place.head, total);
        for (int part = 1, at = PART_BYTES; at < total; part++, at += PART_BYTES) {
            byte[] value = tx.get(Keys.xattr(ino, place.hash, place.n, part));
            int expected = Math.min(PART_BYTES, total - at);
            if (value == null || value.length != expected)
                throw Inode.damaged(ino, "part %d of an xattr has %s bytes, expected %d".formatted(part,
                        value == null ? "no" : value.length, expected));
            System.arraycopy(value, 0, all, at, expected);
        }
        return all;
    }

    private static void put(Tx tx, long ino, long hash, long n, byte[] all, int oldParts) {
        for (int part = 0, at = 0; at < all.length; part++, at += PART_BYTES) {
            byte[] value = Arrays.copyOfRange(all, at, Math.min(at + PART_BYTES, all.length));
            if (part < oldParts) tx.put(Keys.xattr(ino, hash, n, part), value);
            else tx.create(Keys.xattr(ino, hash, n, part), value);
        }
    }

    private static void deleteParts(Tx tx, long ino, long hash, long n, int from, int to) {
        for (int part = from; part < to; part++) tx.delete(Keys.xattr(ino, hash, n, part));
    }

    static byte[] get(Tx tx, long ino, byte[] name) {
        check(name);
        tx.lockInode(ino, LockMode.READ);
        byte[] value = valueOrNull(tx, Inodes.load(tx, ino), name);
        if (value == null) throw ENODATA.failure();
        return value;
    }

    static void set(Tx tx, long ino, byte[] name, byte[] value, int flags, boolean killSgid, Time now) {
        boolean create = (flags & FileSystem.XATTR_CREATE) != 0, replace = (flags & FileSystem.XATTR_REPLACE) != 0;
        if ((flags & ~(FileSystem.XATTR_CREATE | FileSystem.XATTR_REPLACE)) != 0) throw EINVAL.failure();
        check(name);
        if (value.length > FileSystem.XATTR_BYTES_MAX) throw E2BIG.failure();
        tx.lockInode(ino, LockMode.WRITE);
        var inode = Inodes.load(tx, ino);
        var old = inode.xattrs == 0 ? null : find(tx, ino, name);
        if (old != null && create) throw EEXIST.failure();
        if (old == null && replace) throw ENODATA.failure();
        if (Acls.isAcl(name)) {
            value = Acls.set(inode, name, value);
            // A default ACL changes nothing of the directory itself.
            if (killSgid && Acls.isAccess(name)) inode.mode &= ~Inode.S_ISGID;
        }
        if (value != null) put(tx, inode, old, name, value);
        else if (old != null) remove(tx, inode, old);
        inode.changed(now);
        Inodes.store(tx, inode);
    }

    // What follows changes the inode's counts; storing it is the caller's, and so is the lock.

    /// Sets a value, new or not.
    static void put(Tx tx, Inode inode, byte[] name, byte[] value) {
        put(tx, inode, inode.xattrs == 0 ? null : find(tx, inode.ino, name), name, value);
    }

    private static void put(Tx tx, Inode inode, Place old, byte[] name, byte[] value) {
        long ino = inode.ino, hash = NameHash.of(name), n, id;
        int oldParts = 0;
        if (old != null) {
            n = old.n;
            id = (long) U64.get(old.head, ID_AT);
            oldParts = parts(bytes(old.head));
        } else {
            if (inode.xattrs == Integer.MAX_VALUE) throw ENOSPC.failure();
            for (n = 0; inode.xattrs > 0 && tx.get(Keys.xattr(ino, hash, n, 0)) != null; ) n++;
            id = inode.nextXattrId++;
            inode.xattrs++;
        }
        var all = new byte[NAME_AT + name.length + value.length];
        all[VERSION_AT] = VERSION;
        all[NAME_LENGTH_AT] = (byte) name.length;
        U16.set(all, VALUE_LENGTH_AT, (short) value.length);
        U64.set(all, ID_AT, id);
        System.arraycopy(name, 0, all, NAME_AT, name.length);
        System.arraycopy(value, 0, all, NAME_AT + name.length, value.length);
        put(tx, ino, hash, n, all, oldParts);
        deleteParts(tx, ino, hash, n, parts(all.length), oldParts);
    }

    /// The value of an attribute, or null when there is none.
    static byte[] valueOrNull(Tx tx, Inode inode, byte[] name) {
        var place = inode.xattrs == 0 ? null : find(tx, inode.ino, name);
        if (place == null) return null;
        byte[] all = whole(tx, inode.ino, place);
        return Arrays.copyOfRange(all, NAME_AT + name.length, all.length);
    }

    /// New contents or a new owner take capabilities away, as they do set-user-id.
    static void dropCapability(Tx tx, Inode inode) {
        var place = inode.xattrs == 0 ? null : find(tx, inode.ino, CAPABILITY);
        if (place != null) remove(tx, inode, place);
    }

    static void remove(Tx tx, long ino, byte[] name, Time now) {
        check(name);
        tx.lockInode(ino, LockMode.WRITE);
        var inode = Inodes.load(tx, ino);
        var place = inode.xattrs == 0 ? null : find(tx, ino, name);
        // To have no ACL is what was wanted: other file systems say so too.
        if (place == null && Acls.isAcl(name)) return;
        if (place == null) throw ENODATA.failure();
        remove(tx, inode, place);
        inode.changed(now);
        Inodes.store(tx, inode);
    }

    private static void remove(Tx tx, Inode inode, Place place) {
        long ino = inode.ino;
        deleteParts(tx, ino, place.hash, place.n, 0, parts(bytes(place.head)));
        // The numbers of equal hashes have no gaps: the last one takes the place of the one that goes.
        Place last = null;
        for (long n = place.n + 1; ; n++) {
            byte[] head = tx.get(Keys.xattr(ino, place.hash, n, 0));
            if (head == null) break;
            checkHead(ino, head);
            last = new Place(place.hash, n, head);
        }
        if (last != null) {
            byte[] all = whole(tx, ino, last);
            deleteParts(tx, ino, last.hash, last.n, 0, parts(all.length));
            put(tx, ino, place.hash, place.n, all, 0);
        }
        inode.xattrs--;
    }

    static byte[] list(Tx tx, long ino) {
        tx.lockInode(ino, LockMode.READ);
        if (Inodes.load(tx, ino).xattrs == 0) return new byte[0];
        var names = new ByteArrayOutputStream();
        var cursor = tx.scan(Keys.xattr(ino, 0, 0, 0), Keys.xattr(ino, -1, -1, 0xff));
        while (cursor.next()) {
            if ((cursor.key().third() & 0xff) != 0) continue;
            byte[] head = cursor.value();
            checkHead(ino, head);
            names.write(head, NAME_AT, head[NAME_LENGTH_AT] & 0xff);
            names.write(0);
            if (names.size() > FileSystem.XATTR_LIST_BYTES_MAX) throw E2BIG.failure();
        }
        return names.toByteArray();
    }

    /// Deletes up to `limit` items of an inode's attributes, of an inode that is being deleted.
    /// @return how many were deleted; less than `limit` when nothing is left
    static int deleteItems(Tx tx, long ino, int limit) {
        var keys = items(tx, ino, limit);
        keys.forEach(tx::delete);
        return keys.size();
    }

    /// Deletes all of an inode that is about to go, unless that takes more than so many items: then none.
    static boolean deleteFew(Tx tx, long ino, int most) {
        var keys = items(tx, ino, most + 1);
        if (keys.size() > most) return false;
        keys.forEach(tx::delete);
        return true;
    }

    private static List<Key> items(Tx tx, long ino, int limit) {
        var cursor = tx.scan(Keys.xattr(ino, 0, 0, 0), Keys.xattr(ino, -1, -1, 0xff));
        var keys = new ArrayList<Key>();
        while (keys.size() < limit && cursor.next()) keys.add(cursor.key());
        return keys;
    }

    private Xattrs() {}
}
