package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EINVAL;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// A POSIX access control list, in the bytes of its xattr (linux/posix_acl_xattr.h), little-endian:
///
///      0  u32  version   2
///      4       entries   u16 tag, u16 permissions (rwx), u32 id of a named user or group, otherwise ignored
///
/// Entries come in the order of their tags: the owner, named users, the group, named groups, the mask, the others; a mask
/// there has to be as soon as anybody is named. What [#parse] accepts, the kernel does too.
///
/// One operation's own copy: the methods that change it are for its holder alone.
final class Acl {
    static final int USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32;
    private static final int VERSION = 2, HEADER_BYTES = 4, ENTRY_BYTES = 8, TAG_AT = 0, PERMISSIONS_AT = 2;
    private static final int RWX = 7, ALL = 0777;
    private static final int ABSENT = -1;
    private static final VarHandle U16 = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U32 = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private final byte[] bytes;
    private int userAt = ABSENT, groupAt = ABSENT, maskAt = ABSENT, otherAt = ABSENT;

    private Acl(byte[] bytes) {
        this.bytes = bytes;
    }

    /// Null for a list without entries, which means to have none. EINVAL for what is no list.
    static Acl parse(byte[] value) {
        if (value.length < HEADER_BYTES || (value.length - HEADER_BYTES) % ENTRY_BYTES != 0 || (int) U32.get(value, 0) != VERSION)
            throw EINVAL.failure();
        if (value.length == HEADER_BYTES) return null;
        var acl = new Acl(value.clone());
        int before = 0;
        boolean names = false;
        for (int at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
            int tag = acl.tag(at);
            if ((acl.permissions(at) & ~RWX) != 0) throw EINVAL.failure();
            // Of named users and groups there may be many.
            if (tag < before || tag == before && tag != USER && tag != GROUP) throw EINVAL.failure();
            before = tag;
            switch (tag) {
                case USER_OBJ -> acl.userAt = at;
                case GROUP_OBJ -> acl.groupAt = at;
                case MASK -> acl.maskAt = at;
                case OTHER -> acl.otherAt = at;
                case USER, GROUP -> names = true;
                default -> throw EINVAL.failure();
            }
        }
        if (acl.userAt == ABSENT || acl.groupAt == ABSENT || acl.otherAt == ABSENT || names && acl.maskAt == ABSENT)
            throw EINVAL.failure();
        return acl;
    }

    byte[] bytes() {
        return bytes.clone();
    }

    private int tag(int at) {
        return (short) U16.get(bytes, at + TAG_AT) & 0xffff;
    }

    private int permissions(int at) {
        return (short) U16.get(bytes, at + PERMISSIONS_AT) & 0xffff;
    }

    private void permissions(int at, int to) {
        U16.set(bytes, at + PERMISSIONS_AT, (short) (to & RWX));
    }

    /// What the group bits of the mode stand for: the mask, if there is one.
    private int groupClassAt() {
        return maskAt != ABSENT ? maskAt : groupAt;
    }

    /// Says no more than nine permission bits do.
    boolean isMode() {
        return maskAt == ABSENT;
    }

    /// A mode whose permissions are what this list says.
    int applyTo(int mode) {
        return mode & ~ALL | permissions(userAt) << 6 | permissions(groupClassAt()) << 3 | permissions(otherAt);
    }

    /// chmod: the list says what the mode does.
    void follow(int mode) {
        permissions(userAt, mode >> 6);
        permissions(groupClassAt(), mode >> 3);
        permissions(otherAt, mode);
    }

    /// What a default list becomes for something made with `mode`: nobody gets more than the maker asked for.
    void limit(int mode) {
        permissions(userAt, permissions(userAt) & mode >> 6);
        permissions(groupClassAt(), permissions(groupClassAt()) & mode >> 3);
        permissions(otherAt, permissions(otherAt) & mode);
    }
}
