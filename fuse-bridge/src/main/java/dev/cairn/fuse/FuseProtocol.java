package dev.cairn.fuse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Every number of the kernel's FUSE protocol that the bridge uses, as in `linux/fuse.h` of minor 7.45. Structs are in
/// the machine's byte order, which is little-endian wherever Cairn runs. Offsets of a request's arguments count from
/// the end of its header; those of a reply likewise.
final class FuseProtocol {
    static final int MAJOR = 7, MINOR_NEWEST = 45;
    /// Linux 5.4 (2019). Older kernels lack max_pages and zero-message opendir in one place or the other; what they have is
    /// not worth a second code path.
    static final int MINOR_OLDEST = 31;
    static final long ROOT_NODE = 1;

    static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    // struct fuse_in_header { u32 len, opcode; u64 unique, nodeid; u32 uid, gid, pid; u16 total_extlen, padding; }
    static final int IN_HEADER_BYTES = 40;
    static final int IN_LEN = 0, IN_OPCODE = 4, IN_UNIQUE = 8, IN_NODE = 16, IN_UID = 24, IN_GID = 28, IN_PID = 32,
            IN_EXTENSIONS = 36;
    // struct fuse_out_header { u32 len; i32 error; u64 unique; }
    static final int OUT_HEADER_BYTES = 16;
    static final int OUT_LEN = 0, OUT_ERROR = 4, OUT_UNIQUE = 8;

    /// A message that answers nothing: its header has the code as its error, and no unique number.
    static final int NOTIFY_INVAL_INODE = 2;
    static final int NOTIFY_INVAL_INODE_NODE = 0, NOTIFY_INVAL_INODE_OFFSET = 8, NOTIFY_INVAL_INODE_LENGTH = 16,
            NOTIFY_INVAL_INODE_BYTES = 24;

    static final int LOOKUP = 1, FORGET = 2, GETATTR = 3, SETATTR = 4, READLINK = 5, SYMLINK = 6, MKNOD = 8, MKDIR = 9,
            UNLINK = 10, RMDIR = 11, RENAME = 12, LINK = 13, OPEN = 14, READ = 15, WRITE = 16, STATFS = 17, RELEASE = 18,
            FSYNC = 20, SETXATTR = 21, GETXATTR = 22, LISTXATTR = 23, REMOVEXATTR = 24, FLUSH = 25, INIT = 26,
            OPENDIR = 27, READDIR = 28, RELEASEDIR = 29, FSYNCDIR = 30, GETLK = 31, SETLK = 32, SETLKW = 33, ACCESS = 34,
            CREATE = 35, INTERRUPT = 36, BMAP = 37, DESTROY = 38, IOCTL = 39, POLL = 40, NOTIFY_REPLY = 41,
            BATCH_FORGET = 42, FALLOCATE = 43, READDIRPLUS = 44, RENAME2 = 45, LSEEK = 46, COPY_FILE_RANGE = 47,
            SETUPMAPPING = 48, REMOVEMAPPING = 49, SYNCFS = 50, TMPFILE = 51, STATX = 52, COPY_FILE_RANGE_64 = 53;
    /// One more than the largest opcode known; larger ones share the name "unknown".
    static final int OPCODES = 54;

    private static final String[] NAMES = {null, "lookup", "forget", "getattr", "setattr", "readlink", "symlink", null,
        "mknod", "mkdir", "unlink", "rmdir", "rename", "link", "open", "read", "write", "statfs", "release", null, "fsync",
        "setxattr", "getxattr", "listxattr", "removexattr", "flush", "init", "opendir", "readdir", "releasedir",
        "fsyncdir", "getlk", "setlk", "setlkw", "access", "create", "interrupt", "bmap", "destroy", "ioctl", "poll",
        "notify_reply", "batch_forget", "fallocate", "readdirplus", "rename2", "lseek", "copy_file_range", "setupmapping",
        "removemapping", "syncfs", "tmpfile", "statx", "copy_file_range_64"};

    static String name(int opcode) {
        var name = opcode > 0 && opcode < OPCODES ? NAMES[opcode] : null;
        return name == null ? "unknown" : name;
    }

    // ---- rings: struct fuse_uring_req_header { char in_out[128], op_in[128]; struct fuse_uring_ent_in_out; }
    static final int RING_HEADER = 0, RING_ARGUMENTS = 128, RING_ARGUMENTS_BYTES_MAX = 128;
    // struct fuse_uring_ent_in_out { u64 flags, commit_id; u32 payload_sz, padding; u64 reserved; }
    static final int RING_COMMIT_ID = 264, RING_PAYLOAD_BYTES = 272, RING_HEADER_BYTES = 288;
    // struct fuse_uring_cmd_req { u64 flags, commit_id; u16 qid; u8 padding[6]; }, and its commands
    static final int RING_COMMAND_COMMIT_ID = 8, RING_COMMAND_QUEUE = 16;
    static final int RING_REGISTER = 1, RING_COMMIT_AND_FETCH = 2;

    // ---- INIT
    static final int INIT_IN_MAJOR = 0, INIT_IN_MINOR = 4, INIT_IN_MAX_READAHEAD = 8, INIT_IN_FLAGS = 12,
            INIT_IN_FLAGS2 = 16, INIT_IN_BYTES_MIN = 16, INIT_IN_BYTES_WITH_FLAGS2 = 20;
    static final int INIT_OUT_MAJOR = 0, INIT_OUT_MINOR = 4, INIT_OUT_MAX_READAHEAD = 8, INIT_OUT_FLAGS = 12,
            INIT_OUT_MAX_BACKGROUND = 16, INIT_OUT_CONGESTION = 18, INIT_OUT_MAX_WRITE = 20, INIT_OUT_TIME_GRAN = 24,
            INIT_OUT_MAX_PAGES = 28, INIT_OUT_MAP_ALIGNMENT = 30, INIT_OUT_FLAGS2 = 32, INIT_OUT_BYTES = 64;

    static final long ASYNC_READ = 1L, ATOMIC_O_TRUNC = 1L << 3, EXPORT_SUPPORT = 1L << 4, BIG_WRITES = 1L << 5,
            DONT_MASK = 1L << 6, AUTO_INVAL_DATA = 1L << 12, DO_READDIRPLUS = 1L << 13, READDIRPLUS_AUTO = 1L << 14,
            ASYNC_DIO = 1L << 15, WRITEBACK_CACHE = 1L << 16, NO_OPEN_SUPPORT = 1L << 17, PARALLEL_DIROPS = 1L << 18,
            POSIX_ACL = 1L << 20, ABORT_ERROR = 1L << 21, MAX_PAGES = 1L << 22, CACHE_SYMLINKS = 1L << 23,
            NO_OPENDIR_SUPPORT = 1L << 24, EXPLICIT_INVAL_DATA = 1L << 25, HANDLE_KILLPRIV_V2 = 1L << 28,
            SETXATTR_EXT = 1L << 29, INIT_EXT = 1L << 30, DIRECT_IO_ALLOW_MMAP = 1L << 36, OVER_IO_URING = 1L << 41;

    // ---- attributes: struct fuse_attr
    static final int ATTR_INO = 0, ATTR_SIZE = 8, ATTR_BLOCKS = 16, ATTR_ATIME = 24, ATTR_MTIME = 32, ATTR_CTIME = 40,
            ATTR_ATIME_NSEC = 48, ATTR_MTIME_NSEC = 52, ATTR_CTIME_NSEC = 56, ATTR_MODE = 60, ATTR_NLINK = 64,
            ATTR_UID = 68, ATTR_GID = 72, ATTR_RDEV = 76, ATTR_BLKSIZE = 80, ATTR_FLAGS = 84, ATTR_BYTES = 88;
    // struct fuse_entry_out: nodeid, generation, entry_valid, attr_valid, entry_valid_nsec, attr_valid_nsec, attr
    static final int ENTRY_NODE = 0, ENTRY_GENERATION = 8, ENTRY_VALID = 16, ENTRY_ATTR_VALID = 24,
            ENTRY_VALID_NSEC = 32, ENTRY_ATTR_VALID_NSEC = 36, ENTRY_ATTR = 40, ENTRY_BYTES = 128;
    // struct fuse_attr_out: attr_valid, attr_valid_nsec, dummy, attr
    static final int ATTR_OUT_VALID = 0, ATTR_OUT_VALID_NSEC = 8, ATTR_OUT_ATTR = 16, ATTR_OUT_BYTES = 104;

    // struct fuse_statx_in { u32 getattr_flags, reserved; u64 fh; u32 sx_flags, sx_mask; }
    // struct fuse_statx_out { u64 attr_valid; u32 attr_valid_nsec, flags; u64 spare[2]; struct statx stat; }
    static final int STATX_IN_BYTES = 24;
    static final int STATX_OUT_VALID = 0, STATX_OUT_VALID_NSEC = 8, STATX_OUT_STAT = 32, STATX_OUT_BYTES = 288;
    // struct statx of linux/stat.h
    static final int STX_MASK = 0, STX_BLKSIZE = 4, STX_NLINK = 16, STX_UID = 20, STX_GID = 24, STX_MODE = 28,
            STX_INO = 32, STX_SIZE = 40, STX_BLOCKS = 48, STX_ATIME = 64, STX_BTIME = 80, STX_CTIME = 96,
            STX_MTIME = 112, STX_RDEV_MAJOR = 128, STX_RDEV_MINOR = 132;
    static final int STATX_BASIC_STATS_AND_BTIME = 0xfff;

    // struct fuse_getattr_in { u32 flags, dummy; u64 fh; }
    static final int GETATTR_BYTES = 16;
    // struct fuse_setattr_in
    static final int SETATTR_VALID = 0, SETATTR_SIZE = 16, SETATTR_ATIME = 32, SETATTR_MTIME = 40, SETATTR_CTIME = 48,
            SETATTR_ATIME_NSEC = 56, SETATTR_MTIME_NSEC = 60, SETATTR_CTIME_NSEC = 64, SETATTR_MODE = 68,
            SETATTR_UID = 76, SETATTR_GID = 80, SETATTR_BYTES = 88;
    static final int FATTR_MODE = 1, FATTR_UID = 1 << 1, FATTR_GID = 1 << 2, FATTR_SIZE = 1 << 3, FATTR_ATIME = 1 << 4,
            FATTR_MTIME = 1 << 5, FATTR_FH = 1 << 6, FATTR_ATIME_NOW = 1 << 7, FATTR_MTIME_NOW = 1 << 8, FATTR_CTIME = 1 << 10,
            FATTR_KILL_SUIDGID = 1 << 11,
            FATTR_ATTRIBUTES = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME | FATTR_CTIME;

    // ---- names and files; a name follows the struct
    static final int MKNOD_MODE = 0, MKNOD_RDEV = 4, MKNOD_UMASK = 8, MKNOD_BYTES = 16;
    static final int MKDIR_MODE = 0, MKDIR_UMASK = 4, MKDIR_BYTES = 8;
    static final int RENAME_NEW_DIR = 0, RENAME_BYTES = 8;
    static final int RENAME2_NEW_DIR = 0, RENAME2_FLAGS = 8, RENAME2_BYTES = 16;
    static final int LINK_OLD_NODE = 0, LINK_BYTES = 8;
    static final int CREATE_FLAGS = 0, CREATE_MODE = 4, CREATE_UMASK = 8, CREATE_BYTES = 16;
    // struct fuse_open_out { u64 fh; u32 open_flags; i32 backing_id; }, after the entry in the reply to CREATE
    static final int OPEN_OUT_FLAGS = 8, OPEN_OUT_BYTES = 16;
    static final int FOPEN_DIRECT_IO = 1, FOPEN_KEEP_CACHE = 1 << 1, FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;
    // struct fuse_open_in { u32 flags, open_flags; }
    static final int OPEN_FLAGS = 0, OPEN_BYTES = 8;
    static final int O_DIRECT = System.getProperty("os.arch").equals("aarch64") ? 0200000 : 040000;

    // struct fuse_read_in and fuse_write_in { u64 fh, offset; u32 size, flags; u64 lock_owner; u32 open_flags, padding; }
    static final int IO_OFFSET = 8, IO_SIZE = 16, IO_FLAGS = 20, IO_OPEN_FLAGS = 32, IO_BYTES = 40;
    static final int O_NOATIME = 01000000, O_DSYNC = 010000;     // O_SYNC has a bit more
    /// Of read_flags and write_flags: it comes with direct I/O and with nothing else, whatever the descriptor was opened for.
    static final int IO_LOCK_OWNER = 1 << 1;
    static final int WRITE_KILL_SUIDGID = 1 << 2;
    static final int WRITE_OUT_BYTES = 8;

    static final int FSYNC_BYTES = 16, FLUSH_BYTES = 24;
    static final int SETXATTR_SIZE = 0, SETXATTR_FLAGS = 4, SETXATTR_EXT_FLAGS = 8, SETXATTR_BYTES = 16,
            SETXATTR_COMPAT_BYTES = 8;
    static final int SETXATTR_ACL_KILL_SGID = 1;
    static final int GETXATTR_SIZE = 0, GETXATTR_BYTES = 8, GETXATTR_OUT_BYTES = 8;

    // struct fuse_dirent { u64 ino, off; u32 namelen, type; char name[]; }, padded to 8; readdirplus: an entry before it
    static final int DIRENT_INO = 0, DIRENT_OFF = 8, DIRENT_NAME_LENGTH = 16, DIRENT_TYPE = 20, DIRENT_NAME = 24;

    static final int FORGET_COUNT = 0, FORGET_BYTES = 8;
    static final int BATCH_FORGET_COUNT = 0, BATCH_FORGET_BYTES = 8, FORGET_ONE_NODE = 0, FORGET_ONE_COUNT = 8,
            FORGET_ONE_BYTES = 16;

    // struct fuse_copy_file_range_in: fh_in, off_in, nodeid_out, fh_out, off_out, len, flags; the header has nodeid_in
    static final int COPY_FROM_OFFSET = 8, COPY_TO_NODE = 16, COPY_TO_OFFSET = 32, COPY_LENGTH = 40, COPY_FLAGS = 48,
            COPY_BYTES = 56;

    static final int FALLOCATE_OFFSET = 8, FALLOCATE_LENGTH = 16, FALLOCATE_MODE = 24, FALLOCATE_BYTES = 32;
    static final int LSEEK_OFFSET = 8, LSEEK_WHENCE = 16, LSEEK_BYTES = 24, LSEEK_OUT_BYTES = 8;
    static final int SEEK_DATA = 3, SEEK_HOLE = 4;

    static final int IOCTL_FLAGS = 8, IOCTL_COMMAND = 12, IOCTL_IN_SIZE = 24, IOCTL_OUT_SIZE = 28, IOCTL_BYTES = 32;
    static final int IOCTL_OUT_RESULT = 0, IOCTL_OUT_BYTES = 16;

    // struct fuse_kstatfs
    static final int STATFS_BLOCKS = 0, STATFS_BFREE = 8, STATFS_BAVAIL = 16, STATFS_FILES = 24, STATFS_FFREE = 32,
            STATFS_BSIZE = 40, STATFS_NAMELEN = 44, STATFS_FRSIZE = 48, STATFS_BYTES = 80;

    /// Bytes that a name of `length` takes as a directory entry.
    static int direntBytes(int length) {
        return DIRENT_NAME + length + 7 & ~7;
    }

    /// The length of the NUL-terminated name at `at`, or -1 when no NUL comes before `end`.
    static int nameLength(MemorySegment in, long at, long end) {
        for (long i = at; i < end; i++)
            if (in.get(JAVA_BYTE, i) == 0) return (int) (i - at);
        return -1;
    }

    /// Requests that are not answered.
    static boolean isOneWay(int opcode) {
        return opcode == FORGET || opcode == BATCH_FORGET || opcode == INTERRUPT || opcode == NOTIFY_REPLY;
    }

    /// Requests that make, take or move a name.
    static boolean isOfNames(int opcode) {
        return switch (opcode) {
            case CREATE, MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME, RENAME2 -> true;
            default -> false;
        };
    }

    private FuseProtocol() {}
}
