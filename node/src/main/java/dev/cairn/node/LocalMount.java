package dev.cairn.node;

import dev.cairn.block.VolumeDevices;
import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.Time;
import dev.cairn.fuse.CachePolicy;
import dev.cairn.fuse.FuseSession;
import dev.cairn.fuse.MountOptions;
import dev.cairn.fuse.Submitter;
import dev.cairn.fuse.Transport;
import dev.cairn.proto.LockName;
import dev.cairn.quorum.NodeIdentity;
import dev.cairn.quorum.QuorumNode;
import dev.cairn.quorum.ServerStatus;
import dev.cairn.transaction.Coordinator;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.MountClient;
import dev.cairn.transaction.MountListener;
import dev.cairn.transaction.MountStatus;
import dev.cairn.transaction.Operation;
import dev.cairn.transaction.Tx;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One mount: a client of the volume with its transactions, and the kernel's side of it. Made in this order and taken
/// apart in the other, so that no request of the kernel ever finds its coordinator gone.
final class LocalMount {
    private static final Logger LOG = LoggerFactory.getLogger(LocalMount.class);
    private static final Duration REGISTERED_WITHIN = Duration.ofSeconds(60), ENDED_WITHIN = Duration.ofSeconds(90);
    /// What a power cut may cost those who do not sync.
    private static final Duration COMMIT_INTERVAL = Duration.ofSeconds(5);
    /// Uncommitted items beside the cache and everything else in the heap.
    private static final int DIRTY_PART_OF_HEAP = 16;

    private final NodeConfig.Mount mount;
    private final MountClient client;
    private final FuseSession session;
    private final MeterRegistry meters;
    private final Set<Meter> metersBefore;
    private volatile boolean ordered;
    private final CompletableFuture<String> ended = new CompletableFuture<>();    // with null, or the reason when the last commit failed

    private LocalMount(NodeConfig.Mount mount, MountClient client, FuseSession session, MeterRegistry meters, Set<Meter> metersBefore) {
        this.mount = mount;
        this.client = client;
        this.session = session;
        this.meters = meters;
        this.metersBefore = metersBefore;
    }

    /// Returns when the kernel's requests are served. `onEnd` is told when the mount has ended and everything is committed,
    /// whoever ended it.
    static LocalMount start(NodeConfig.Mount mount, String source, VolumeDevices devices, NodeIdentity identity, QuorumNode quorum,
                            long cacheBytes, MeterRegistry meters, Consumer<LocalMount> onEnd) throws IOException {
        var before = new HashSet<>(meters.getMeters());
        int cores = Runtime.getRuntime().availableProcessors();
        var registered = new CompletableFuture<Void>();
        long latest = System.nanoTime() + REGISTERED_WITHIN.toNanos();
        var client = MountClient.start(quorum.system(), new MountClient.Options(devices.label().fsid(), identity.nodeId(), identity.incarnation(),
                devices.metadata(), devices.data(), cacheBytes, Math.max(1 << 20, Runtime.getRuntime().maxMemory() / DIRTY_PART_OF_HEAP),
                COMMIT_INTERVAL, Math.max(4, 2 * cores), devices.label().slots().size() == 1, meters, listener(mount.dir().toString(), registered)));
        try {
            // A server that refuses to start will not answer later either.
            while (!registered.isDone() && quorum.status().phase() != ServerStatus.Phase.REFUSED && System.nanoTime() < latest)
                LockSupport.parkNanos(5_000_000);
            boolean refuses = !registered.isDone() && quorum.status().phase() == ServerStatus.Phase.REFUSED;
            if (refuses) throw new IOException(quorum.status().problem().orElse("the server of the volume refuses to start"));
            await(registered, Duration.ZERO, () -> "the server of the volume does not answer within " + REGISTERED_WITHIN.toSeconds() + " s"
                    + quorum.status().problem().map(problem -> ": " + problem).orElse(""));
            var fileSystem = new FileSystem(mount.preallocation());
            var formatted = new CompletableFuture<Void>();
            client.submit(new MakeRoot(fileSystem, formatted));
            await(formatted, REGISTERED_WITHIN, () -> "the volume's root directory cannot be read from " + devices.metadata().name() + ", the log says which block");
            // A new volume's root shows in the index from the start; in every other there is nothing to commit.
            var committed = new CompletableFuture<Void>();
            client.submit(new Coordinator.Commit(errno -> finish(committed, errno)));
            await(committed, REGISTERED_WITHIN, () -> "the volume cannot be written");
            var made = new CompletableFuture<LocalMount>();
            var options = mountOptions(mount, source);
            var settings = new FuseSession.Settings(mount.dir(), options,
                    CachePolicy.of(options), mount.transport(), mount.cpuLatency(), Math.max(2, cores), Math.max(4, 2 * cores), devices.label().fsid(), client.rid());
            var session = FuseSession.start(settings, fileSystem, new DataIo(client.data()), submitter(client), meters,
                    _ -> made.thenAccept(self -> self.sessionEnded(onEnd)));
            var self = new LocalMount(mount, client, session, meters, before);
            made.complete(self);
            return self;
        } catch (IOException | RuntimeException e) {
            client.stop();
            throw e;
        }
    }

    /// In one place for whoever needs it: each place would be a class of its own, and compiled code that has seen one such class
    /// is faster than code that has seen two.
    static Submitter submitter(MountClient client) {
        return client::submit;
    }

    private static MountOptions mountOptions(NodeConfig.Mount mount, String source) {
        return MountOptions.of(source).readOnly(mount.readOnly()).allowOther(mount.allowOther()).acl(mount.acl())
                .parallelDirectWrites(mount.parallelDirectWrites()).flags(mount.flags());
    }

    /// @param who for the log
    static MountListener listener(String who, CompletableFuture<Void> registered) {
        return new MountListener() {
            @Override
            public void registered() {
                registered.complete(null);
            }

            @Override
            public void failed(String why) {
                LOG.error("{} has stopped working: {}", who, why);
                registered.completeExceptionally(new IOException(why));
            }

            @Override
            public void revoked(LockName name, LockMode keep) {
                // A volume of one mount has nobody to give a lock to: the kernel's caches stay valid.
                LOG.debug("{} gives back {}", who, name);
            }
        };
    }

    Path dir() {
        return mount.dir();
    }

    Transport transport() {
        return session.transport();
    }

    /// Of the kernel, since it was mounted.
    long requests() {
        return session.requests();
    }

    MountStatus status() {
        return client.status();
    }

    /// Whether [#unmount] ended it, whose caller knows.
    boolean endsByOrder() {
        return ordered;
    }

    boolean hasEnded() {
        return ended.isDone();
    }

    /// Everything done so far is durable when it returns.
    void sync() throws IOException {
        var committed = new CompletableFuture<Void>();
        client.submit(new Coordinator.Commit(errno -> finish(committed, errno)));
        await(committed, ENDED_WITHIN, () -> mount.dir() + " could not be committed");
    }

    /// A mount in use is refused before anything has changed, as is one whose last commit fails, unless it has failed for good
    /// and waiting brings nothing; `lazy` takes it away whatever it costs its users.
    ///
    /// @return what has become of changes that could not be committed; empty when all is durable
    Optional<String> unmount(boolean lazy) throws IOException {
        if (lazy) {
            ordered = true;
            try {
                session.stop(ENDED_WITHIN);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted", e);
            }
        } else {
            if (client.status().failure() == null) sync();
            ordered = true;
            try {
                session.unmount();
            } catch (IOException e) {
                ordered = false;
                throw e;
            }
        }
        await(ended, ENDED_WITHIN, () -> mount.dir() + " is unmounted, but does not end");
        return Optional.ofNullable(ended.join()).map(why -> mount.dir() + " is unmounted, but its last changes are lost: " + why);
    }

    // The kernel's side has gone: nothing new can come, and what has come is made durable.
    private void sessionEnded(Consumer<LocalMount> onEnd) {
        client.stop().whenComplete((errno, failure) -> {
            if (failure != null) LOG.error("{}: the mount could not be ended", mount.dir(), failure);
            if (errno != null) LOG.error("{}: the last changes could not be committed ({}): {}", mount.dir(), errno, why(errno));
            // A later mount of this process registers meters of its own under the same names.
            meters.getMeters().stream().filter(meter -> !metersBefore.contains(meter)).forEach(meters::remove);
            if (failure != null) ended.completeExceptionally(failure);
            else ended.complete(errno == null ? null : why(errno));
            onEnd.accept(this);
        });
    }

    private String why(Errno errno) {
        var status = client.status();
        return status.failure() != null ? status.failure() : status.commitFailure() != null ? status.commitFailure() : errno.name();
    }

    private static void finish(CompletableFuture<Void> future, Errno errno) {
        if (errno == null) future.complete(null);
        else future.completeExceptionally(new IOException(errno.name()));
    }

    private static void await(CompletableFuture<?> future, Duration within, java.util.function.Supplier<String> what) throws IOException {
        try {
            future.get(within.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new IOException(what.get() + " (" + e.getCause().getMessage() + ")", e.getCause());
        } catch (TimeoutException e) {
            throw new IOException(what.get() + (within.isZero() ? "" : " (not within " + within.toSeconds() + " s)"), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    /// Makes the root directory of a new volume; finds it in every other.
    static final class MakeRoot extends Operation {
        private final FileSystem fileSystem;
        private final CompletableFuture<Void> outcome;
        private final Time now;

        MakeRoot(FileSystem fileSystem, CompletableFuture<Void> outcome) {
            this.fileSystem = fileSystem;
            this.outcome = outcome;
            var instant = Instant.now();
            now = new Time(instant.getEpochSecond(), instant.getNano());
        }

        @Override
        public String name() {
            return "make-root";
        }

        // Not allocating, although it is once in a volume's life: a full volume must mount.
        @Override
        public Hold hold() {
            return Hold.MODIFY;
        }

        @Override
        public void run(Tx tx) {
            fileSystem.format(tx, now, ThisUser.uid(), ThisUser.gid());
        }

        @Override
        public void done() {
            outcome.complete(null);
        }

        @Override
        public void failed(Errno errno) {
            finish(outcome, errno);
        }
    }
}
