package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;
import static dev.cairn.fuse.IoUring.*;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The thread that serves the kernel's queue of one CPU, on that CPU; or those of several CPUs that are not there.
///
///     opened -> (session) registered -> serving -> every entry dead -> ended
///
/// Only this thread touches the ring. A request that ends on another thread leaves its entry in [#answered], and wakes this
/// one by a counter that the ring reads, if it sleeps.
final class RingThread implements Runnable {
    private static final Logger log = LoggerFactory.getLogger(FuseSession.class);
    private static final long WAKE_UP = -1;

    private final CpuPins pins;
    private final int cpu;
    private final List<Integer> queues;
    private final int depth;
    /// Completed by this thread when it has a ring, or when it cannot have one.
    final CompletableFuture<Void> opened = new CompletableFuture<>();
    /// Completed by the starter: whose requests are served. Cancelled when there is nothing to serve.
    final CompletableFuture<FuseSession> session = new CompletableFuture<>();
    /// Completed by this thread when the kernel has taken every entry, or has refused one.
    final CompletableFuture<Void> registered = new CompletableFuture<>();
    /// Completed by this thread when the kernel has let go of every entry.
    final CompletableFuture<Void> ended = new CompletableFuture<>();

    private final Arena arena = Arena.ofShared();
    private IoUring ring;
    private FuseSession serves;
    private int fuse;
    private int wakeUp = -1;
    private MemorySegment wakeUpRead;
    private boolean wakeUpArmed;
    private final List<RingEntry> entries = new ArrayList<>();
    /// Entries that the kernel has, or will have again.
    private int alive;
    private boolean broken, lost, ending;
    /// Entries answered on other threads, the latest first.
    private final AtomicReference<RingEntry> answered = new AtomicReference<>();
    private volatile boolean sleeping;

    /// @param cpu    of the thread; -1: any
    /// @param queues the kernel's numbers, which are those of CPUs
    /// @param depth  entries in each
    RingThread(CpuPins pins, int cpu, List<Integer> queues, int depth) {
        this.pins = pins;
        this.cpu = cpu;
        this.queues = List.copyOf(queues);
        this.depth = depth;
    }

    // ---- called by other threads

    /// The entry's request has been answered on another thread; the kernel has to be told.
    void answered(RingEntry entry) {
        RingEntry first;
        do {
            first = answered.get();
            entry.nextAnswered = first;
        } while (!answered.compareAndSet(first, entry));
        // Whoever makes the list non-empty wakes the sleeper, who looks at it once more before sleeping.
        if (first == null && sleeping) RingCalls.count(wakeUp);
    }

    /// Gives everything back, once the thread has ended and nobody can call [#answered] any more.
    void close() {
        Linux.close(wakeUp);
        if (alive > 0 || lost || wakeUpArmed) return;      // the kernel, or somebody of ours, may still write to it
        entries.forEach(entry -> entry.request.close());
        arena.close();
    }

    // ---- the thread

    @Override
    public void run() {
        try {
            if (!open()) return;
            try {
                serves = session.join();
                fuse = serves.fd();
                register();
                serve();
            } catch (CancellationException e) {
                log.debug("ring {} is not needed", queues);
                Linux.close(wakeUp);
            } finally {
                ring.close();
            }
        } catch (RuntimeException | Error e) {
            fail("a ring thread failed", e);
        } finally {
            end();
        }
    }

    private void end() {
        try {
            if (cpu >= 0) pins.unpin();
        } finally {
            ended.complete(null);
        }
    }

    private boolean open() {
        try {
            if (cpu >= 0) {
                int r = pins.pin(cpu);
                if (r < 0) log.debug("ring {} is served by whatever CPU: {}", queues, Linux.describe(-r));
            }
            wakeUp = RingCalls.eventfd();
            ring = new IoUring(queues.size() * depth + 1);
            opened.complete(null);
            return true;
        } catch (IOException | RuntimeException | Error e) {
            if (wakeUp >= 0) Linux.close(wakeUp);
            opened.completeExceptionally(e);
            return false;
        }
    }

    private void register() {
        ring.hold(fuse, wakeUp);
        for (int queue : queues)
            for (int i = 0; i < depth; i++) {
                var entry = new RingEntry(serves, this, queue, entries.size());
                entries.add(entry);
                long at = command(RING_REGISTER, entries.size() - 1);
                ring.submissions().set(U64, at + SQE_ADDRESS, entry.request.ringVectors(entry.header).address());
                ring.submissions().set(U32, at + SQE_LENGTH, 2);
            }
        alive = entries.size();
        wakeUpRead = arena.allocate(8, 8);
        armWakeUp();
    }

    /// A command for an entry of ours.
    private long command(int command, int index) {
        long at = ring.submission();
        var sqe = ring.submissions();
        sqe.set(java.lang.foreign.ValueLayout.JAVA_BYTE, at + SQE_OPCODE, OP_URING_CMD);
        ring.file(at, fuse);
        sqe.set(U32, at + SQE_CMD_OP, command);
        sqe.set(U64, at + SQE_USER_DATA, index);
        sqe.set(U16, at + SQE_CMD + RING_COMMAND_QUEUE, (short) entries.get(index).queue);
        return at;
    }

    private void armWakeUp() {
        long at = ring.submission();
        var sqe = ring.submissions();
        sqe.set(java.lang.foreign.ValueLayout.JAVA_BYTE, at + SQE_OPCODE, OP_READ);
        ring.file(at, wakeUp);
        sqe.set(U64, at + SQE_ADDRESS, wakeUpRead.address());
        sqe.set(U32, at + SQE_LENGTH, 8);
        sqe.set(U64, at + SQE_USER_DATA, WAKE_UP);
        wakeUpArmed = true;
    }

    private void commit(RingEntry entry) {
        long at = command(RING_COMMIT_AND_FETCH, entry.index);
        ring.submissions().set(U64, at + SQE_CMD + RING_COMMAND_COMMIT_ID, entry.commitId());
    }

    private void serve() {
        enter(false);
        while (ring.next()) completed();
        registered.complete(null);
        while (alive > 0 && !broken) {
            commitAnswered();
            sleeping = true;
            boolean sleep = answered.get() == null;
            if (!sleep) sleeping = false;
            enter(sleep);
            sleeping = false;
            while (ring.next()) {
                completed();
                // Nobody's reply waits for another request to be served.
                if (ring.unsubmitted() > 0 && ring.hasNext()) enter(false);
            }
        }
        // The kernel is not left with an address to write to.
        ending = true;
        if (!broken) RingCalls.count(wakeUp);
        while (wakeUpArmed && !broken) {
            enter(true);
            while (ring.next()) completed();
        }
    }

    private void enter(boolean wait) {
        int r = ring.enter(wait);
        if (r == 0 || r == -Linux.EINTR || r == -Linux.EAGAIN || r == -Linux.EBUSY) return;
        broken = true;
        fail("ring " + queues + " failed: " + Linux.describe(-r), null);
    }

    private void commitAnswered() {
        for (var entry = answered.getAndSet(null); entry != null;) {
            var next = entry.nextAnswered;
            commit(entry);
            entry = next;
        }
    }

    private void completed() {
        if (ring.userData() == WAKE_UP) {
            wakeUpArmed = false;
            if (!ending) armWakeUp();
            return;
        }
        var entry = entries.get((int) ring.userData());
        if (ring.result() < 0) {
            dead(-ring.result());
            return;
        }
        try {
            if (entry.begin()) commit(entry);
        } catch (RuntimeException e) {
            // Whose the entry is now cannot be told: it is not used again, and its memory is kept.
            log.error("{}: a request was lost by a bug; its caller waits until it is interrupted", serves.mountPoint(), e);
            lost = true;
            alive--;
        }
    }

    private void dead(int errno) {
        alive--;
        switch (errno) {
            case Linux.ENOTCONN, Linux.ECONNABORTED, Linux.ENODEV, Linux.ECANCELED -> {}
            default -> fail("the kernel refused an entry of ring " + queues + ": " + Linux.describe(errno), null);
        }
    }

    /// Requests of this CPU would wait for ever: the mount ends.
    private void fail(String what, Throwable why) {
        if (registered.completeExceptionally(new IOException(what, why))) return;
        log.error("{}: {}", serves.mountPoint(), what, why);
        serves.ringFailed();
    }
}
