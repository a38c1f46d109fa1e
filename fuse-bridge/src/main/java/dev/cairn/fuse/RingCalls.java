package dev.cairn.fuse;

import static dev.cairn.fuse.Linux.O_CLOEXEC;
import static dev.cairn.fuse.Linux.call;
import static dev.cairn.fuse.Linux.describe;
import static dev.cairn.fuse.Linux.errno;
import static dev.cairn.fuse.Linux.errnoMemory;
import static dev.cairn.fuse.Linux.result;
import static dev.cairn.fuse.Linux.unexpected;
import static dev.cairn.fuse.Linux.variadic;
import static dev.cairn.fuse.Linux.write;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// What the ring transport asks of the kernel beyond [Linux], in the same manner: a call that fails returns minus errno. A
/// class of its own because binding a call takes milliseconds, and who mounts over /dev/fuse needs none of these.
final class RingCalls {
    // Every handle takes the captured errno as its first argument; the linker puts it there.
    private static final MethodHandle EVENTFD = call("eventfd", JAVA_INT, JAVA_INT, JAVA_INT);
    // syscall(2), because libc has no io_uring; the numbers are the same on every architecture.
    private static final int SYS_IO_URING_SETUP = 425, SYS_IO_URING_ENTER = 426, SYS_IO_URING_REGISTER = 427;
    private static final MethodHandle IO_URING_SETUP = syscall(JAVA_INT, ADDRESS);
    private static final MethodHandle IO_URING_ENTER = syscall(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    private static final MethodHandle IO_URING_REGISTER = syscall(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);

    private RingCalls() {}

    /// @return how many submissions the kernel has taken, or minus errno
    static int ioUringEnter(MemorySegment errno, int ring, int submit, int complete, int flags) {
        try {
            long n = (long) IO_URING_ENTER.invokeExact(errno, (long) SYS_IO_URING_ENTER, ring, submit, complete, flags,
                    MemorySegment.NULL, 0L);
            return n >= 0 ? (int) n : -errno(errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

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

    /// @param count of what there is at `argument`
    /// @return 0 or positive as the operation says, or minus errno
    static int ioUringRegister(MemorySegment errno, int ring, int operation, MemorySegment argument, int count) {
        try {
            long n = (long) IO_URING_REGISTER.invokeExact(errno, (long) SYS_IO_URING_REGISTER, ring, operation, argument, count);
            return n >= 0 ? (int) n : -errno(errno);
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

    private static MethodHandle syscall(MemoryLayout... arguments) {
        var all = new MemoryLayout[arguments.length + 1];
        all[0] = JAVA_LONG;
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return variadic("syscall", 1, JAVA_LONG, all);
    }
}
