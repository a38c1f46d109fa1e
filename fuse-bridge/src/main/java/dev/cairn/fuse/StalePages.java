package dev.cairn.fuse;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has the kernel drop pages whose contents are not the file's any more, on a thread of its own: the kernel answers only when
/// whoever reads or writes such a page has been served.
///
/// One request at a time may be answered after that, and does not wait for long; the others are answered at once, and their
/// pages are dropped right after. History that goes wrong otherwise: as many direct writes as the kernel has room for wait here
/// for a page, and the read that has it locked finds no room to be sent.
final class StalePages {
    private static final Logger log = LoggerFactory.getLogger(StalePages.class);
    private static final Duration WAIT_MAX = Duration.ofMillis(100);

    private final Dropper dropper;
    private final Duration waitMax;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(task -> Thread.ofPlatform().daemon().name("cairn-fuse-teller").unstarted(task));
    // All guarded by this.
    private boolean oneWaits, dropping, stopped;
    /// What the one waits for; null when it is being dropped, or nobody waits.
    private Range first;
    /// Of each other inode whatever there is between the first and the last byte.
    private final SequencedMap<Long, Range> later = new LinkedHashMap<>();

    @FunctionalInterface
    interface Dropper {
        /// Waits until the kernel has dropped the pages.
        void drop(long ino, long from, long bytes);
    }

    /// @param dropped completed when it has been; null: nobody waits
    private record Range(long ino, long from, long end, CompletableFuture<Void> dropped) {
        Range with(Range other) {
            return new Range(ino, Math.min(from, other.from), Math.max(end, other.end), null);
        }
    }

    StalePages(Dropper dropper) {
        this(dropper, WAIT_MAX);
    }

    /// @param waitMax how long one request may wait
    StalePages(Dropper dropper, Duration waitMax) {
        this.dropper = dropper;
        this.waitMax = waitMax;
    }

    /// Whether the caller may be the one that is answered after its pages are dropped; then it calls [#dropAndThen].
    synchronized boolean mayWait() {
        if (oneWaits || stopped) return false;
        oneWaits = true;
        return true;
    }

    /// @param then called once, on any thread: when the pages are dropped, or that takes too long
    void dropAndThen(long ino, long from, long bytes, Runnable then) {
        var dropped = new CompletableFuture<Void>();
        dropped.completeOnTimeout(null, waitMax.toMillis(), TimeUnit.MILLISECONDS).thenRun(() -> {
            synchronized (this) {
                oneWaits = false;
            }
            then.run();
        });
        boolean over;
        synchronized (this) {
            over = stopped;
            // One that has waited for too long is still to be dropped.
            if (first != null) later.merge(first.ino, first, Range::with);
            first = new Range(ino, from, from + bytes, dropped);
            if (!over) begin();
        }
        if (over) dropped.complete(null);
    }

    synchronized void dropLater(long ino, long from, long bytes) {
        if (stopped) return;
        later.merge(ino, new Range(ino, from, from + bytes, null), Range::with);
        begin();
    }

    private void begin() {
        if (dropping) return;
        dropping = true;
        thread.execute(this::dropThem);
    }

    private void dropThem() {
        for (Range next; (next = take()) != null; ) {
            try {
                dropper.drop(next.ino, next.from, next.end - next.from);
            } catch (RuntimeException e) {
                log.error("the kernel could not be told to drop pages of inode {}", next.ino, e);
            } finally {
                if (next.dropped != null) next.dropped.complete(null);
            }
        }
    }

    private synchronized Range take() {
        var next = stopped ? null : first;
        if (next != null) first = null;
        else if (!stopped && !later.isEmpty()) next = later.pollFirstEntry().getValue();
        dropping = next != null;
        return next;
    }

    /// The mount has gone: there is nobody to tell.
    ///
    /// @return false when the kernel is still being told, and needs its descriptor
    boolean stop(Duration timeout) throws InterruptedException {
        Range left;
        synchronized (this) {
            stopped = true;
            left = first;
        }
        if (left != null) left.dropped.complete(null);
        thread.shutdown();
        return thread.awaitTermination(timeout.toMillis(), TimeUnit.MILLISECONDS);
    }
}
