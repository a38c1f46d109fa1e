package dev.cairn.quorum;

import com.google.protobuf.ByteString;
import dev.cairn.allocator.ExtentSet;
import dev.cairn.allocator.HolderId;
import dev.cairn.allocator.SpacePools;
import dev.cairn.block.Extent;
import dev.cairn.proto.KeptReply;
import dev.cairn.proto.Manifest;
import dev.cairn.proto.ManifestDelta;
import dev.cairn.proto.MergeTask;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerSnapshot;
import dev.cairn.proto.SpaceReport;
import dev.cairn.proto.VolumeGeometry;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/// All that the server of a volume knows and must not forget: built by events, and by nothing else. The same events give
/// the same state, to the byte of its snapshot.
public final class ServerState {
    /// Seqs below are never given out: 0 means none, and a few are left for whoever needs a name of their own.
    static final long FIRST_SEQ = 1024;
    /// Inode numbers come in groups of this many; group 0 holds the root, number 1.
    static final long INODES_PER_GROUP = 1024;

    private long eventNr;
    private VolumeGeometry geometry;
    private long term;
    private int slot;
    private long seqEnd = FIRST_SEQ;
    private long nextInodeGroup = 1;
    private long inodeCount;
    private SpacePools pools;
    private RunTable runs = new RunTable();
    private final TreeMap<Long, MountRecord> mounts = new TreeMap<>(Long::compareUnsigned);
    private final TreeMap<Long, MergeTask> tasks = new TreeMap<>();
    private long nextJobId = 1;
    private final List<Long> round = new ArrayList<>();

    /// Events carry numbers, and one that was applied already is passed over: [ServerCore] applies its events as it
    /// decides them, and the journal hands them over once more when they have been persisted.
    ///
    /// @throws IllegalStateException when an event is missing before this one, or contradicts the state
    public void apply(ServerEvent event) {
        if (event.getNr() <= eventNr) return;
        if (event.getNr() != eventNr + 1)
            throw new IllegalStateException("event %d follows event %d: the journal lacks some".formatted(event.getNr(), eventNr));
        switch (event.getBodyCase()) {
            case VOLUME_INITIALIZED -> initialize(event.getVolumeInitialized().getGeometry());
            case TERM_STARTED -> {
                term = event.getTermStarted().getTerm();
                slot = event.getTermStarted().getSlot();
            }
            case SEQS_RESERVED -> seqEnd = event.getSeqsReserved().getEnd();
            case MOUNT_JOINED -> join(event.getMountJoined());
            case MOUNT_GONE -> gone(event.getMountGone().getRid());
            case LOG_RECORDED -> record(event.getLogRecorded());
            case SPACE_GRANTED -> {
                var granted = event.getSpaceGranted();
                pools.grant(HolderId.mount(granted.getRid()), Runs.extents(granted.getMetadataList()),
                        Runs.extents(granted.getDataList()));
            }
            case METADATA_POOLS_SWAPPED -> pools.swapMetadata();
            case INODES_GRANTED -> nextInodeGroup += event.getInodesGranted().getGroups();
            case MERGE_ASSIGNED -> assign(event.getMergeAssigned());
            case MERGE_APPLIED -> merged(event.getMergeApplied());
            case MERGE_DROPPED -> drop(event.getMergeDropped().getJobId());
            case RUN_SUNK -> {
                runs.sink(event.getRunSunk().getRunId(), event.getRunSunk().getLevel());
                runs.nextVersion();
            }
            case ANSWERED -> {
                var answered = event.getAnswered();
                mount(answered.getRid()).keep(answered.getKept().getRequestNr(), answered.getKept().getReply());
            }
            case VOLUME_GROWN -> grow(event.getVolumeGrown());
            case BODY_NOT_SET -> throw new IllegalStateException(
                    "event %d is of a kind that this version does not know".formatted(event.getNr()));
        }
        eventNr = event.getNr();
    }

    private void initialize(VolumeGeometry made) {
        geometry = made;
        pools = new SpacePools(made.getMetadataBlocks(), made.getMetadataFirst(), made.getDataBlocks(), made.getDataFirst());
    }

    private void grow(ServerEvent.VolumeGrown grown) {
        pools.grow(grown.getMetadataBlocks(), grown.getDataBlocks());
        geometry = geometry.toBuilder().setMetadataBlocks(grown.getMetadataBlocks()).setDataBlocks(grown.getDataBlocks()).build();
    }

    private void join(ServerEvent.MountJoined joined) {
        pools.join(HolderId.mount(joined.getRid()));
        mounts.put(joined.getRid(), new MountRecord(joined.getRid(), joined.getNodeId(), joined.getNodeIncarnation()));
    }

    private void gone(long rid) {
        for (var task : List.copyOf(tasks.values())) if (task.getRid() == rid) drop(task.getJobId());
        pools.giveBack(HolderId.mount(rid));
        mounts.remove(rid);
    }

    private void record(ServerEvent.LogRecorded log) {
        var holder = HolderId.mount(log.getRid());
        boolean changesRuns = log.hasRun();
        for (long replaced : log.getReplacedInlineRunsList())
            if (runs.get(replaced) != null) {     // else a merge has consumed it meanwhile
                runs.remove(replaced);
                changesRuns = true;
            }
        if (log.hasRun()) {
            for (var extent : log.getRun().getExtentsList()) pools.useMetadata(holder, Runs.extent(extent));
            runs.add(log.getRun());
        }
        if (changesRuns) runs.nextVersion();
        trimRound();
        for (var extent : log.getDataAllocatedList()) pools.useData(holder, Runs.extent(extent));
        for (var extent : log.getMetadataReturnedList()) pools.returnMetadata(holder, Runs.extent(extent));
        for (var extent : log.getDataReturnedList()) pools.returnData(holder, Runs.extent(extent));
        for (var extent : log.getDataFreedList()) pools.freeDataInto(holder, Runs.extent(extent));
        inodeCount += log.getInodesDelta();
    }

    private void assign(ServerEvent.MergeAssigned assigned) {
        var task = assigned.getTask();
        var holder = HolderId.job(task.getJobId());
        pools.join(holder);
        pools.grant(holder, Runs.extents(task.getSpaceList()), List.of());
        tasks.put(task.getJobId(), task);
        nextJobId = task.getJobId() + 1;
        if (assigned.getRoundRunIdsCount() > 0) {
            round.clear();
            round.addAll(assigned.getRoundRunIdsList());
        }
    }

    private void merged(ServerEvent.MergeApplied merge) {
        for (var input : merge.getInputsList()) {
            var run = runs.get(input.getRunId());
            if (run == null) continue;     // its mount replaced it with a later commit
            if (input.getExhausted()) {
                Runs.liveBlocks(run).forEach(pools::freeMetadata);
                runs.remove(run.getRunId());
            } else if (!input.getFirstKey().equals(run.getFirstKey()) || input.getTrimmedBlocks() != run.getTrimmedBlocks()) {
                Runs.blocks(run, run.getTrimmedBlocks(), input.getTrimmedBlocks()).forEach(pools::freeMetadata);
                runs.trim(run.getRunId(), input.getFirstKey(), input.getTrimmedBlocks());
            }
        }
        if (merge.hasOutput()) {
            for (var extent : merge.getOutput().getExtentsList())
                pools.useMetadata(HolderId.job(merge.getJobId()), Runs.extent(extent));
            runs.add(merge.getOutput());
        }
        runs.nextVersion();
        trimRound();
        drop(merge.getJobId());
    }

    private void drop(long jobId) {
        pools.giveBack(HolderId.job(jobId));
        tasks.remove(jobId);
    }

    private void trimRound() {
        round.removeIf(runId -> runs.get(runId) == null);
    }

    // ---- snapshots

    public ServerSnapshot snapshot() {
        var snapshot = ServerSnapshot.newBuilder().setEventNr(eventNr).setTerm(term).setSlot(slot).setSeqEnd(seqEnd)
                .setNextInodeGroup(nextInodeGroup).setInodeCount(inodeCount).setManifest(runs.manifest())
                .addAllTasks(tasks.values()).setNextJobId(nextJobId).addAllRoundRunIds(round);
        if (geometry != null)
            snapshot.setGeometry(geometry).setMetadataAvail(encode(pools.metadataAvail()))
                    .setMetadataFreed(encode(pools.metadataFreed())).setDataFree(encode(pools.dataFree()));
        for (var mount : mounts.values()) {
            var holder = HolderId.mount(mount.rid);
            var one = ServerSnapshot.MountSnapshot.newBuilder().setRid(mount.rid).setNodeId(mount.nodeId)
                    .setNodeIncarnation(mount.nodeIncarnation).setMetadataShare(encode(pools.metadataShare(holder)))
                    .setDataShare(encode(pools.dataShare(holder))).setForgottenNr(mount.forgottenNr());
            mount.kept().forEach((nr, reply) -> one.addKept(KeptReply.newBuilder().setRequestNr(nr).setReply(reply)));
            snapshot.addMounts(one);
        }
        return snapshot.build();
    }

    /// @throws IllegalArgumentException or IllegalStateException when the snapshot contradicts itself
    public static ServerState restore(ServerSnapshot snapshot) {
        var state = new ServerState();
        state.eventNr = snapshot.getEventNr();
        state.term = snapshot.getTerm();
        state.slot = snapshot.getSlot();
        state.seqEnd = snapshot.getSeqEnd();
        state.nextInodeGroup = snapshot.getNextInodeGroup();
        state.inodeCount = snapshot.getInodeCount();
        state.runs = RunTable.restore(snapshot.getManifest());
        state.nextJobId = snapshot.getNextJobId();
        state.round.addAll(snapshot.getRoundRunIdsList());
        if (!snapshot.hasGeometry()) return state;
        var made = state.geometry = snapshot.getGeometry();
        state.pools = new SpacePools(made.getMetadataBlocks(), made.getMetadataFirst(), made.getDataBlocks(),
                made.getDataFirst(), decode(snapshot.getMetadataAvail()), decode(snapshot.getMetadataFreed()),
                decode(snapshot.getDataFree()));
        for (var mount : snapshot.getMountsList()) {
            var record = new MountRecord(mount.getRid(), mount.getNodeId(), mount.getNodeIncarnation());
            record.restore(mount.getForgottenNr(), mount.getKeptList());
            state.mounts.put(record.rid, record);
            state.pools.restoreShare(HolderId.mount(record.rid), decode(mount.getMetadataShare()), decode(mount.getDataShare()));
        }
        for (var task : snapshot.getTasksList()) {
            state.tasks.put(task.getJobId(), task);
            state.pools.restoreShare(HolderId.job(task.getJobId()),
                    new ExtentSet(Runs.extents(task.getSpaceList())), new ExtentSet());
        }
        return state;
    }

    private static ByteString encode(ExtentSet set) {
        return ByteString.copyFrom(set.encode());
    }

    private static ExtentSet decode(ByteString bytes) {
        return ExtentSet.decode(bytes.toByteArray());
    }

    // ---- questions

    /// Whether mkfs's geometry has been recorded: false only before the very first term.
    public boolean initialized() {
        return geometry != null;
    }

    public long term() {
        return term;
    }

    public int slot() {
        return slot;
    }

    public long eventNr() {
        return eventNr;
    }

    public VolumeGeometry geometry() {
        return geometry;
    }

    public Manifest manifest() {
        return runs.manifest();
    }

    public SpaceReport report() {
        return pools.report(mounts.size(), inodeCount);
    }

    public int mountCount() {
        return mounts.size();
    }

    /// Commit logs that nobody has merged yet, and jobs that are out: for metrics.
    public int commitLogs() {
        return runs.logs().size();
    }

    public int mergeJobsOut() {
        return tasks.size();
    }

    long seqEnd() {
        return seqEnd;
    }

    long nextInodeGroup() {
        return nextInodeGroup;
    }

    public long inodeCount() {
        return inodeCount;
    }

    long nextJobId() {
        return nextJobId;
    }

    SpacePools pools() {
        return pools;
    }

    RunTable runs() {
        return runs;
    }

    ManifestDelta takeDelta() {
        return runs.takeDelta();
    }

    NavigableMap<Long, MountRecord> mounts() {
        return Collections.unmodifiableNavigableMap(mounts);
    }

    NavigableMap<Long, MergeTask> tasks() {
        return Collections.unmodifiableNavigableMap(tasks);
    }

    /// Commit logs that are being merged together, oldest first; empty between rounds.
    List<Long> round() {
        return Collections.unmodifiableList(round);
    }

    private MountRecord mount(long rid) {
        var mount = mounts.get(rid);
        if (mount == null) throw new IllegalStateException("mount %016x is not registered".formatted(rid));
        return mount;
    }

    /// Tells every data block that no file has: whose it is, and where.
    public void unusedData(BiConsumer<String, Extent> visitor) {
        pools.dataFree().forEach((start, count) -> visitor.accept("free", new Extent(start, count)));
        for (var holder : pools.holders())
            pools.dataShare(holder).forEach((start, count) -> visitor.accept("in the share of " + holder, new Extent(start, count)));
    }

    /// Every block of the volume has exactly one place, and every count is right. Slow: for tests, and once at start.
    ///
    /// @throws IllegalStateException that names what is wrong
    public void verify() {
        if (geometry == null) return;
        pools.verify(this::placeRuns);
        var holders = pools.holders();
        for (long rid : mounts.keySet()) holders.remove(HolderId.mount(rid));
        for (long job : tasks.keySet()) holders.remove(HolderId.job(job));
        if (!holders.isEmpty()) throw new IllegalStateException("nobody knows " + holders + ", but they hold blocks");
        for (int level = 1; level <= RunTable.LEVELS_MAX; level++) {
            ByteString last = null;
            for (var run : runs.level(level).values()) {
                if (last != null && !Runs.before(last, run.getFirstKey()))
                    throw new IllegalStateException("%s overlaps the run before it in level %d".formatted(Runs.name(run.getRunId()), level));
                last = run.getLastKey();
            }
        }
    }

    private void placeRuns(BiConsumer<String, Extent> place) {
        for (var run : runs.manifest().getRunsList())
            for (var extent : Runs.liveBlocks(run)) place.accept(Runs.name(run.getRunId()), extent);
    }
}
