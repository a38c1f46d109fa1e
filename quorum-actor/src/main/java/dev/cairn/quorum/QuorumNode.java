package dev.cairn.quorum;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.cairn.proto.ServerSnapshot;
import dev.cairn.proto.Resize;
import dev.cairn.proto.Resized;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.VolumeGeometry;
import dev.cairn.quorum.ServerStatus.Phase;
import dev.cairn.quorum.journal.JournalExtension;
import dev.cairn.quorum.journal.JournalPeer;
import dev.cairn.quorum.journal.RatisJournal;
import dev.cairn.transaction.ServerProtocol;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.apache.pekko.Done;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.ChildFailed;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.AskPattern;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.cluster.sharding.typed.ShardedDaemonProcessSettings;
import org.apache.pekko.cluster.sharding.typed.javadsl.ShardedDaemonProcess;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Join;
import org.apache.pekko.cluster.typed.JoinSeedNodes;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A quorum slot at work: the actor system and cluster of one volume, the slot's journal peer, and the server when it is
/// this slot's turn to host it.
public final class QuorumNode {
    private static final Logger LOG = LoggerFactory.getLogger(QuorumNode.class);
    private static final Duration JOURNAL_TIMEOUT = Duration.ofSeconds(10), LOOK_TIMEOUT = Duration.ofSeconds(30);

    /// @param geometry        as the labels have it; `devices` hears what the journal says
    /// @param slots           of the volume, as its labels say
    /// @param self            number of the slot that this node takes
    /// @param journalDirectory for this slot's share of the journal; fsync must be honest there
    /// @param journalBorn     see [ServerEntity.Settings]
    /// @param markJournalBorn see [ServerEntity.Settings]
    /// @param listener        hears of each [ServerStatus] while this slot hosts the server; must not block
    /// @param overrides       of any setting of the actor system; usually empty
    public record Settings(long fsid, VolumeGeometry geometry, VolumeDevices devices, List<QuorumSlot> slots, int self, Path journalDirectory,
            ServerSettings server, boolean journalBorn, Runnable markJournalBorn, Fencing fencing,
            Consumer<ServerStatus> listener, Config overrides) {
        public Settings {
            slots = List.copyOf(slots);
            Objects.requireNonNull(geometry);
            Objects.requireNonNull(devices);
            Objects.requireNonNull(journalDirectory);
            int numbers = new HashSet<>(slots.stream().map(QuorumSlot::number).toList()).size();
            if (numbers != slots.size()) throw new IllegalArgumentException("two slots have the same number: " + slots);
            int wanted = self;
            if (slots.stream().noneMatch(slot -> slot.number() == wanted))
                throw new QuorumException("slot %d is none of the volume's slots %s".formatted(self, slots));
        }

        QuorumSlot slot() {
            return slots.stream().filter(slot -> slot.number() == self).findFirst().orElseThrow();
        }

        boolean single() {
            return slots.size() == 1;
        }
    }

    private final Settings settings;
    private final ActorSystem<Void> system;
    private final RatisJournal journal;
    private final CompletableFuture<ServerStatus> serving = new CompletableFuture<>();
    private final AtomicReference<ActorRef<ServerEntity.Command>> server;
    private volatile ServerStatus latest;

    private QuorumNode(Settings settings, ActorSystem<Void> system, RatisJournal journal,
            AtomicReference<ActorRef<ServerEntity.Command>> server) {
        this.settings = settings;
        this.system = system;
        this.journal = journal;
        this.server = server;
        this.latest = ServerStatus.of(Phase.STARTING, Optional.empty(), settings.self);
    }

    /// Opens the journal and forms or joins the cluster. The server follows by itself: see [#serving].
    ///
    /// @throws QuorumException or JournalException saying what is in the way; nothing is left running then
    public static QuorumNode start(Settings settings) {
        var slot = settings.slot();
        checkPort(slot.address(), slot.port(), "the cluster");
        if (!settings.single()) checkPort(slot.address(), slot.journalPort(), "the journal");

        // Both take their time in loading classes, on different cores: side by side. The journal is ready first.
        var opening = CompletableFuture.supplyAsync(() -> openJournal(settings),
                task -> Thread.ofPlatform().daemon().name("journal-open").start(task));
        ActorSystem<Void> system;
        try {
            system = ActorSystem.create(Behaviors.empty(), systemName(settings.fsid), config(settings));
        } catch (RuntimeException | LinkageError e) {
            opening.thenAccept(RatisJournal::close);
            throw new QuorumException("the cluster of slot %d cannot start: %s".formatted(settings.self, e.getMessage()), e);
        }
        try {
            // Joining needs no journal, and its steps wait for timers: meanwhile the journal opens.
            var cluster = Cluster.get(system);
            cluster.manager().tell(settings.single() ? Join.create(cluster.selfMember().address())
                    : new JoinSeedNodes(settings.slots.stream().map(other -> address(settings.fsid, other)).toList()));
            var node = new CompletableFuture<QuorumNode>();
            var lease = settings.single() ? AnswerLease.ALWAYS : new JournalLease(opening, settings.fsid);
            var server = new AtomicReference<ActorRef<ServerEntity.Command>>();
            ShardedDaemonProcess.get(system).init(ServerEntity.Command.class, "cairn-server", 1,
                    _ -> knownIn(server, ServerEntity.create(new ServerEntity.Settings(settings.fsid, settings.geometry,
                            settings.devices, settings.self,
                            settings.server, settings.journalBorn, settings.markJournalBorn, settings.fencing,
                            status -> node.thenAccept(started -> started.hear(status))), lease)),
                    ShardedDaemonProcessSettings.create(system).withRole("quorum"), Optional.of(ServerEntity.Stop.STOP));
            var journal = opening.join();
            JournalExtension.of(Adapter.toClassic(system)).provide(journal);
            var started = new QuorumNode(settings, system, journal, server);
            node.complete(started);
            return started;
        } catch (RuntimeException e) {
            system.terminate();
            opening.thenAccept(RatisJournal::close);
            if (e instanceof CompletionException && e.getCause() instanceof RuntimeException why) throw why;
            throw e;
        }
    }

    /// What sharding starts only passes on: it knows no dispatcher for the server, which has to run on the commits' threads.
    private static Behavior<ServerEntity.Command> knownIn(AtomicReference<ActorRef<ServerEntity.Command>> known,
            Behavior<ServerEntity.Command> behavior) {
        return Behaviors.setup(context -> {
            var server = context.spawn(behavior, "server", DispatcherSelector.fromConfig("cairn.waiting-dispatcher"));
            context.watch(server);
            known.set(server);
            return Behaviors.receive(ServerEntity.Command.class)
                    .onMessage(ServerEntity.Command.class, command -> {
                        server.tell(command);
                        return Behaviors.same();
                    })
                    .onSignal(ChildFailed.class, failed -> {
                        throw new QuorumException("the server failed: " + failed.cause().getMessage(), failed.cause());
                    })
                    .onSignal(Terminated.class, _ -> Behaviors.stopped())
                    .build();
        });
    }

    private static RatisJournal openJournal(Settings settings) {
        return RatisJournal.open(new RatisJournal.Settings(settings.journalDirectory, settings.fsid, settings.self,
                settings.slots.stream().map(slot -> new JournalPeer(slot.number(), slot.address(), slot.journalPort()))
                        .toList(), JOURNAL_TIMEOUT, settings.devices.data()));
    }

    private static String systemName(long fsid) {
        // The volume's id in the name: nodes of two volumes never join each other, whatever their addresses say.
        return "cairn-%016x".formatted(fsid);
    }

    private static Address address(long fsid, QuorumSlot slot) {
        return new Address("pekko", systemName(fsid), slot.address(), slot.port());
    }

    /// Artery and Ratis report a taken port late and in their own words; Ratis used to end the process.
    private static void checkPort(String address, int port, String whose) {
        try (var socket = ServerSocketChannel.open()) {
            var at = new InetSocketAddress(address, port);
            if (at.isUnresolved()) throw new QuorumException("the address %s of this slot cannot be resolved".formatted(address));
            // Both set it too: a port in TIME_WAIT is free.
            socket.setOption(java.net.StandardSocketOptions.SO_REUSEADDR, true);
            socket.bind(at);
        } catch (IOException e) {
            throw new QuorumException(("port %d of %s, which the volume's label gives to %s of this slot, cannot be used: %s. "
                    + "Stop what uses it, or choose another port").formatted(port, address, whose, e.getMessage()), e);
        }
    }

    static Config config(Settings settings) {
        var slot = settings.slot();
        var ours = new HashMap<String, Object>();
        ours.put("pekko.remote.artery.canonical.hostname", slot.address());
        ours.put("pekko.remote.artery.canonical.port", slot.port());
        ours.put("pekko.cluster.roles", List.of("quorum"));
        ours.put("pekko.cluster.split-brain-resolver.static-quorum.quorum-size", settings.slots.size() / 2 + 1);
        ours.put("pekko.persistence.journal.plugin", "cairn.quorum.journal");
        ours.put("pekko.persistence.snapshot-store.plugin", "cairn.quorum.snapshot");
        if (settings.single()) {
            // Nobody to say good-bye to: the system ends without leaving the cluster first, which waits for its timers.
            ours.put("pekko.coordinated-shutdown.run-by-actor-system-terminate", false);
            ours.put("pekko.coordinated-shutdown.terminate-actor-system", false);
        }
        return settings.overrides.withFallback(ConfigFactory.parseMap(ours))
                .withFallback(ConfigFactory.parseResources(QuorumNode.class.getClassLoader(), "cairn-cluster.conf"))
                .withFallback(ConfigFactory.defaultReference(QuorumNode.class.getClassLoader())).resolve();
    }

    private void hear(ServerStatus status) {
        latest = status;
        if (status.phase() == Phase.SERVING) serving.complete(status);
        settings.listener.accept(status);
    }

    /// For mounts and whatever else lives in this process.
    public ActorSystem<?> system() {
        return system;
    }

    /// Done when this slot's server has begun to answer for the first time. With several slots it may never be its turn.
    public CompletionStage<ServerStatus> serving() {
        return serving;
    }

    /// The newest status of the server as far as this slot hosts it, with the journal's trouble if it has any.
    public ServerStatus status() {
        var status = latest;
        return status.problem().isPresent() ? status : status.withProblem(journal.trouble());
    }

    /// All that the server knows, journalled; fails when this slot does not host a server that serves.
    public CompletionStage<ServerSnapshot> look() {
        var hosted = server.get();
        if (hosted == null) return CompletableFuture.failedFuture(new QuorumException("this slot does not host the server"));
        return AskPattern.ask(hosted, ServerEntity.Look::new, LOOK_TIMEOUT, system.scheduler());
    }

    /// Asks the server, wherever it is, to let the volume use so many blocks of its devices (0: as many as it does). The open
    /// devices and their labels have followed when the answer comes.
    ///
    /// @throws QuorumException with the server's words when it refuses, or when no server answers
    public Resized resize(long metadataBlocks, long dataBlocks, Duration within) {
        // Whoever asks is no mount: a name of its own brings the answer back. Asked twice it changes nothing more.
        var request = ServerRequest.newBuilder().setProtocol(ServerCore.PROTOCOL).setFsid(settings.fsid)
                .setRid(new SecureRandom().nextLong()).setRequestNr(1)
                .setResize(Resize.newBuilder().setMetadataBlocks(metadataBlocks).setDataBlocks(dataBlocks)).build();
        var key = ServerProtocol.serviceKey(settings.fsid);
        var asked = AskPattern.<Receptionist.Command, Receptionist.Listing>ask(system.receptionist(),
                replyTo -> Receptionist.find(key, replyTo), within, system.scheduler()).thenCompose(listing -> {
                    var server = listing.getServiceInstances(key).stream().findFirst()
                            .orElseThrow(() -> new QuorumException("no server serves the volume at the moment; try again"));
                    return AskPattern.<ServerProtocol.FromMount, ServerProtocol.ToMount>ask(server,
                            replyTo -> new ServerProtocol.FromMount(request, replyTo), within, system.scheduler());
                });
        ServerReply reply;
        try {
            reply = asked.toCompletableFuture().get(2 * within.toMillis(), TimeUnit.MILLISECONDS).message().getReply();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new QuorumException("interrupted", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof QuorumException why) throw why;
            throw new QuorumException("the server has not answered: it may have carried it out or not; asking again does no harm", e.getCause());
        } catch (TimeoutException e) {
            throw new QuorumException("the server has not answered: it may have carried it out or not; asking again does no harm", e);
        }
        if (reply.hasRefused()) throw new QuorumException(reply.getRefused().getWhy());
        return reply.getResized();
    }

    /// Done when the actor system has ended: by [#stop], or because this side of a split was downed. In the latter case
    /// the process has to end and be started again.
    public CompletionStage<Done> terminated() {
        return system.getWhenTerminated();
    }

    /// Unmount first. Hands the server over to another slot when there is one, then closes the journal.
    public void stop() {
        if (settings.single()) system.terminate();
        else CoordinatedShutdown.get(system).runAll(CoordinatedShutdown.clusterLeavingReason());
        try {
            system.getWhenTerminated().toCompletableFuture().get(10, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            LOG.warn("the actor system did not end in time; the journal is closed under it, which loses nothing", e);
        }
        journal.close();
    }
}
