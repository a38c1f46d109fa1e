package dev.cairn.filesystem;

/// What setattr is to change: null leaves an attribute alone. `*_NOW` is said by passing the present.
///
/// Build one with the withers: `SetAttr.NONE.mode(0644).size(0)`.
///
/// @param mode     permission bits (07777); the file type is not changed by it
/// @param size     of a regular file
/// @param ctime    normally null: then every change sets it to the call's `now`
/// @param killPriv FUSE_HANDLE_KILLPRIV_V2: clear suid and sgid; null: do not
public record SetAttr(Integer mode, Integer uid, Integer gid, Long size, Time atime, Time mtime, Time ctime,
        KillPriv killPriv) {
    public static final SetAttr NONE = new SetAttr(null, null, null, null, null, null, null, null);

    boolean onlyTakesPrivileges() {
        return killPriv != null && equals(NONE.killPriv(killPriv));
    }

    public SetAttr mode(int to) {
        return new SetAttr(to, uid, gid, size, atime, mtime, ctime, killPriv);
    }

    public SetAttr uid(int to) {
        return new SetAttr(mode, to, gid, size, atime, mtime, ctime, killPriv);
    }

    public SetAttr gid(int to) {
        return new SetAttr(mode, uid, to, size, atime, mtime, ctime, killPriv);
    }

    public SetAttr size(long to) {
        return new SetAttr(mode, uid, gid, to, atime, mtime, ctime, killPriv);
    }

    public SetAttr atime(Time to) {
        return new SetAttr(mode, uid, gid, size, to, mtime, ctime, killPriv);
    }

    public SetAttr mtime(Time to) {
        return new SetAttr(mode, uid, gid, size, atime, to, ctime, killPriv);
    }

    public SetAttr ctime(Time to) {
        return new SetAttr(mode, uid, gid, size, atime, mtime, to, killPriv);
    }

    public SetAttr killPriv(KillPriv by) {
        return new SetAttr(mode, uid, gid, size, atime, mtime, ctime, by);
    }
}
