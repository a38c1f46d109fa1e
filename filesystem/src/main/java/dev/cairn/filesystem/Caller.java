package dev.cairn.filesystem;

/// Who makes a call, as far as new inodes care: permissions are checked by the kernel (default_permissions).
///
/// @param uid   unsigned 32 bits, as are the others
/// @param umask taken off the mode of what is created, unless its directory has a default ACL; 0 when the kernel has
///              done so already
/// @param acls  default ACLs count; otherwise (`noacl`) what is created has only a mode
public record Caller(int uid, int gid, int umask, boolean acls) {
    public static final Caller ROOT = new Caller(0, 0, 0);

    public Caller(int uid, int gid, int umask) {
        this(uid, gid, umask, true);
    }
}
