package dev.cairn.quorum;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.allocator.HolderId;
import dev.cairn.allocator.MountShare;
import dev.cairn.block.Extent;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.GiveBackSpace;
import dev.cairn.proto.LogCommitted;
import dev.cairn.proto.Refill;
import dev.cairn.proto.Refused;
import dev.cairn.proto.RegisterMount;
import dev.cairn.proto.RunRef;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.SpaceGrant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/// Several mounts and little space: who has more than it needs gives it back when another one is short. The server's core and
/// the mounts' shares, without anything in between.
class SpaceSharingTest {
    private static final long DATA_LOW_MARK = 128, METADATA_TARGET = 32, METADATA_LOW_MARK = 16;     // of the geometry

    private final ServerState state = new ServerState();
    private final ServerCore core = new ServerCore(state, ServerSettings.DEFAULT);
    private final Map<Long, Mount> mounts = new TreeMap<>();

    private final class Mount {
        final long rid;
        final MountShare share = new MountShare();
        final List<GiveBackSpace> asked = new ArrayList<>();
        long nr;
        long runs;

        Mount(long rid) {
            this.rid = rid;
            mounts.put(rid, this);
            granted(ask(ServerRequest.newBuilder().setRegisterMount(RegisterMount.newBuilder().setNodeId("n" + rid).setNodeIncarnation(1)))
                    .getRegistered().getSpace());
        }

        ServerReply ask(ServerRequest.Builder body) {
            ServerReply reply = null;
            var request = body.setProtocol(1).setFsid(77).setRid(rid).setRequestNr(++nr).build();
            for (var message : core.decide(request, 1).sends()) {
                if (message.hasReply() && message.getRid() == rid) reply = message.getReply();
                if (message.hasGiveBackSpace()) {
                    assertThat(message.getRid()).isNotEqualTo(rid);
                    var other = mounts.get(message.getRid());
                    other.asked.add(message.getGiveBackSpace());
                    other.share.othersShort(message.getGiveBackSpace().getMetadata(), message.getGiveBackSpace().getData());
                }
            }
            state.verify();
            return reply;
        }

        void granted(SpaceGrant grant) {
            share.granted(grant);
        }

        void refill() {
            granted(ask(ServerRequest.newBuilder().setRefill(Refill.newBuilder()
                    .setMetadata(share.wantsMetadata()).setData(share.wantsData()))).getRefilled());
        }

        /// @param run so many metadata blocks of it; 0: none
        LogCommitted commit(int run) {
            var commit = CommitLog.newBuilder().setTransactionSeq(nr);
            if (run > 0) {
                var space = share.takeMetadata(run);
                share.writtenMetadata(space);
                var written = RunRef.newBuilder().setRunId(rid * 1_000_000 + ++runs).setOwnerRid(rid).setMinSeq(1).setMaxSeq(1).setItems(1)
                        .setFirstKey(SimulatedVolume.key(1)).setLastKey(SimulatedVolume.key(2)).setDataBlocks(run);
                space.forEach(extent -> written.addExtents(message(extent)));
                commit.setRun(written);
            }
            share.takeReferred().forEach(extent -> commit.addDataAllocated(message(extent)));
            share.takeDataSurplus().forEach(extent -> commit.addDataReturned(message(extent)));
            share.takeMetadataSurplus(0).forEach(extent -> commit.addMetadataReturned(message(extent)));
            var committed = ask(ServerRequest.newBuilder().setCommitLog(commit)).getCommitted();
            granted(committed.getSpace());
            return committed;
        }

        long writeAll() {
            long wrote = 0;
            for (Extent extent; (extent = share.reserveData(64, 0)) != null; wrote += extent.count()) share.referData(extent);
            return wrote;
        }
    }

    private static dev.cairn.proto.Extent message(Extent extent) {
        return dev.cairn.proto.Extent.newBuilder().setStart(extent.start()).setCount(extent.count()).build();
    }

    @BeforeEach
    void begin() {
        core.startTerm(SimulatedVolume.GEOMETRY, 0, 1);
    }

    @Test
    void data_of_idle_mounts_comes_to_the_one_that_is_out_of_it() {
        Mount writer = new Mount(1), idle = new Mount(2), other = new Mount(3);
        long all = 0;
        while (!writer.share.dataLow()) {
            all += writer.writeAll();
            writer.commit(0);
        }
        assertThat(idle.share.hasSurplus()).isTrue();
        assertThat(idle.asked.getFirst().getData()).isTrue();
        assertThat(idle.asked.getFirst().getMetadata()).isFalse();
        // Low is low: the flag stays until the blocks are there.
        writer.refill();
        assertThat(writer.share.dataLow()).isTrue();
        idle.commit(0);
        other.commit(0);
        assertThat(idle.share.dataBlocks()).isEqualTo(DATA_LOW_MARK);
        assertThat(idle.share.hasSurplus()).isFalse();
        assertThat(idle.share.dataLow()).isFalse();
        writer.refill();
        assertThat(writer.share.dataLow()).isFalse();
        while (!writer.share.dataLow()) {
            all += writer.writeAll();
            writer.commit(0);
        }
        all += writer.writeAll();
        assertThat(all).isEqualTo(8191 - 2 * DATA_LOW_MARK);
        // What the others keep is theirs: nobody is asked for it, however often the writer asks.
        idle.asked.clear();
        writer.refill();
        assertThat(idle.asked).isEmpty();
    }

    @Test
    void metadata_of_idle_mounts_comes_to_the_one_that_cannot_be_filled() {
        Mount writer = new Mount(1), idle = new Mount(2), other = new Mount(3);
        while (writer.share.metadataBlocks() >= METADATA_LOW_MARK) writer.commit((int) writer.share.metadataBlocks());
        assertThat(state.pools().metadataFreeBlocks()).isEqualTo(state.pools().policy().mergeFloor());
        assertThat(idle.asked.getLast().getMetadata()).isTrue();
        idle.commit(0);
        other.commit(4);
        assertThat(idle.share.metadataBlocks()).isEqualTo(METADATA_LOW_MARK);
        assertThat(other.share.metadataBlocks()).isEqualTo(METADATA_LOW_MARK);
        writer.refill();
        assertThat(writer.share.metadataBlocks()).isGreaterThanOrEqualTo(METADATA_LOW_MARK);
    }

    @Test
    void what_is_returned_has_to_be_in_the_share_and_is_named_once() {
        Mount one = new Mount(1), two = new Mount(2);
        var mine = one.share.metadataInHand().getFirst();
        var theirs = two.share.metadataInHand().getFirst();
        var before = state.snapshot();
        for (var bad : List.of(List.of(theirs), List.of(mine, mine), List.of(new Extent(1000, 5)))) {
            var commit = CommitLog.newBuilder();
            bad.forEach(extent -> commit.addMetadataReturned(message(extent)));
            assertThat(one.ask(ServerRequest.newBuilder().setCommitLog(commit)).getRefused().getKind()).isEqualTo(Refused.Kind.INVALID);
        }
        assertThat(state.snapshot()).isEqualTo(before);
        long free = state.pools().metadataFreeBlocks();
        assertThat(one.ask(ServerRequest.newBuilder().setCommitLog(CommitLog.newBuilder().addMetadataReturned(message(mine)))).hasCommitted()).isTrue();
        // And its share is filled again with the answer.
        assertThat(mine.count()).isEqualTo(METADATA_TARGET);
        assertThat(state.pools().metadataFreeBlocks()).isEqualTo(free);
    }

    /// Whatever mounts do, one that stays short while others give back is filled to its low mark as soon as there is enough
    /// for all low marks; and giving back ends: mounts that do nothing come to rest.
    @RepeatedTest(30)
    void everybody_gets_a_low_mark_while_there_is_one_for_each(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var all = new ArrayList<Mount>();
        for (int i = 1; i <= 2 + random.nextInt(4); i++) all.add(new Mount(i));
        for (int step = 0; step < 150; step++) {
            var mount = all.get(random.nextInt(all.size()));
            int dice = random.nextInt(10);
            if (dice < 5) {
                for (int i = 0; i < 3; i++) {
                    var extent = mount.share.reserveData(1 + random.nextInt(120), 0);
                    if (extent != null) mount.share.referData(extent);
                }
                mount.commit((int) Math.min(random.nextInt(8), mount.share.metadataBlocks()));
            } else if (dice < 8) {
                mount.refill();
            } else {
                mount.commit(0);
            }
        }
        var calls = new HashMap<Long, Integer>();
        for (int round = 0; round < 6; round++)
            for (var mount : all) {
                if (mount.share.hasSurplus()) {
                    mount.commit(0);
                    calls.merge(mount.rid, 1, Integer::sum);
                }
                if (mount.share.wantsRefill()) mount.refill();
            }
        long data = state.pools().dataFree().blocks(), metadata = Math.max(0, state.pools().metadataFreeBlocks() - state.pools().policy().mergeFloor());
        for (var mount : all) {
            data += state.pools().dataShare(HolderId.mount(mount.rid)).blocks();
            metadata += state.pools().metadataShare(HolderId.mount(mount.rid)).blocks();
        }
        for (var mount : all) {
            if (data >= all.size() * DATA_LOW_MARK) assertThat(state.pools().dataLow(HolderId.mount(mount.rid))).isFalse();
            if (metadata >= all.size() * METADATA_LOW_MARK) assertThat(state.pools().metadataShort(HolderId.mount(mount.rid))).isFalse();
            assertThat(calls.getOrDefault(mount.rid, 0)).isLessThan(6);
        }
    }
}
