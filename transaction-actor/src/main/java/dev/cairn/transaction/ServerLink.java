package dev.cairn.transaction;

import dev.cairn.proto.AcquireLock;
import dev.cairn.proto.ClaimMerge;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.Farewell;
import dev.cairn.proto.GetManifest;
import dev.cairn.proto.GetSpaceReport;
import dev.cairn.proto.GiveBackSpace;
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
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import dev.cairn.transaction.run.RunSet;
import java.time.Duration;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A mount's dealings with its server: registers, renews the lease, asks for space, locks, the manifest and merge jobs, and
/// takes what the server says. Belongs to the coordinator and runs on its thread.
///
///     unknown --registered--> serving --[no renewal until the lease ends]--> lease over --[renewed]--> serving
final class ServerLink {
    /// What the coordinator does when the server has been heard.
    interface Mount {
        /// Operations may run: the mount is registered, or its lease has been renewed.
        void serving();

        /// The manifest is the newest.
        void manifestFetched();

        void lockGranted(long id);

        /// Calls back when everything done so far is durable.
        void commit(Consumer<Errno> then);

        /// Commits, also when nothing has changed but what the mount wants to give back.
        void commitSoon();

        /// Called on a background thread; brings the end of a merge to [#mergeEnded] on the coordinator's.
        void mergeEnded(MergeWorker.Ended ended);

        void fail(String why);
    }

    private static final Logger log = LoggerFactory.getLogger(ServerLink.class);
    private static final Duration RESEND_AFTER = Duration.ofSeconds(2);
    private static final Duration REFILL_WHILE_LOW = Duration.ofSeconds(1);

    private final MountSettings settings;
    private final Transactions transactions;
    private final CoordinatorMeters meters;
    private final ActorRef<ServerProtocol.ToMount> replies;
    private final Duration tick;
    private final Mount mount;
    private final ServerSession session;
    private final MergeWorker mergeWorker;

    private ActorRef<ServerProtocol.FromMount> server;
    private boolean registered;
    private boolean leaseOver;
    private long leaseNanos;
    private long leaseEndNanos;
    private long lastSendNanos;
    private boolean refillAsked;
    private long refilledAtNanos;
    private boolean manifestAsked;
    /// The manifest has changed since the last report of space: a merge has brought blocks back, or another mount has used some.
    private boolean reportOld;
    private boolean reportAsked;
    private boolean claiming;
    private boolean renewing;
    private boolean ended;

    /// @param tick how often [#tick] is called
    ServerLink(MountSettings settings, Transactions transactions, CoordinatorMeters meters, ActorRef<ServerProtocol.ToMount> replies,
               Duration tick, Mount mount) {
        this.settings = settings;
        this.transactions = transactions;
        this.meters = meters;
        this.replies = replies;
        this.tick = tick;
        this.mount = mount;
        this.session = new ServerSession(settings.fsid(), settings.rid());
        this.mergeWorker = new MergeWorker(settings.fsid(), settings.metadata(), settings.background());
    }

    boolean registered() {
        return registered;
    }

    /// Whether operations may run.
    boolean serving() {
        return registered && !leaseOver;
    }

    long term() {
        return session.term();
    }

    /// The mount has failed: nothing more is asked of the server.
    void end() {
        ended = true;
    }

    void farewell(Runnable then) {
        send(ServerRequest.newBuilder().setFarewell(Farewell.getDefaultInstance()), _ -> then.run());
    }

    void journal(CommitLog commit, Consumer<LogCommitted> then) {
        send(ServerRequest.newBuilder().setCommitLog(commit), reply -> then.accept(reply.getCommitted()));
    }

    void listed(Receptionist.Listing listing) {
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
            if (answer.getManifest().getVersion() > transactions.runs().version())
                transactions.follow(RunSet.of(answer.getManifest()));
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
        mount.fail("the server refuses this mount (" + refused.getKind() + ": " + refused.getWhy() + "); unmount and mount again");
    }

    void heard(ServerMessage message) {
        if (message.getRid() != settings.rid() || !session.accepts(message.getTerm())) return;
        switch (message.getBodyCase()) {
            case REPLY -> session.taken(message.getReply());
            case MANIFEST_DELTA -> manifestChanged(message.getManifestDelta());
            case REVOKE_LOCK -> revoke(message.getRevokeLock());
            case MERGE_AVAILABLE -> claimMerge();
            case VOLUME_GREW -> volumeGrew();
            case GIVE_BACK_SPACE -> giveBack(message.getGiveBackSpace());
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
        mount.serving();
    }

    private void leaseRenewed(long leaseMillis, long askedAtNanos) {
        leaseNanos = Duration.ofMillis(leaseMillis).toNanos();
        // From when it was asked for: the server counts from later, so this mount always stops first.
        leaseEndNanos = askedAtNanos + leaseNanos;
        if (leaseOver) {
            leaseOver = false;
            log.info("the lease is renewed; operations go on");
            mount.serving();
        }
    }

    void tick() {
        long now = System.nanoTime();
        if (now - lastSendNanos > RESEND_AFTER.toNanos() && !session.unanswered().isEmpty()) resend();
        if (!registered || ended) return;
        if (!leaseOver && now - leaseEndNanos >= -tick.toNanos()) {
            leaseOver = true;
            log.warn("the lease is over and no server renews it; operations wait");
        }
        if (now - leaseEndNanos >= -2 * leaseNanos / 3 && !renewing) renewLease(now);
        // Space comes back by merging and by what other mounts delete: while it is low, somebody has to ask. Not for a report
        // alone: df would say that there is some while operations are still refused.
        boolean low = transactions.share.metadataLow() || transactions.share.dataLow();
        if (low && now - refilledAtNanos > REFILL_WHILE_LOW.toNanos()) refill();
        else if (!low && reportOld && !reportAsked && transactions.frozen == null) askReport();
    }

    // Costs no journal. On an idle mount nothing else would tell what df has to say after a merge.
    private void askReport() {
        reportAsked = true;
        reportOld = false;
        send(ServerRequest.newBuilder().setGetSpaceReport(GetSpaceReport.getDefaultInstance()), reply -> {
            reportAsked = false;
            // A commit that is on its way may be counted in it or not; its own answer brings a report.
            if (transactions.frozen == null) transactions.share.reported(reply.getSpaceReport());
        });
    }

    private void renewLease(long now) {
        renewing = true;
        send(ServerRequest.newBuilder().setRenewLease(RenewLease.getDefaultInstance()), reply -> {
            renewing = false;
            leaseRenewed(reply.getLeaseRenewed().getLeaseMillis(), now);
        });
    }

    void refill() {
        if (refillAsked) return;
        refillAsked = true;
        refilledAtNanos = System.nanoTime();
        meters.refilled();
        send(ServerRequest.newBuilder().setRefill(Refill.newBuilder()
                .setMetadata(transactions.share.wantsMetadata() || transactions.share.metadataLow())
                .setData(transactions.share.wantsData() || transactions.share.dataLow())), reply -> {
            refillAsked = false;
            transactions.share.granted(reply.getRefilled());
        });
    }

    // ---- the manifest and merging

    private void manifestChanged(ManifestDelta delta) {
        if (!registered || delta.getToVersion() <= transactions.runs().version()) return;
        if (!transactions.runs().canApply(delta)) {
            askManifest();
            return;
        }
        transactions.follow(transactions.runs().apply(delta));
        reportOld = true;
        if (delta.getRemovedRunIdsCount() > 0) transactions.cache.retain(transactions.runs());
    }

    // The answer brings the new totals, and takes a flag back. One that is on its way may have been decided before: the
    // report is asked for in any case.
    private void volumeGrew() {
        reportOld = true;
        if (registered && !ended) refill();
    }

    private void giveBack(GiveBackSpace asked) {
        if (!registered || ended) return;
        transactions.share.othersShort(asked.getMetadata(), asked.getData());
        if (transactions.share.hasSurplus()) mount.commitSoon();
    }

    void askManifest() {
        if (manifestAsked) return;
        manifestAsked = true;
        send(ServerRequest.newBuilder().setGetManifest(GetManifest.getDefaultInstance()), reply -> {
            manifestAsked = false;
            if (reply.getManifest().getVersion() >= transactions.runs().version())
                transactions.follow(RunSet.of(reply.getManifest()));
            mount.manifestFetched();
        });
    }

    void claimMerge() {
        if (!registered || ended || claiming || mergeWorker.busy()) return;
        claiming = true;
        send(ServerRequest.newBuilder().setClaimMerge(ClaimMerge.getDefaultInstance()), reply -> {
            claiming = false;
            var job = reply.getMergeJob();
            if (job.getJobId() != 0) mergeWorker.start(job, mount::mergeEnded);
        });
    }

    void mergeEnded(MergeWorker.Ended mergeEnded) {
        mergeWorker.ended();
        tellServer(session.next(mergeEnded.report(), reply -> {
            // The server may have given the job up meanwhile: then its inputs are as they were, and nothing is lost.
            if (reply.hasRefused()) log.warn("the server takes no report of a merge job: {}", reply.getRefused().getWhy());
            else if (reply.getMergeRecorded().getMore()) claimMerge();
        }));
    }

    // ---- locks

    void acquire(long id, LockMode mode) {
        send(ServerRequest.newBuilder().setAcquireLock(AcquireLock.newBuilder()
                .setName(LockClient.name(id)).setMode(LockClient.mode(mode))), reply -> lockGranted(reply.getLockGranted()));
    }

    private void lockGranted(LockGranted grant) {
        transactions.locks.granted(grant);
        if (grant.getManifestVersion() > transactions.runs().version()) askManifest();
        mount.lockGranted(LockClient.id(grant.getName()));
    }

    // What was done under the lock becomes visible to the next holder by a commit; nothing may hide its changes from us later.
    private void revoke(RevokeLock revoke) {
        meters.revoked();
        long id = LockClient.id(revoke.getName());
        var keep = LockClient.mode(revoke.getKeep());
        if (!transactions.locks.revoke(id, keep)) {
            send(release(id, keep), _ -> {});
            return;
        }
        mount.commit(error -> {
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
}
