package dev.cairn.block;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

/// The few calls of the C library that a device needs; every downcall of this module is here.
///
/// Each call answers a value of at least 0, or the negated errno. A call interrupted by a signal is made again here,
/// so no caller sees EINTR. Nothing is allocated per call: errno and the iovec live in memory of the calling thread.
final class Libc {
    static final int O_RDONLY = 0, O_RDWR = 2, O_EXCL = 0x80, O_CLOEXEC = 0x80000;
    static final int LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4;
    static final int FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2;
    static final int RWF_NOWAIT = 8;
    private static final int SYNC_FILE_RANGE_WRITE = 2;
    private static final int MFD_CLOEXEC = 1;
    static final int AT_EMPTY_PATH = 0x1000, AT_FDCWD = -100;
    static final long BLKGETSIZE64 = 0x80081272L, BLKDISCARD = 0x1277L;
    private static final int STATX_BASIC_STATS = 0x7ff;

    static final int EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, ENXIO = 6, EBADF = 9, EAGAIN = 11, EACCES = 13,
            EBUSY = 16, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENOTTY = 25, ETXTBSY = 26, EFBIG = 27,
            ENOSPC = 28, EROFS = 30, ELOOP = 40, ENOSYS = 38, EOPNOTSUPP = 95, EDQUOT = 122;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
    private static final StructLayout ERRNO_LAYOUT = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO_VALUE =
            ERRNO_LAYOUT.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    private static final AddressLayout POINTER = ADDRESS;

    // open and ioctl are variadic: on some machines their last argument travels another way than a fixed one.
    private static final MethodHandle OPEN = call("open", JAVA_INT, 2, POINTER, JAVA_INT, JAVA_INT);
    private static final MethodHandle IOCTL = call("ioctl", JAVA_INT, 2, JAVA_INT, JAVA_LONG, POINTER);
    private static final MethodHandle CLOSE = call("close", JAVA_INT, -1, JAVA_INT);
    private static final MethodHandle PREAD = call("pread", JAVA_LONG, -1, JAVA_INT, POINTER, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle PWRITE = call("pwrite", JAVA_LONG, -1, JAVA_INT, POINTER, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle PREADV2 =
            call("preadv2", JAVA_LONG, -1, JAVA_INT, POINTER, JAVA_INT, JAVA_LONG, JAVA_INT);
    private static final MethodHandle FDATASYNC = call("fdatasync", JAVA_INT, -1, JAVA_INT);
    private static final MethodHandle SYNC_FILE_RANGE =
            call("sync_file_range", JAVA_INT, -1, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT);
    private static final MethodHandle FALLOCATE =
            call("fallocate", JAVA_INT, -1, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle FLOCK = call("flock", JAVA_INT, -1, JAVA_INT, JAVA_INT);
    private static final MethodHandle STATX =
            call("statx", JAVA_INT, -1, JAVA_INT, POINTER, JAVA_INT, JAVA_INT, POINTER);

    /// Memory that one thread reuses for all its calls; freed with the thread.
    private static final class Scratch {
        final MemorySegment errno;
        final MemorySegment iovec;
        final MemorySegment range;
        final MemorySegment counts;

        Scratch() {
            var arena = Arena.ofAuto();
            errno = arena.allocate(ERRNO_LAYOUT);
            iovec = arena.allocate(16, 8);
            range = arena.allocate(16, 8);
            counts = arena.allocate(PagesCached.COUNTS_BYTES, 8);
        }
    }

    private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

    private Libc() {}

    private static MethodHandle call(String name, MemoryLayout result, int firstVariadic, MemoryLayout... arguments) {
        var function = LINKER.defaultLookup().find(name)
                .orElseThrow(() -> new UnsatisfiedLinkError("the C library of this system has no " + name));
        var descriptor = FunctionDescriptor.of(result, arguments);
        return firstVariadic < 0
                ? LINKER.downcallHandle(function, descriptor, ERRNO)
                : LINKER.downcallHandle(function, descriptor, ERRNO, Linker.Option.firstVariadicArg(firstVariadic));
    }

    static int open(String path, int flags) {
        var scratch = SCRATCH.get();
        try (var arena = Arena.ofConfined()) {
            var name = arena.allocateFrom(path);
            while (true) {
                int fd = (int) OPEN.invokeExact(scratch.errno, name, flags, 0);
                if (fd >= 0) return fd;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("open", t);
        }
    }

    /// Not repeated on EINTR: Linux has given the descriptor back by then, and another thread may have got it.
    static int close(int fd) {
        var scratch = SCRATCH.get();
        try {
            int answer = (int) CLOSE.invokeExact(scratch.errno, fd);
            return answer >= 0 ? 0 : -errno(scratch);
        } catch (Throwable t) {
            throw broken("close", t);
        }
    }

    static long pread(int fd, MemorySegment into, long bytes, long offset) {
        var scratch = SCRATCH.get();
        try {
            while (true) {
                long count = (long) PREAD.invokeExact(scratch.errno, fd, into, bytes, offset);
                if (count >= 0) return count;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("pread", t);
        }
    }

    static long pwrite(int fd, MemorySegment from, long bytes, long offset) {
        var scratch = SCRATCH.get();
        try {
            while (true) {
                long count = (long) PWRITE.invokeExact(scratch.errno, fd, from, bytes, offset);
                if (count >= 0) return count;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("pwrite", t);
        }
    }

    /// pread that answers -EAGAIN, or less than asked, instead of waiting for the disk.
    static long preadNoWait(int fd, MemorySegment into, long bytes, long offset) {
        var scratch = SCRATCH.get();
        scratch.iovec.set(ValueLayout.JAVA_LONG, 0, into.address());
        scratch.iovec.set(ValueLayout.JAVA_LONG, 8, bytes);
        try {
            while (true) {
                long count = (long) PREADV2.invokeExact(scratch.errno, fd, scratch.iovec, 1, offset, RWF_NOWAIT);
                if (count >= 0) return count;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("preadv2", t);
        }
    }

    /// Bound when first asked for: a node that has no use for them starts without the milliseconds.
    private static final class MemoryFiles {
        static final MethodHandle MEMFD_CREATE = call("memfd_create", JAVA_INT, -1, POINTER, JAVA_INT);
        static final MethodHandle FTRUNCATE = call("ftruncate", JAVA_INT, -1, JAVA_INT, JAVA_LONG);
    }

    /// An empty file in memory, without a name in any directory; closed on exec.
    static int memoryFile(String name) {
        var scratch = SCRATCH.get();
        try (var arena = Arena.ofConfined()) {
            int fd = (int) MemoryFiles.MEMFD_CREATE.invokeExact(scratch.errno, arena.allocateFrom(name), MFD_CLOEXEC);
            return fd >= 0 ? fd : -errno(scratch);
        } catch (Throwable t) {
            throw broken("memfd_create", t);
        }
    }

    static int truncate(int fd, long bytes) {
        var scratch = SCRATCH.get();
        try {
            while (true) {
                int answer = (int) MemoryFiles.FTRUNCATE.invokeExact(scratch.errno, fd, bytes);
                if (answer >= 0) return 0;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("ftruncate", t);
        }
    }

    /// Bound when first asked for, as [MemoryFiles].
    private static final class PagesCached {
        /// struct cachestat: five counts, the first of them of pages in the cache.
        static final int COUNTS_BYTES = 40;
        private static final long SYS_CACHESTAT = 451;      // Linux 6.5; the same on every architecture; not in libc
        static final MethodHandle CACHESTAT =
                call("syscall", JAVA_LONG, 1, JAVA_LONG, JAVA_INT, POINTER, POINTER, JAVA_INT);
        static final int PAGE_BYTES = pageBytes();

        private static int pageBytes() {
            try {
                return (int) call("getpagesize", JAVA_INT, -1).invokeExact(SCRATCH.get().errno);
            } catch (Throwable t) {
                throw broken("getpagesize", t);
            }
        }
    }

    /// Whether the page cache has every page of this stretch, be it that some are still being read.
    ///
    /// @return 1 or 0, or the negated errno; -ENOSYS before Linux 6.5
    static int hasPages(int fd, long offset, long bytes) {
        var scratch = SCRATCH.get();
        scratch.range.set(ValueLayout.JAVA_LONG, 0, offset);
        scratch.range.set(ValueLayout.JAVA_LONG, 8, bytes);
        try {
            long answer = (long) PagesCached.CACHESTAT.invokeExact(scratch.errno, PagesCached.SYS_CACHESTAT, fd, scratch.range,
                    scratch.counts, 0);
            if (answer < 0) return -errno(scratch);
            long pages = (offset + bytes - 1) / PagesCached.PAGE_BYTES - offset / PagesCached.PAGE_BYTES + 1;
            return scratch.counts.get(ValueLayout.JAVA_LONG, 0) >= pages ? 1 : 0;
        } catch (Throwable t) {
            throw broken("cachestat", t);
        }
    }

    /// As [#preadNoWait] of one byte that nobody wants.
    static long probeNoWait(int fd, long offset) {
        return preadNoWait(fd, SCRATCH.get().counts, 1, offset);
    }

    /// Bound when first asked for, as [MemoryFiles].
    private static final class Splicing {
        static final int SPLICE_F_NONBLOCK = 2;
        static final MethodHandle SPLICE =
                call("splice", JAVA_LONG, -1, JAVA_INT, POINTER, JAVA_INT, POINTER, JAVA_LONG, JAVA_INT);
    }

    /// Puts pages of a file into a pipe. Waits for the disk, not for room in the pipe.
    ///
    /// @return bytes, fewer than asked when the pipe is full or the file ends
    static long spliceToPipe(int fd, long offset, int pipe, long bytes) {
        var scratch = SCRATCH.get();
        scratch.range.set(ValueLayout.JAVA_LONG, 0, offset);
        try {
            while (true) {
                long count = (long) Splicing.SPLICE.invokeExact(scratch.errno, fd, scratch.range, pipe, MemorySegment.NULL, bytes,
                        Splicing.SPLICE_F_NONBLOCK);
                if (count >= 0) return count;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("splice", t);
        }
    }

    static int fdatasync(int fd) {
        var scratch = SCRATCH.get();
        try {
            while (true) {
                int answer = (int) FDATASYNC.invokeExact(scratch.errno, fd);
                if (answer >= 0) return 0;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("fdatasync", t);
        }
    }

    /// Begins to write what is dirty in the whole file, without waiting for it.
    static int startWriteBack(int fd) {
        var scratch = SCRATCH.get();
        try {
            while (true) {
                int answer = (int) SYNC_FILE_RANGE.invokeExact(scratch.errno, fd, 0L, 0L, SYNC_FILE_RANGE_WRITE);
                if (answer >= 0) return 0;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("sync_file_range", t);
        }
    }

    static int punchHole(int fd, long offset, long bytes) {
        var scratch = SCRATCH.get();
        try {
            while (true) {
                int answer = (int) FALLOCATE.invokeExact(scratch.errno, fd,
                        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
                if (answer >= 0) return 0;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("fallocate", t);
        }
    }

    static int flock(int fd, int how) {
        var scratch = SCRATCH.get();
        try {
            while (true) {
                int answer = (int) FLOCK.invokeExact(scratch.errno, fd, how);
                if (answer >= 0) return 0;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("flock", t);
        }
    }

    /// The size of a block device in bytes.
    static long blockDeviceBytes(int fd) {
        var scratch = SCRATCH.get();
        int answer = ioctl(scratch, fd, BLKGETSIZE64);
        return answer < 0 ? answer : scratch.range.get(ValueLayout.JAVA_LONG, 0);
    }

    static int discard(int fd, long offset, long bytes) {
        var scratch = SCRATCH.get();
        scratch.range.set(ValueLayout.JAVA_LONG, 0, offset);
        scratch.range.set(ValueLayout.JAVA_LONG, 8, bytes);
        return ioctl(scratch, fd, BLKDISCARD);
    }

    private static int ioctl(Scratch scratch, int fd, long request) {
        try {
            while (true) {
                int answer = (int) IOCTL.invokeExact(scratch.errno, fd, request, scratch.range);
                if (answer >= 0) return answer;
                if (errno(scratch) != EINTR) return -errno(scratch);
            }
        } catch (Throwable t) {
            throw broken("ioctl", t);
        }
    }

    /// What stat(2) says. A device number is `major << 32 | minor`.
    record Stat(int mode, long device, long inode, long bytes, long deviceNumber) {
        private static final int TYPE = 0xf000;

        boolean isBlockDevice() {
            return (mode & TYPE) == 0x6000;
        }

        boolean isFile() {
            return (mode & TYPE) == 0x8000;
        }

        boolean isDirectory() {
            return (mode & TYPE) == 0x4000;
        }

        /// Whether both are the same bytes on disk, whatever paths lead there.
        boolean sameAs(Stat other) {
            return isBlockDevice()
                    ? other.isBlockDevice() && deviceNumber == other.deviceNumber
                    : !other.isBlockDevice() && device == other.device && inode == other.inode;
        }
    }

    /// An answer of [#stat]: `stat` is null when `errno` is not 0.
    record StatAnswer(int errno, Stat stat) {}

    static StatAnswer stat(String path) {
        return statx(AT_FDCWD, path, 0);
    }

    static StatAnswer stat(int fd) {
        return statx(fd, "", AT_EMPTY_PATH);
    }

    // statx and not stat: its structure is the same on every architecture.
    private static StatAnswer statx(int fd, String path, int flags) {
        var scratch = SCRATCH.get();
        try (var arena = Arena.ofConfined()) {
            var out = arena.allocate(256, 8);
            var name = arena.allocateFrom(path);
            while (true) {
                int answer = (int) STATX.invokeExact(scratch.errno, fd, name, flags, STATX_BASIC_STATS, out);
                if (answer >= 0) break;
                if (errno(scratch) != EINTR) return new StatAnswer(errno(scratch), null);
            }
            return new StatAnswer(0, new Stat(
                    Short.toUnsignedInt(out.get(ValueLayout.JAVA_SHORT, 28)),
                    deviceNumber(out, 136), out.get(ValueLayout.JAVA_LONG, 32),
                    out.get(ValueLayout.JAVA_LONG, 40), deviceNumber(out, 128)));
        } catch (Throwable t) {
            throw broken("statx", t);
        }
    }

    private static long deviceNumber(MemorySegment statx, long at) {
        return deviceNumber(statx.get(JAVA_INT, at), statx.get(JAVA_INT, at + 4));
    }

    static long deviceNumber(int major, int minor) {
        return (long) major << 32 | Integer.toUnsignedLong(minor);
    }

    private static int errno(Scratch scratch) {
        return (int) ERRNO_VALUE.get(scratch.errno, 0L);
    }

    // invokeExact declares Throwable; the calls themselves throw nothing but errors of the JVM.
    private static Error broken(String call, Throwable t) {
        if (t instanceof Error error) return error;
        if (t instanceof RuntimeException exception) throw exception;
        return new AssertionError(call + " threw", t);
    }

    /// An errno in words, for messages.
    static String reason(int errno) {
        return switch (errno) {
            case EPERM -> "operation not permitted (EPERM)";
            case ENOENT -> "no such file or device (ENOENT)";
            case EIO -> "input/output error (EIO)";
            case ENXIO -> "the device is gone (ENXIO)";
            case EBADF -> "the device is closed or not open for this (EBADF)";
            case EAGAIN -> "would have to wait (EAGAIN)";
            case EACCES -> "permission denied (EACCES)";
            case EBUSY -> "device is busy (EBUSY)";
            case ENODEV -> "the device is gone (ENODEV)";
            case ENOTDIR -> "a part of the path is not a directory (ENOTDIR)";
            case EISDIR -> "is a directory (EISDIR)";
            case EINVAL -> "invalid argument (EINVAL)";
            case ETXTBSY -> "is in use as a program or for swapping (ETXTBSY)";
            case EFBIG -> "the file would be too large for its file system (EFBIG)";
            case ENOSPC -> "no space left on the file system or pool under the device (ENOSPC)";
            case EDQUOT -> "the quota of the file system under the device is used up (EDQUOT)";
            case EROFS -> "is read-only (EROFS)";
            case ELOOP -> "too many symbolic links (ELOOP)";
            case EOPNOTSUPP -> "not supported (EOPNOTSUPP)";
            default -> "errno " + errno;
        };
    }
}
