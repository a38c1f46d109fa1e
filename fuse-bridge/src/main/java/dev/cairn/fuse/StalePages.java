package dev.cairn.fuse;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/// Has the kernel drop pages whose contents are not the file's any more, on a thread of its own: the kernel answers only when
/// whoever reads or writes such a page has been served.
///
/// One request at a time may be answered after that; the others are answered at once, and their pages are dropped right after.
/// History that goes wrong otherwise: as many direct writes as the kernel has room for wait here for a page, and the read that
/// has it locked finds no room to be sent.
final class StalePages {
    private final KernelCache kernelCache;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(task -> Thread.ofPlatform().daemon().name("cairn-fuse-teller").unstarted(task));
    // Guarded by this.
    /// Of each inode whatever there is between the first and the last byte.
    private final SequencedMap<Long, long[]> later = new LinkedHashMap<>();
    private boolean oneWaits, stopped;

    StalePages(KernelCache kernelCache) {
        this.kernelCache = kernelCache;
    }

    /// Where the request that [#mayWait] goes on.
    ExecutorService thread() {
        return thread;
    }

    /// Whether the caller may be the one that is answered after its pages are dropped; then it calls [#dropNow] on the thread.
    synchronized boolean mayWait() {
        if (oneWaits || stopped) return false;
        oneWaits = true;
        return true;
    }

    void dropNow(long ino, long from, long bytes) {
        try {
            kernelCache.contentsChanged(ino, from, bytes);
        } finally {
            synchronized (this) {
                oneWaits = false;
            }
        }
    }

    void dropLater(long ino, long from, long bytes) {
        synchronized (this) {
            if (stopped) return;
            boolean begins = later.isEmpty();
            later.merge(ino, new long[] {from, from + bytes}, (a, b) -> new long[] {Math.min(a[0], b[0]), Math.max(a[1], b[1])});
            if (begins) thread.execute(this::dropThem);
        }
    }

    private void dropThem() {
        for (Map.Entry<Long, long[]> next; (next = takeLater()) != null; )
            kernelCache.contentsChanged(next.getKey(), next.getValue()[0], next.getValue()[1] - next.getValue()[0]);
    }

    private synchronized Map.Entry<Long, long[]> takeLater() {
        return stopped ? null : later.pollFirstEntry();
    }

    /// The mount has gone: there is nobody to tell.
    ///
    /// @return false when the kernel is still being told, and needs its descriptor
    boolean stop(Duration timeout) throws InterruptedException {
        synchronized (this) {
            stopped = true;
        }
        thread.shutdown();
        return thread.awaitTermination(timeout.toMillis(), TimeUnit.MILLISECONDS);
    }
}
