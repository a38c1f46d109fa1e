package dev.cairn.node;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.Files;
import java.nio.file.Path;

/// The JVM's optimising compiler, as the operating system sees it: threads by the name of C2.
///
/// It works for a tenth of a second at a time. A thread that is woken meanwhile waits for some milliseconds if it ran last on that
/// CPU, even while another CPU idles (a virtual CPU that is halted counts as preempted): nearly all fsyncs above two milliseconds
/// had that reason. With SCHED_IDLE it makes way at once. The price: while no CPU is ever idle, what it has not seen to runs as the
/// first compiler left it, at a third or half of the speed; so this is for a node that is warm.
final class CompilerThreads {
    private static final Path TASKS = Path.of("/proc/self/task");
    private static final String OPTIMISING = "C2 CompilerThre";     // as much of its name as a thread has
    static final int SCHED_IDLE = 5;

    private CompilerThreads() {}

    /// From now on it works while a CPU has nothing else to do.
    ///
    /// @return how many threads; 0 when the system does not know such a thing
    static int makeWay() throws IOException {
        int threads = 0;
        try (var tasks = Files.newDirectoryStream(TASKS); var arena = Arena.ofConfined()) {
            var linker = Linker.nativeLinker();
            var setScheduler = linker.downcallHandle(linker.defaultLookup().findOrThrow("sched_setscheduler"),
                    FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.ADDRESS));
            var parameters = arena.allocate(ValueLayout.JAVA_INT);      // struct sched_param { int sched_priority; }
            for (var task : tasks) {
                if (!name(task).equals(OPTIMISING)) continue;
                int answer = (int) setScheduler.invokeExact(Integer.parseInt(task.getFileName().toString()), SCHED_IDLE, parameters);
                if (answer == 0) threads++;
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("sched_setscheduler", e);
        }
        return threads;
    }

    private static String name(Path task) {
        try {
            return Files.readString(task.resolve("comm")).strip();
        } catch (IOException _) {
            return "";      // it has ended meanwhile
        }
    }
}
