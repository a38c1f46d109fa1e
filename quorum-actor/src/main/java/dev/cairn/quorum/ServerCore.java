package dev.cairn.quorum;

import dev.cairn.proto.AcquireLock;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.FarewellTaken;
import dev.cairn.proto.LeaseRenewed;
import dev.cairn.proto.LockGranted;
import dev.cairn.proto.LockMode;
import dev.cairn.proto.LockName;
import dev.cairn.proto.LockReleased;
import dev.cairn.proto.LogCommitted;
import dev.cairn.proto.MountRegistered;
import dev.cairn.proto.Refill;
import dev.cairn.proto.Refused;
import dev.cairn.proto.RegisterMount;
import dev.cairn.proto.ReleaseLock;
import dev.cairn.proto.RevokeLock;
import dev.cairn.proto.Resize;
import dev.cairn.proto.Resized;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.VolumeGeometry;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/// Decides what the server answers: state and request in, [Decision] out; no clock, no I/O, no threads.
///
/// The core applies its events to the state as it decides them, so the state runs ahead of the journal by the decisions
/// that are not persisted yet: several requests may be decided one after the other and persisted as one batch. When
/// persisting fails, state and core are worthless: throw both away and build them from the journal again.
/// One core lives for one term; it holds the soft state (locks, leases).
public final class ServerCore {
    public static final int PROTOCOL = 1;

    /// Inode groups for each grant: few directories have many files, and a lock covers one group.
    private static final long DIRECTORY_GROUPS = 4, OTHER_GROUPS = 16;
    private static final long REVOKE_AGAIN_NANOS = 2_000_000_000L;
    /// At most so many dead mounts are given up in one tick: each is a batch of events.
    private static final int RECLAIMED_PER_TICK = 4;

    private final ServerState state;
    private final ServerSettings settings;
    private final Supplier<VolumeGeometry> capacity;
    private final LockTable locks = new LockTable();
    private final Step.Seqs seqs = new Step.Seqs();
    private final Checks checks;
    private final MergeDesk merges;
    private final Map<Long, Long> lastHeard = new HashMap<>();     // asked by rid only, never walked
    private long termStarted;
    private long lastTick;
    private long lastRevokes;

    /// For a volume that does not grow.
    public ServerCore(ServerState state, ServerSettings settings) {
        this(state, settings, state::geometry);
    }

    /// @param capacity how large the devices are, in blocks, at the moment it is asked: only when somebody wants them larger
    ServerCore(ServerState state, ServerSettings settings, Supplier<VolumeGeometry> capacity) {
        this.state = state;
        this.settings = settings;
        this.capacity = capacity;
        checks = new Checks(state);
        merges = new MergeDesk(state, checks);
    }

    /// First call of a term, after the journal has been replayed; its events are persisted before any request is decided.
    /// The very first one records the geometry that mkfs laid out.
    ///
    /// @throws IllegalStateException when the journal belongs to a volume of another shape
    public Decision startTerm(VolumeGeometry geometry, int slot, long nowNanos) {
        var step = new Step(state, seqs);
        if (!state.initialized())
            step.emit(ServerEvent.newBuilder().setVolumeInitialized(
                    ServerEvent.VolumeInitialized.newBuilder().setGeometry(geometry)));
        else if (!mayHaveGrown(geometry))
            throw new IllegalStateException("the journal is of a volume with\n%s, but the devices' labels say\n%s"
                    .formatted(state.geometry(), geometry));
        step.emit(ServerEvent.newBuilder().setTermStarted(
                ServerEvent.TermStarted.newBuilder().setTerm(state.term() + 1).setSlot(slot)));
        state.takeDelta();     // what the replay collected
        seqs.startAt(state.seqEnd());
        locks.expect(state.mounts().keySet());
        for (long rid : state.mounts().keySet()) lastHeard.put(rid, nowNanos);
        termStarted = lastTick = lastRevokes = nowNanos;
        merges.heardCommit(nowNanos);
        return step.decision();
    }

    /// The journal is ahead of the labels when the server ended between the two. Labels that are ahead of the journal are of
    /// a journal that has lost its end: what it gave away then is not known any more.
    private boolean mayHaveGrown(VolumeGeometry labels) {
        var ours = state.geometry();
        return labels.getFsid() == ours.getFsid() && labels.getMetadataFirst() == ours.getMetadataFirst()
                && labels.getDataFirst() == ours.getDataFirst() && labels.getMetadataBlocks() <= ours.getMetadataBlocks()
                && labels.getDataBlocks() <= ours.getDataBlocks();
    }

    public Decision decide(ServerRequest request, long nowNanos) {
        var step = new Step(state, seqs);
        long rid = request.getRid(), nr = request.getRequestNr();
        if (request.getProtocol() != PROTOCOL)
            refuse(step, request, Refused.Kind.WRONG_PROTOCOL, "protocol %d, the server speaks %d".formatted(request.getProtocol(), PROTOCOL));
        else if (request.getFsid() != state.geometry().getFsid())
            refuse(step, request, Refused.Kind.WRONG_VOLUME, "volume %016x, this is %016x".formatted(request.getFsid(), state.geometry().getFsid()));
        else if (request.hasGetManifest())
            step.reply(rid, nr, ServerReply.newBuilder().setManifest(state.manifest()));
        else if (request.hasGetSpaceReport())
            step.reply(rid, nr, ServerReply.newBuilder().setSpaceReport(state.report()));
        else if (request.hasResize())
            resize(step, request, request.getResize());
        else if (request.hasRegisterMount() && !state.mounts().containsKey(rid))
            register(step, request, request.getRegisterMount(), nowNanos);
        else if (state.mounts().containsKey(rid))
            ofMount(step, request, nowNanos);
        else if (request.hasFarewell())     // a repeat: the first one was taken, or the mount was given up before
            step.reply(rid, nr, ServerReply.newBuilder().setFarewellTaken(FarewellTaken.getDefaultInstance()));
        else
            refuse(step, request, Refused.Kind.UNKNOWN_MOUNT, "mount %016x is not registered, or was given up".formatted(rid));
        return step.decision();
    }

    /// Every [ServerSettings#tick]: ends leases, repeats revokes, offers merge jobs.
    public Decision tick(long nowNanos) {
        var step = new Step(state, seqs);
        long late = nowNanos - lastTick - settings.tick().toNanos();
        // The server itself was not there to be reached: that is not the mounts' fault.
        if (late > settings.tick().toNanos()) {
            lastHeard.replaceAll((_, heard) -> heard + late);
            termStarted += late;
        }
        lastTick = nowNanos;
        int reclaimed = 0;
        for (long rid : List.copyOf(state.mounts().keySet())) {
            boolean silent = nowNanos - lastHeard.get(rid) > deadAfterNanos();
            // It is heard, but never said what it holds, and others wait for that.
            boolean mute = locks.isUnknown(rid) && nowNanos - termStarted > deadAfterNanos() && locks.waitsForUnknown();
            if ((silent || mute) && reclaimed++ < RECLAIMED_PER_TICK)
                giveUp(step, rid, ServerEvent.MountGone.Cause.LEASE_ENDED);
        }
        if (nowNanos - lastRevokes > REVOKE_AGAIN_NANOS) {
            lastRevokes = nowNanos;
            carryOut(step, locks.unanswered());
        }
        merges.offer(step, 0, nowNanos);
        return step.decision();
    }

    public int locks() {
        return locks.size();
    }

    // ---- requests of a registered mount

    private void ofMount(Step step, ServerRequest request, long nowNanos) {
        long rid = request.getRid(), nr = request.getRequestNr();
        lastHeard.put(rid, nowNanos);
        var mount = state.mounts().get(rid);
        var kept = mount.kept(nr);
        switch (request.getBodyCase()) {
            case RENEW_LEASE -> step.reply(rid, nr, ServerReply.newBuilder()
                    .setLeaseRenewed(LeaseRenewed.newBuilder().setLeaseMillis(settings.lease().toMillis())));
            case ACQUIRE_LOCK -> acquire(step, request, request.getAcquireLock());
            case RELEASE_LOCK -> release(step, rid, nr, request.getReleaseLock());
            default -> {
                if (kept != null) {
                    repeat(step, rid, nr, kept);
                    return;
                }
                if (mount.forgotten(nr)) {
                    invalid(step, request, "request %d is older than the last %d, whose answers are kept"
                            .formatted(nr, MountRecord.REPLIES_KEPT));
                    return;
                }
                switch (request.getBodyCase()) {
                    case REGISTER_MOUNT -> registerAgain(step, request, request.getRegisterMount());
                    case COMMIT_LOG -> commit(step, request, request.getCommitLog(), nowNanos);
                    case REFILL -> refill(step, rid, nr, request.getRefill());
                    case CLAIM_MERGE -> merges.claim(step, rid, nr, nowNanos);
                    case COMPLETE_MERGE -> {
                        var wrong = merges.complete(step, rid, nr, request.getCompleteMerge(), nowNanos);
                        if (wrong != null) invalid(step, request, wrong);
                    }
                    case ABANDON_MERGE -> {
                        var wrong = merges.abandon(step, rid, nr, request.getAbandonMerge().getJobId(), nowNanos);
                        if (wrong != null) invalid(step, request, wrong);
                    }
                    case FAREWELL -> {
                        giveUp(step, rid, ServerEvent.MountGone.Cause.FAREWELL);
                        step.reply(rid, nr, ServerReply.newBuilder().setFarewellTaken(FarewellTaken.getDefaultInstance()));
                    }
                    default -> invalid(step, request, "a request of a kind that this server does not know");
                }
            }
        }
    }

    /// The first answer, with what is better fresh: a manifest of today is as good for a mount that is only beginning.
    private void repeat(Step step, long rid, long nr, ServerReply kept) {
        var reply = kept.toBuilder();
        if (kept.hasRegistered()) reply.getRegisteredBuilder().setManifest(state.manifest());
        else if (kept.hasMergeJob()) reply.setMergeJob(merges.again(kept.getMergeJob().getJobId()));
        step.reply(rid, nr, reply);
    }

    private void register(Step step, ServerRequest request, RegisterMount register, long nowNanos) {
        long rid = request.getRid(), nr = request.getRequestNr();
        if (rid == 0 || nr == 0 || register.getNodeId().isEmpty()) {
            invalid(step, request, "a mount registers with a rid, a request number and the name of its node");
            return;
        }
        if (register.getHeldCount() > 0) {     // it lived through the end of its lease; its locks may be somebody else's
            refuse(step, request, Refused.Kind.UNKNOWN_MOUNT, "mount %016x was given up".formatted(rid));
            return;
        }
        for (var mount : List.copyOf(state.mounts().values()))
            if (mount.nodeId.equals(register.getNodeId()) && mount.nodeIncarnation != register.getNodeIncarnation())
                giveUp(step, mount.rid, ServerEvent.MountGone.Cause.NODE_RESTARTED);
        step.emit(ServerEvent.newBuilder().setMountJoined(ServerEvent.MountJoined.newBuilder().setRid(rid)
                .setNodeId(register.getNodeId()).setNodeIncarnation(register.getNodeIncarnation())));
        lastHeard.put(rid, nowNanos);
        var registered = MountRegistered.newBuilder().setLeaseMillis(settings.lease().toMillis())
                .setFirstSeq(step.seq()).setSecondSeq(step.seq()).setSpace(step.refill(rid, true, true))
                .setDirectoryInodes(step.inodes(DIRECTORY_GROUPS)).setOtherInodes(step.inodes(OTHER_GROUPS))
                .setInodeCount(state.inodeCount());
        step.keep(rid, nr, ServerReply.newBuilder().setRegistered(registered));
        step.reply(rid, nr, ServerReply.newBuilder().setRegistered(registered.setManifest(state.manifest())));
        step.pushManifest(rid);
    }

    /// To a new server, with the locks it holds. It keeps its seqs, its share and its inode numbers.
    private void registerAgain(Step step, ServerRequest request, RegisterMount register) {
        long rid = request.getRid();
        var mount = state.mounts().get(rid);
        if (!mount.nodeId.equals(register.getNodeId()) || mount.nodeIncarnation != register.getNodeIncarnation()) {
            invalid(step, request, "mount %016x belongs to another node".formatted(rid));
            return;
        }
        if (locks.isUnknown(rid)) {
            for (var held : register.getHeldList()) locks.adopt(rid, held.getName(), held.getMode());
            carryOut(step, locks.known(rid));
        }
        step.reply(rid, request.getRequestNr(), ServerReply.newBuilder().setRegistered(MountRegistered.newBuilder()
                .setLeaseMillis(settings.lease().toMillis()).setManifest(state.manifest()).setInodeCount(state.inodeCount())));
    }

    private void commit(Step step, ServerRequest request, CommitLog commit, long nowNanos) {
        long rid = request.getRid(), nr = request.getRequestNr();
        var wrong = checks.commit(rid, commit);
        if (wrong != null) {
            invalid(step, request, wrong);
            return;
        }
        var log = ServerEvent.LogRecorded.newBuilder().setRid(rid).addAllReplacedInlineRuns(commit.getReplacedInlineRunsList())
                .addAllDataAllocated(commit.getDataAllocatedList()).addAllDataFreed(commit.getDataFreedList())
                .addAllDataReturned(commit.getDataReturnedList()).addAllMetadataReturned(commit.getMetadataReturnedList())
                .setInodesDelta(commit.getInodesDelta()).addAllData(commit.getDataList()).setDataFlushed(commit.getDataFlushed())
                // With several mounts, blocks may change hands while the journal still carries old data for them.
                .setDataFlushFirst(commit.getDataCount() > 0 && state.mountCount() > 1);
        if (commit.hasRun()) log.setRun(commit.getRun());
        step.emit(ServerEvent.newBuilder().setLogRecorded(log));
        var holder = dev.cairn.allocator.HolderId.mount(rid);
        var pools = state.pools();
        var committed = LogCommitted.newBuilder().setTransactionSeq(commit.getTransactionSeq()).setNextSeq(step.seq())
                .setSpace(step.refill(rid, pools.metadataShare(holder).blocks() < pools.policy().metadataLowMark(),
                        pools.dataShare(holder).blocks() < pools.policy().dataLowMark()))
                .setManifestVersion(state.runs().version())
                .setSlowDownPercent(merges.slowDownPercent()).setInodeCount(state.inodeCount());
        if (commit.getWantsDirectoryInodes()) committed.setDirectoryInodes(step.inodes(DIRECTORY_GROUPS));
        if (commit.getWantsOtherInodes()) committed.setOtherInodes(step.inodes(OTHER_GROUPS));
        var reply = ServerReply.newBuilder().setCommitted(committed);
        step.keep(rid, nr, reply);
        step.reply(rid, nr, reply);
        step.pushManifest(rid);
        merges.heardCommit(nowNanos);
        merges.offer(step, rid, nowNanos);
    }

    private void refill(Step step, long rid, long nr, Refill refill) {
        var grant = step.refill(rid, refill.getMetadata(), refill.getData());
        var reply = ServerReply.newBuilder().setRefilled(grant);
        // An answer that gave nothing can be given anew: a full volume is asked often, and that costs no journal.
        if (grant.getMetadataCount() + grant.getDataCount() > 0) step.keep(rid, nr, reply);
        step.reply(rid, nr, reply);
    }

    /// From an operator. The sizes are absolute, so a repeat finds nothing to do and needs no answer kept.
    private void resize(Step step, ServerRequest request, Resize resize) {
        var before = state.geometry();
        long metadata = resize.getMetadataBlocks() == 0 ? before.getMetadataBlocks() : resize.getMetadataBlocks();
        long data = resize.getDataBlocks() == 0 ? before.getDataBlocks() : resize.getDataBlocks();
        VolumeGeometry has;
        try {
            has = capacity.get();
        } catch (RuntimeException e) {
            invalid(step, request, e.getMessage());
            return;
        }
        var wrong = wrongSize("metadata", metadata, before.getMetadataBlocks(), has.getMetadataBlocks());
        if (wrong == null) wrong = wrongSize("data", data, before.getDataBlocks(), has.getDataBlocks());
        if (wrong != null) {
            invalid(step, request, wrong);
            return;
        }
        if (metadata != before.getMetadataBlocks() || data != before.getDataBlocks()) {
            step.emit(ServerEvent.newBuilder().setVolumeGrown(
                    ServerEvent.VolumeGrown.newBuilder().setMetadataBlocks(metadata).setDataBlocks(data)));
            step.pushGrowth();
        }
        step.reply(request.getRid(), request.getRequestNr(), ServerReply.newBuilder().setResized(Resized.newBuilder()
                .setMetadataBlocks(metadata).setDataBlocks(data)
                .setMetadataBlocksBefore(before.getMetadataBlocks()).setDataBlocksBefore(before.getDataBlocks())));
    }

    private static String wrongSize(String kind, long wanted, long now, long capacity) {
        if (wanted < now) return "the volume uses %d blocks of the %s device and cannot do with %d: it can only grow".formatted(now, kind, wanted);
        if (wanted > now && wanted > capacity) return "the %s device has %d blocks, fewer than %d: enlarge it first".formatted(kind, capacity, wanted);
        return null;
    }

    // ---- leases

    private long deadAfterNanos() {
        return settings.lease().plus(settings.leaseGrace()).toNanos();
    }

    private void giveUp(Step step, long rid, ServerEvent.MountGone.Cause cause) {
        if (cause != ServerEvent.MountGone.Cause.FAREWELL) step.fence(rid);
        step.emit(ServerEvent.newBuilder().setMountGone(ServerEvent.MountGone.newBuilder().setRid(rid).setCause(cause)));
        lastHeard.remove(rid);
        carryOut(step, locks.drop(rid));
    }

    // ---- locks

    private void acquire(Step step, ServerRequest request, AcquireLock acquire) {
        if (invalidLock(acquire.getName()) || switch (acquire.getMode()) {
            case LOCK_READ, LOCK_WRITE, LOCK_WRITE_ONLY -> false;
            case LOCK_NONE, UNRECOGNIZED -> true;
        }) {
            invalid(step, request, "no such lock or mode");
            return;
        }
        carryOut(step, locks.acquire(request.getRid(), request.getRequestNr(), acquire.getName(), acquire.getMode()));
    }

    private void release(Step step, long rid, long nr, ReleaseLock release) {
        if (release.getKeep() != LockMode.UNRECOGNIZED)
            carryOut(step, locks.release(rid, release.getName(), release.getKeep()));
        step.reply(rid, nr, ServerReply.newBuilder().setLockReleased(LockReleased.newBuilder().setName(release.getName())));
    }

    private static boolean invalidLock(LockName name) {
        return name.getKind() == LockName.Kind.UNSPECIFIED || name.getKind() == LockName.Kind.UNRECOGNIZED;
    }

    private void carryOut(Step step, List<LockTable.Effect> effects) {
        for (var effect : effects)
            switch (effect) {
                case LockTable.Effect.Grant(long rid, long nr, LockName name, LockMode mode) -> {
                    var granted = LockGranted.newBuilder().setName(name).setMode(mode).setManifestVersion(state.runs().version());
                    if (mode != LockMode.LOCK_READ) granted.setWriteSeq(step.seq());
                    step.reply(rid, nr, ServerReply.newBuilder().setLockGranted(granted));
                }
                case LockTable.Effect.Revoke(long rid, LockName name, LockMode keep) -> step.send(rid,
                        ServerMessage.newBuilder().setRevokeLock(RevokeLock.newBuilder().setName(name).setKeep(keep)));
            }
    }

    // ---- refusals

    private static void invalid(Step step, ServerRequest request, String why) {
        refuse(step, request, Refused.Kind.INVALID, why);
    }

    private static void refuse(Step step, ServerRequest request, Refused.Kind kind, String why) {
        step.reply(request.getRid(), request.getRequestNr(),
                ServerReply.newBuilder().setRefused(Refused.newBuilder().setKind(kind).setWhy(why)));
    }
}
