package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EACCES;
import static dev.cairn.transaction.Errno.EOPNOTSUPP;

import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Tx;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// ACLs of inodes. They are kept as xattrs, and the mode is kept in step: its group bits are the access ACL's mask. An
/// access ACL that says no more than the mode is not kept at all. The kernel checks them; who stores them changes them.
///
/// Nothing here stores an inode: the caller does.
final class Acls {
    static final byte[] ACCESS = "system.posix_acl_access".getBytes(StandardCharsets.US_ASCII),
            DEFAULT = "system.posix_acl_default".getBytes(StandardCharsets.US_ASCII);

    static boolean isAcl(byte[] name) {
        return Arrays.equals(name, ACCESS) || Arrays.equals(name, DEFAULT);
    }

    static boolean isAccess(byte[] name) {
        return Arrays.equals(name, ACCESS);
    }

    /// What setting this xattr amounts to: changes the mode, and answers the value to keep, or null for none.
    static byte[] set(Inode inode, byte[] name, byte[] value) {
        if (inode.isSymlink()) throw EOPNOTSUPP.failure();
        var acl = Acl.parse(value);
        if (Arrays.equals(name, DEFAULT)) {
            if (!inode.isDirectory()) throw EACCES.failure();
            return acl == null ? null : acl.bytes();
        }
        if (acl == null) return null;
        inode.mode = acl.applyTo(inode.mode);
        return acl.isMode() ? null : acl.bytes();
    }

    /// After a change of the mode's permissions.
    static void followMode(Tx tx, Inode inode) {
        var acl = stored(tx, inode, ACCESS);
        if (acl == null) return;
        acl.follow(inode.mode);
        Xattrs.put(tx, inode, ACCESS, acl.bytes());
    }

    /// Gives a new inode, whose mode is what its maker asked for, the permissions it is to have: the directory's default
    /// ACL has its way, and without one the umask.
    static void inherit(Tx tx, Inode dir, Inode inode, Caller caller) {
        if (inode.isSymlink()) return;
        var acl = caller.acls() ? stored(tx, dir, DEFAULT) : null;
        if (acl == null) {
            inode.mode &= ~caller.umask();
            return;
        }
        if (inode.isDirectory()) Xattrs.put(tx, inode, DEFAULT, acl.bytes());
        acl.limit(inode.mode);
        inode.mode = acl.applyTo(inode.mode);
        if (!acl.isMode()) Xattrs.put(tx, inode, ACCESS, acl.bytes());
    }

    private static Acl stored(Tx tx, Inode inode, byte[] name) {
        byte[] value = Xattrs.valueOrNull(tx, inode, name);
        if (value == null) return null;
        try {
            return Acl.parse(value);
        } catch (Errno.Failure e) {
            throw Inode.damaged(inode.ino, "its %s of %d bytes is no ACL".formatted(new String(name, StandardCharsets.US_ASCII),
                    value.length));
        }
    }

    private Acls() {}
}
