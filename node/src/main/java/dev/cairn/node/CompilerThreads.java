package dev.cairn.node;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.Files;
import java.nio.file.Path;

/// The JVM's optimising compiler, as the operating system sees it: threads by the name of C2.
///
/// It works for a tenth of a second at a time. A thread that is woken meanwhile waits for some milliseconds if it ran last on that
/// CPU, even while another CPU idles: nearly all fsyncs above two milliseconds had that reason. So it asks for long slices
/// (sched_setattr(2), Linux 6.12): who asks for shorter ones is served first. SCHED_IDLE, for kernels without, is the second best:
/// it only counts among threads of one group (cgroup, autogroup). To those of others, so to all clients, the
/// compiler's CPU looks idle, they are woken there, and wait for the next tick.
///
/// The price: while no CPU is ever idle, what it has not seen to runs as the first compiler left it, at a third or half of the
/// speed; so this is for a node that is warm.
final class CompilerThreads {
    private static final Path TASKS = Path.of("/proc/self/task");
    private static final String OPTIMISING = "C2 CompilerThre";     // as much of its name as a thread has
    static final int SCHED_BATCH = 3, SCHED_IDLE = 5;
    private static final int NICE = 19;
    private static final long SLICE_NANOS = 100_000_000;            // the longest that the kernel grants

    private static final boolean AARCH64 = System.getProperty("os.arch").equals("aarch64");
    private static final long SYS_SCHED_SETATTR = AARCH64 ? 274 : 314, SYS_SCHED_GETATTR = AARCH64 ? 275 : 315;
    // struct sched_attr, its first version: size, policy, flags, nice, priority, runtime, deadline, period.
    private static final int ATTR_BYTES = 48, POLICY_AT = 4, NICE_AT = 16, RUNTIME_AT = 24;

    private final MethodHandle syscall, setScheduler;
    private final MemorySegment attr, noPriority;

    private CompilerThreads(Arena arena) {
        var linker = Linker.nativeLinker();
        syscall = linker.downcallHandle(linker.defaultLookup().findOrThrow("syscall"),
                FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT, ValueLayout.ADDRESS,
                        ValueLayout.JAVA_INT, ValueLayout.JAVA_INT), Linker.Option.firstVariadicArg(1));
        setScheduler = linker.downcallHandle(linker.defaultLookup().findOrThrow("sched_setscheduler"),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
        attr = arena.allocate(ATTR_BYTES, 8);
        noPriority = arena.allocate(ValueLayout.JAVA_INT);          // struct sched_param { int sched_priority; }
    }

    /// From now on it gives way to whoever has work for less than a slice.
    ///
    /// @return how many threads; 0 when the system does not know such a thing
    static int makeWay() throws IOException {
        int threads = 0;
        try (var tasks = Files.newDirectoryStream(TASKS); var arena = Arena.ofConfined()) {
            var system = new CompilerThreads(arena);
            for (var task : tasks) {
                if (!name(task).equals(OPTIMISING)) continue;
                int thread = Integer.parseInt(task.getFileName().toString());
                if (system.askForLongSlices(thread) || system.runWhenIdle(thread)) threads++;
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("sched_setattr", e);
        }
        return threads;
    }

    /// @return false when it does not get them: kernels before 6.12 take the attribute, and make nothing of it
    private boolean askForLongSlices(int thread) throws Throwable {
        attr.fill((byte) 0);
        attr.set(ValueLayout.JAVA_INT, 0, ATTR_BYTES);
        attr.set(ValueLayout.JAVA_INT, POLICY_AT, SCHED_BATCH);
        attr.set(ValueLayout.JAVA_INT, NICE_AT, NICE);
        attr.set(ValueLayout.JAVA_LONG, RUNTIME_AT, SLICE_NANOS);
        return (long) syscall.invokeExact(SYS_SCHED_SETATTR, thread, attr, 0, 0) == 0
                && (long) syscall.invokeExact(SYS_SCHED_GETATTR, thread, attr, ATTR_BYTES, 0) == 0
                && attr.get(ValueLayout.JAVA_LONG, RUNTIME_AT) == SLICE_NANOS;
    }

    private boolean runWhenIdle(int thread) throws Throwable {
        return (int) setScheduler.invokeExact(thread, SCHED_IDLE, noPriority) == 0;
    }

    private static String name(Path task) {
        try {
            return Files.readString(task.resolve("comm")).strip();
        } catch (IOException _) {
            return "";      // it has ended meanwhile
        }
    }
}
