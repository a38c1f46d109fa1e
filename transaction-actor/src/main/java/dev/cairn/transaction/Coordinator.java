package dev.cairn.transaction;

import dev.cairn.block.BlockStorage;
import dev.cairn.block.Extent;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.LogCommitted;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.SpaceReport;
import dev.cairn.transaction.run.LoadResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.javadsl.TimerScheduler;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The transaction coordinator of one mount. Runs [Operation]s one at a time against [Transactions], fetches what they lack
/// and runs them again, carries commits through their stations, and talks to the server. Its rules are in [Transactions],
/// [LockClient] and [ServerSession]; here are mailbox, timers and I/O.
///
///     waiting for a server --registered--> serving --[lease over]--> waiting --[renewed]--> serving
///                                             '--[fenced, or data lost in a flush]--> failed: every operation gets EIO
///
/// Its dispatcher runs it on the sender's thread ([CallingThread]): nothing here may block.
public final class Coordinator extends AbstractBehavior<Coordinator.Command> {
    public sealed interface Command permits Operation, Commit, Stop, Internal {}

    /// Asks for a commit of everything done so far (fsync, sync, umount). `done` is called once, with null or the error,
    /// when all of it is durable.
    public record Commit(Consumer<Errno> done) implements Command {}

    /// Commits, says farewell to the server, stops. `done` as for [Commit].
    public record Stop(Consumer<Errno> done) implements Command {}

    sealed interface Internal extends Command {}
    private record ServerListed(Receptionist.Listing listing) implements Internal {}
    private record FromServer(ServerMessage message) implements Internal {}
    private record Fetched(Parked parked, LoadResult result) implements Internal {}
    private record Written(Transaction transaction, CommitWriter.Written outcome) implements Internal {}
    private record PinsDrained(Transaction transaction) implements Internal {}
    private record DiscardsEnded(Runnable then) implements Internal {}
    private record Gathered(Transaction transaction) implements Internal {}
    private record Resume(Parked parked) implements Internal {}
    private record Discarded(List<Extent> extents) implements Internal {}
    private record MergeEnded(MergeWorker.Ended ended) implements Internal {}
    private enum Timer implements Internal { TICK, COMMIT, RETRY_WRITE }

    /// An operation between two attempts, with what it lacked (and what has been fetched for it).
    private record Parked(Operation operation, Lacking lacking, Waiting reason) {}

    private static final Logger log = LoggerFactory.getLogger(Coordinator.class);
    private static final Duration TICK = Duration.ofMillis(250);
    /// 64 MiB: what is written at once without being discarded when there is nothing else in hand.
    private static final long DISCARD_BLOCKS = 16 << 10;
    /// While metadata are low, and for some time after, in ticks: only deletions that are committed can be merged, so those that
    /// bring the space back do not wait for the ordinary interval.
    private static final int HURRIED_COMMIT_TICKS = 4, HURRY_TICKS = 120;

    private final MountSettings settings;
    private final TimerScheduler<Command> timers;
    private final Transactions transactions;
    private final Attempt attempt;
    private final Commits commits;
    private final ServerLink link;
    private final CoordinatorMeters meters;

    private String failure;

    private final List<Parked> waitingForServer = new ArrayList<>();
    private final Map<Long, List<Parked>> waitingForLock = new HashMap<>();
    private final List<Parked> waitingForManifest = new ArrayList<>();
    private final List<Parked> waitingForDiscard = new ArrayList<>();
    private final SlowDown slowDown = new SlowDown();
    private Lacking spare = new Lacking();
    private int parked;
    private boolean indexLocksHeld;
    private boolean stopping;
    private int hurryTicks;

    static Behavior<Command> create(MountSettings settings) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new Coordinator(context, timers, settings)));
    }

    private Coordinator(ActorContext<Command> context, TimerScheduler<Command> timers, MountSettings settings) {
        super(context);
        this.settings = settings;
        this.timers = timers;
        this.transactions = new Transactions(settings.share(), settings.cache(), settings.dirtyBytesMax());
        this.attempt = new Attempt(transactions);
        this.meters = new CoordinatorMeters(settings.meters());
        this.commits = new Commits(transactions,
                new CommitWriter(settings.fsid(), settings.rid(), settings.metadata(), settings.data(), settings.io()),
                settings.discardPace(), meters, new Surroundings());
        this.link = new ServerLink(settings, transactions, meters,
                context.messageAdapter(ServerProtocol.ToMount.class, m -> new FromServer(m.message())), TICK, new Heard());
        var listings = context.messageAdapter(Receptionist.Listing.class, ServerListed::new);
        context.getSystem().receptionist().tell(
                Receptionist.subscribe(ServerProtocol.serviceKey(settings.fsid()), listings));
        timers.startTimerWithFixedDelay(Timer.TICK, TICK);
        timers.startTimerWithFixedDelay(Timer.COMMIT, settings.commitInterval());
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder().onAnyMessage(this::onCommand).build();
    }

    // A broken invariant ends the mount's work, not the actor: those who wait, and those who still come, get an answer.
    private Behavior<Command> onCommand(Command command) {
        try {
            carryOut(command);
        } catch (RuntimeException broken) {
            log.error("{} broke an invariant", command.getClass().getSimpleName(), broken);
            fail("a broken invariant (" + broken.getMessage() + "); nothing after the last commit is trusted, mount again");
        }
        // Not `this`: Pekko would wrap it up anew, for each message, in what supervises it.
        return stopping ? Behaviors.stopped() : Behaviors.same();
    }

    private void carryOut(Command command) {
        switch (command) {
            case Operation operation -> execute(operation, takeLacking());
            case Commit commit -> commit(commit.done());
            case Stop stop -> stop(stop.done());
            case ServerListed listed -> link.listed(listed.listing());
            case FromServer from -> link.heard(from.message());
            case Fetched fetched -> fetched(fetched.parked(), fetched.result());
            case Written w -> commits.written(w.transaction(), w.outcome());
            case PinsDrained p -> commits.drained(p.transaction());
            case DiscardsEnded ended -> ended.then().run();
            case Gathered g -> commits.gathered(g.transaction());
            case Resume resume -> resume(resume.parked());
            case Discarded discarded -> {
                transactions.discarded(discarded.extents());
                resumeAll(waitingForDiscard);
            }
            case MergeEnded ended -> link.mergeEnded(ended.ended());
            case Timer.TICK -> {
                link.tick();
                publishStatus();
                meters.publish(transactions);
                if (hurries()) commitWhatThereIs();
            }
            case Timer.COMMIT -> commitWhatThereIs();
            case Timer.RETRY_WRITE -> commits.retry();
        }
    }

    // ---- operations

    private Lacking takeLacking() {
        var taken = spare;
        spare = null;
        return taken == null ? new Lacking() : taken;
    }

    private void giveBack(Lacking lacking) {
        lacking.needs.clear();
        lacking.mustPass = null;
        lacking.slowedDown = false;
        lacking.looksAhead = false;
        lacking.manifestVersion = -1;
        spare = lacking;
    }

    private void execute(Operation operation, Lacking lacking) {
        if (failure != null) {
            end(operation, lacking, Errno.EIO);
            return;
        }
        if (!link.serving()) {
            waitingForServer.add(park(operation, lacking, Waiting.SERVER));
            return;
        }
        if (operation.hold().compareTo(Operation.Hold.MAY_ALLOCATE) >= 0 && slowDown.next() && !lacking.slowedDown) {
            lacking.slowedDown = true;
            var waiter = park(operation, lacking, Waiting.MERGE);
            meters.slowedDown();
            timers.startSingleTimer(waiter, new Resume(waiter), SlowDown.DELAY);
            return;
        }
        while (!attempted(operation, lacking)) {
            if (getsOn(lacking)) continue;
            fetch(operation, lacking);
            return;
        }
    }

    // Whether another attempt gets further at once: it names all the blocks it will need, or what the page cache holds is had
    // on this thread, at a fraction of the cost of two thread hops.
    private boolean getsOn(Lacking lacking) {
        if (lacking.kind != Lacking.Kind.BLOCKS) return false;
        if (lacking.looksAhead) return transactions.cache.loadWithoutWaiting(lacking.needs);
        lacking.looksAhead = true;
        return true;
    }

    // One attempt. False when the operation lacks something; otherwise it has ended, well or not.
    private boolean attempted(Operation operation, Lacking lacking) {
        attempt.begin(lacking);
        boolean admitted = false;
        try {
            admit(operation, lacking);
            admitted = true;
            operation.run(attempt);
        } catch (NotReady _) {
            attempt.undo();
            return false;
        } catch (Errno.Failure expected) {
            attempt.undo();
            // Admission asks for metadata alone; what runs has been admitted, and was told of low metadata or finds no data.
            if (expected.errno() == Errno.ENOSPC)
                meters.enospc(admitted && !attempt.sawLowMetadata() ? "data" : "metadata", operation.name());
            end(operation, lacking, expected.errno());
            return true;
        } catch (RuntimeException bug) {
            attempt.undo();
            log.error("{} ended by a defect; its caller gets EIO, nothing was changed", operation.name(), bug);
            end(operation, lacking, Errno.EIO);
            return true;
        }
        try {
            attempt.succeed();
        } catch (RuntimeException broken) {
            log.error("{} broke an invariant", operation.name(), broken);
            fail("a broken invariant (" + broken.getMessage() + "); nothing after the last commit is trusted, mount again");
            end(operation, lacking, Errno.EIO);
            return true;
        }
        giveBack(lacking);
        boolean read = operation.hold() == Operation.Hold.READ;
        // From here on the object may be another operation on another thread.
        operation.done();
        if (!read) grown();
        return true;
    }

    // May the operation start in the open transaction? Section 6: allocating ones not while metadata is low.
    private void admit(Operation operation, Lacking lacking) {
        if (operation.hold() == Operation.Hold.READ) return;
        if (operation.hold() == Operation.Hold.ALLOCATE && transactions.share.metadataLow()) throw Errno.ENOSPC.failure();
        if (!transactions.mayGrow() && commits.failure() != null) throw Errno.EIO.failure();
        if (!transactions.mayGrow())
            throw lacking.commit(transactions.frozen != null ? transactions.frozen : transactions.open);
        if (!indexLocksHeld) {
            attempt.lock(Transactions.indexLock(false, transactions.open.seq), LockMode.WRITE_ONLY);
            attempt.lock(Transactions.indexLock(true, transactions.open.seq), LockMode.WRITE_ONLY);
            indexLocksHeld = true;
        }
    }

    private void end(Operation operation, Lacking lacking, Errno errno) {
        giveBack(lacking);
        operation.failed(errno);
    }

    private Parked park(Operation operation, Lacking lacking, Waiting reason) {
        parked++;
        meters.waits(reason);
        return new Parked(operation, lacking, reason);
    }

    private void unpark(Parked waiter) {
        parked--;
        meters.waitsNoMore(waiter.reason());
    }

    private void resume(Parked waiter) {
        unpark(waiter);
        execute(waiter.operation(), waiter.lacking());
    }

    private void resumeAll(List<Parked> waiters) {
        var woken = List.copyOf(waiters);
        waiters.clear();
        woken.forEach(this::resume);
    }

    private void fetch(Operation operation, Lacking lacking) {
        meters.restarted();
        var waiter = park(operation, lacking, lacking.waiting());
        switch (lacking.kind) {
            case LOCK -> {
                waitingForLock.computeIfAbsent(lacking.lockId, _ -> new ArrayList<>()).add(waiter);
                if (transactions.locks.want(lacking.lockId, lacking.lockMode)) link.acquire(lacking.lockId, lacking.lockMode);
            }
            case COMMIT, SPACE -> {
                lacking.mustPass.waiters.add(error -> {
                    if (error == null) resume(waiter);
                    else {
                        unpark(waiter);
                        end(operation, lacking, error);
                    }
                });
                if (lacking.mustPass == transactions.open) commits.soon();
            }
            case DISCARD -> {
                waitingForDiscard.add(waiter);
                settings.dataStorage().tell(new BlockStorage.ForgoDiscard());
            }
            // The runs note their missing blocks by themselves.
            case BLOCKS -> transactions.cache.load(lacking.needs, settings.io(),
                    result -> tellSelf(new Fetched(waiter, result)));
        }
    }

    private void fetched(Parked waiter, LoadResult result) {
        // After a failure it is only told so; nobody would bring it a newer manifest.
        if (result.complete() || failure != null) {
            resume(waiter);
            return;
        }
        // Only with the newest manifest in hand is it damage: a block of an old run may be being rewritten for another one.
        if (waiter.lacking().manifestVersion == transactions.runs().version()) {
            unpark(waiter);
            meters.damaged();
            log.error("{} gets EIO: {}", waiter.operation().name(),
                    result.damaged().isEmpty() ? result.stale() : result.damaged());
            end(waiter.operation(), waiter.lacking(), Errno.EIO);
            return;
        }
        unpark(waiter);
        waitingForManifest.add(park(waiter.operation(), waiter.lacking(), Waiting.MANIFEST));
        link.askManifest();
    }

    // At the end of every so many ticks of a hurry.
    private boolean hurries() {
        if (transactions.share.metadataLow()) hurryTicks = hurryTicks % HURRIED_COMMIT_TICKS + HURRY_TICKS;
        return hurryTicks > 0 && --hurryTicks % HURRIED_COMMIT_TICKS == 0;
    }

    private void commitWhatThereIs() {
        if (link.registered() && failure == null && (transactions.open.dirty() || transactions.share.hasSurplus())) commits.soon();
    }

    // After an operation that changed something.
    private void grown() {
        if (transactions.wantsCommit()) commits.soon();
        if (transactions.share.wantsRefill() && transactions.frozen == null) link.refill();
    }

    private void tellSelf(Command command) {
        CallingThread.tell(getContext().getSelf(), command);
    }

    // ---- commits

    private void commit(Consumer<Errno> done) {
        if (failure != null) done.accept(Errno.EIO);
        else if (!link.registered()) done.accept(null);
        else commits.ask(done);
    }

    private void stop(Consumer<Errno> done) {
        commit(outcome -> {
            Runnable end = () -> {
                stopping = true;
                done.accept(outcome);
            };
            if (failure != null || !link.registered()) end.run();
            else endDiscards(() -> link.farewell(end));
        });
    }

    // With its farewell a mount's blocks go into other hands: nothing may wipe them any more.
    private void endDiscards(Runnable then) {
        ActorRef<BlockStorage.Reply> ended = getContext().spawnAnonymous(Behaviors.receiveMessage(_ -> {
            tellSelf(new DiscardsEnded(then));
            return Behaviors.stopped();
        }));
        settings.dataStorage().tell(new BlockStorage.EndDiscards(ended));
    }

    /// Nothing that this mount does can be trusted to last any more. Reads and writes get EIO from now on.
    private void fail(String why) {
        if (failure != null) return;
        failure = why;
        link.end();
        log.error("mount {} stops working: {}", "%016x".formatted(settings.rid()), why);
        commits.failAll();
        resumeAll(waitingForServer);
        resumeAll(waitingForManifest);
        resumeAll(waitingForDiscard);
        var locks = List.copyOf(waitingForLock.values());
        waitingForLock.clear();
        locks.forEach(this::resumeAll);
        settings.listener().failed(why);
    }

    private void publishStatus() {
        settings.status().accept(new MountStatus(settings.rid(), link.term(), link.serving() && failure == null,
                failure, commits.failure(), transactions.open == null ? 0 : transactions.open.seq,
                transactions.open == null ? 0 : transactions.dirtyHeapBytes(), parked, slowDown.percent(),
                transactions.open == null ? SpaceReport.getDefaultInstance() : transactions.space()));
    }

    // ---- what the server says

    private final class Heard implements ServerLink.Mount {
        @Override
        public void serving() {
            resumeAll(waitingForServer);
        }

        @Override
        public void manifestFetched() {
            for (var waiter : waitingForManifest) waiter.lacking().manifestVersion = transactions.runs().version();
            resumeAll(waitingForManifest);
        }

        @Override
        public void lockGranted(long id) {
            var waiters = waitingForLock.remove(id);
            if (waiters != null) resumeAll(waiters);
        }

        @Override
        public void commit(Consumer<Errno> then) {
            commits.ask(then);
        }

        @Override
        public void commitSoon() {
            if (failure == null) commits.soon();
        }

        @Override
        public void mergeEnded(MergeWorker.Ended ended) {
            tellSelf(new MergeEnded(ended));
        }

        @Override
        public void fail(String why) {
            Coordinator.this.fail(why);
        }
    }

    // ---- what the commits need of the coordinator

    private final class Surroundings implements Commits.Surroundings {
        @Override
        public void written(Transaction transaction, CommitWriter.Written outcome) {
            CallingThread.tellWaiting(getContext().getSelf(), new Written(transaction, outcome));
        }

        @Override
        public void drained(Transaction transaction) {
            tellSelf(new PinsDrained(transaction));
        }

        @Override
        public void retryAfter(Duration delay) {
            timers.startSingleTimer(Timer.RETRY_WRITE, delay);
        }

        @Override
        public Future<?> gather(long nanos, Transaction transaction) {
            return settings.soon().schedule(() -> tellSelf(new Gathered(transaction)), nanos, TimeUnit.NANOSECONDS);
        }

        @Override
        public void journal(CommitLog commit, Consumer<LogCommitted> then) {
            link.journal(commit, then);
        }

        @Override
        public void passed(LogCommitted answer, boolean manifestFollowed) {
            indexLocksHeld = false;
            slowDown.set(answer.getSlowDownPercent());
            if (!manifestFollowed) link.askManifest();
        }

        @Override
        public void refill() {
            link.refill();
        }

        // Answered also when the device cannot discard: that is a pity and no harm, the blocks are free all the same.
        @Override
        public void discard(List<Extent> freed) {
            var part = new ArrayList<Extent>();
            long blocks = 0;
            for (var extent : freed)
                for (var piece : extent.pieces(DISCARD_BLOCKS)) {
                    if (blocks + piece.count() > DISCARD_BLOCKS) {
                        discardPart(part);
                        part = new ArrayList<>();
                        blocks = 0;
                    }
                    part.add(piece);
                    blocks += piece.count();
                }
            discardPart(part);
        }

        private void discardPart(List<Extent> freed) {
            ActorRef<BlockStorage.Reply> then = getContext().spawnAnonymous(Behaviors.receiveMessage(_ -> {
                tellSelf(new Discarded(freed));
                return Behaviors.stopped();
            }));
            settings.dataStorage().tell(new BlockStorage.Discard(freed, then));
        }

        @Override
        public void fail(String why) {
            Coordinator.this.fail(why);
        }
    }
}
