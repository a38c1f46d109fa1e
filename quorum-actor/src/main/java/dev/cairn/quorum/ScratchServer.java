package dev.cairn.quorum;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.cairn.proto.VolumeGeometry;
import dev.cairn.quorum.journal.JournalExtension;
import dev.cairn.quorum.journal.JournalPeer;
import dev.cairn.quorum.journal.RatisJournal;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A server for a volume that nobody keeps: the same as any other, with a journal of its own, but its actor system is of no
/// cluster and listens nowhere.
public final class ScratchServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ScratchServer.class);
    private static final long ENDED_WITHIN_SECONDS = 10;
    private static final Duration JOURNAL_TIMEOUT = Duration.ofSeconds(10);
    private static final String CONFIG = """
            pekko.actor.provider = local
            pekko.coordinated-shutdown.run-by-actor-system-terminate = off
            pekko.coordinated-shutdown.terminate-actor-system = off
            # A guest in a process that ends with others.
            pekko.daemonic = on
            pekko.actor.default-dispatcher.fork-join-executor.parallelism-max = 2
            pekko.actor.internal-dispatcher.fork-join-executor.parallelism-max = 2
            """;
    private static final String ON_DISK = """
            pekko.persistence.journal.plugin = "cairn.quorum.journal"
            pekko.persistence.snapshot-store.plugin = "cairn.quorum.snapshot"
            """;
    private static final String IN_MEMORY = """
            pekko.persistence.journal.plugin = "pekko.persistence.journal.inmem"
            pekko.persistence.snapshot-store.plugin = "pekko.persistence.no-snapshot-store"
            """;

    private final ActorSystem<Void> system;
    /// Null: in memory.
    private final RatisJournal journal;

    private ScratchServer(ActorSystem<Void> system, RatisJournal journal) {
        this.system = system;
        this.journal = journal;
    }

    /// Mounts in [#system] find it at the receptionist as soon as it serves. What it knows grows with every commit, so it
    /// does not live for long.
    ///
    /// @param devices   of the volume, which has this geometry; the caller's, to be closed after this
    /// @param directory for its journal: there is none yet, or an empty one. Null: the journal is a list in memory
    /// @throws dev.cairn.quorum.journal.JournalException when the journal cannot be made there
    public static ScratchServer start(VolumeGeometry geometry, VolumeDevices devices, Path directory) {
        var journal = directory == null ? null : RatisJournal.open(new RatisJournal.Settings(directory, geometry.getFsid(), 0,
                List.of(new JournalPeer(0, "127.0.0.1", 1)), JOURNAL_TIMEOUT, devices.data()));
        ActorSystem<Void> system = null;
        try {
            system = ActorSystem.create(host(new ServerEntity.Settings(geometry.getFsid(), geometry, devices, 0, ServerSettings.DEFAULT,
                    false, () -> {}, Fencing.NONE_NEEDED, _ -> {})), "cairn-scratch", config(directory == null ? IN_MEMORY : ON_DISK));
            if (journal != null) JournalExtension.of(Adapter.toClassic(system)).provide(journal);
            return new ScratchServer(system, journal);
        } catch (RuntimeException | Error e) {
            if (system != null) new ScratchServer(system, journal).close();
            else if (journal != null) journal.close();
            throw e;
        }
    }

    private static Config config(String plugins) {
        var loader = ScratchServer.class.getClassLoader();
        return ConfigFactory.parseString(CONFIG + plugins).withFallback(ConfigFactory.parseResources(loader, "cairn-cluster.conf"))
                .withFallback(ConfigFactory.defaultReference(loader)).resolve();
    }

    private static Behavior<Void> host(ServerEntity.Settings settings) {
        return Behaviors.setup(context -> {
            ActorRef<ServerEntity.Command> server = context.spawn(ServerEntity.create(settings), "server",
                    DispatcherSelector.fromConfig("cairn.waiting-dispatcher"));
            context.watch(server);
            return Behaviors.empty();
        });
    }

    public ActorSystem<?> system() {
        return system;
    }

    /// Waits until it has ended, some seconds at the most for the actors.
    @Override
    public void close() {
        system.terminate();
        try {
            system.getWhenTerminated().toCompletableFuture().get(ENDED_WITHIN_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            LOG.warn("the actor system of a scratch server did not end in time", e);
        } finally {
            if (journal != null) journal.close();
        }
    }
}
