package dev.cairn.fuse;

import static dev.cairn.fuse.Linux.call;
import static dev.cairn.fuse.Linux.errnoMemory;
import static dev.cairn.fuse.Linux.plain;
import static dev.cairn.fuse.Linux.result;
import static dev.cairn.fuse.Linux.unexpected;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// Which CPUs a thread may run on, in the manner of [Linux]: a call that fails returns minus errno.
final class CpuCalls {
    // Those with an errno take its memory as their first argument; the linker puts it there.
    private static final MethodHandle SCHED_SETAFFINITY = call("sched_setaffinity", JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS);
    private static final MethodHandle SCHED_GETAFFINITY = call("sched_getaffinity", JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS);
    private static final MethodHandle GETTID = plain("gettid");

    private CpuCalls() {}

    /// As many CPUs as a mask can name here: the kernel's own limit.
    static final int CPU_MASK_BYTES = 1024;

    /// Keeps the calling thread on one CPU.
    ///
    /// @return 0 or minus errno; EINVAL when it may not run there
    static int pin(int cpu) {
        try (var arena = Arena.ofConfined()) {
            var mask = arena.allocate(CPU_MASK_BYTES, 8);
            mask.set(JAVA_BYTE, cpu / 8, (byte) (1 << cpu % 8));
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
}
