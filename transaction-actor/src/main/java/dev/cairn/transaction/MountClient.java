package dev.cairn.transaction;

import dev.cairn.allocator.MountShare;
import dev.cairn.block.BlockDevice;
import dev.cairn.block.BlockStorage;
import dev.cairn.block.DiscardPace;
import dev.cairn.proto.SpaceReport;
import dev.cairn.transaction.run.BlockCache;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.Props;

/// One mount of a volume, in this JVM: finds the server, registers, and runs operations. The front door for `fuse-bridge`
/// and `node`.
public final class MountClient {
    /// @param nodeIncarnation random, new at each start of the node's process
    /// @param metadata        opened by the caller, who closes it after [#stop]
    /// @param cacheBytesMax   heap for decoded metadata blocks
    /// @param dirtyBytesMax   heap for uncommitted items: a commit starts when it is reached, operations wait at twice that
    /// @param commitInterval  the longest time that anything stays uncommitted
    /// @param ioThreads       threads that may block on the devices
    /// @param carriesData     small commits bring their file data along instead of flushing it: the journal must be able to
    ///                        write it again after a power loss
    public record Options(long fsid, String nodeId, long nodeIncarnation, BlockDevice metadata, BlockDevice data,
                          long cacheBytesMax, long dirtyBytesMax, Duration commitInterval, int ioThreads,
                          boolean carriesData, MeterRegistry meters, MountListener listener) {}

    private final long rid;
    private final ActorRef<Coordinator.Command> coordinator;
    private final Turns turns = new Turns();
    private final TrackedDevice data;
    private final ExecutorService io;
    private final ExecutorService background;
    private final ExecutorService discards;
    private final ScheduledThreadPoolExecutor soon;
    private volatile MountStatus status;

    private MountClient(ActorSystem<?> system, Options options) {
        rid = new SecureRandom().nextLong();
        status = new MountStatus(rid, 0, false, null, null, 0, 0, 0, 0, SpaceReport.getDefaultInstance());
        io = Executors.newFixedThreadPool(options.ioThreads(), Thread.ofPlatform().name("cairn-io-", 0).daemon(true).factory());
        data = new TrackedDevice(options.data(), options.carriesData(), io);
        background = newThread("cairn-merge");
        // Not on the same: discards rest longer than they work.
        discards = newThread("cairn-discard");
        soon = new ScheduledThreadPoolExecutor(1, Thread.ofPlatform().name("cairn-soon").daemon(true).factory());
        soon.setRemoveOnCancelPolicy(true);
        var cache = new BlockCache(options.metadata(), options.fsid(), options.cacheBytesMax(), options.meters(), Tags.empty());
        var discardPace = new DiscardPace();
        var dataStorage = system.systemActorOf(BlockStorage.create(options.data(), discards, discardPace),
                "data-%016x".formatted(rid), Props.empty());
        var settings = new MountSettings(options.fsid(), rid, options.nodeId(), options.nodeIncarnation(),
                options.metadata(), data, dataStorage, discardPace, io, background, soon, cache, new MountShare(), options.dirtyBytesMax(),
                options.commitInterval(), options.meters(), options.listener(), s -> status = s);
        coordinator = system.systemActorOf(Coordinator.create(settings), "mount-%016x".formatted(rid), dispatcher());
    }

    private static ExecutorService newThread(String name) {
        return Executors.newSingleThreadExecutor(Thread.ofPlatform().name(name).daemon(true).priority(Thread.MIN_PRIORITY).factory());
    }

    private static Props dispatcher() {
        return DispatcherSelector.fromConfig("cairn.calling-thread-dispatcher");
    }

    /// Starts to look for the server and registers; the listener hears when that is done. Operations may be submitted at once:
    /// they wait.
    public static MountClient start(ActorSystem<?> system, Options options) {
        return new MountClient(system, options);
    }

    /// Runs the command on this thread before returning, when no other thread is inside the coordinator and nothing has to be
    /// fetched; otherwise later on another.
    public void submit(Coordinator.Command command) {
        // A thread that is inside already is at its own turn.
        boolean turn = !CallingThread.isInside() && turns.take();
        try {
            CallingThread.tell(coordinator, command);
        } finally {
            if (turn) turns.give();
        }
    }

    public long rid() {
        return rid;
    }

    /// The data device as operations' I/O has to use it: commits flush what was written through this one.
    public BlockDevice data() {
        return data;
    }

    /// For reads and writes that would block a thread that must not.
    public ExecutorService io() {
        return io;
    }

    public MountStatus status() {
        return status;
    }

    /// Commits everything, says farewell to the server and stops. No operation may be submitted any more.
    ///
    /// @return null or why the last commit failed
    public CompletionStage<Errno> stop() {
        var stopped = new CompletableFuture<Errno>();
        submit(new Coordinator.Stop(outcome -> {
            io.shutdown();
            background.shutdown();
            discards.shutdown();
            soon.shutdownNow();
            stopped.complete(outcome);
        }));
        return stopped;
    }
}
