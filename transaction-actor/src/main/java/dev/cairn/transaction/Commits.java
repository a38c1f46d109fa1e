package dev.cairn.transaction;

import dev.cairn.block.DiscardPace;
import dev.cairn.block.Extent;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.LogCommitted;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Carries one transaction after the other through its commit:
///
///     frozen --> [data flushed, run written and flushed] and [data pins drained] --> journalled by the server --> passed
///                  '--[device error]--> fsync gets EIO, tried again after a while
///
/// Only after the last step is anything of it durable, and only then are those who wait told.
final class Commits {
    /// What it needs of the coordinator: mailbox, timer and server.
    interface Surroundings {
        void written(Transaction transaction, CommitWriter.Written outcome);

        void drained(Transaction transaction);

        void retryAfter(Duration delay);

        /// Calls [#gathered] after so many nanoseconds, unless cancelled before.
        Future<?> gather(long nanos, Transaction transaction);

        void journal(CommitLog commit, Consumer<LogCommitted> then);

        /// @param manifestFollowed false when the mount has missed changes of the manifest
        void passed(LogCommitted answer, boolean manifestFollowed);

        void refill();

        void discard(List<Extent> freed);

        void fail(String why);
    }

    private static final Logger log = LoggerFactory.getLogger(Commits.class);
    private static final Duration RETRY_AFTER = Duration.ofSeconds(2);
    private static final Duration REFILL_WAIT = Duration.ofMillis(50);

    private final Transactions transactions;
    private final CommitWriter writer;
    private final CoordinatorMeters meters;
    private final Surroundings surroundings;
    private final DiscardPace discards;

    /// Another commit is to start when the one that is going on has passed.
    private boolean another;
    private final Gathering gathering = new Gathering();
    /// The end of the wait for others to ask for the open transaction's commit; null when none is waited for.
    private Future<?> gatheringEnd;
    private List<Extent> runSpace;
    private CommitWriter.Written written;
    private boolean drained;
    private long frozenAtNanos;
    private String failure;
    private boolean over;

    Commits(Transactions transactions, CommitWriter writer, DiscardPace discards, CoordinatorMeters meters, Surroundings surroundings) {
        this.transactions = transactions;
        this.writer = writer;
        this.meters = meters;
        this.surroundings = surroundings;
        this.discards = discards;
    }

    /// Tells `done` when everything that has been done so far is durable.
    void ask(Consumer<Errno> done) {
        if (failure != null || over) done.accept(Errno.EIO);
        else if (transactions.open.dirty()) {
            transactions.open.waiters.add(done);
            together();
        } else if (transactions.frozen != null) transactions.frozen.waiters.add(done);
        else done.accept(null);
    }

    // Commits the open transaction when all who may be expected to have asked for it; those who come too late get the next.
    private void together() {
        if (!transactions.mayFreeze()) return;
        int asked = transactions.open.waiters.size();
        if (gatheringEnd == null) {
            long nanos = gathering.waitNanos(asked);
            if (nanos == 0) soon();
            else gatheringEnd = surroundings.gather(nanos, transactions.open);
        } else if (gathering.complete(asked)) {
            gathering.waited(false);
            soon();
        }
    }

    /// The others have been waited for long enough.
    void gathered(Transaction transaction) {
        if (gatheringEnd == null || transactions.open != transaction) return;
        gathering.waited(true);
        soon();
    }

    /// Commits the open transaction, at once or after the one that is on its way.
    void soon() {
        if (over) return;
        if (!transactions.mayFreeze()) {
            another = true;
            return;
        }
        if (gatheringEnd != null) gatheringEnd.cancel(false);
        gatheringEnd = null;
        another = false;
        var frozen = transactions.freeze();
        written = null;
        drained = false;
        frozenAtNanos = System.nanoTime();
        frozen.pins.freeze(() -> surroundings.drained(frozen));
        write();
    }

    private void write() {
        var frozen = transactions.frozen;
        boolean inline = transactions.fitsInline();
        var items = inline ? frozen.items.inOrder() : transactions.runItems();
        var failedSpace = runSpace;
        runSpace = inline ? null : transactions.takeRunSpace();
        // Only now, so that another try meets other blocks while there are any.
        if (failedSpace != null) transactions.share.returnMetadata(failedSpace);
        if (!inline && runSpace == null) {
            log.warn("transaction {} needs more metadata blocks than the {} in hand; asking for a refill",
                    frozen.seq, transactions.share.metadataBlocks());
            surroundings.refill();
            surroundings.retryAfter(REFILL_WAIT);
            return;
        }
        var fresh = frozen.freshBlocks(writer.freshBlocksMax());
        writer.write(frozen.seq, items, runSpace, fresh, outcome -> surroundings.written(frozen, outcome));
    }

    void written(Transaction transaction, CommitWriter.Written outcome) {
        if (outcome.error() == null) {
            failure = null;
            written = outcome;
            journal(transaction);
            return;
        }
        meters.commitFailed();
        failure = outcome.error().toString();
        if (outcome.dataLost()) {
            // The kernel drops what it could not write: a later flush would succeed and mean nothing.
            surroundings.fail("file data was lost in a flush (" + outcome.error().getMessage() + "); check the device, then stop and start the node");
            return;
        }
        log.error("the commit of transaction {} failed; it is tried again in {} s, fsync gets EIO meanwhile: {}",
                transaction.seq, RETRY_AFTER.toSeconds(), failure);
        transaction.tellWaiters(Errno.EIO);
        surroundings.retryAfter(RETRY_AFTER);
    }

    void retry() {
        if (transactions.frozen != null && written == null && !over) write();
    }

    void drained(Transaction transaction) {
        drained = true;
        journal(transaction);
    }

    private void journal(Transaction transaction) {
        if (written == null || !drained || over) return;
        var commit = CommitLog.newBuilder().setTransactionSeq(transaction.seq).setInodesDelta(transaction.inodesDelta)
                .setWantsDirectoryInodes(transactions.directoryNumbers.low())
                .setWantsOtherInodes(transactions.otherNumbers.low());
        for (var extent : transaction.dataReferred) commit.addDataAllocated(proto(extent));
        for (var extent : transaction.dataFreed.toList()) commit.addDataFreed(proto(extent));
        for (var extent : transaction.dataReturned) commit.addDataReturned(proto(extent));
        commit.addAllData(written.data()).setDataFlushed(written.dataFlushed());
        var run = written.run();
        List<Long> replaced = List.of();
        if (run != null) {
            commit.setRun(run);
            if (runSpace != null) {
                transactions.usedRunSpace(runSpace, run);
                replaced = transactions.carriedRuns();
                commit.addAllReplacedInlineRuns(replaced);
            }
        }
        for (var extent : transactions.takeMetadataSurplus()) commit.addMetadataReturned(proto(extent));
        var replacedRuns = replaced;
        surroundings.journal(commit.build(), answer -> passed(answer, replacedRuns));
    }

    private static dev.cairn.proto.Extent proto(Extent extent) {
        return dev.cairn.proto.Extent.newBuilder().setStart(extent.start()).setCount(extent.count()).build();
    }

    private void passed(LogCommitted answer, List<Long> replacedRuns) {
        var run = written.run();
        transactions.directoryNumbers.grant(answer.getDirectoryInodes());
        transactions.otherNumbers.grant(answer.getOtherInodes());
        transactions.share.granted(answer.getSpace());
        transactions.counted(answer.getInodeCount());
        long before = transactions.runs().version();
        // After a change of servers the manifest may have come before the answer.
        boolean known = run == null || answer.getManifestVersion() <= before;
        var runs = known ? transactions.runs() : transactions.runs().with(run, replacedRuns, answer.getManifestVersion());
        boolean followed = answer.getManifestVersion() <= before + 1;
        var passed = transactions.passed(runs, run != null && runSpace == null ? run.getRunId() : 0, answer.getNextSeq());
        long tookNanos = System.nanoTime() - frozenAtNanos;
        meters.committed(tookNanos, passed);
        if (!passed.waiters.isEmpty()) discards.fsynced();
        gathering.passed(passed.waiters.size(), transactions.open.waiters.size(), tookNanos);
        runSpace = null;
        written = null;
        surroundings.passed(answer, followed);
        if (!passed.dataFreed.isEmpty()) surroundings.discard(passed.dataFreed.toList());
        passed.tellWaiters(null);
        if (another || transactions.wantsCommit()) soon();
        else if (!transactions.open.waiters.isEmpty()) together();
    }

    /// The mount has failed for good: nothing more of it becomes durable.
    void failAll() {
        over = true;
        if (transactions.frozen != null) transactions.frozen.tellWaiters(Errno.EIO);
        if (transactions.open != null) transactions.open.tellWaiters(Errno.EIO);
    }

    /// Why the last try failed, or null when it did not.
    String failure() {
        return failure;
    }
}
