package dev.cairn.quorum;

import dev.cairn.allocator.HolderId;
import dev.cairn.block.Extent;
import dev.cairn.proto.GiveBackSpace;
import dev.cairn.proto.InodeGrant;
import dev.cairn.proto.KeptReply;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.SpaceGrant;
import dev.cairn.proto.VolumeGrew;
import java.util.ArrayList;
import java.util.List;

/// One decision of [ServerCore] while it is being made: each event is applied as it is decided, so what is decided after it
/// stands on it.
final class Step {
    /// A grant is one event and one message: a pool of crumbs gives less in one refill rather than a huge message.
    private static final int GRANT_EXTENTS_MAX = 512;

    private final ServerState state;
    private final Seqs seqs;
    private final List<Long> fenced = new ArrayList<>();
    private final List<ServerEvent> events = new ArrayList<>();
    private final List<ServerMessage> sends = new ArrayList<>();

    Step(ServerState state, Seqs seqs) {
        this.state = state;
        this.seqs = seqs;
    }

    Decision decision() {
        return new Decision(fenced, events, sends);
    }

    void emit(ServerEvent.Builder event) {
        var numbered = event.setNr(state.eventNr() + 1).build();
        state.apply(numbered);
        events.add(numbered);
    }

    void fence(long rid) {
        fenced.add(rid);
    }

    void send(long rid, ServerMessage.Builder message) {
        sends.add(message.setRid(rid).setTerm(state.term()).build());
    }

    void reply(long rid, long requestNr, ServerReply.Builder reply) {
        send(rid, ServerMessage.newBuilder().setReply(reply.setRequestNr(requestNr)));
    }

    /// Notes the answer for repeats of the request; what is sent may hold more.
    void keep(long rid, long requestNr, ServerReply.Builder reply) {
        emit(ServerEvent.newBuilder().setAnswered(ServerEvent.Answered.newBuilder().setRid(rid)
                .setKept(KeptReply.newBuilder().setRequestNr(requestNr).setReply(reply.setRequestNr(requestNr)))));
    }

    /// Tells the mounts what changed in the manifest since the last time; `except` has it from its answer (0: nobody has).
    void pushManifest(long except) {
        var delta = state.takeDelta();
        if (delta == null) return;
        for (long rid : state.mounts().keySet())
            if (rid != except) send(rid, ServerMessage.newBuilder().setManifestDelta(delta));
    }

    // ---- seqs and inode numbers

    /// The next seq, from the one counter that transactions, locks and runs share: whatever is given later is greater.
    long seq() {
        if (seqs.next == state.seqEnd())
            emit(ServerEvent.newBuilder().setSeqsReserved(
                    ServerEvent.SeqsReserved.newBuilder().setEnd(state.seqEnd() + Seqs.RESERVED_AT_ONCE)));
        return seqs.next++;
    }

    /// Seqs below the state's end may have been given out by this term. They are reserved many at a time, so that a lock
    /// can have one without a write to the journal; a new term skips the rest of the reserve.
    static final class Seqs {
        private static final long RESERVED_AT_ONCE = 4096;
        private long next;

        void startAt(long seq) {
            next = seq;
        }
    }

    InodeGrant inodes(long groups) {
        long first = state.nextInodeGroup() * ServerState.INODES_PER_GROUP;
        emit(ServerEvent.newBuilder().setInodesGranted(ServerEvent.InodesGranted.newBuilder().setGroups(groups)));
        return InodeGrant.newBuilder().setFirst(first).setCount(groups * ServerState.INODES_PER_GROUP).build();
    }

    // ---- space

    /// Fills the mount's share to its targets, where asked and below them; and says how things stand.
    SpaceGrant refill(long rid, boolean metadata, boolean data) {
        var pools = state.pools();
        var holder = HolderId.mount(rid);
        var grantedMetadata = new ArrayList<Extent>();
        List<Extent> grantedData = List.of();
        if (data) grantedData = pools.chooseData(holder, pools.dataRefill(holder), GRANT_EXTENTS_MAX, state.geometry().getDataZoneBlocks());
        if (metadata) {
            long missing = pools.metadataRefill(holder);
            // A swap may be due before the grant, and another one when the grant has emptied the pool.
            for (int pool = 0; pool < 2 && missing > 0; pool++) {
                swapIfDue();
                var chosen = pools.chooseMetadata(missing, GRANT_EXTENTS_MAX);
                if (chosen.isEmpty()) continue;
                grant(rid, chosen, List.of());
                grantedMetadata.addAll(chosen);
                missing -= chosen.stream().mapToLong(Extent::count).sum();
            }
        }
        if (!grantedData.isEmpty()) grant(rid, List.of(), grantedData);
        swapIfDue();
        int mounts = state.mountCount();
        boolean metadataLow = pools.metadataLow(mounts), dataLow = pools.dataLow(holder);
        askBack(rid, metadata && pools.metadataShort(holder), data && dataLow);
        var policy = pools.policy();
        var why = new ArrayList<String>();
        if (metadataLow) why.add("%d free metadata blocks are within the reserve of %d for %d mount%s"
                .formatted(pools.metadataFreeBlocks(), policy.reserve(mounts), mounts, mounts == 1 ? "" : "s"));
        if (dataLow) why.add("%d data blocks in the mount's share and %d free are below the low mark of %d"
                .formatted(pools.dataShare(holder).blocks(), pools.dataFree().blocks(), policy.dataLowMark()));
        return SpaceGrant.newBuilder().addAllMetadata(Runs.messages(grantedMetadata)).addAllData(Runs.messages(grantedData))
                .setMetadataLow(metadataLow).setDataLow(dataLow).setWhy(String.join("; ", why))
                .setReport(state.report()).build();
    }

    private void grant(long rid, List<Extent> metadata, List<Extent> data) {
        emit(ServerEvent.newBuilder().setSpaceGranted(ServerEvent.SpaceGranted.newBuilder().setRid(rid)
                .addAllMetadata(Runs.messages(metadata)).addAllData(Runs.messages(data))));
    }

    /// One mount is short: the others are told to give back what they have above their low marks.
    private void askBack(long shortRid, boolean metadata, boolean data) {
        if (!metadata && !data) return;
        var pools = state.pools();
        for (long rid : state.mounts().keySet()) {
            if (rid == shortRid) continue;
            boolean hasMetadata = metadata && pools.metadataShare(HolderId.mount(rid)).blocks() > pools.policy().metadataLowMark();
            boolean hasData = data && pools.dataShare(HolderId.mount(rid)).blocks() > pools.policy().dataLowMark();
            if (hasMetadata || hasData)
                send(rid, ServerMessage.newBuilder().setGiveBackSpace(GiveBackSpace.newBuilder().setMetadata(hasMetadata).setData(hasData)));
        }
    }

    /// Tells every mount to ask how much there is.
    void pushGrowth() {
        for (long rid : state.mounts().keySet())
            send(rid, ServerMessage.newBuilder().setVolumeGrew(VolumeGrew.getDefaultInstance()));
    }

    void swapIfDue() {
        if (state.pools().wantsSwap(state.mountCount()))
            emit(ServerEvent.newBuilder().setMetadataPoolsSwapped(ServerEvent.MetadataPoolsSwapped.getDefaultInstance()));
    }
}
