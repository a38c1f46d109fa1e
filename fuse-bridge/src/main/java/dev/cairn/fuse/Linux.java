package dev.cairn.fuse;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/// The calls of libc that the bridge needs most: on descriptors and memory. ([MountCalls], [RingCalls] and [CpuCalls] have the others.) A call that fails returns minus errno, so no state is left between calls;
/// `errno` is scratch memory from [#errnoMemory], used by one thread at a time.
final class Linux {
    static final int EINTR = 4, ENOENT = 2, EAGAIN = 11, EBUSY = 16, ENODEV = 19, EINVAL = 22, ECONNABORTED = 103, ECANCELED = 125,
            ENOTCONN = 107, EPERM = 1;
    static final int O_RDONLY = 0, O_RDWR = 2, O_CLOEXEC = 0x80000, O_DIRECTORY = 0x10000;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CAPTURED = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO =
            CAPTURED.varHandle(MemoryLayout.PathElement.groupElement("errno"));

    // Every handle takes the captured errno as its first argument; the linker puts it there.
    private static final MethodHandle OPEN = variadic("open", 2, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
    private static final MethodHandle CLOSE = call("close", JAVA_INT, JAVA_INT);
    private static final MethodHandle READ = call("read", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    private static final MethodHandle WRITE = call("write", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    private static final MethodHandle WRITEV = call("writev", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle IOCTL = variadic("ioctl", 2, JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS);
    private static final MethodHandle MMAP =
            call("mmap", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle MUNMAP = call("munmap", JAVA_INT, ADDRESS, JAVA_LONG);
    private static final MethodHandle GETEUID = plain("geteuid");
    private static final MethodHandle GETEGID = plain("getegid");

    private Linux() {}

    static MemorySegment errnoMemory(Arena arena) {
        return arena.allocate(CAPTURED);
    }

    // ---- the hot ones

    static long read(MemorySegment errno, int fd, MemorySegment into, long bytes) {
        try {
            long n = (long) READ.invokeExact(errno, fd, into, bytes);
            return n >= 0 ? n : -errno(errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static long write(MemorySegment errno, int fd, MemorySegment from, long bytes) {
        try {
            long n = (long) WRITE.invokeExact(errno, fd, from, bytes);
            return n >= 0 ? n : -errno(errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static long writev(MemorySegment errno, int fd, MemorySegment vectors, int count) {
        try {
            long n = (long) WRITEV.invokeExact(errno, fd, vectors, count);
            return n >= 0 ? n : -errno(errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    // ---- the others; each brings its own memory

    /// Page-aligned memory that costs nothing until it is touched (an arena's own allocation is zeroed, so all of it would
    /// be touched). Given back when the arena closes.
    static MemorySegment map(Arena arena, long bytes) {
        return map(arena, bytes, 0x22 /* MAP_PRIVATE | MAP_ANONYMOUS */, -1, 0);
    }

    /// A part of a file, shared with whoever else maps it. Given back when the arena closes.
    static MemorySegment map(Arena arena, long bytes, int fd, long offset) {
        return map(arena, bytes, 0x8001 /* MAP_SHARED | MAP_POPULATE */, fd, offset);
    }

    private static MemorySegment map(Arena arena, long bytes, int flags, int fd, long offset) {
        try {
            var errno = errnoMemory(arena);
            var at = (MemorySegment) MMAP.invokeExact(errno, MemorySegment.NULL, bytes, 3 /* PROT_READ | PROT_WRITE */, flags,
                    fd, offset);
            if (at.address() == -1) throw new OutOfMemoryError("mmap of " + bytes + " bytes");
            return at.reinterpret(bytes, arena, Linux::unmap);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static void unmap(MemorySegment mapped) {
        try (var arena = Arena.ofConfined()) {
            var _ = (int) MUNMAP.invokeExact(errnoMemory(arena), mapped, mapped.byteSize());
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int open(String path, int flags) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) OPEN.invokeExact(errno, arena.allocateFrom(path), flags, 0), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int close(int fd) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) CLOSE.invokeExact(errno, fd), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int ioctl(int fd, long request, MemorySegment argument) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) IOCTL.invokeExact(errno, fd, request, argument), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int effectiveUid() {
        try {
            return (int) GETEUID.invokeExact();
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int effectiveGid() {
        try {
            return (int) GETEGID.invokeExact();
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// "EBUSY (16)", for messages.
    static String describe(int errno) {
        return switch (errno) {
            case EPERM -> "EPERM, operation not permitted";
            case ENOENT -> "ENOENT, no such file or directory";
            case 13 -> "EACCES, permission denied";
            case EBUSY -> "EBUSY, the mount point is in use";
            case ENODEV -> "ENODEV, the kernel does not know this file system type (modprobe fuse)";
            case 20 -> "ENOTDIR, not a directory";
            case EINVAL -> "EINVAL, invalid argument";
            case 25 -> "ENOTTY, not a Cairn mount";
            case ENOTCONN -> "ENOTCONN, transport endpoint is not connected";
            default -> "errno " + errno;
        };
    }

    /// What the call just made has left there.
    static int errno(MemorySegment errno) {
        return (int) ERRNO.get(errno, 0L);
    }

    static int result(int returned, MemorySegment errno) {
        return returned >= 0 ? returned : -errno(errno);
    }

    // ---- binding calls

    static MethodHandle call(String name, MemoryLayout returned, MemoryLayout... arguments) {
        return handle(name, FunctionDescriptor.of(returned, arguments), Linker.Option.captureCallState("errno"));
    }

    static MethodHandle variadic(String name, int first, MemoryLayout returned, MemoryLayout... arguments) {
        return handle(name, FunctionDescriptor.of(returned, arguments), Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(first));
    }

    private static MethodHandle handle(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor, options);
    }

    /// A call without arguments that cannot fail.
    static MethodHandle plain(String name) {
        return handle(name, FunctionDescriptor.of(JAVA_INT));
    }

    static RuntimeException unexpected(Throwable e) {
        if (e instanceof RuntimeException r) return r;
        if (e instanceof Error r) throw r;
        return new IllegalStateException("a downcall threw", e);
    }
}
