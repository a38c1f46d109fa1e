package dev.cairn.transaction;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.proto.DataPatch;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.run.InlineRun;
import dev.cairn.transaction.run.RunWriter;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/// The I/O of a commit, on I/O threads: data flushed, run written and flushed, both at once. Only what it hands on has
/// reached the devices' media; only then may the server journal it.
///
/// A small commit may carry its data instead of flushing it, where the journal is a single slot's: then the journal's own
/// flush makes the data durable together with the commit, and what the device's cache loses is written again before the
/// volume is used (`CarriedData` in the journal's package has the rule and why it is right).
///
/// History that goes wrong with another order: the journal has the commit, the power goes, and the run's blocks or the file's
/// data were still in a device's cache.
final class CommitWriter {
    /// What came of it. Exactly one of `error` and success; `run` is null when the transaction has no items.
    ///
    /// @param data        what the commit has to carry of the file data, since it was not flushed
    /// @param dataFlushed everything written to the data device before is durable, but for `data`
    record Written(RunRef run, List<DataPatch> data, boolean dataFlushed, Exception error, boolean dataLost) {
        static Written failed(Throwable error, boolean dataLost) {
            return new Written(null, List.of(), false, cause(error), dataLost);
        }
    }

    private final long fsid;
    private final long rid;
    private final BlockDevice metadata;
    private final TrackedDevice data;
    private final Executor io;
    /// A try has flushed the data and failed all the same. What that flush has ended must not be written again, so the try that
    /// succeeds says it. Tries come one after the other.
    private volatile boolean flushedInVain;

    CommitWriter(long fsid, long rid, BlockDevice metadata, TrackedDevice data, Executor io) {
        this.fsid = fsid;
        this.rid = rid;
        this.metadata = metadata;
        this.data = data;
        this.io = io;
    }

    /// So many fresh data blocks a commit may carry.
    long freshBlocksMax() {
        return data.freshBlocksMax();
    }

    /// @param items in key order; none only when they go inline
    /// @param space blocks for the run, enough by [RunWriter#blocksNeededAtMost]; null: encode the items inline
    /// @param fresh the data blocks that the transaction is the first to refer to and that were written; null when there are too
    ///              many to be carried
    /// @param then  called once, on an I/O thread
    void write(long transactionSeq, Iterable<Item> items, List<Extent> space, List<Extent> fresh, Consumer<Written> then) {
        if (space == null || data.carries(fresh)) {
            io.execute(() -> then.accept(told(written(transactionSeq, items, space, fresh))));
            return;
        }
        var dataFlushed = CompletableFuture.supplyAsync(this::flushData, io);
        var runWritten = CompletableFuture.supplyAsync(
                () -> run(transactionSeq, items, space), io);
        dataFlushed.handle((flushed, dataError) -> dataError == null ? new Written(null, List.of(), flushed, null, false)
                : Written.failed(dataError, true)).thenCombine(runWritten.handle((run, error) -> error == null
                        ? new Written(run, List.of(), false, null, false) : Written.failed(error, false)), this::both)
                .thenAccept(outcome -> then.accept(told(outcome)));
    }

    private Written both(Written data, Written run) {
        if (data.error() != null) return data;
        if (run.error() == null) return new Written(run.run(), List.of(), data.dataFlushed(), null, false);
        if (data.dataFlushed()) flushedInVain = true;
        return run;
    }

    private Written told(Written outcome) {
        if (outcome.error() != null || !flushedInVain) return outcome;
        flushedInVain = false;
        return new Written(outcome.run(), outcome.data(), true, null, false);
    }

    private static Exception cause(Throwable error) {
        return switch (error) {
            case null -> null;
            case CompletionException wrapped when wrapped.getCause() instanceof Exception cause -> cause;
            case Exception e -> e;
            default -> new IllegalStateException(error);
        };
    }

    private boolean flushData() {
        try {
            return data.flushIfWritten();
        } catch (DeviceException e) {
            throw new CompletionException(e);
        }
    }

    // One thread for all of it, and for what follows: waking another costs as much as a fast disk's flush.
    private Written written(long transactionSeq, Iterable<Item> items, List<Extent> space, List<Extent> fresh) {
        RunRef run;
        try {
            run = space != null ? run(transactionSeq, items, space)
                    : items.iterator().hasNext() ? InlineRun.of(items, transactionSeq, rid) : null;
        } catch (RuntimeException e) {
            return Written.failed(e, false);
        }
        // Last, since what has been taken is nowhere else.
        var carried = data.takeRecent(fresh);
        if (carried != null) return new Written(run, carried, false, null, false);
        try {
            return new Written(run, List.of(), data.flushIfWritten(), null, false);
        } catch (DeviceException | RuntimeException e) {
            return Written.failed(e, true);
        }
    }

    private RunRef run(long transactionSeq, Iterable<Item> items, List<Extent> space) {
        try (var writer = new RunWriter(metadata, fsid, transactionSeq, space)) {
            for (var item : items) writer.add(item.key(), item.seq(), item.value());
            var run = writer.finish(rid, 0);
            metadata.flush();
            return run;
        } catch (DeviceException e) {
            throw new CompletionException(e);
        }
    }
}
