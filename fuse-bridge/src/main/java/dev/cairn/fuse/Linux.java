package dev.cairn.fuse;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/// The calls of libc that the bridge needs. A call that fails returns minus errno, so no state is left between calls;
/// `errno` is scratch memory from [#errnoMemory], used by one thread at a time.
final class Linux {
    static final int EINTR = 4, ENOENT = 2, EAGAIN = 11, EBUSY = 16, ENODEV = 19, EINVAL = 22, ECONNABORTED = 103, ECANCELED = 125,
            ENOTCONN = 107, EPERM = 1;
    static final int O_RDONLY = 0, O_RDWR = 2, O_CLOEXEC = 0x80000, O_DIRECTORY = 0x10000;
    static final long MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_NOATIME = 1024;
    static final int MNT_FORCE = 1, MNT_DETACH = 2;

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
    private static final MethodHandle MOUNT =
            call("mount", JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);
    private static final MethodHandle UMOUNT2 = call("umount2", JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle STATFS = call("statfs", JAVA_INT, ADDRESS, ADDRESS);
    private static final MethodHandle SOCKETPAIR = call("socketpair", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
    private static final MethodHandle RECVMSG = call("recvmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle PIPE2 = call("pipe2", JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle WAITPID = call("waitpid", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle POSIX_SPAWN =
            call("posix_spawn", JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    private static final MethodHandle ACTIONS_INIT = call("posix_spawn_file_actions_init", JAVA_INT, ADDRESS);
    private static final MethodHandle ACTIONS_DESTROY = call("posix_spawn_file_actions_destroy", JAVA_INT, ADDRESS);
    private static final MethodHandle ACTIONS_DUP2 =
            call("posix_spawn_file_actions_adddup2", JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
    private static final MethodHandle MMAP =
            call("mmap", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle MUNMAP = call("munmap", JAVA_INT, ADDRESS, JAVA_LONG);
    private static final MethodHandle EVENTFD = call("eventfd", JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle SCHED_SETAFFINITY =
            call("sched_setaffinity", JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS);
    private static final MethodHandle SCHED_GETAFFINITY =
            call("sched_getaffinity", JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS);
    private static final MethodHandle GETTID =
            LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow("gettid"), FunctionDescriptor.of(JAVA_INT));
    // syscall(2), because libc has no io_uring; the numbers are the same on every architecture.
    private static final int SYS_IO_URING_SETUP = 425, SYS_IO_URING_ENTER = 426;
    private static final MethodHandle IO_URING_SETUP = syscall(JAVA_INT, ADDRESS);
    private static final MethodHandle IO_URING_ENTER = syscall(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    private static final MethodHandle GETEUID =
            LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow("geteuid"), FunctionDescriptor.of(JAVA_INT));
    private static final MethodHandle GETEGID =
            LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow("getegid"), FunctionDescriptor.of(JAVA_INT));

    private Linux() {}

    static MemorySegment errnoMemory(Arena arena) {
        return arena.allocate(CAPTURED);
    }

    // ---- the hot ones

    static long read(MemorySegment errno, int fd, MemorySegment into, long bytes) {
        try {
            long n = (long) READ.invokeExact(errno, fd, into, bytes);
            return n >= 0 ? n : -(long) (int) ERRNO.get(errno, 0L);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static long write(MemorySegment errno, int fd, MemorySegment from, long bytes) {
        try {
            long n = (long) WRITE.invokeExact(errno, fd, from, bytes);
            return n >= 0 ? n : -(long) (int) ERRNO.get(errno, 0L);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static long writev(MemorySegment errno, int fd, MemorySegment vectors, int count) {
        try {
            long n = (long) WRITEV.invokeExact(errno, fd, vectors, count);
            return n >= 0 ? n : -(long) (int) ERRNO.get(errno, 0L);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// @return how many submissions the kernel has taken, or minus errno
    static int ioUringEnter(MemorySegment errno, int ring, int submit, int complete, int flags) {
        try {
            long n = (long) IO_URING_ENTER.invokeExact(errno, (long) SYS_IO_URING_ENTER, ring, submit, complete, flags,
                    MemorySegment.NULL, 0L);
            return n >= 0 ? (int) n : -(int) ERRNO.get(errno, 0L);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    // ---- the others; each brings its own memory

    /// @return the ring's descriptor, closed on exec, or minus errno
    static int ioUringSetup(int entries, MemorySegment params) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            long fd = (long) IO_URING_SETUP.invokeExact(errno, (long) SYS_IO_URING_SETUP, entries, params);
            return result((int) fd, errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// A counter to be waited for, closed on exec.
    static int eventfd() throws IOException {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            int fd = result((int) EVENTFD.invokeExact(errno, 0, O_CLOEXEC), errno);
            if (fd < 0) throw new IOException("eventfd: " + describe(-fd));
            return fd;
        } catch (IOException e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Adds one to what [#eventfd] gave.
    static void count(int eventfd) {
        try (var arena = Arena.ofConfined()) {
            var one = arena.allocate(8, 8);
            one.set(JAVA_LONG, 0, 1);
            write(errnoMemory(arena), eventfd, one, 8);
        }
    }

    /// As many CPUs as a mask can name here: the kernel's own limit.
    static final int CPU_MASK_BYTES = 1024;

    /// Keeps the calling thread on one CPU.
    ///
    /// @return 0 or minus errno; EINVAL when it may not run there
    static int pin(int cpu) {
        try (var arena = Arena.ofConfined()) {
            var mask = arena.allocate(CPU_MASK_BYTES, 8);
            mask.set(java.lang.foreign.ValueLayout.JAVA_BYTE, cpu / 8, (byte) (1 << cpu % 8));
            return setAffinity(0, mask);
        }
    }

    /// @param thread 0: the calling one
    /// @return 0 or minus errno
    static int setAffinity(int thread, MemorySegment mask) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) SCHED_SETAFFINITY.invokeExact(errno, thread, mask.byteSize(), mask), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Where a thread may run.
    ///
    /// @return 0 or minus errno
    static int affinity(int thread, MemorySegment mask) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) SCHED_GETAFFINITY.invokeExact(errno, thread, mask.byteSize(), mask), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int threadId() {
        try {
            return (int) GETTID.invokeExact();
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

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

    static int mount(String source, String target, String type, long flags, String options) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) MOUNT.invokeExact(errno, arena.allocateFrom(source), arena.allocateFrom(target),
                    arena.allocateFrom(type), flags, arena.allocateFrom(options)), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int umount2(String target, int flags) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) UMOUNT2.invokeExact(errno, arena.allocateFrom(target), flags), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// 0 or minus errno; what statfs(2) says is not looked at.
    static int statfs(String path) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) STATFS.invokeExact(errno, arena.allocateFrom(path), arena.allocate(256, 8)), errno);
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

    // ---- for fusermount3: a child process that inherits one end of a socket, and the file descriptor it sends

    static final int SOCK_STREAM = 1, SOCK_SEQPACKET = 5;

    /// Two connected sockets; both are inherited by children.
    static int[] socketPair(int type) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var pair = arena.allocate(JAVA_INT, 2);
            int r = result((int) SOCKETPAIR.invokeExact(errno, 1 /* AF_UNIX */, type, 0, pair), errno);
            if (r < 0) throw new IOException("socketpair: " + describe(-r));
            return new int[] {pair.getAtIndex(JAVA_INT, 0), pair.getAtIndex(JAVA_INT, 1)};
        } catch (IOException e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// A pipe that closes on exec: its write end reaches a child only as the stderr that [#spawn] makes of it.
    static int[] pipe() throws IOException {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var pair = arena.allocate(JAVA_INT, 2);
            int r = result((int) PIPE2.invokeExact(errno, pair, O_CLOEXEC), errno);
            if (r < 0) throw new IOException("pipe2: " + describe(-r));
            return new int[] {pair.getAtIndex(JAVA_INT, 0), pair.getAtIndex(JAVA_INT, 1)};
        } catch (IOException e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Starts a program that inherits every descriptor not marked close-on-exec, with `stderr` as its standard error.
    ///
    /// @return its pid, or minus errno
    static int spawn(String program, String[] arguments, String[] environment, int stderr) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var actions = arena.allocate(512, 16);      // posix_spawn_file_actions_t is opaque: 80 bytes in glibc
            var pid = arena.allocate(JAVA_INT);
            var _ = (int) ACTIONS_INIT.invokeExact(errno, actions);
            int error = (int) ACTIONS_DUP2.invokeExact(errno, actions, stderr, 2);
            if (error == 0)
                error = (int) POSIX_SPAWN.invokeExact(errno, pid, arena.allocateFrom(program), actions,
                        MemorySegment.NULL, strings(arena, arguments), strings(arena, environment));
            var _ = (int) ACTIONS_DESTROY.invokeExact(errno, actions);
            return error == 0 ? pid.get(JAVA_INT, 0) : -error;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Waits for a child; its exit status, 128 + signal when one killed it, or minus errno.
    static int waitFor(int pid) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var status = arena.allocate(JAVA_INT);
            int r;
            do {
                r = result((int) WAITPID.invokeExact(errno, pid, status, 0), errno);
            } while (r == -EINTR);
            if (r < 0) return r;
            int s = status.get(JAVA_INT, 0);
            return (s & 0x7f) == 0 ? s >> 8 & 0xff : 128 + (s & 0x7f);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Receives one message that carries a file descriptor (SCM_RIGHTS).
    ///
    /// @return the descriptor, closed on exec; minus errno; or 0 when the other end closed or sent no descriptor
    static int receiveDescriptor(int socket) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var data = arena.allocate(8, 8);
            var vector = arena.allocate(16, 8);
            vector.set(ADDRESS, 0, data);
            vector.set(JAVA_LONG, 8, 1);
            // struct cmsghdr { size_t len; int level; int type; int fd; }, padded to 24
            var control = arena.allocate(24, 8);
            // struct msghdr { void *name; u32 namelen; iovec *iov; size_t iovlen; void *control; size_t controllen; int flags; }
            var message = arena.allocate(56, 8);
            message.set(ADDRESS, 16, vector);
            message.set(JAVA_LONG, 24, 1);
            message.set(ADDRESS, 32, control);
            message.set(JAVA_LONG, 40, control.byteSize());
            long n;
            do {
                n = (long) RECVMSG.invokeExact(errno, socket, message, 0x40000000 /* MSG_CMSG_CLOEXEC */);
                if (n < 0) n = -(long) (int) ERRNO.get(errno, 0L);
            } while (n == -EINTR);
            if (n < 0) return (int) n;
            boolean carriesOne = n > 0 && message.get(JAVA_LONG, 40) >= 20 && control.get(JAVA_LONG, 0) >= 20
                    && control.get(JAVA_INT, 8) == 1 /* SOL_SOCKET */ && control.get(JAVA_INT, 12) == 1 /* SCM_RIGHTS */;
            return carriesOne ? control.get(JAVA_INT, 16) : 0;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Reads until the end; what a child wrote to its standard error.
    static String readAll(int fd) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var buffer = arena.allocate(4096);
            var text = new StringBuilder();
            for (;;) {
                long n = read(errno, fd, buffer, buffer.byteSize());
                if (n == -EINTR) continue;
                if (n <= 0) return text.toString().strip();
                text.append(new String(buffer.asSlice(0, n).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE),
                        java.nio.charset.StandardCharsets.UTF_8));
            }
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

    private static MemorySegment strings(Arena arena, String[] strings) {
        var array = arena.allocate(ADDRESS, strings.length + 1L);       // the last one stays null
        for (int i = 0; i < strings.length; i++) array.setAtIndex(ADDRESS, i, arena.allocateFrom(strings[i]));
        return array;
    }

    private static int result(int returned, MemorySegment errno) {
        return returned >= 0 ? returned : -(int) ERRNO.get(errno, 0L);
    }

    private static MethodHandle call(String name, MemoryLayout returned, MemoryLayout... arguments) {
        return handle(name, FunctionDescriptor.of(returned, arguments), Linker.Option.captureCallState("errno"));
    }

    private static MethodHandle syscall(MemoryLayout... arguments) {
        var all = new MemoryLayout[arguments.length + 1];
        all[0] = JAVA_LONG;
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return variadic("syscall", 1, JAVA_LONG, all);
    }

    private static MethodHandle variadic(String name, int first, MemoryLayout returned, MemoryLayout... arguments) {
        return handle(name, FunctionDescriptor.of(returned, arguments), Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(first));
    }

    private static MethodHandle handle(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor, options);
    }

    private static RuntimeException unexpected(Throwable e) {
        if (e instanceof RuntimeException r) return r;
        if (e instanceof Error r) throw r;
        return new IllegalStateException("a downcall threw", e);
    }
}
