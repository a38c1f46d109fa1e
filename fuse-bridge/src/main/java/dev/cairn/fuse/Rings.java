package dev.cairn.fuse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/// The rings of one mount: one thread for the queue of each CPU that is there, and one for the queues of those that could
/// be plugged in, which the kernel wants served too.
///
/// Memory: each entry has a payload of 1 MiB and 72 KiB for the rest, of which only what requests have touched is there.
/// The kernel takes the entry that was used last, so entries beyond what is in flight at once stay untouched.
final class Rings {
    /// Requests that one CPU may have waiting (for a lock, a commit, the disk) before its next one waits for an entry.
    private static final int DEPTH = 16;
    /// Of all CPUs together, on large machines: 128 entries take 136 MiB at the most.
    private static final int ENTRIES_MAX = 128;
    private static final int DEPTH_MIN = 2;
    private static final Path CPUS = Path.of("/sys/devices/system/cpu");

    private final List<RingThread> threads;
    private final CpuPins pins;

    private Rings(List<RingThread> threads, CpuPins pins) {
        this.pins = pins;
        this.threads = threads;
    }

    /// @throws IOException with a message for the user, when the kernel gives no rings
    static Rings open() throws IOException {
        var possible = cpus(Files.readString(CPUS.resolve("possible")));
        var online = cpus(Files.readString(CPUS.resolve("online")));
        var threads = new ArrayList<RingThread>();
        int depth = depth(online.size());
        var pins = new CpuPins();
        for (int cpu : online) threads.add(new RingThread(pins, cpu, List.of(cpu), depth));
        possible.removeAll(online);
        if (!possible.isEmpty()) threads.add(new RingThread(pins, -1, List.copyOf(possible), 1));
        var rings = new Rings(threads, pins);
        for (int i = 0; i < threads.size(); i++)
            Thread.ofPlatform().daemon().name("cairn-fuse-ring-" + i).start(threads.get(i));
        try {
            all(threads, t -> t.opened);
            Thread.ofPlatform().daemon().name("cairn-fuse-pins").start(pins);
            return rings;
        } catch (IOException e) {
            rings.discard();
            throw e;
        }
    }

    /// Those of its threads.
    CpuPins pins() {
        return pins;
    }

    static int depth(int cpus) {
        return Math.max(DEPTH_MIN, Math.min(DEPTH, ENTRIES_MAX / cpus));
    }

    /// The kernel's list of CPUs: `0-3,8`.
    static TreeSet<Integer> cpus(String list) {
        var cpus = new TreeSet<Integer>();
        for (var range : list.strip().split(",")) {
            if (range.isEmpty()) continue;
            int dash = range.indexOf('-');
            int first = Integer.parseInt(dash < 0 ? range : range.substring(0, dash));
            int last = dash < 0 ? first : Integer.parseInt(range.substring(dash + 1));
            for (int cpu = first; cpu <= last; cpu++) cpus.add(cpu);
        }
        return cpus;
    }

    /// They are not needed after all. Must not be called after [#serve].
    void discard() {
        threads.forEach(t -> t.session.cancel(false));
        pins.stop();
    }

    /// Lets the kernel send requests of this session by the rings, which it does when this returns.
    ///
    /// @throws IOException when the kernel refuses
    void serve(FuseSession session) throws IOException {
        threads.forEach(t -> t.session.complete(session));
        all(threads, t -> t.registered);
    }

    /// Waits until the kernel has let go of all entries, which it does when the connection ends.
    ///
    /// @return false when it has not after `timeout`
    boolean awaitEnded(Duration timeout) throws InterruptedException {
        long deadline = System.nanoTime() + timeout.toNanos();
        for (var thread : threads) {
            try {
                thread.ended.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
            } catch (TimeoutException e) {
                return false;
            } catch (ExecutionException e) {
                throw new IllegalStateException(e);
            }
        }
        return true;
    }

    /// Gives their memory back, after [#awaitEnded], when no request is away.
    void close() {
        pins.stop();
        threads.forEach(RingThread::close);
    }

    private static void all(List<RingThread> threads, Function<RingThread, CompletableFuture<Void>> step)
            throws IOException {
        for (var thread : threads) {
            try {
                step.apply(thread).join();
            } catch (java.util.concurrent.CompletionException e) {
                throw new IOException(e.getCause().getMessage(), e.getCause());
            }
        }
    }
}
