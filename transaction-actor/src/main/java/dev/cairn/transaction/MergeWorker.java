package dev.cairn.transaction;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.proto.AbandonMerge;
import dev.cairn.proto.MergeJob;
import dev.cairn.proto.ServerRequest;
import dev.cairn.transaction.run.MergeRun;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Carries out merge jobs that the server cuts, one at a time, on a background thread.
final class MergeWorker {
    /// @param report what the server has to be told
    record Ended(ServerRequest.Builder report) {}

    private static final Logger log = LoggerFactory.getLogger(MergeWorker.class);

    private final long fsid;
    private final BlockDevice metadata;
    private final Executor background;
    private boolean busy;

    MergeWorker(long fsid, BlockDevice metadata, Executor background) {
        this.fsid = fsid;
        this.metadata = metadata;
        this.background = background;
    }

    boolean busy() {
        return busy;
    }

    /// @param then called once, on the background thread
    void start(MergeJob job, Consumer<Ended> then) {
        busy = true;
        background.execute(() -> then.accept(new Ended(merge(job))));
    }

    void ended() {
        busy = false;
    }

    private ServerRequest.Builder merge(MergeJob job) {
        try {
            return ServerRequest.newBuilder().setCompleteMerge(MergeRun.merge(job, metadata, fsid));
        } catch (DeviceException | RuntimeException e) {
            log.error("merge job {} is abandoned; its inputs stay as they are: {}", job.getJobId(), e.toString());
            return ServerRequest.newBuilder().setAbandonMerge(
                    AbandonMerge.newBuilder().setJobId(job.getJobId()).setWhy(e.toString()));
        }
    }
}
