package dev.cairn.transaction;

import dev.cairn.block.BlockStorage;
import dev.cairn.block.Extent;
import dev.cairn.proto.AcquireLock;
import dev.cairn.proto.ClaimMerge;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.Farewell;
import dev.cairn.proto.GetManifest;
import dev.cairn.proto.HeldLock;
import dev.cairn.proto.LockGranted;
import dev.cairn.proto.LogCommitted;
import dev.cairn.proto.ManifestDelta;
import dev.cairn.proto.MountRegistered;
import dev.cairn.proto.Refill;
import dev.cairn.proto.Refused;
import dev.cairn.proto.RegisterMount;
import dev.cairn.proto.ReleaseLock;
import dev.cairn.proto.RenewLease;
import dev.cairn.proto.RevokeLock;
import dev.cairn.proto.RunRef;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import dev.cairn.transaction.run.LoadResult;
import dev.cairn.transaction.run.RunSet;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
    private record Resume(Parked parked) implements Internal {}
    private record Discarded(List<Extent> extents) implements Internal {}
    private record MergeEnded(MergeWorker.Ended ended) implements Internal {}
    private enum Timer implements Internal { TICK, COMMIT, RETRY_WRITE }

    /// An operation between two attempts, with what it lacked (and what has been fetched for it).
    private record Parked(Operation operation, Lacking lacking) {}

    private static final Logger log = LoggerFactory.getLogger(Coordinator.class);
    private static final Duration TICK = Duration.ofMillis(250);
    private static final Duration RESEND_AFTER = Duration.ofSeconds(2);
    private static final Duration REFILL_WHILE_LOW = Duration.ofSeconds(1);
    /// As the server's planner: fewer commit logs are not worth a merge.
    private static final int MERGE_FROM_RUNS = 4;

    private final MountSettings settings;
    private final TimerScheduler<Command> timers;
    private final ActorRef<ServerProtocol.ToMount> replies;
    private final Transactions transactions;
    private final Attempt attempt;
    private final ServerSession session;
    private final Commits commits;
    private final MergeWorker mergeWorker;
    private final CoordinatorMeters meters;

    private ActorRef<ServerProtocol.FromMount> server;
    private boolean registered;
    private boolean leaseOver;
    private long leaseNanos;
    private long leaseEndNanos;
    private long lastSendNanos;
    private String failure;

    private final List<Parked> waitingForServer = new ArrayList<>();
    private final Map<Long, List<Parked>> waitingForLock = new HashMap<>();
    private final List<Parked> waitingForManifest = new ArrayList<>();
    private final List<Parked> waitingForDiscard = new ArrayList<>();
    private final SlowDown slowDown = new SlowDown();
    private Lacking spare = new Lacking();
    private int parked;
    private boolean indexLocksHeld;
    private boolean refillAsked;
    private long refilledAtNanos;
    private boolean manifestAsked;
    private boolean claiming;
    private boolean renewing;
    private boolean stopping;

    static Behavior<Command> create(MountSettings settings) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new Coordinator(context, timers, settings)));
    }

    private Coordinator(ActorContext<Command> context, TimerScheduler<Command> timers, MountSettings settings) {
        super(context);
        this.settings = settings;
        this.timers = timers;
        this.transactions = new Transactions(settings.share(), settings.cache(), settings.dirtyBytesMax());
        this.attempt = new Attempt(transactions);
        this.session = new ServerSession(settings.fsid(), settings.rid());
        this.mergeWorker = new MergeWorker(settings.fsid(), settings.metadata(), settings.background());
        this.meters = new CoordinatorMeters(settings.meters());
        this.commits = new Commits(transactions,
                new CommitWriter(settings.fsid(), settings.rid(), settings.metadata(), settings.data(), settings.io()),
                meters, new Surroundings());
        this.replies = context.messageAdapter(ServerProtocol.ToMount.class, m -> new FromServer(m.message()));
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

    private Behavior<Command> onCommand(Command command) {
        switch (command) {
            case Operation operation -> execute(operation, takeLacking());
            case Commit commit -> commit(commit.done());
            case Stop stop -> stop(stop.done());
            case ServerListed listed -> listed(listed.listing());
            case FromServer from -> fromServer(from.message());
            case Fetched fetched -> fetched(fetched.parked(), fetched.result());
            case Written w -> commits.written(w.transaction(), w.outcome());
            case PinsDrained p -> commits.drained(p.transaction());
            case Resume resume -> resume(resume.parked());
            case Discarded discarded -> {
                transactions.discarded(discarded.extents());
                resumeAll(waitingForDiscard);
            }
            case MergeEnded ended -> mergeEnded(ended.ended());
            case Timer.TICK -> tick();
            case Timer.COMMIT -> {
                if (registered && failure == null && (transactions.open.dirty() || transactions.share.hasDataSurplus())) commits.soon();
            }
            case Timer.RETRY_WRITE -> commits.retry();
        }
        return stopping ? Behaviors.stopped() : this;
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
        lacking.manifestVersion = -1;
        spare = lacking;
    }

    private void execute(Operation operation, Lacking lacking) {
        if (failure != null) {
            end(operation, lacking, Errno.EIO);
            return;
        }
        if (!registered || leaseOver) {
            waitingForServer.add(park(operation, lacking));
            return;
        }
        if (operation.hold() == Operation.Hold.ALLOCATE && slowDown.next() && !lacking.slowedDown) {
            lacking.slowedDown = true;
            var waiter = park(operation, lacking);
            meters.slowedDown();
            timers.startSingleTimer(waiter, new Resume(waiter), SlowDown.DELAY);
            return;
        }
        while (!attempted(operation, lacking)) {
            // What the page cache holds is had on this thread, at a fraction of the cost of two thread hops.
            boolean had = lacking.kind == Lacking.Kind.BLOCKS && transactions.cache.loadWithoutWaiting(lacking.needs);
            if (had) continue;
            fetch(operation, lacking);
            return;
        }
    }

    // One attempt. False when the operation lacks something; otherwise it has ended, well or not.
    private boolean attempted(Operation operation, Lacking lacking) {
        attempt.begin(lacking);
        try {
            admit(operation, lacking);
            operation.run(attempt);
        } catch (NotReady _) {
            attempt.undo();
            return false;
        } catch (Errno.Failure expected) {
            attempt.undo();
            if (expected.errno() == Errno.ENOSPC) meters.enospc(operation.name());
            end(operation, lacking, expected.errno());
            return true;
        } catch (RuntimeException bug) {
            attempt.undo();
            log.error("{} ended by a defect; its caller gets EIO, nothing was changed", operation.name(), bug);
            end(operation, lacking, Errno.EIO);
            return true;
        }
        attempt.succeed();
        giveBack(lacking);
        operation.done();
        if (operation.hold() != Operation.Hold.READ) grown();
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

    private Parked park(Operation operation, Lacking lacking) {
        parked++;
        return new Parked(operation, lacking);
    }

    private void resume(Parked waiter) {
        parked--;
        execute(waiter.operation(), waiter.lacking());
    }

    private void resumeAll(List<Parked> waiters) {
        var woken = List.copyOf(waiters);
        waiters.clear();
        woken.forEach(this::resume);
    }

    private void fetch(Operation operation, Lacking lacking) {
        meters.restarted();
        var waiter = park(operation, lacking);
        switch (lacking.kind) {
            case LOCK -> {
                waitingForLock.computeIfAbsent(lacking.lockId, _ -> new ArrayList<>()).add(waiter);
                if (transactions.locks.want(lacking.lockId, lacking.lockMode)) acquire(lacking.lockId, lacking.lockMode);
            }
            case COMMIT -> {
                lacking.mustPass.waiters.add(error -> {
                    if (error == null) resume(waiter);
                    else {
                        parked--;
                        end(operation, lacking, error);
                    }
                });
                if (lacking.mustPass == transactions.open) commits.soon();
            }
            case DISCARD -> waitingForDiscard.add(waiter);
            // The runs note their missing blocks by themselves.
            case BLOCKS -> transactions.cache.load(lacking.needs, settings.io(),
                    result -> tellSelf(new Fetched(waiter, result)));
        }
    }

    private void fetched(Parked waiter, LoadResult result) {
        if (result.complete()) {
            resume(waiter);
            return;
        }
        // Only with the newest manifest in hand is it damage: a block of an old run may be being rewritten for another one.
        if (waiter.lacking().manifestVersion == transactions.runs.version()) {
            parked--;
            meters.damaged();
            log.error("{} gets EIO: {}", waiter.operation().name(),
                    result.damaged().isEmpty() ? result.stale() : result.damaged());
            end(waiter.operation(), waiter.lacking(), Errno.EIO);
            return;
        }
        waitingForManifest.add(waiter);
        askManifest();
    }

    // After an operation that changed something.
    private void grown() {
        if (transactions.wantsCommit()) commits.soon();
        if (transactions.share.wantsRefill() && !refillAsked && transactions.frozen == null) refill();
    }

    private void tellSelf(Command command) {
        CallingThread.run(() -> getContext().getSelf().tell(command));
    }

    // ---- commits

    private void commit(Consumer<Errno> done) {
        if (failure != null) done.accept(Errno.EIO);
        else if (!registered) done.accept(null);
        else commits.ask(done);
    }

    private void stop(Consumer<Errno> done) {
        Consumer<Errno> farewell = outcome -> {
            if (failure != null || !registered) {
                stopping = true;
                done.accept(outcome);
                return;
            }
            send(ServerRequest.newBuilder().setFarewell(Farewell.getDefaultInstance()), _ -> {
                stopping = true;
                done.accept(outcome);
            });
        };
        commit(farewell);
    }

    /// Nothing that this mount does can be trusted to last any more. Reads and writes get EIO from now on.
    private void fail(String why) {
        if (failure != null) return;
        failure = why;
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

    // ---- the server

    private void listed(Receptionist.Listing listing) {
        var instances = listing.getServiceInstances(ServerProtocol.serviceKey(settings.fsid()));
        var found = instances.stream().findFirst().orElse(null);
        if (found == null || found.equals(server)) return;
        server = found;
        if (registered) registerAgain();
        else if (session.unanswered().isEmpty()) register(RegisterMount.newBuilder(), this::registered);
        resend();
    }

    private void register(RegisterMount.Builder register, Consumer<MountRegistered> then) {
        send(ServerRequest.newBuilder().setRegisterMount(
                register.setNodeId(settings.nodeId()).setNodeIncarnation(settings.nodeIncarnation())),
                reply -> then.accept(reply.getRegistered()));
    }

    // Locks are soft state of a server: a new one learns them from the mounts that hold them.
    private void registerAgain() {
        var register = RegisterMount.newBuilder();
        for (long id : transactions.locks.held())
            register.addHeld(HeldLock.newBuilder().setName(LockClient.name(id))
                    .setMode(LockClient.mode(transactions.locks.mode(id))));
        log.info("there is a new server; registering with it again, with {} locks", register.getHeldCount());
        long askedAt = System.nanoTime();
        register(register, answer -> {
            leaseRenewed(answer.getLeaseMillis(), askedAt);
            if (answer.getManifest().getVersion() > transactions.runs.version())
                transactions.runs = RunSet.of(answer.getManifest());
        });
    }

    private void send(ServerRequest.Builder body, Consumer<ServerReply> then) {
        tellServer(session.next(body, reply -> {
            if (reply.hasRefused()) refused(reply.getRefused());
            else then.accept(reply);
        }));
    }

    private void tellServer(ServerRequest request) {
        lastSendNanos = System.nanoTime();
        if (server != null) server.tell(new ServerProtocol.FromMount(request, replies));
    }

    private void resend() {
        session.unanswered().forEach(this::tellServer);
    }

    private void refused(Refused refused) {
        fail("the server refuses this mount (" + refused.getKind() + ": " + refused.getWhy() + "); unmount and mount again");
    }

    private void fromServer(ServerMessage message) {
        if (message.getRid() != settings.rid() || !session.accepts(message.getTerm())) return;
        switch (message.getBodyCase()) {
            case REPLY -> session.taken(message.getReply());
            case MANIFEST_DELTA -> manifestChanged(message.getManifestDelta());
            case REVOKE_LOCK -> revoke(message.getRevokeLock());
            case MERGE_AVAILABLE -> claimMerge();
            case BODY_NOT_SET -> log.warn("the server sent a message that this version does not know");
        }
    }

    private void registered(MountRegistered answer) {
        transactions.share.granted(answer.getSpace());
        transactions.directoryNumbers.grant(answer.getDirectoryInodes());
        transactions.otherNumbers.grant(answer.getOtherInodes());
        transactions.counted(answer.getInodeCount());
        transactions.start(RunSet.of(answer.getManifest()), answer.getFirstSeq(), answer.getSecondSeq());
        registered = true;
        leaseRenewed(answer.getLeaseMillis(), lastSendNanos);
        log.debug("mount {} registered, term {}, first transaction {}", "%016x".formatted(settings.rid()), session.term(),
                answer.getFirstSeq());
        settings.listener().registered();
        resumeAll(waitingForServer);
    }

    private void leaseRenewed(long leaseMillis, long askedAtNanos) {
        leaseNanos = Duration.ofMillis(leaseMillis).toNanos();
        // From when it was asked for: the server counts from later, so this mount always stops first.
        leaseEndNanos = askedAtNanos + leaseNanos;
        if (leaseOver) {
            leaseOver = false;
            log.info("the lease is renewed; operations go on");
            resumeAll(waitingForServer);
        }
    }

    private void tick() {
        long now = System.nanoTime();
        if (now - lastSendNanos > RESEND_AFTER.toNanos() && !session.unanswered().isEmpty()) resend();
        publishStatus();
        meters.publish(transactions, parked);
        if (!registered || failure != null) return;
        if (!leaseOver && now - leaseEndNanos >= -TICK.toNanos()) {
            leaseOver = true;
            log.warn("the lease is over and no server renews it; operations wait");
        }
        if (now - leaseEndNanos >= -2 * leaseNanos / 3 && !renewing) renewLease(now);
        // Space comes back by merging and by what other mounts delete: while it is low, somebody has to ask.
        boolean low = transactions.share.metadataLow() || transactions.share.dataLow();
        if (low && !refillAsked && now - refilledAtNanos > REFILL_WHILE_LOW.toNanos()) refill();
    }

    private void renewLease(long now) {
        renewing = true;
        send(ServerRequest.newBuilder().setRenewLease(RenewLease.getDefaultInstance()), reply -> {
            renewing = false;
            leaseRenewed(reply.getLeaseRenewed().getLeaseMillis(), now);
        });
    }

    private void refill() {
        refillAsked = true;
        refilledAtNanos = System.nanoTime();
        send(ServerRequest.newBuilder().setRefill(Refill.newBuilder()
                .setMetadata(transactions.share.wantsMetadata() || transactions.share.metadataLow())
                .setData(transactions.share.wantsData() || transactions.share.dataLow())), reply -> {
            refillAsked = false;
            transactions.share.granted(reply.getRefilled());
        });
    }

    // ---- the manifest and merging

    private void manifestChanged(ManifestDelta delta) {
        if (!registered || delta.getToVersion() <= transactions.runs.version()) return;
        if (!transactions.runs.canApply(delta)) {
            askManifest();
            return;
        }
        transactions.runs = transactions.runs.apply(delta);
        if (delta.getRemovedRunIdsCount() > 0) transactions.cache.retain(transactions.runs);
    }

    void askManifest() {
        if (manifestAsked) return;
        manifestAsked = true;
        send(ServerRequest.newBuilder().setGetManifest(GetManifest.getDefaultInstance()), reply -> {
            manifestAsked = false;
            if (reply.getManifest().getVersion() >= transactions.runs.version())
                transactions.runs = RunSet.of(reply.getManifest());
            for (var waiter : waitingForManifest) waiter.lacking().manifestVersion = transactions.runs.version();
            resumeAll(waitingForManifest);
        });
    }

    private void claimMerge() {
        if (!registered || failure != null || claiming || mergeWorker.busy()) return;
        claiming = true;
        send(ServerRequest.newBuilder().setClaimMerge(ClaimMerge.getDefaultInstance()), reply -> {
            claiming = false;
            var job = reply.getMergeJob();
            if (job.getJobId() != 0) mergeWorker.start(job, ended -> tellSelf(new MergeEnded(ended)));
        });
    }

    private void mergeEnded(MergeWorker.Ended ended) {
        mergeWorker.ended();
        tellServer(session.next(ended.report(), reply -> {
            // The server may have given the job up meanwhile: then its inputs are as they were, and nothing is lost.
            if (reply.hasRefused()) log.warn("the server takes no report of a merge job: {}", reply.getRefused().getWhy());
            else if (reply.getMergeRecorded().getMore()) claimMerge();
        }));
    }

    // ---- locks

    private void acquire(long id, LockMode mode) {
        send(ServerRequest.newBuilder().setAcquireLock(AcquireLock.newBuilder()
                .setName(LockClient.name(id)).setMode(LockClient.mode(mode))), reply -> lockGranted(reply.getLockGranted()));
    }

    private void lockGranted(LockGranted grant) {
        transactions.locks.granted(grant);
        if (grant.getManifestVersion() > transactions.runs.version()) askManifest();
        var waiters = waitingForLock.remove(LockClient.id(grant.getName()));
        if (waiters != null) resumeAll(waiters);
    }

    // What was done under the lock becomes visible to the next holder by a commit; nothing may hide its changes from us later.
    private void revoke(RevokeLock revoke) {
        long id = LockClient.id(revoke.getName());
        var keep = LockClient.mode(revoke.getKeep());
        if (!transactions.locks.revoke(id, keep)) {
            send(release(id, keep), _ -> {});
            return;
        }
        commits.ask(error -> {
            if (error != null) return;     // fsync has been told; the server waits until the commit's next try passes
            transactions.stopCarrying();
            settings.listener().revoked(revoke.getName(), keep);
            send(release(id, keep), _ -> {
                var asked = transactions.locks.givenBack(id);
                if (asked != null) acquire(id, asked);
            });
        });
    }

    private static ServerRequest.Builder release(long id, LockMode keep) {
        return ServerRequest.newBuilder().setReleaseLock(
                ReleaseLock.newBuilder().setName(LockClient.name(id)).setKeep(LockClient.mode(keep)));
    }

    private void publishStatus() {
        settings.status().accept(new MountStatus(settings.rid(), session.term(), registered && !leaseOver && failure == null,
                failure, commits.failure(), transactions.open == null ? 0 : transactions.open.seq,
                transactions.open == null ? 0 : transactions.dirtyHeapBytes(), parked, slowDown.percent()));
    }

    // ---- what the commits need of the coordinator

    private final class Surroundings implements Commits.Surroundings {
        @Override
        public void written(Transaction transaction, CommitWriter.Written outcome) {
            tellSelf(new Written(transaction, outcome));
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
        public void journal(CommitLog commit, Consumer<LogCommitted> then) {
            send(ServerRequest.newBuilder().setCommitLog(commit), reply -> then.accept(reply.getCommitted()));
        }

        @Override
        public void passed(LogCommitted answer, boolean manifestFollowed) {
            indexLocksHeld = false;
            slowDown.set(answer.getSlowDownPercent());
            if (!manifestFollowed) askManifest();
            if (transactions.runs.logCount() >= MERGE_FROM_RUNS) claimMerge();
        }

        @Override
        public void refill() {
            if (!refillAsked) Coordinator.this.refill();
        }

        // Answered also when the device cannot discard: that is a pity and no harm, the blocks are free all the same.
        @Override
        public void discard(List<Extent> freed) {
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
