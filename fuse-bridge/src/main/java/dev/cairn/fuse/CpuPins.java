package dev.cairn.fuse;

import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.agrona.collections.IntHashSet;

/// Keeps pins of threads to one CPU to those threads. A thread begins on the CPUs of the one that starts it, so whatever a
/// pinned thread starts (a worker of some pool that found itself too small) would stay on that one CPU for ever. Looks at the
/// process's new threads once a second and lets them go everywhere again: listing /proc/self/task takes some 50 µs.
///
/// Each mount has one of its own, and the rehearsal of a node's start another; but all look at the same threads, so which of
/// them are pinned on purpose is known to all.
final class CpuPins implements Runnable {
    private static final File THREADS = new File("/proc/self/task");
    private static final long EVERY_MILLIS = 1_000;

    /// The process's threads that are pinned on purpose; guarded by itself, together with their affinity.
    private static final IntHashSet PINNED = new IntHashSet();
    /// Those that were pinned here, and could be; guarded by the same.
    private final IntHashSet own = new IntHashSet();

    private final CountDownLatch stop = new CountDownLatch(1);

    /// The calling thread stays on this CPU from now on. Before it ends it has to [#unpin]: another may get its number.
    ///
    /// @return 0, or minus errno when it may not run there
    int pin(int cpu) {
        synchronized (PINNED) {
            int thread = CpuCalls.threadId(), r = CpuCalls.pin(cpu);
            PINNED.add(thread);
            if (r == 0) own.add(thread);
            return r;
        }
    }

    /// The calling thread goes everywhere again.
    void unpin() {
        synchronized (PINNED) {
            try (var arena = Arena.ofConfined()) {
                var everywhere = arena.allocate(CpuCalls.CPU_MASK_BYTES, 8);
                if (processMask(everywhere) >= 0) CpuCalls.setAffinity(0, everywhere);
            }
            int thread = CpuCalls.threadId();
            PINNED.remove(thread);
            own.remove(thread);
        }
    }

    /// How many threads stay on one CPU since they were pinned here.
    int pinned() {
        synchronized (PINNED) {
            return own.size();
        }
    }

    void stop() {
        stop.countDown();
    }

    // The process's first thread has what the process was given.
    private static int processMask(MemorySegment into) {
        return CpuCalls.affinity((int) ProcessHandle.current().pid(), into);
    }

    /// The CPUs that this process may use, in ascending order; none when they cannot be told.
    static int[] ofProcess() {
        try (var arena = Arena.ofConfined()) {
            var mask = arena.allocate(CpuCalls.CPU_MASK_BYTES, 8);
            if (processMask(mask) < 0) return new int[0];
            var cpus = new int[cpus(mask)];
            int n = 0;
            for (long word = 0; word < mask.byteSize() / 8; word++)
                for (long bits = mask.getAtIndex(FuseProtocol.U64, word); bits != 0; bits &= bits - 1)
                    cpus[n++] = (int) (word * Long.SIZE) + Long.numberOfTrailingZeros(bits);
            return cpus;
        }
    }

    @Override
    public void run() {
        try (var arena = Arena.ofConfined()) {
            var everywhere = arena.allocate(CpuCalls.CPU_MASK_BYTES, 8);
            var mask = arena.allocate(CpuCalls.CPU_MASK_BYTES, 8);
            if (processMask(everywhere) < 0 || cpus(everywhere) < 2) return;
            var seen = new IntHashSet();
            do {
                seen = release(seen, everywhere, mask);
            } while (!stop.await(EVERY_MILLIS, TimeUnit.MILLISECONDS));
            release(seen, everywhere, mask);        // what was started since the last look
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// @return the threads there are now
    private static IntHashSet release(IntHashSet seen, MemorySegment everywhere, MemorySegment mask) {
        var now = new IntHashSet();
        var names = THREADS.list();
        if (names == null) return seen;
        for (var name : names) {
            int thread = Integer.parseInt(name);
            now.add(thread);
            if (!seen.contains(thread)) release(thread, everywhere, mask);
        }
        return now;
    }

    private static void release(int thread, MemorySegment everywhere, MemorySegment mask) {
        synchronized (PINNED) {
            if (PINNED.contains(thread)) return;
            // One that has ended meanwhile answers ESRCH.
            if (CpuCalls.affinity(thread, mask) == 0 && cpus(mask) == 1) CpuCalls.setAffinity(thread, everywhere);
        }
    }

    private static int cpus(MemorySegment mask) {
        int cpus = 0;
        for (long at = 0; at < mask.byteSize(); at += 8) cpus += Long.bitCount(mask.get(FuseProtocol.U64, at));
        return cpus;
    }
}
