package dev.cairn.it.posix;

import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;

/// Linux's numbers, where they have the same name as in its headers.
final class Linux {
    private static final boolean ARM = System.getProperty("os.arch").equals("aarch64");

    static final int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_EXCL = 0200, O_TRUNC = 01000,
            O_APPEND = 02000, O_NONBLOCK = 04000, O_NOATIME = 01000000, O_PATH = 010000000, O_DIRECT = ARM ? 0200000 : 040000, O_DSYNC = 010000,
            O_DIRECTORY = ARM ? 040000 : 0200000, O_NOFOLLOW = ARM ? 0100000 : 0400000, O_TMPFILE = 020000000 | O_DIRECTORY;

    static final int S_IFMT = 0170000, S_IFSOCK = 0140000, S_IFLNK = 0120000, S_IFREG = 0100000, S_IFBLK = 060000,
            S_IFDIR = 040000, S_IFCHR = 020000, S_IFIFO = 010000;

    static final int AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200, AT_EACCESS = 0x200,
            AT_SYMLINK_FOLLOW = 0x400, AT_EMPTY_PATH = 0x1000;
    static final int R_OK = 4, W_OK = 2, X_OK = 1, F_OK = 0;
    static final int RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2, RENAME_WHITEOUT = 4;
    static final int SEEK_SET = 0, SEEK_CUR = 1, SEEK_END = 2, SEEK_DATA = 3, SEEK_HOLE = 4;
    static final int KEEP_SIZE = 1, PUNCH_HOLE = 2, ZERO_RANGE = 0x10, COLLAPSE_RANGE = 8, INSERT_RANGE = 0x20, UNSHARE_RANGE = 0x40;
    static final int XATTR_CREATE = 1, XATTR_REPLACE = 2;
    static final int LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8;
    static final int F_GETFL = 3, F_SETFL = 4, F_GETLK = 5, F_SETLK = 6, F_OFD_GETLK = 36, F_OFD_SETLK = 37;
    static final int F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2;
    static final int PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1, MAP_PRIVATE = 2, MS_SYNC = 4, MS_REMOUNT = 32;
    static final long UTIME_NOW = (1L << 30) - 1, UTIME_OMIT = (1L << 30) - 2;
    static final int CLOCK_REALTIME_COARSE = 5;

    static final int EPERM = 1, ENOENT = 2, EIO = 5, ENXIO = 6, EBADF = 9, EAGAIN = 11, EACCES = 13, EBUSY = 16, EEXIST = 17,
            EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ETXTBSY = 26, EFBIG = 27, ENOSPC = 28,
            ESPIPE = 29, EROFS = 30, EMLINK = 31, ERANGE = 34, ENAMETOOLONG = 36, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40,
            ENODATA = 61, EOVERFLOW = 75, EOPNOTSUPP = 95, ESTALE = 116, ENOTCONN = 107, E2BIG = 7, EFAULT = 14,
            EINTR = 4, EDQUOT = 122;

    private static final Map<Integer, String> ERRNO_NAMES = Arrays.stream(Linux.class.getDeclaredFields())
            .filter(field -> Modifier.isStatic(field.getModifiers()) && field.getName().matches("E[A-Z0-9]+") && field.getType() == int.class)
            .collect(Collectors.toMap(Linux::value, field -> field.getName()));

    private Linux() {}

    /// What a call answered, in words: a number, or the name of its error.
    static String answer(long result) {
        return result >= 0 ? Long.toString(result) : errno((int) -result);
    }

    static String errno(int number) {
        return ERRNO_NAMES.getOrDefault(number, "errno " + number);
    }

    private static int value(java.lang.reflect.Field field) {
        try {
            return field.getInt(null);
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }

    /// Numbers of system calls. Only those that every architecture has: the `at` forms, where there are two.
    enum Call {
        READ(0, 63), WRITE(1, 64), CLOSE(3, 57), LSEEK(8, 62), MMAP(9, 222), MUNMAP(11, 215), PREAD(17, 67), PWRITE(18, 68),
        MSYNC(26, 227), FCNTL(72, 25), FLOCK(73, 32), FSYNC(74, 82), FDATASYNC(75, 83), TRUNCATE(76, 45), FTRUNCATE(77, 46),
        FCHMOD(91, 52), FCHOWN(93, 55), UMASK(95, 166), GETEUID(107, 175), SETGROUPS(116, 159), SETRESUID(117, 147), SETRESGID(119, 149),
        STATFS(137, 43), CLOCK_GETTIME(228, 113), MOUNT(165, 40), SETXATTR(188, 5), LSETXATTR(189, 6), FSETXATTR(190, 7), GETXATTR(191, 8), LGETXATTR(192, 9),
        FGETXATTR(193, 10), LISTXATTR(194, 11), LLISTXATTR(195, 12), FLISTXATTR(196, 13), REMOVEXATTR(197, 14), LREMOVEXATTR(198, 15), FREMOVEXATTR(199, 16),
        GETDENTS64(217, 61), OPENAT(257, 56), MKDIRAT(258, 34), MKNODAT(259, 33), FCHOWNAT(260, 54), UNLINKAT(263, 35),
        LINKAT(265, 37), NAME_TO_HANDLE_AT(303, 264), OPEN_BY_HANDLE_AT(304, 265), SYMLINKAT(266, 36), READLINKAT(267, 78), FCHMODAT(268, 53), UTIMENSAT(280, 88), FALLOCATE(285, 47),
        IO_SETUP(206, 0), IO_DESTROY(207, 1), IO_GETEVENTS(208, 4), IO_SUBMIT(209, 2), RENAMEAT2(316, 276), COPY_FILE_RANGE(326, 285), STATX(332, 291), FACCESSAT2(439, 439);

        final int number;

        Call(int x86, int arm) {
            number = ARM ? arm : x86;
        }
    }
}
