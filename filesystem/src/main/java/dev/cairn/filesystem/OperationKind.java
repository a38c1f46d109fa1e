package dev.cairn.filesystem;

import dev.cairn.transaction.Operation.Hold;

/// What each call of [FileSystem] does to space (section 6 of the map): the one table that says which calls an almost full
/// volume refuses. What may free space must never fail for lack of it, and rename must not either: it is how programs
/// replace files safely.
public enum OperationKind {
    LOOKUP(Hold.READ), GETATTR(Hold.READ), READLINK(Hold.READ), READDIR(Hold.READ), GETXATTR(Hold.READ),
    LISTXATTR(Hold.READ), STATFS(Hold.READ), READ(Hold.READ), LSEEK(Hold.READ), WALK_INODES(Hold.READ),
    INO_PATH(Hold.READ), PLAN_COPY(Hold.READ), NEXT_ORPHAN(Hold.READ),

    SETATTR(Hold.MODIFY), TRUNCATE(Hold.MODIFY), UNLINK(Hold.MODIFY), RMDIR(Hold.MODIFY), RENAME(Hold.MODIFY),
    REMOVEXATTR(Hold.MODIFY), PUNCH(Hold.MODIFY), DELETE_ORPHAN(Hold.MODIFY),
    /// What follows the I/O of a write. Its blocks are the caller's already, the bytes are on the device: refusing it now
    /// would only lose them.
    FINISH_WRITE(Hold.MODIFY), ABANDON_WRITE(Hold.MODIFY),
    /// Who reads does not expect to be refused; on a full volume it is not tried.
    NOTE_ACCESS(Hold.MODIFY),
    /// A hole in the copy of a file.
    COPY_HOLE(Hold.MODIFY),
    /// Changes no item; it is the first half of a punch, which must not be refused.
    PLAN_ZERO(Hold.MODIFY),

    FORMAT(Hold.ALLOCATE), CREATE(Hold.ALLOCATE), TMPFILE(Hold.ALLOCATE), MKNOD(Hold.ALLOCATE), MKDIR(Hold.ALLOCATE), SYMLINK(Hold.ALLOCATE),
    LINK(Hold.ALLOCATE), RENAME_WHITEOUT(Hold.ALLOCATE), SETXATTR(Hold.ALLOCATE), FALLOCATE(Hold.ALLOCATE),
    /// What a file has already is overwritten as long as anybody likes, also where the kernel has kept the pages of a mapping.
    PLAN_WRITE(Hold.MAY_ALLOCATE);

    private final Hold hold;

    OperationKind(Hold hold) {
        this.hold = hold;
    }

    public Hold hold() {
        return hold;
    }

    /// What leaves a new inode behind needs room.
    public static OperationKind ofRename(int flags) {
        return (flags & FileSystem.RENAME_WHITEOUT) != 0 ? RENAME_WHITEOUT : RENAME;
    }

    /// PUNCH for the fallocate modes that free blocks and never allocate.
    public static OperationKind ofFallocate(int mode) {
        return (mode & FileSystem.FALLOC_PUNCH_HOLE) != 0 ? PUNCH : FALLOCATE;
    }
}
