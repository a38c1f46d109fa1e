package dev.cairn.quorum;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/// Tells the block storage actors to refuse the I/O of mounts that are given up. The server gives their locks and space to
/// others only when this is done.
@FunctionalInterface
public interface Fencing {
    /// One machine: the mounts share the process with the storage, a dead one cannot write.
    Fencing NONE_NEEDED = _ -> CompletableFuture.completedFuture(null);

    CompletionStage<Void> refuse(List<Long> rids);
}
