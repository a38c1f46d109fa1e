package dev.cairn.transaction;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
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
/// History that goes wrong with another order: the journal has the commit, the power goes, and the run's blocks or the file's
/// data were still in a device's cache.
final class CommitWriter {
    /// What came of it. Exactly one of `error` and success; `run` is null when the transaction has no items.
    record Written(RunRef run, Exception error, boolean dataLost) {}

    private final long fsid;
    private final long rid;
    private final BlockDevice metadata;
    private final TrackedDevice data;
    private final Executor io;

    CommitWriter(long fsid, long rid, BlockDevice metadata, TrackedDevice data, Executor io) {
        this.fsid = fsid;
        this.rid = rid;
        this.metadata = metadata;
        this.data = data;
        this.io = io;
    }

    /// @param space blocks for the run, enough by [RunWriter#blocksNeededAtMost]; null: encode the items inline
    /// @param then   called once, on an I/O thread
    void write(long transactionSeq, ItemTable items, List<Extent> space, Consumer<Written> then) {
        if (space == null) {
            io.execute(() -> then.accept(inlineWritten(transactionSeq, items)));
            return;
        }
        var dataFlushed = CompletableFuture.runAsync(this::flushData, io);
        var runWritten = CompletableFuture.supplyAsync(
                () -> items.isEmpty() ? null : run(transactionSeq, items, space), io);
        dataFlushed.handle((_, dataError) -> dataError)
                .thenCombine(runWritten.handle((run, error) -> new Written(run, cause(error), false)), (dataError, written) ->
                        dataError == null ? written : new Written(null, cause(dataError), true))
                .thenAccept(then);
    }

    private static Exception cause(Throwable error) {
        return switch (error) {
            case null -> null;
            case CompletionException wrapped when wrapped.getCause() instanceof Exception cause -> cause;
            case Exception e -> e;
            default -> new IllegalStateException(error);
        };
    }

    private void flushData() {
        try {
            data.flushIfWritten();
        } catch (DeviceException e) {
            throw new CompletionException(e);
        }
    }

    // One thread for all of it, and for what follows: waking another costs as much as a fast disk's flush.
    private Written inlineWritten(long transactionSeq, ItemTable items) {
        RunRef run;
        try {
            run = items.isEmpty() ? null : InlineRun.of(items.inOrder(), transactionSeq, rid);
        } catch (RuntimeException e) {
            return new Written(null, e, false);
        }
        try {
            data.flushIfWritten();
            return new Written(run, null, false);
        } catch (DeviceException | RuntimeException e) {
            return new Written(null, e, true);
        }
    }

    private RunRef run(long transactionSeq, ItemTable items, List<Extent> space) {
        try (var writer = new RunWriter(metadata, fsid, transactionSeq, space)) {
            for (var item : items.inOrder()) writer.add(item.key(), item.seq(), item.value());
            var run = writer.finish(rid, 0);
            metadata.flush();
            return run;
        } catch (DeviceException e) {
            throw new CompletionException(e);
        }
    }
}
