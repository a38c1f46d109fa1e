package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.filesystem.Caller;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.Inode;
import dev.cairn.filesystem.OperationKind;
import dev.cairn.filesystem.Outcome;
import dev.cairn.filesystem.SetAttr;
import dev.cairn.filesystem.Time;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Tx;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// From opcode to [FileSystem] call: what each request asks, and what its reply is made of. READ, WRITE and copies,
/// which go beyond one operation, are [FuseRequest]'s own.
final class RequestDecoder {
    private static final int O_EXCL = 0200;
    /// Names are at least 8 bytes as a directory entry pads them; what is usual is longer, but too large a guess costs
    /// only fetching ahead.
    private static final int DIRENT_BYTES_USUAL = 40;
    private static final byte[] ACL_PREFIX = "system.posix_acl_".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] TRUSTED_PREFIX = "trusted.".getBytes(StandardCharsets.US_ASCII);

    private RequestDecoder() {}

    /// What the request does to space; null for an opcode that is not served. ENOSYS is an answer that the kernel
    /// remembers for most opcodes, so it is asked once.
    ///
    /// * ACCESS: the kernel checks modes itself (default_permissions).
    /// * GETLK, SETLK, SETLKW: locks are the kernel's, see [InitNegotiation]. POLL: files are always ready.
    /// * BMAP, SETUPMAPPING, REMOVEMAPPING: for things that Cairn is not.
    static OperationKind kind(RequestSlot request) {
        return switch (request.opcode) {
            case LOOKUP -> OperationKind.LOOKUP;
            case GETATTR, STATX -> OperationKind.GETATTR;
            case SETATTR -> request.has(4) && (request.argU32(SETATTR_VALID) & FATTR_SIZE) != 0
                    ? OperationKind.TRUNCATE : OperationKind.SETATTR;
            case READLINK -> OperationKind.READLINK;
            case SYMLINK -> OperationKind.SYMLINK;
            case MKNOD -> OperationKind.MKNOD;
            case MKDIR -> OperationKind.MKDIR;
            case UNLINK -> OperationKind.UNLINK;
            case RMDIR -> OperationKind.RMDIR;
            case RENAME -> OperationKind.RENAME;
            case RENAME2 -> OperationKind.ofRename(request.has(RENAME2_BYTES) ? request.argU32(RENAME2_FLAGS) : 0);
            case LINK -> OperationKind.LINK;
            case CREATE -> OperationKind.CREATE;
            case TMPFILE -> OperationKind.TMPFILE;
            case STATFS -> OperationKind.STATFS;
            case SETXATTR -> OperationKind.SETXATTR;
            case GETXATTR -> OperationKind.GETXATTR;
            case LISTXATTR -> OperationKind.LISTXATTR;
            case REMOVEXATTR -> OperationKind.REMOVEXATTR;
            case READDIR, READDIRPLUS -> OperationKind.READDIR;
            case FALLOCATE -> OperationKind.ofFallocate(request.has(FALLOCATE_BYTES) ? request.argU32(FALLOCATE_MODE) : 0);
            case LSEEK -> OperationKind.LSEEK;
            case IOCTL -> OperationKind.WALK_INODES;
            default -> null;
        };
    }

    static void run(FuseRequest r, FuseSession session, Tx tx) {
        var fs = session.fileSystem;
        switch (r.opcode) {
            case LOOKUP -> {
                var inode = fs.find(tx, r.node, r.name(0));
                r.absent = inode == null;
                if (inode != null) r.entryReply(inode);
            }
            case GETATTR -> r.attributesReply(fs.getattr(tx, r.node));
            case STATX -> r.bodyBytes = session.encoder.statxReply(r.out, r.bodyAt(), fs.getattr(tx, r.node));
            case SETATTR -> setattr(r, fs, tx);
            case READLINK -> r.bytesReply(fs.readlink(tx, r.node));
            case SYMLINK -> {
                var name = r.name(0);
                r.entryReply(fs.symlink(tx, r.node, name, r.name(name.length + 1), new Caller(r.uid, r.gid, 0), r.now));
            }
            case MKNOD -> {
                r.need(MKNOD_BYTES);
                r.entryReply(fs.mknod(tx, r.node, r.name(MKNOD_BYTES), r.argU32(MKNOD_MODE), r.argU32(MKNOD_RDEV),
                        caller(r, session, MKNOD_UMASK), r.now));
            }
            case MKDIR -> {
                r.need(MKDIR_BYTES);
                r.entryReply(fs.mkdir(tx, r.node, r.name(MKDIR_BYTES), r.argU32(MKDIR_MODE),
                        caller(r, session, MKDIR_UMASK), r.now));
            }
            case CREATE -> create(r, session, tx);
            case TMPFILE -> {
                r.need(CREATE_BYTES);
                var inode = session.fileSystem.tmpfile(tx, r.node, r.argU32(CREATE_MODE),
                        caller(r, session, CREATE_UMASK), r.now);
                // From now on it is what an unlinked file is: deleted when the kernel forgets it.
                r.unlinked = inode.ino;
                r.entryReply(inode);
                r.bodyBytes += r.openReply(ENTRY_BYTES, session.openedAs(r.argU32(CREATE_FLAGS)));
            }
            case LINK -> {
                r.need(LINK_BYTES);
                var inode = fs.link(tx, r.argU64(LINK_OLD_NODE), r.node, r.name(LINK_BYTES), r.now);
                r.linked = inode.ino;
                r.entryReply(inode);
            }
            case UNLINK -> lost(r, fs.unlink(tx, r.node, r.name(0), r.now));
            case RMDIR -> lost(r, fs.rmdir(tx, r.node, r.name(0), r.now));
            case RENAME -> rename(r, fs, tx, RENAME_BYTES, 0, false);
            case RENAME2 -> {
                r.need(RENAME2_BYTES);
                rename(r, fs, tx, RENAME2_BYTES, r.argU32(RENAME2_FLAGS), session.negotiated().has(POSIX_ACL));
            }
            case STATFS -> r.bodyBytes = ReplyEncoder.statfs(r.out, r.bodyAt(), fs.statfs(tx));
            case SETXATTR -> setxattr(r, session, tx);
            case GETXATTR -> {
                r.need(GETXATTR_BYTES);
                sized(r, fs.getxattr(tx, r.node, attribute(r, session, GETXATTR_BYTES)));
            }
            case LISTXATTR -> {
                r.need(GETXATTR_BYTES);
                var names = fs.listxattr(tx, r.node);
                if (r.uid != 0) names = without(TRUSTED_PREFIX, names);
                sized(r, session.negotiated().has(POSIX_ACL) ? names : without(ACL_PREFIX, names));
            }
            case REMOVEXATTR -> fs.removexattr(tx, r.node, attribute(r, session, 0), r.now);
            case READDIR, READDIRPLUS -> {
                boolean plus = r.opcode == READDIRPLUS;
                r.need(IO_BYTES);
                int size = r.argU32(IO_SIZE);
                if (size < 0) throw Errno.EINVAL.failure();
                r.beginListing(plus, size);
                fs.readdir(tx, r.node, r.argU64(IO_OFFSET), plus,
                        Math.min(size, FuseRequest.BODY_BYTES_MAX) / (DIRENT_BYTES_USUAL + (plus ? ENTRY_BYTES : 0)) + 1, r);
            }
            case FALLOCATE -> {
                r.need(FALLOCATE_BYTES);
                long length = r.argU64(FALLOCATE_LENGTH) - r.progress;
                r.stepBytes = fs.fallocate(tx, r.node, r.argU32(FALLOCATE_MODE), r.argU64(FALLOCATE_OFFSET) + r.progress,
                        length, r.plan, r.now, r.byRoot() ? null : r);
                r.outcome = r.stepBytes < length ? Outcome.AGAIN : Outcome.DONE;
            }
            case LSEEK -> {
                r.need(LSEEK_BYTES);
                int whence = r.argU32(LSEEK_WHENCE);
                // SEEK_SET, SEEK_CUR and SEEK_END are the kernel's.
                if (whence != SEEK_DATA && whence != SEEK_HOLE) throw Errno.EINVAL.failure();
                r.out.set(U64, r.bodyAt(), fs.lseek(tx, r.node, r.argU64(LSEEK_OFFSET), whence));
                r.bodyBytes = LSEEK_OUT_BYTES;
            }
            case IOCTL -> AdminService.ioctl(r, session, tx);
            default -> throw new IllegalStateException("opcode " + r.opcode + " has a kind but no call");
        }
    }

    /// The kernel has applied the umask unless it was told not to.
    private static Caller caller(FuseRequest r, FuseSession session, int umaskAt) {
        int umask = session.negotiated().has(DONT_MASK) ? r.argU32(umaskAt) & 0777 : 0;
        return new Caller(r.uid, r.gid, umask, session.negotiated().has(POSIX_ACL));
    }

    private static void create(FuseRequest r, FuseSession session, Tx tx) {
        r.need(CREATE_BYTES);
        var name = r.name(CREATE_BYTES);
        Inode inode;
        try {
            inode = session.fileSystem.create(tx, r.node, name, r.argU32(CREATE_MODE),
                    caller(r, session, CREATE_UMASK), r.now);
        } catch (Errno.Failure e) {
            // Somebody else was faster, and the caller does not mind. ESTALE makes the kernel look the name up and open
            // what is there, if it is no regular file: the reply to CREATE can only be one.
            if (e.errno() != Errno.EEXIST || (r.argU32(CREATE_FLAGS) & O_EXCL) != 0) throw e;
            inode = session.fileSystem.lookup(tx, r.node, name);
            if (!inode.isRegular()) throw Errno.ESTALE.failure();
        }
        r.entryReply(inode);
        r.bodyBytes += r.openReply(ENTRY_BYTES, session.openedAs(r.argU32(CREATE_FLAGS)));
    }

    private static void setattr(FuseRequest r, FileSystem fs, Tx tx) {
        r.need(SETATTR_BYTES);
        int valid = r.argU32(SETATTR_VALID);
        // chown(-1, -1) arrives as a change of nothing; it takes suid and sgid away as any chown does.
        boolean emptyChown = (valid & FATTR_ATTRIBUTES) == 0;
        var change = new SetAttr(
                (valid & FATTR_MODE) == 0 ? null : r.argU32(SETATTR_MODE) & Inode.PERMISSIONS,
                (valid & FATTR_UID) == 0 ? null : r.argU32(SETATTR_UID),
                (valid & FATTR_GID) == 0 ? null : r.argU32(SETATTR_GID),
                (valid & FATTR_SIZE) == 0 ? null : r.argU64(SETATTR_SIZE),
                time(r, valid, FATTR_ATIME, FATTR_ATIME_NOW, SETATTR_ATIME, SETATTR_ATIME_NSEC),
                time(r, valid, FATTR_MTIME, FATTR_MTIME_NOW, SETATTR_MTIME, SETATTR_MTIME_NSEC),
                time(r, valid, FATTR_CTIME, 0, SETATTR_CTIME, SETATTR_CTIME_NSEC),
                emptyChown || (valid & FATTR_KILL_SUIDGID) != 0 ? r : null,
                // O_TRUNC comes without a handle, too, but to no other size than 0.
                (valid & (FATTR_SIZE | FATTR_FH)) == FATTR_SIZE && r.argU64(SETATTR_SIZE) != 0);
        r.outcome = fs.setattr(tx, r.node, change, r.now);
        if (r.outcome == Outcome.AGAIN) return;
        var inode = fs.getattr(tx, r.node);
        if (change.size() != null && inode.truncating()) r.truncated = inode.ino;
        r.attributesReply(inode);
    }

    private static Time time(FuseRequest r, int valid, int set, int setNow, int at, int nsecAt) {
        if ((valid & setNow) != 0) return r.now;
        if ((valid & set) == 0) return null;
        int nsec = r.argU32(nsecAt);
        if (nsec < 0 || nsec > 999_999_999) throw Errno.EINVAL.failure();
        return new Time(r.argU64(at), nsec);
    }

    private static void rename(FuseRequest r, FileSystem fs, Tx tx, int namesAt, int flags, boolean acls) {
        r.need(namesAt);
        var from = r.name(namesAt);
        var to = r.name(namesAt + from.length + 1);
        long toDir = r.argU64(RENAME_NEW_DIR);
        var replaced = fs.rename(tx, r.node, from, toDir, to, flags, new Caller(r.uid, r.gid, 0, acls), r.now);
        if (replaced != null) lost(r, replaced);
        if (toDir == r.node) return;
        r.moved = directoryNumber(fs.lookup(tx, toDir, to));
        if ((flags & FileSystem.RENAME_EXCHANGE) != 0) r.movedBack = directoryNumber(fs.lookup(tx, r.node, from));
    }

    private static long directoryNumber(Inode inode) {
        return inode.isDirectory() ? inode.ino : 0;
    }

    private static void lost(FuseRequest r, Inode inode) {
        if (inode.nlink == 0) r.unlinked = inode.ino;
    }

    // ---- extended attributes

    private static void setxattr(FuseRequest r, FuseSession session, Tx tx) {
        int nameAt = session.negotiated().has(SETXATTR_EXT) ? SETXATTR_BYTES : SETXATTR_COMPAT_BYTES;
        r.need(nameAt);
        var name = attribute(r, session, nameAt);
        int size = r.argU32(SETXATTR_SIZE);
        if (size < 0 || size > FileSystem.XATTR_BYTES_MAX) throw Errno.E2BIG.failure();
        boolean killSgid = nameAt == SETXATTR_BYTES && (r.argU32(SETXATTR_EXT_FLAGS) & SETXATTR_ACL_KILL_SGID) != 0;
        session.fileSystem.setxattr(tx, r.node, name, r.bytes(nameAt + name.length + 1, size), r.argU32(SETXATTR_FLAGS),
                killSgid, r.now);
    }

    /// ACLs are refused while POSIX_ACL is not negotiated: kept but not enforced they would promise what is not held.
    private static byte[] attribute(FuseRequest r, FuseSession session, int at) {
        var name = r.name(at);
        if (startsWith(name, 0, ACL_PREFIX) && !session.negotiated().has(POSIX_ACL)) throw Errno.EOPNOTSUPP.failure();
        return name;
    }

    /// A caller asks with size 0 how large the value is.
    private static void sized(FuseRequest r, byte[] value) {
        int size = r.argU32(GETXATTR_SIZE);
        if (size == 0) {
            r.out.set(U64, r.bodyAt(), value.length);
            r.bodyBytes = GETXATTR_OUT_BYTES;
        } else if (Integer.compareUnsigned(size, value.length) < 0) throw Errno.ERANGE.failure();
        else r.bytesReply(value);
    }

    /// Names that begin with `trusted.` are seen by root alone, as on other file systems, and ACLs where they count.
    private static byte[] without(byte[] prefix, byte[] names) {
        var kept = new byte[names.length];
        int length = 0;
        for (int at = 0, next; at < names.length; at = next) {
            next = at;
            while (next < names.length && names[next] != 0) next++;
            next = Math.min(next + 1, names.length);
            if (startsWith(names, at, prefix)) continue;
            System.arraycopy(names, at, kept, length, next - at);
            length += next - at;
        }
        return length == names.length ? names : Arrays.copyOf(kept, length);
    }

    private static boolean startsWith(byte[] name, int at, byte[] prefix) {
        return name.length - at >= prefix.length
                && Arrays.equals(name, at, at + prefix.length, prefix, 0, prefix.length);
    }
}
