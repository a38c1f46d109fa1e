package dev.cairn.transaction;

import dev.cairn.allocator.MountShare;
import dev.cairn.block.BlockDevice;
import dev.cairn.block.BlockStorage;
import dev.cairn.block.DiscardPace;
import dev.cairn.transaction.run.BlockCache;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;

/// What a [Coordinator] is made of.
///
/// @param rid        random, new for each mount
/// @param io         threads that may block on the devices: fetches and commits
/// @param background one thread for merging
/// @param soon       for waits far below the tick of Pekko's timers; nothing in it blocks
record MountSettings(long fsid, long rid, String nodeId, long nodeIncarnation, BlockDevice metadata, TrackedDevice data,
                     ActorRef<BlockStorage.Command> dataStorage, DiscardPace discardPace, Executor io, Executor background, ScheduledExecutorService soon,
                     BlockCache cache, MountShare share, long dirtyBytesMax, Duration commitInterval, MeterRegistry meters, MountListener listener, Consumer<MountStatus> status) {
    MountSettings {
        if (dirtyBytesMax < 1 << 20) throw new IllegalArgumentException("dirtyBytesMax of " + dirtyBytesMax + " is below 1 MiB");
        if (commitInterval.isNegative() || commitInterval.isZero())
            throw new IllegalArgumentException("commit interval " + commitInterval);
    }
}
