package dev.cairn.quorum;

import dev.cairn.allocator.HolderId;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerSnapshot;
import dev.cairn.quorum.ServerStatus.Phase;
import dev.cairn.transaction.ServerProtocol.FromMount;
import dev.cairn.transaction.ServerProtocol.ToMount;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.pekko.actor.NoSerializationVerificationNeeded;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.persistence.typed.PersistenceId;
import org.apache.pekko.persistence.typed.RecoveryCompleted;
import org.apache.pekko.persistence.typed.SnapshotAdapter;
import org.apache.pekko.persistence.typed.SnapshotFailed;
import org.apache.pekko.persistence.typed.javadsl.CommandHandler;
import org.apache.pekko.persistence.typed.javadsl.Effect;
import org.apache.pekko.persistence.typed.javadsl.EventHandler;
import org.apache.pekko.persistence.typed.javadsl.EventSourcedBehavior;
import org.apache.pekko.persistence.typed.javadsl.SignalHandler;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One term of the server: rebuilds the state from the journal, persists the term's beginning, and then carries out what
/// [ServerCore] decides: fence, persist, send, in that order. It ends when persisting fails, since its state then holds
/// decisions that the journal may lack; the next term begins with what the journal has.
///
/// [ServerEntity] gives it one piece of work at a time.
final class ServerTerm extends EventSourcedBehavior<ServerTerm.Command, ServerEvent, ServerState> {
    private static final Logger LOG = LoggerFactory.getLogger(ServerTerm.class);
    /// A snapshot is taken when the events since the last one outweigh it, so that writing snapshots costs at most as much
    /// as writing events; and not before there is so much of them, because commits wait for it, some ten milliseconds each time.
    /// Replaying as much takes less than starting a JVM.
    private static final long SNAPSHOT_AFTER_BYTES_MIN = 4 << 20;
    private static final int EVENT_OVERHEAD_BYTES = 100;

    sealed interface Command extends NoSerializationVerificationNeeded {}

    private enum Begin implements Command { BEGIN }

    /// @param tick whether the leases are to be looked at as well
    record Work(List<FromMount> requests, boolean tick) implements Command {}

    /// All that the server knows, as of now; answered between two pieces of work, so everything in it is persisted.
    record Look(ActorRef<ServerSnapshot> replyTo) implements Command {}

    private record Fenced(Decision decision, boolean tick, Throwable failure) implements Command {}

    private final ActorContext<Command> context;
    private final ServerEntity.Settings settings;
    private final boolean journalBorn;
    private final AnswerLease lease;
    private final ActorRef<ServerEntity.Command> front;
    /// Where each mount's latest request came from: pushes go there.
    private final Map<Long, ActorRef<ToMount>> mounts = new HashMap<>();
    private ServerCore core;
    private long bytesSinceSnapshot;
    private long snapshotBytes;
    private Optional<String> snapshotTrouble = Optional.empty();
    private long requests;
    private long batches;

    static Behavior<Command> create(ServerEntity.Settings settings, boolean journalBorn, AnswerLease lease,
            ActorRef<ServerEntity.Command> front) {
        return Behaviors.setup(context -> {
            // Pekko logs each failure of a persistent actor with its stack, at every attempt; the front says it once.
            context.setLoggerName("dev.cairn.quorum.supervision");
            return unpublished(new ServerTerm(context, settings, journalBorn, lease, front).apply(context));
        });
    }

    /// Pekko tells the system's event stream of every event, for projections. Nobody listens here, and each time a thread would
    /// be woken for it, in the middle of a commit. Only the Scala side has the switch.
    @SuppressWarnings("unchecked")
    private static Behavior<Command> unpublished(Behavior<Command> behavior) {
        // A trait, which Java does not know for a behavior.
        var sourced = (org.apache.pekko.persistence.typed.scaladsl.EventSourcedBehavior<Command, ServerEvent, ServerState>) (Object) behavior;
        return (Behavior<Command>) (Object) sourced.withEventPublishing(false);
    }

    static String persistenceId(long fsid) {
        return "server-%016x".formatted(fsid);
    }

    private ServerTerm(ActorContext<Command> context, ServerEntity.Settings settings, boolean journalBorn,
            AnswerLease lease, ActorRef<ServerEntity.Command> front) {
        super(PersistenceId.ofUniqueId(persistenceId(settings.fsid())));
        this.context = context;
        this.settings = settings;
        this.journalBorn = journalBorn;
        this.lease = lease;
        this.front = front;
    }

    @Override
    public ServerState emptyState() {
        return new ServerState();
    }

    @Override
    public EventHandler<ServerState, ServerEvent> eventHandler() {
        return (state, event) -> {
            state.apply(event);
            bytesSinceSnapshot += event.getSerializedSize() + EVENT_OVERHEAD_BYTES;
            // File data that an event brings is not kept with it.
            for (var patch : event.getLogRecorded().getDataList()) bytesSinceSnapshot -= patch.getSerializedSize();
            return state;
        };
    }

    @Override
    public boolean shouldSnapshot(ServerState state, ServerEvent event, long sequenceNr) {
        return bytesSinceSnapshot > Math.max(SNAPSHOT_AFTER_BYTES_MIN, snapshotBytes);
    }

    @Override
    public SnapshotAdapter<ServerState> snapshotAdapter() {
        return new SnapshotAdapter<>() {
            @Override
            public Object toJournal(ServerState state) {
                var snapshot = state.snapshot();
                snapshotBytes = snapshot.getSerializedSize();
                bytesSinceSnapshot = 0;
                return snapshot;
            }

            @Override
            public ServerState fromJournal(Object from) {
                var snapshot = (ServerSnapshot) from;
                snapshotBytes = snapshot.getSerializedSize();
                return ServerState.restore(snapshot);
            }
        };
    }

    @Override
    public SignalHandler<ServerState> signalHandler() {
        return newSignalHandlerBuilder()
                .onSignal(RecoveryCompleted.class, (_, _) -> context.getSelf().tell(Begin.BEGIN))
                .onSignal(SnapshotFailed.class, (_, failed) -> {
                    snapshotTrouble = Optional.of("the server's snapshot could not be written: "
                            + failed.getFailure().getMessage());
                    LOG.warn(snapshotTrouble.get());
                })
                .build();
    }

    @Override
    public CommandHandler<Command, ServerEvent, ServerState> commandHandler() {
        return (state, command) -> switch (command) {
            case Begin _ -> begin(state);
            case Work work -> work(state, work);
            case Look look -> Effect().none().thenRun(same -> look.replyTo.tell(same.snapshot()));
            case Fenced fenced -> fenced(state, fenced);
        };
    }

    private Effect<ServerEvent, ServerState> begin(ServerState state) {
        if (!state.initialized() && journalBorn) {
            front.tell(new ServerEntity.TermRefused(("the journal of volume %016x is empty, but its label says that it was in "
                    + "use: the volume's space and files are recorded there, and starting without it would give away blocks "
                    + "in use. Start the node with the state directory that it had before, or restore it")
                    .formatted(settings.fsid())));
            return Effect().stop();
        }
        core = new ServerCore(state, settings.server(), settings.devices()::capacity);
        var decision = core.startTerm(settings.geometry(), settings.slot(), System.nanoTime());
        settings.devices().follow(state.geometry());
        return Effect().persist(decision.events()).thenRun(begun -> {
            // Before anything is served: a volume that has given away space must not look unborn.
            if (!journalBorn) settings.markJournalBorn().run();
            lease.renew();
            front.tell(new ServerEntity.TermBegan(context.getSelf(), status(begun)));
            send(decision.sends());
        });
    }

    private Effect<ServerEvent, ServerState> work(ServerState state, Work work) {
        long now = System.nanoTime();
        var decision = Decision.NOTHING;
        batches++;
        for (var from : work.requests) {
            var request = from.request();
            requests++;
            mounts.put(request.getRid(), from.replyTo());
            decision = decision.then(core.decide(request, now));
        }
        if (work.tick) decision = decision.then(core.tick(now));
        if (decision.fenced().isEmpty()) return carryOut(decision, work.tick);
        var decided = decision;
        context.pipeToSelf(settings.fencing().refuse(decided.fenced()),
                (_, failure) -> new Fenced(decided, work.tick, failure));
        return Effect().none();
    }

    private Effect<ServerEvent, ServerState> fenced(ServerState state, Fenced fenced) {
        if (fenced.failure != null) throw new IllegalStateException(
                "mounts that were given up could not be fenced: " + fenced.failure.getMessage(), fenced.failure);
        return carryOut(fenced.decision, fenced.tick);
    }

    private Effect<ServerEvent, ServerState> carryOut(Decision decision, boolean tick) {
        if (decision.events().isEmpty()) return Effect().none().thenRun(state -> done(state, decision, tick));
        return Effect().persist(decision.events()).thenRun(state -> done(state, decision, tick));
    }

    private void done(ServerState state, Decision decision, boolean tick) {
        // Before anybody hears of new blocks. A failure ends the term, and the next one begins with this.
        if (decision.events().stream().anyMatch(ServerEvent::hasVolumeGrown)) settings.devices().follow(state.geometry());
        send(decision.sends());
        decision.fenced().forEach(mounts::remove);
        front.tell(new ServerEntity.BatchDone(context.getSelf(),
                tick ? Optional.of(status(state)) : Optional.empty()));
    }

    private void send(List<ServerMessage> messages) {
        if (!messages.isEmpty() && !lease.held()) {
            LOG.warn("{} answers are not sent: the journal has not confirmed lately that this server is the latest one",
                    messages.size());
            return;
        }
        for (var message : messages) {
            var mount = mounts.get(message.getRid());
            // Known from before this term, and silent since: it will ask.
            if (mount != null) mount.tell(new ToMount(message));
        }
    }

    private ServerStatus status(ServerState state) {
        var runs = state.runs();
        var runsByLevel = new ArrayList<Integer>();
        runsByLevel.add(runs.logs().size());
        for (int level = 1; level <= runs.deepest(); level++) runsByLevel.add(runs.level(level).size());
        var space = state.report();
        return new ServerStatus(Phase.SERVING, snapshotTrouble, Instant.now(), state.term(), settings.slot(),
                state.mountCount(), space, state.pools().metadataLow(state.mountCount()),
                state.mounts().keySet().stream().anyMatch(rid -> state.pools().dataLow(HolderId.mount(rid))),
                List.copyOf(runsByLevel), runs.weight(0), state.mergeJobsOut(), requests, batches);
    }
}
