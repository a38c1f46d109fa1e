package dev.cairn.quorum;

import com.google.protobuf.ByteString;
import dev.cairn.allocator.ExtentSet;
import dev.cairn.allocator.HolderId;
import dev.cairn.allocator.MountShare;
import dev.cairn.block.Extent;
import dev.cairn.proto.AbandonMerge;
import dev.cairn.proto.AcquireLock;
import dev.cairn.proto.ClaimMerge;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.CompleteMerge;
import dev.cairn.proto.Farewell;
import dev.cairn.proto.HeldLock;
import dev.cairn.proto.LockMode;
import dev.cairn.proto.LockName;
import dev.cairn.proto.MergeJob;
import dev.cairn.proto.MergedInput;
import dev.cairn.proto.Refill;
import dev.cairn.proto.RegisterMount;
import dev.cairn.proto.ReleaseLock;
import dev.cairn.proto.RenewLease;
import dev.cairn.proto.RunRef;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.VolumeGeometry;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/// A whole volume on one thread: the real core of the server, mounts that write items under locks, and merge workers, over
/// a device that is a map from run ids to items. It knows what was committed, so it can tell what reading must find.
final class SimulatedVolume {
    static final int ITEMS_PER_BLOCK = 2, KEYS = 900, KEYS_PER_LOCK = 50;
    static final VolumeGeometry GEOMETRY = VolumeGeometry.newBuilder().setFsid(77).setMetadataBlocks(1024).setMetadataFirst(2)
            .setDataBlocks(8192).setDataFirst(1).build();

    record Version(int key, long seq, boolean deleted) {}

    final SplittableRandom random;
    final List<ServerEvent> journal = new ArrayList<>();
    final Map<Long, List<Version>> device = new HashMap<>();
    final TreeMap<Integer, Long> committed = new TreeMap<>();     // live keys and their seqs
    final ExtentSet usedData = new ExtentSet();
    final List<Mount> mounts = new ArrayList<>();
    final Map<ServerRequest, ServerReply> answers = new HashMap<>();
    ServerState state = new ServerState();
    ServerCore core;
    long now = 1;
    long nextRid = 1;
    private final ArrayDeque<ServerMessage> mail = new ArrayDeque<>();
    private ServerReply lastReply;
    /// Mounts write more than they delete, and are slow to merge.
    boolean filling;
    /// Answers with space that were checked, and how many of them said low.
    int grants;
    int lowMetadata;
    int lowData;

    SimulatedVolume(long seed) {
        random = new SplittableRandom(seed);
        core = new ServerCore(state, ServerSettings.DEFAULT);
        done(core.startTerm(GEOMETRY, 0, now));
    }

    final class Mount {
        final long rid = nextRid++;
        final int node;
        final long incarnation;
        final MountShare share = new MountShare();
        final TreeMap<Integer, Version> dirty = new TreeMap<>();
        final TreeMap<Integer, Version> carried = new TreeMap<>();     // items of inline runs that the next full run replaces
        final List<Long> carriedRuns = new ArrayList<>();
        final Map<LockName, Long> locks = new HashMap<>();             // and their write seqs
        final ArrayDeque<Long> seqs = new ArrayDeque<>();
        final List<MergeJob> jobs = new ArrayList<>();
        long nr;
        boolean committing;

        Mount(int node, long incarnation) {
            this.node = node;
            this.incarnation = incarnation;
        }

        ServerReply ask(ServerRequest.Builder body) {
            var request = body.setProtocol(1).setFsid(77).setRid(rid).setRequestNr(++nr).build();
            var reply = send(request);
            if (reply != null) answers.put(request, reply);
            return reply;
        }
    }

    // ---- the wire

    private ServerReply send(ServerRequest request) {
        lastReply = null;
        done(core.decide(request, now));
        ServerReply found = null;
        while (!mail.isEmpty()) {
            var message = mail.poll();
            if (message.hasReply() && message.getRid() == request.getRid()
                    && message.getReply().getRequestNr() == request.getRequestNr()) found = message.getReply();
            else if (message.hasReply() && message.getReply().hasLockGranted()) granted(message);
            else if (message.hasRevokeLock()) revoked(message);
            else if (message.hasGiveBackSpace()) giveBack(message);
        }
        return found != null ? found : lastReply;
    }

    ServerReply again(ServerRequest request) {
        var reply = send(request);
        return reply;
    }

    private void done(Decision decision) {
        journal.addAll(decision.events());
        for (var event : decision.events()) state.apply(event);     // as the journal does when they are persisted
        for (var message : decision.sends()) checkGrant(message, decision.events().isEmpty());
        mail.addAll(decision.sends());
    }

    /// Every answer with space says what the policy says: recomputed here from the report that came with it, and from what the
    /// mount itself knows to hold. Each of them is the last thing that its decision does with space.
    private void checkGrant(ServerMessage message, boolean nothingHappened) {
        var reply = message.getReply();
        var grant = reply.hasRegistered() ? reply.getRegistered().getSpace() : reply.hasCommitted() ? reply.getCommitted().getSpace()
                : reply.hasRefilled() ? reply.getRefilled() : null;
        if (grant == null || !grant.hasReport()) return;
        boolean gives = grant.getMetadataCount() + grant.getDataCount() > 0;
        if (nothingHappened && (gives || !reply.hasRefilled())) return;     // the first answer once more
        check(grant.getReport().equals(state.report()), "the report is that of now");
        grants++;
        var metadata = grant.getReport().getMetadata();
        long target = 32, lowMark = 16, job = 16, log = 32, dataTarget = 512, dataLowMark = 128;     // of GEOMETRY
        long reserve = Math.min(512, 2 * job + Math.max(1, state.mountCount()) * (target + log + job));
        long free = metadata.getFree() + metadata.getReserved();
        check(grant.getMetadataLow() == (free <= reserve), "metadata low flag %s at %d free, reserve %d".formatted(grant.getMetadataLow(), free, reserve));
        check(metadata.getReserved() == Math.min(free, reserve), "reserved is the reserve");
        var holder = HolderId.mount(message.getRid());
        long has = state.pools().metadataShare(holder).blocks(), hasData = state.pools().dataShare(holder).blocks();
        check(grant.getDataLow() == (hasData < dataLowMark), "data low flag %s with %d in the share".formatted(grant.getDataLow(), hasData));
        check(grant.getWhy().isEmpty() == !(grant.getMetadataLow() || grant.getDataLow()), "why: " + grant.getWhy());
        if (grant.getMetadataLow()) lowMetadata++;
        if (grant.getDataLow()) lowData++;
        long given = grant.getMetadataList().stream().mapToLong(dev.cairn.proto.Extent::getCount).sum();
        long givenData = grant.getDataList().stream().mapToLong(dev.cairn.proto.Extent::getCount).sum();
        check(given == 0 || has <= target && free >= 3 * job, "a refill of %d makes %d and leaves %d".formatted(given, has, free));
        check(givenData == 0 || hasData <= dataTarget, "a refill of %d data blocks makes %d".formatted(givenData, hasData));
        // Beyond its low mark it gets nothing that another mount is short of.
        for (var other : state.mounts().keySet())
            if (other != message.getRid()) {
                boolean otherShort = state.pools().metadataShare(HolderId.mount(other)).blocks() + Math.max(0, free - 3 * job) < lowMark;
                check(given == 0 || has <= lowMark || !otherShort, "%d metadata blocks beyond the low mark while others are short".formatted(has));
                boolean otherShortOfData = state.pools().dataShare(HolderId.mount(other)).blocks() + grant.getReport().getData().getFree() < dataLowMark;
                check(givenData == 0 || hasData <= dataLowMark || !otherShortOfData, "%d data blocks beyond the low mark while others are short".formatted(hasData));
            }
        // And what the server believes it to hold is what it knows to hold.
        var mount = mount(message.getRid());
        if (mount == null || reply.hasCommitted()) return;     // a commit's blocks are between the two
        check(hasData == givenData + mount.share.dataBlocks() + mount.share.dataBlocksInUse(), "data in the share: %d, %d of them new; the mount has %d and %d in use"
                .formatted(hasData, givenData, mount.share.dataBlocks(), mount.share.dataBlocksInUse()));
        check(has == given + mount.share.metadataBlocks(), "metadata in the share: %d, %d of them new; the mount has %d"
                .formatted(has, given, mount.share.metadataBlocks()));
    }

    private Mount mount(long rid) {
        return mounts.stream().filter(mount -> mount.rid == rid).findFirst().orElse(null);
    }

    private void granted(ServerMessage message) {
        var mount = mount(message.getRid());
        var grant = message.getReply().getLockGranted();
        if (mount != null) mount.locks.put(grant.getName(), grant.getWriteSeq());
    }

    // With its next commit: some mounts are slow.
    private void giveBack(ServerMessage message) {
        var mount = mount(message.getRid());
        if (mount != null) mount.share.othersShort(message.getGiveBackSpace().getMetadata(), message.getGiveBackSpace().getData());
    }

    private void revoked(ServerMessage message) {
        var mount = mount(message.getRid());
        if (mount == null || mount.committing) return;     // crashed; or it will be asked again
        var name = message.getRevokeLock().getName();
        var rest = new ArrayList<>(mail);
        mail.clear();
        commit(mount, false);
        if (mounts.contains(mount)) {
            mount.carried.clear();
            mount.carriedRuns.clear();
            mount.locks.remove(name);
            var reply = mount.ask(ServerRequest.newBuilder().setReleaseLock(
                    ReleaseLock.newBuilder().setName(name).setKeep(message.getRevokeLock().getKeep())));
            check(reply.hasLockReleased(), "a release is answered");
        }
        mail.addAll(rest);
    }

    // ---- what mounts do

    Mount register(int node, long incarnation) {
        mounts.removeIf(mount -> mount.node == node && mount.incarnation != incarnation);
        var mount = new Mount(node, incarnation);
        mounts.add(mount);
        var registered = mount.ask(ServerRequest.newBuilder().setRegisterMount(
                RegisterMount.newBuilder().setNodeId("node" + node).setNodeIncarnation(incarnation))).getRegistered();
        mount.seqs.add(registered.getFirstSeq());
        mount.seqs.add(registered.getSecondSeq());
        mount.share.granted(registered.getSpace());
        check(registered.getOtherInodes().getFirst() % 1024 == 0 && registered.getOtherInodes().getFirst() > 0, "inodes in groups");
        return mount;
    }

    /// Writes or deletes a few keys under their lock, when it is to be had now.
    void write(Mount mount) {
        // A transaction ends before it outgrows the share.
        if (blocks(mount.dirty.size() + mount.carried.size() + 8) > state.pools().policy().commitLogBlocks()) commit(mount, false);
        int key = random.nextInt(KEYS);
        var lock = LockName.newBuilder().setKind(LockName.Kind.INODE_GROUP).setGroup(key / KEYS_PER_LOCK).build();
        if (!mount.locks.containsKey(lock)) {
            var reply = mount.ask(ServerRequest.newBuilder().setAcquireLock(
                    AcquireLock.newBuilder().setName(lock).setMode(LockMode.LOCK_WRITE)));
            if (reply != null && reply.hasLockGranted()) mount.locks.put(lock, reply.getLockGranted().getWriteSeq());
            if (!mount.locks.containsKey(lock)) return;     // a crashed mount has it still
        }
        long seq = Math.max(mount.seqs.peek(), mount.locks.get(lock));
        boolean delete = random.nextInt(100) < (filling ? 5 : 45) || mount.share.metadataLow();
        for (int i = 0; i < 1 + random.nextInt(8) && (key + i) / KEYS_PER_LOCK == lock.getGroup(); i++)
            mount.dirty.put(key + i, new Version(key + i, seq, delete));
    }

    void commit(Mount mount, boolean inline) {
        if (mount.committing) return;
        mount.committing = true;
        commitNow(mount, inline);
        mount.committing = false;
    }

    private void commitNow(Mount mount, boolean inline) {
        var items = new TreeMap<>(mount.dirty);
        inline &= items.size() <= ITEMS_PER_BLOCK && !items.isEmpty();
        var replaced = List.<Long>of();
        if (!inline && !items.isEmpty()) {
            mount.carried.forEach(items::putIfAbsent);
            replaced = List.copyOf(mount.carriedRuns);
        }
        var commit = CommitLog.newBuilder().setTransactionSeq(mount.seqs.peek());
        List<Extent> space = null;
        if (!items.isEmpty()) {
            if (!inline) {
                space = mount.share.takeMetadata(blocks(items.size()));
                if (space == null) {
                    space = waitForSpace(mount, blocks(items.size()));
                }
                mount.share.writtenMetadata(space);
            }
            commit.setRun(run(mount.seqs.peek(), mount.rid, 0, List.copyOf(items.values()), space)).addAllReplacedInlineRuns(replaced);
        }
        for (var extent : mount.share.takeReferred()) {
            commit.addDataAllocated(message(extent));
            usedData.add(extent);
        }
        if (random.nextInt(filling ? 40 : 3) == 0) usedData.take(random.nextInt(400), 4).forEach(extent -> commit.addDataFreed(message(extent)));
        mount.share.takeDataSurplus().forEach(extent -> commit.addDataReturned(message(extent)));
        mount.share.takeMetadataSurplus(0).forEach(extent -> commit.addMetadataReturned(message(extent)));
        var reply = mount.ask(ServerRequest.newBuilder().setCommitLog(commit));
        check(reply.hasCommitted(), "a good commit is taken: " + reply.getRefused().getWhy());
        mount.share.granted(reply.getCommitted().getSpace());
        // In the mount's share now, and discarded at once.
        for (var extent : commit.getDataFreedList()) mount.share.keptData(new Extent(extent.getStart(), extent.getCount()));
        for (var version : mount.dirty.values())
            if (version.deleted()) committed.remove(version.key());
            else committed.put(version.key(), version.seq());
        if (inline) {
            mount.carried.putAll(mount.dirty);
            mount.carriedRuns.add(mount.seqs.peek());
        } else if (!items.isEmpty()) {
            mount.carried.clear();
            mount.carriedRuns.clear();
        }
        mount.dirty.clear();
        mount.seqs.poll();
        mount.seqs.add(reply.getCommitted().getNextSeq());
    }

    /// A transaction that finds too little in hand asks for more; on a full volume it waits for merging, and never in vain.
    private List<Extent> waitForSpace(Mount mount, int blocks) {
        for (int i = 0; i < 200; i++) {
            mount.share.granted(mount.ask(ServerRequest.newBuilder().setRefill(Refill.newBuilder().setMetadata(true))).getRefilled());
            var space = mount.share.takeMetadata(blocks);
            if (space != null) return space;
            check(blocks <= state.pools().policy().metadataTarget(), "a transaction of " + blocks + " blocks");
            for (var worker : List.copyOf(mounts)) {
                claim(worker);
                finishJob(worker);
            }
            tick(1_000_000_000L);
        }
        throw new AssertionError("no space comes back: " + state.report() + state.pools().metadataFreed());
    }

    void data(Mount mount) {
        var extent = mount.share.reserveData(1 + random.nextInt(200), random.nextInt(8192));
        if (extent == null) check(mount.share.dataBlocks() == 0, "null means empty");
        else if (random.nextInt(4) == 0) mount.share.returnData(extent);
        else mount.share.referData(extent);
    }

    void refill(Mount mount) {
        mount.share.granted(mount.ask(ServerRequest.newBuilder().setRefill(Refill.newBuilder()
                .setMetadata(mount.share.wantsMetadata()).setData(mount.share.wantsData()))).getRefilled());
    }

    void claim(Mount mount) {
        var job = mount.ask(ServerRequest.newBuilder().setClaimMerge(ClaimMerge.getDefaultInstance())).getMergeJob();
        if (job.getJobId() != 0) mount.jobs.add(job);
        else if (state.pools().metadataLow(state.mountCount()))
            check(!(new MergePlanner(state).next(MergePlanner.Zeal.LOW) instanceof MergePlanner.Plan.Job), "the reserve has a job's blocks: " + state.report());
    }

    void finishJob(Mount mount) {
        if (mount.jobs.isEmpty()) return;
        var job = mount.jobs.removeFirst();
        if (random.nextInt(10) == 0) {
            mount.ask(ServerRequest.newBuilder().setAbandonMerge(AbandonMerge.newBuilder().setJobId(job.getJobId())));
            return;
        }
        var merged = merge(job);
        var reply = mount.ask(ServerRequest.newBuilder().setCompleteMerge(merged));
        check(reply.hasMergeRecorded(), "a good merge is taken: " + reply.getRefused().getWhy() + "\n" + merged + job);
    }

    void farewell(Mount mount) {
        commit(mount, false);
        if (mounts.remove(mount))
            check(mount.ask(ServerRequest.newBuilder().setFarewell(Farewell.getDefaultInstance())).hasFarewellTaken(), "farewell");
    }

    void tick(long nanos) {
        for (long end = now + nanos; now < end; ) {
            now += 500_000_000;
            for (var mount : List.copyOf(mounts)) mount.ask(ServerRequest.newBuilder().setRenewLease(RenewLease.getDefaultInstance()));
            done(core.tick(now));
            while (!mail.isEmpty()) {
                var message = mail.poll();
                if (message.hasReply() && message.getReply().hasLockGranted()) granted(message);
                else if (message.hasRevokeLock()) revoked(message);
                else if (message.hasGiveBackSpace()) giveBack(message);
            }
        }
    }

    /// A new server out of the journal, or out of a snapshot and what followed it; its mounts come back with their locks.
    void restartServer() {
        var before = state.snapshot();
        var replayed = new ServerState();
        int cut = random.nextInt(journal.size() + 1);
        for (int i = 0; i < cut; i++) replayed.apply(journal.get(i));
        replayed = ServerState.restore(replayed.snapshot());
        for (int i = cut; i < journal.size(); i++) replayed.apply(journal.get(i));
        check(replayed.snapshot().toByteString().equals(before.toByteString()), "a replay gives the same state to the byte");
        state = replayed;
        core = new ServerCore(state, ServerSettings.DEFAULT);
        done(core.startTerm(GEOMETRY, 0, now));
        for (var mount : List.copyOf(mounts)) {
            var register = RegisterMount.newBuilder().setNodeId("node" + mount.node).setNodeIncarnation(mount.incarnation);
            mount.locks.keySet().forEach(name -> register.addHeld(HeldLock.newBuilder().setName(name).setMode(LockMode.LOCK_WRITE)));
            check(mount.ask(ServerRequest.newBuilder().setRegisterMount(register)).hasRegistered(), "a living mount comes back");
        }
    }

    // ---- runs and merging

    static int blocks(int items) {
        return (items + ITEMS_PER_BLOCK - 1) / ITEMS_PER_BLOCK + 2;
    }

    static ByteString key(int key) {
        return ByteString.copyFrom(ByteBuffer.allocate(26).putInt(22, key).array());
    }

    static int key(ByteString key) {
        return key.byteAt(0) != 0 ? Integer.MAX_VALUE : key.asReadOnlyByteBuffer().getInt(22);
    }

    private RunRef run(long runId, long owner, int level, List<Version> items, List<Extent> space) {
        device.put(runId, items);
        var run = RunRef.newBuilder().setRunId(runId).setOwnerRid(owner).setLevel(level).setItems(items.size())
                .setMinSeq(items.stream().mapToLong(Version::seq).min().orElseThrow())
                .setMaxSeq(items.stream().mapToLong(Version::seq).max().orElseThrow())
                .setFirstKey(key(items.getFirst().key())).setLastKey(key(items.getLast().key()))
                .setDeletions(items.stream().filter(Version::deleted).count());
        if (space == null) return run.setDataBlocks(1).setInlineBlock(ByteString.copyFromUtf8("inline")).build();
        space.forEach(extent -> run.addExtents(message(extent)));
        return run.setDataBlocks(blocks(items.size()) - 2).setIndexBlocks(1).setBloomBlocks(1).build();
    }

    CompleteMerge merge(MergeJob job) {
        var newest = new TreeMap<Integer, Version>();
        for (var input : job.getInputsList())
            for (var version : device.get(input.getRunId()))
                if (version.key() >= key(input.getFirstKey()) && version.key() <= key(job.getThroughKey()))
                    newest.merge(version.key(), version, (a, b) -> b.seq() > a.seq() ? b : a);
        long space = job.getSpaceList().stream().mapToLong(dev.cairn.proto.Extent::getCount).sum();
        var output = new ArrayList<Version>();
        int next = key(job.getThroughKey()) == Integer.MAX_VALUE ? Integer.MAX_VALUE : key(job.getThroughKey()) + 1;
        for (var version : newest.values()) {
            boolean kept = !version.deleted() || job.getOlderList().stream().anyMatch(older ->
                    key(older.getFirstKey()) <= version.key() && version.key() <= key(older.getLastKey()));
            if (!kept) continue;
            if (blocks(output.size() + 1) > space) {
                next = version.key();
                break;
            }
            output.add(version);
        }
        var result = CompleteMerge.newBuilder().setJobId(job.getJobId());
        if (!output.isEmpty()) {
            var pool = new ExtentSet();
            job.getSpaceList().forEach(extent -> pool.add(extent.getStart(), extent.getCount()));
            result.setOutput(run(job.getOutputRunId(), 0, job.getTargetLevel(), output, pool.take(blocks(output.size()), 999)));
        }
        for (var input : job.getInputsList()) {
            var items = device.get(input.getRunId());
            int at = 0;
            while (at < items.size() && (items.get(at).key() < next || items.get(at).key() < key(input.getFirstKey()))) at++;
            var report = MergedInput.newBuilder().setRunId(input.getRunId());
            if (at == items.size()) report.setExhausted(true);
            else report.setFirstKey(key(items.get(at).key())).setTrimmedBlocks(
                    input.getInlineBlock().isEmpty() ? at / ITEMS_PER_BLOCK : 0);
            result.addInputs(report);
        }
        return result.build();
    }

    // ---- what must hold

    /// Reading finds exactly what was committed, newest version first.
    void checkReads() {
        var found = new TreeMap<Integer, Version>();
        // Two transactions of one mount may write a key with the same seq, the lock's: then the newer commit log counts.
        var newestFirst = new ArrayList<>(state.runs().logs().reversed());
        for (int level = 1; level <= RunTable.LEVELS_MAX; level++) newestFirst.addAll(state.runs().level(level).values());
        for (var run : newestFirst)
            for (var version : device.get(run.getRunId()))
                if (version.key() >= key(run.getFirstKey()) && version.key() <= key(run.getLastKey()))
                    found.merge(version.key(), version, (a, b) -> b.seq() > a.seq() ? b : a);
        found.values().removeIf(Version::deleted);
        var live = new TreeMap<Integer, Long>();
        found.forEach((key, version) -> live.put(key, version.seq()));
        check(live.equals(committed), "read " + live + "\nbut committed " + committed);
    }

    void checkSpace() {
        state.verify();
        var report = state.report();
        for (var space : List.of(report.getMetadata(), report.getData()))
            check(space.getUsed() + space.getFree() + space.getReserved() + space.getHeld() == space.getTotal(), "counts add up: " + space);
        check(report.getData().getUsed() == usedData.blocks() + 1, "data in use is what items refer to");
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    private static dev.cairn.proto.Extent message(Extent extent) {
        return dev.cairn.proto.Extent.newBuilder().setStart(extent.start()).setCount(extent.count()).build();
    }
}
