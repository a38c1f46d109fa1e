package dev.cairn.filesystem;

/// What setattr is to change: null leaves an attribute alone. `*_NOW` is said by passing the present.
///
/// Build one with the withers: `SetAttr.NONE.mode(0644).size(0)`.
///
/// @param mode     permission bits (07777); the file type is not changed by it
/// @param size     of a regular file
/// @param ctime    normally null: then every change sets it to the call's `now`
/// @param killPriv FUSE_HANDLE_KILLPRIV_V2: clear suid and sgid; null: do not
/// @param byName   the size is given by truncate(2), which is no change when the file has it already; ftruncate(2) and O_TRUNC
///                 always are one
public record SetAttr(Integer mode, Integer uid, Integer gid, Long size, Time atime, Time mtime, Time ctime,
        KillPriv killPriv, boolean byName) {
    public static final SetAttr NONE = new SetAttr(null, null, null, null, null, null, null, null, false);

    boolean onlyTakesPrivileges() {
        return killPriv != null && equals(NONE.killPriv(killPriv));
    }

    boolean onlyTruncatesByName() {
        return byName && size != null && equals(NONE.size(size).killPriv(killPriv).byName(true));
    }

    public SetAttr mode(int to) {
        return new SetAttr(to, uid, gid, size, atime, mtime, ctime, killPriv, byName);
    }

    public SetAttr uid(int to) {
        return new SetAttr(mode, to, gid, size, atime, mtime, ctime, killPriv, byName);
    }

    public SetAttr gid(int to) {
        return new SetAttr(mode, uid, to, size, atime, mtime, ctime, killPriv, byName);
    }

    public SetAttr size(long to) {
        return new SetAttr(mode, uid, gid, to, atime, mtime, ctime, killPriv, byName);
    }

    public SetAttr atime(Time to) {
        return new SetAttr(mode, uid, gid, size, to, mtime, ctime, killPriv, byName);
    }

    public SetAttr mtime(Time to) {
        return new SetAttr(mode, uid, gid, size, atime, to, ctime, killPriv, byName);
    }

    public SetAttr ctime(Time to) {
        return new SetAttr(mode, uid, gid, size, atime, mtime, to, killPriv, byName);
    }

    public SetAttr killPriv(KillPriv by) {
        return new SetAttr(mode, uid, gid, size, atime, mtime, ctime, by, byName);
    }

    public SetAttr byName(boolean to) {
        return new SetAttr(mode, uid, gid, size, atime, mtime, ctime, killPriv, to);
    }
}
