package dev.cairn.quorum;

import dev.cairn.proto.ServerSnapshot;
import dev.cairn.proto.VolumeGeometry;
import dev.cairn.quorum.ServerStatus.Phase;
import dev.cairn.transaction.ServerProtocol;
import dev.cairn.transaction.ServerProtocol.FromMount;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import org.apache.pekko.actor.NoSerializationVerificationNeeded;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.ChildFailed;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The front of a volume's server: collects what mounts ask while the journal is busy with the batch before, hands it to
/// the running [ServerTerm], and starts a new term when one has ended.
///
///     STARTING --term recovered and persisted--> SERVING --journal failed, or a bug--> STARTING (after a pause)
///     STARTING --the journal is not the volume's--> REFUSED
///
/// Mounts find it at the receptionist only while it is SERVING. What arrives at another time is dropped: mounts repeat
/// their requests to every server that appears.
public final class ServerEntity extends AbstractBehavior<ServerEntity.Command> {
    private static final Logger LOG = LoggerFactory.getLogger(ServerEntity.class);
    /// Requests that share a journal entry. More gains nothing, and the entry is bounded.
    private static final int BATCH_REQUESTS_MAX = 256, BATCH_BYTES_MAX = 1 << 20;
    private static final Duration PAUSE_MIN = Duration.ofMillis(100), PAUSE_MAX = Duration.ofSeconds(5);

    /// All stay within one JVM: mounts on other nodes send [FromMount].
    public sealed interface Command extends NoSerializationVerificationNeeded {}

    public record GetStatus(ActorRef<ServerStatus> replyTo) implements Command {}

    /// Asks for all that the server knows; there is no answer while it does not serve.
    record Look(ActorRef<ServerSnapshot> replyTo) implements Command {}

    /// For the hand-over to another node and for the node's end.
    public enum Stop implements Command { STOP }

    private record Arrived(FromMount message) implements Command {}

    private enum Timer implements Command { TICK, RESTART }

    /// The term is persisted: requests may come.
    record TermBegan(ActorRef<ServerTerm.Command> term, ServerStatus status) implements Command {}

    /// The batch is persisted and answered.
    record BatchDone(ActorRef<ServerTerm.Command> term, Optional<ServerStatus> status) implements Command {}

    record TermRefused(String why) implements Command {}

    /// @param journalBorn     what the volume's label says: its journal has held the volume's first event
    /// @param devices         hears what the journal says about the volume's size
    /// @param markJournalBorn writes that into the label; called on the term's thread once the event is persisted
    /// @param listener        hears of every [ServerStatus], on the entity's thread: must not block
    public record Settings(long fsid, VolumeGeometry geometry, VolumeDevices devices, int slot, ServerSettings server,
            boolean journalBorn, Runnable markJournalBorn, Fencing fencing, Consumer<ServerStatus> listener) {
        public Settings {
            Objects.requireNonNull(geometry);
            Objects.requireNonNull(devices);
            Objects.requireNonNull(server);
            Objects.requireNonNull(markJournalBorn);
            Objects.requireNonNull(fencing);
            Objects.requireNonNull(listener);
        }
    }

    private final Settings settings;
    private final AnswerLease lease;
    private final TimerScheduler<Command> timers;
    private final ActorRef<FromMount> ingress;
    private final ArrayDeque<FromMount> waiting = new ArrayDeque<>();
    private ActorRef<ServerTerm.Command> term;
    private ServerStatus status;
    /// Set by the first term that marks the label: a later one in this process must not be taken in by the old answer.
    private boolean journalBorn;
    private boolean busy;
    /// Who wants a look at the state when the running batch is done.
    private final List<ActorRef<ServerSnapshot>> looking = new ArrayList<>();
    private boolean tickDue;
    private Duration pause = PAUSE_MIN;
    private int terms;

    public static Behavior<Command> create(Settings settings) {
        return create(settings, AnswerLease.ALWAYS);
    }

    static Behavior<Command> create(Settings settings, AnswerLease lease) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new ServerEntity(context, timers, settings, lease)));
    }

    private ServerEntity(ActorContext<Command> context, TimerScheduler<Command> timers, Settings settings,
            AnswerLease lease) {
        super(context);
        this.settings = settings;
        this.lease = lease;
        this.timers = timers;
        this.journalBorn = settings.journalBorn;
        this.ingress = context.messageAdapter(FromMount.class, Arrived::new);
        publish(ServerStatus.of(Phase.STARTING, Optional.empty(), settings.slot));
        startTerm();
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Arrived.class, this::arrived)
                .onMessage(BatchDone.class, this::batchDone)
                .onMessage(TermBegan.class, this::termBegan)
                .onMessage(TermRefused.class, this::termRefused)
                .onMessage(GetStatus.class, this::getStatus)
                .onMessage(Look.class, this::look)
                .onMessageEquals(Timer.TICK, this::tick)
                .onMessageEquals(Timer.RESTART, this::startTerm)
                .onMessageEquals(Stop.STOP, Behaviors::stopped)
                .onSignal(ChildFailed.class, failed -> termEnded(failed.getRef(), failed.cause()))
                .onSignal(Terminated.class, ended -> termEnded(ended.getRef(), null))
                .onSignal(PostStop.class, _ -> stopped())
                .build();
    }

    private Behavior<Command> startTerm() {
        busy = true;
        term = getContext().spawn(ServerTerm.create(settings, journalBorn, lease, getContext().getSelf()),
                "term-" + ++terms, DispatcherSelector.sameAsParent());
        getContext().watch(term);
        return this;
    }

    private Behavior<Command> termBegan(TermBegan began) {
        if (!began.term.equals(term)) return this;
        journalBorn = true;
        busy = false;
        pause = PAUSE_MIN;
        LOG.info("the server of volume {} serves, term {}", "%016x".formatted(settings.fsid), began.status.term());
        publish(began.status);
        getContext().getSystem().receptionist().tell(Receptionist.register(
                ServerProtocol.serviceKey(settings.fsid), ingress));
        timers.startTimerWithFixedDelay(Timer.TICK, settings.server.tick());
        next();
        return this;
    }

    private Behavior<Command> termRefused(TermRefused refused) {
        LOG.error(refused.why);
        publish(ServerStatus.of(Phase.REFUSED, Optional.of(refused.why), settings.slot));
        return this;
    }

    /// What it had decided but not persisted is forgotten; what the journal has, the next term finds.
    private Behavior<Command> termEnded(ActorRef<Void> ended, Throwable cause) {
        if (term == null || !ended.equals(term)) return this;
        term = null;
        waiting.clear();
        timers.cancel(Timer.TICK);
        if (status.phase() == Phase.SERVING) getContext().getSystem().receptionist().tell(Receptionist.deregister(
                ServerProtocol.serviceKey(settings.fsid), ingress));
        if (status.phase() == Phase.REFUSED) return this;
        var why = cause == null ? "the server's term ended" : reason(cause);
        // Said once and not at every attempt: a full disk may stay full for a day.
        if (!status.problem().equals(Optional.of(why)))
            LOG.error("the server of volume {} does not serve and is started again and again: {}",
                    "%016x".formatted(settings.fsid), why, cause);
        publish(ServerStatus.of(Phase.STARTING, Optional.of(why), settings.slot));
        timers.startSingleTimer(Timer.RESTART, pause);
        pause = pause.multipliedBy(2).compareTo(PAUSE_MAX) > 0 ? PAUSE_MAX : pause.multipliedBy(2);
        return this;
    }

    /// Persistence wraps what went wrong; the innermost message names the file, the disk or the bug.
    private static String reason(Throwable cause) {
        Throwable named = cause;
        for (var e = cause; e != null && e.getCause() != e; e = e.getCause()) {
            named = e;
            if (e instanceof dev.cairn.quorum.journal.JournalException) break;
        }
        return named instanceof dev.cairn.quorum.journal.JournalException ? named.getMessage() : named.toString();
    }

    private Behavior<Command> arrived(Arrived arrived) {
        if (status.phase() != Phase.SERVING) {
            LOG.debug("a request came while the server is {}", status.phase());
            return this;
        }
        waiting.add(arrived.message);
        next();
        return this;
    }

    private Behavior<Command> tick() {
        lease.renew();
        tickDue = true;
        next();
        return this;
    }

    private Behavior<Command> batchDone(BatchDone done) {
        if (!done.term.equals(term)) return this;
        busy = false;
        done.status.ifPresent(this::publish);
        next();
        return this;
    }

    private Behavior<Command> look(Look look) {
        looking.add(look.replyTo);
        next();
        return this;
    }

    private void next() {
        if (busy || term == null) return;
        looking.forEach(replyTo -> term.tell(new ServerTerm.Look(replyTo)));
        looking.clear();
        if (waiting.isEmpty() && !tickDue) return;
        List<FromMount> batch = new ArrayList<>(Math.min(waiting.size(), BATCH_REQUESTS_MAX));
        int bytes = 0;
        while (!waiting.isEmpty() && batch.size() < BATCH_REQUESTS_MAX && bytes < BATCH_BYTES_MAX) {
            bytes += waiting.peek().request().getSerializedSize();
            batch.add(waiting.poll());
        }
        busy = true;
        term.tell(new ServerTerm.Work(batch, tickDue));
        tickDue = false;
    }

    private Behavior<Command> getStatus(GetStatus get) {
        get.replyTo.tell(status);
        return this;
    }

    private Behavior<Command> stopped() {
        publish(ServerStatus.of(Phase.STOPPED, Optional.empty(), settings.slot));
        return this;
    }

    private void publish(ServerStatus newest) {
        status = newest;
        settings.listener.accept(newest);
    }
}
