package dev.cairn.fuse;

import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.OperationKind;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Operation;
import dev.cairn.transaction.Tx;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Frees in the background what nobody can reach any more: files without a name whose last user has gone, and the tails of
/// truncated files. In bounded steps, so that everybody else's operations go between them.
///
/// Nothing is lost when it stops half-way: orphans and files that are being cut are listed as items, and the next mount goes
/// on with them.
final class Reclaimer {
    private static final Logger log = LoggerFactory.getLogger(Reclaimer.class);
    /// So many are deleted in one operation: 50 microseconds when they are empty, for which others' operations wait.
    private static final int BATCH = 64;
    /// What is not in the cache a batch would fetch block by block, beginning again after each.
    private static final int BATCH_ATTEMPTS_MAX = 4;
    private static final Duration GATHER = Duration.ofMillis(2);

    private final FileSystem fileSystem;
    private final Submitter submitter;
    private final Executor background;
    private final KnownInodes known;
    private final LongConsumer onTruncated;
    private final CompletableFuture<Void> leftOversReaped = new CompletableFuture<>();
    private final Executor later;
    // All guarded by this.
    private int active;
    private boolean stopped;
    private final long[] gathered = new long[BATCH];
    private int gatheredCount;
    private boolean lookingLater;

    /// @param onTruncated a file has fewer blocks now than the kernel was told; called on a background thread
    Reclaimer(FileSystem fileSystem, Submitter submitter, Executor background, KnownInodes known, LongConsumer onTruncated) {
        this.fileSystem = fileSystem;
        this.submitter = submitter;
        this.background = background;
        this.known = known;
        this.onTruncated = onTruncated;
        later = CompletableFuture.delayedExecutor(GATHER.toNanos(), TimeUnit.NANOSECONDS, background);
    }

    /// Deletes it together with what else is forgotten within [#GATHER]: for the reader of a FORGET. The kernel sends one
    /// after each reply to unlink and rmdir, and whoever reads it should be free again for the call that follows at once.
    /// The thread that brings a batch's last one deletes them all.
    void deleteSoon(long ino) {
        long[] batch = null;
        synchronized (this) {
            if (stopped) return;
            active++;
            gathered[gatheredCount++] = ino;
            if (gatheredCount == gathered.length) batch = takeGathered();
            else if (!lookingLater) {
                lookingLater = true;
                active++;
                later.execute(this::deleteGathered);
            }
        }
        if (batch != null) submitter.submit(new Batch(batch));
    }

    private void deleteGathered() {
        long[] batch;
        synchronized (this) {
            lookingLater = false;
            batch = takeGathered();
        }
        if (batch.length > 0) submitter.submit(new Batch(batch));
        end(1);
    }

    private long[] takeGathered() {
        var batch = Arrays.copyOf(gathered, gatheredCount);
        gatheredCount = 0;
        return batch;
    }

    /// From any thread, the coordinator's included.
    void delete(long ino) {
        start(new Deletion(ino, null));
    }

    /// Frees what lies beyond the end of a truncated file. From any thread.
    void truncate(long ino) {
        start(new Truncation(ino, null));
    }

    /// Deletes every orphan that nobody here uses, and frees what is behind the ends of files: what mounts that died have left.
    /// To be called once.
    CompletableFuture<Void> reapLeftOvers() {
        start(new LeftOvers());
        return leftOversReaped;
    }

    CompletableFuture<Void> leftOversReaped() {
        return leftOversReaped;
    }

    /// @return false when there was still something to do after `timeout`
    synchronized boolean awaitIdle(Duration timeout) throws InterruptedException {
        long end = System.nanoTime() + timeout.toNanos();
        while (active > 0) {
            long left = end - System.nanoTime();
            if (left <= 0) return false;
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return true;
    }

    /// Nothing more is taken on after this one returns; a step that is due already may still be made.
    synchronized void stop() {
        stopped = true;
    }

    private synchronized boolean begin() {
        if (stopped) return false;
        active++;
        return true;
    }

    private synchronized void end(int ended) {
        active -= ended;
        if (active == 0) notifyAll();
    }

    private synchronized boolean stopped() {
        return stopped;
    }

    private void start(Task task) {
        if (begin()) background.execute(task);
        else task.ended();
    }

    private static String nameOf(OperationKind kind) {
        return kind.name().toLowerCase(Locale.ROOT);
    }

    /// Something done in steps, each an operation of its own.
    private abstract class Task extends Operation implements Runnable {
        final long ino;
        private final OperationKind kind;
        private final LeftOvers then;
        /// Where the attempt that is being made will have ended, and where the last step did.
        private long next, from;

        /// @param then goes on when this has ended; null: nobody
        Task(long ino, OperationKind kind, LeftOvers then) {
            this.ino = ino;
            this.kind = kind;
            this.then = then;
        }

        /// @param from where the step before has ended, 0 at first
        /// @return where the next one goes on, or STEPS_DONE
        abstract long step(Tx tx, long from);

        /// Called once, when there are no more steps, for whatever reason.
        void ended() {
            if (then != null) then.goOn();
        }

        @Override
        public final String name() {
            return nameOf(kind);
        }

        @Override
        public final Hold hold() {
            return kind.hold();
        }

        @Override
        public final void run() {
            submitter.submit(this);
        }

        @Override
        public final void run(Tx tx) {
            next = step(tx, from);
        }

        @Override
        public void done() {
            from = next;
            if (from != FileSystem.STEPS_DONE && !stopped()) background.execute(this);
            else finish();
        }

        @Override
        public final void failed(Errno errno) {
            log.warn("inode {}: {} failed with {}; what it should have freed stays in use until the volume is mounted again",
                    ino, name(), errno);
            finish();
        }

        void finish() {
            ended();
            end(1);
        }
    }

    /// Small files deleted together. Each of the others becomes a [Deletion], and each of all when too much has to be fetched:
    /// they then do so side by side.
    private final class Batch extends Operation {
        private final long[] inos;
        private long[] left;
        private int attempts;

        Batch(long[] inos) {
            this.inos = inos;
        }

        @Override
        public String name() {
            return nameOf(OperationKind.DELETE_ORPHAN);
        }

        @Override
        public Hold hold() {
            return OperationKind.DELETE_ORPHAN.hold();
        }

        @Override
        public void run(Tx tx) {
            left = attempts++ < BATCH_ATTEMPTS_MAX ? fileSystem.deleteSmallOrphans(tx, inos) : inos;
        }

        @Override
        public void done() {
            for (long ino : left) delete(ino);
            end(inos.length);
        }

        /// Something is wrong with one of them, which need not keep the others.
        @Override
        public void failed(Errno errno) {
            left = inos;
            done();
        }
    }

    private final class Deletion extends Task {
        Deletion(long ino, LeftOvers then) {
            super(ino, OperationKind.DELETE_ORPHAN, then);
        }

        @Override
        long step(Tx tx, long from) {
            return fileSystem.deleteOrphanStep(tx, ino, from);
        }
    }

    private final class Truncation extends Task {
        Truncation(long ino, LeftOvers then) {
            super(ino, OperationKind.TRUNCATE, then);
        }

        @Override
        long step(Tx tx, long from) {
            return fileSystem.truncateStep(tx, ino, from);
        }

        @Override
        void finish() {
            background.execute(() -> {
                // The kernel's descriptor stays open while this is active, but not for ever.
                if (!stopped()) onTruncated.accept(ino);
                super.finish();
            });
        }
    }

    /// Goes from orphan to orphan, one at a time.
    private final class LeftOvers extends Task {
        private long after, found;
        private boolean named;
        private int freed;

        LeftOvers() {
            super(0, OperationKind.NEXT_ORPHAN, null);
        }

        @Override
        long step(Tx tx, long from) {
            found = fileSystem.nextOrphan(tx, after);
            named = found != 0 && fileSystem.isNamed(tx, found);
            return FileSystem.STEPS_DONE;
        }

        @Override
        public void done() {
            if (found == 0 || stopped()) {
                finish();
                return;
            }
            after = found;
            // What this kernel uses and has no name was unlinked during this mount; it is deleted when its last user goes. What
            // has a name may get users, and lose it, at any time: it is cut, and never deleted from here.
            if (!named && known.known(found)) {
                background.execute(this);
                return;
            }
            freed++;
            start(named ? new Truncation(found, this) : new Deletion(found, this));
        }

        void goOn() {
            background.execute(this);
        }

        @Override
        void ended() {
            if (freed > 0) log.info("{} files that were unlinked but in use, or being cut, when a mount ended have been freed", freed);
            leftOversReaped.complete(null);
        }
    }
}
