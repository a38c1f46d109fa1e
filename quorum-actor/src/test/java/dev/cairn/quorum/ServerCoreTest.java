package dev.cairn.quorum;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.proto.AcquireLock;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.Extent;
import dev.cairn.proto.LockMode;
import dev.cairn.proto.LockName;
import dev.cairn.proto.Refused;
import dev.cairn.proto.RegisterMount;
import dev.cairn.proto.Refill;
import dev.cairn.proto.Resize;
import dev.cairn.proto.RunRef;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.SpaceGrant;
import dev.cairn.proto.VolumeGeometry;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ServerCoreTest {
    private static final VolumeGeometry GEOMETRY = SimulatedVolume.GEOMETRY;
    private static final long SECOND = 1_000_000_000L;

    private final ServerState state = new ServerState();
    private final ServerCore core = new ServerCore(state, ServerSettings.DEFAULT);
    private long now = 1;

    @BeforeEach
    void begin() {
        core.startTerm(GEOMETRY, 0, now);
    }

    private static ServerRequest.Builder request(long rid, long nr) {
        return ServerRequest.newBuilder().setProtocol(1).setFsid(77).setRid(rid).setRequestNr(nr);
    }

    private ServerReply ask(ServerRequest.Builder request) {
        return core.decide(request.build(), now).sends().stream().filter(message -> message.hasReply()
                && message.getRid() == request.getRid()).map(ServerMessage::getReply).findFirst().orElseThrow();
    }

    private SpaceGrant register(long rid, String node, long incarnation) {
        return ask(request(rid, 1).setRegisterMount(RegisterMount.newBuilder().setNodeId(node).setNodeIncarnation(incarnation)))
                .getRegistered().getSpace();
    }

    private void refusedWithoutTrace(ServerRequest.Builder request, Refused.Kind kind, String why) {
        var before = state.snapshot();
        var decision = core.decide(request.build(), now);
        assertThat(decision.events()).isEmpty();
        assertThat(decision.sends()).hasSize(1);
        assertThat(decision.sends().getFirst().getReply().getRefused().getKind()).isEqualTo(kind);
        assertThat(decision.sends().getFirst().getReply().getRefused().getWhy()).contains(why);
        assertThat(state.snapshot()).isEqualTo(before);
    }

    @Test
    void a_journal_of_another_volume_is_not_taken_over() {
        assertThatThrownBy(() -> new ServerCore(state, ServerSettings.DEFAULT)
                .startTerm(GEOMETRY.toBuilder().setFsid(78).build(), 0, now)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void a_volume_grows_by_one_event_and_only_as_far_as_its_devices_reach() {
        var capacity = GEOMETRY.toBuilder().setMetadataBlocks(2048).setDataBlocks(9000).build();
        var grown = new ServerState();
        var server = new ServerCore(grown, ServerSettings.DEFAULT, () -> capacity);
        server.startTerm(GEOMETRY, 0, now);
        server.decide(request(1, 1).setRegisterMount(RegisterMount.newBuilder().setNodeId("a").setNodeIncarnation(1)).build(), now);
        for (var wrong : List.of(Resize.newBuilder().setMetadataBlocks(1000), Resize.newBuilder().setDataBlocks(1),
                Resize.newBuilder().setMetadataBlocks(1500).setDataBlocks(9001), Resize.newBuilder().setMetadataBlocks(-1))) {
            var decision = server.decide(request(99, 1).setResize(wrong).build(), now);
            assertThat(decision.events()).isEmpty();
            assertThat(decision.sends().getFirst().getReply().hasRefused()).isTrue();
        }
        var before = grown.report();
        for (int round = 0; round < 2; round++) {
            var decision = server.decide(request(99, 1).setResize(Resize.newBuilder().setMetadataBlocks(2000)).build(), now);
            assertThat(decision.events()).hasSize(1 - round);
            assertThat(decision.sends().stream().filter(ServerMessage::hasVolumeGrew).map(ServerMessage::getRid).toList())
                    .isEqualTo(round == 0 ? List.of(1L) : List.of());
            var reply = decision.sends().getLast();
            assertThat(reply.getRid()).isEqualTo(99);
            assertThat(reply.getReply().getResized().getMetadataBlocks()).isEqualTo(2000);
            assertThat(reply.getReply().getResized().getDataBlocks()).isEqualTo(8192);
        }
        assertThat(grown.report().getMetadata().getTotal()).isEqualTo(2000);
        assertThat(grown.report().getMetadata().getUsed()).isEqualTo(before.getMetadata().getUsed());
        assertThat(grown.report().getMetadata().getFree()).isGreaterThan(before.getMetadata().getFree());
        grown.verify();
        // After a crash the labels may still be behind; labels that are ahead belong to a journal that lost its end.
        new ServerCore(grown, ServerSettings.DEFAULT, () -> capacity).startTerm(GEOMETRY, 0, now);
        assertThatThrownBy(() -> new ServerCore(grown, ServerSettings.DEFAULT, () -> capacity)
                .startTerm(capacity, 0, now)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void an_event_that_is_missing_is_noticed_and_one_that_comes_again_is_passed_over() {
        var first = ServerEvent.newBuilder().setNr(state.eventNr()).setTermStarted(ServerEvent.TermStarted.newBuilder().setTerm(99)).build();
        state.apply(first);
        assertThat(state.term()).isEqualTo(1);
        assertThatThrownBy(() -> state.apply(first.toBuilder().setNr(state.eventNr() + 2).build()))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void strangers_are_refused() {
        refusedWithoutTrace(request(1, 1).setProtocol(2).setCommitLog(CommitLog.getDefaultInstance()), Refused.Kind.WRONG_PROTOCOL, "2");
        refusedWithoutTrace(request(1, 1).setFsid(5).setCommitLog(CommitLog.getDefaultInstance()), Refused.Kind.WRONG_VOLUME, "volume");
        refusedWithoutTrace(request(1, 1).setCommitLog(CommitLog.getDefaultInstance()), Refused.Kind.UNKNOWN_MOUNT, "not registered");
    }

    @Test
    void a_commit_that_contradicts_the_account_changes_nothing() {
        var grant = register(1, "a", 1);
        register(2, "b", 1);
        long mine = grant.getMetadata(0).getStart(), data = grant.getData(0).getStart();
        var run = RunRef.newBuilder().setRunId(1024).setOwnerRid(1).setMinSeq(1).setMaxSeq(1).setDataBlocks(1)
                .setFirstKey(SimulatedVolume.key(1)).setLastKey(SimulatedVolume.key(2)).addExtents(extent(mine, 1));
        for (var bad : List.of(run.clone().setOwnerRid(2), run.clone().setLevel(1), run.clone().setDataBlocks(2),
                run.clone().clearExtents().addExtents(extent(900, 1)), run.clone().setLastKey(SimulatedVolume.key(0)),
                run.clone().setDataBlocks(2).addExtents(extent(mine, 1)), run.clone().clearFirstKey(),
                run.clone().clearExtents().addExtents(extent(-1, 1))))
            refusedWithoutTrace(request(1, 2).setCommitLog(CommitLog.newBuilder().setRun(bad)), Refused.Kind.INVALID, "");
        for (var bad : List.of(
                CommitLog.newBuilder().addDataAllocated(extent(data, 4)).addDataAllocated(extent(data + 3, 1)),
                CommitLog.newBuilder().addDataAllocated(extent(8000, 4)),
                CommitLog.newBuilder().addDataFreed(extent(data, 4)),
                CommitLog.newBuilder().addDataFreed(extent(0, 1)),
                CommitLog.newBuilder().addDataFreed(extent(8191, 2)),
                CommitLog.newBuilder().addDataAllocated(extent(data, 4)).addDataFreed(extent(data, 2)).addDataFreed(extent(data + 1, 2)),
                CommitLog.newBuilder().addDataAllocated(extent(data, 4)).addDataFreed(extent(data, 5))))
            refusedWithoutTrace(request(1, 2).setCommitLog(bad), Refused.Kind.INVALID, "");
        var good = CommitLog.newBuilder().setRun(run).addDataAllocated(extent(data, 4)).addDataFreed(extent(data, 2));
        assertThat(ask(request(1, 2).setCommitLog(good)).hasCommitted()).isTrue();
        state.verify();
        assertThat(state.report().getData().getUsed()).isEqualTo(3);
        refusedWithoutTrace(request(1, 3).setCommitLog(CommitLog.newBuilder().addDataFreed(extent(data, 1))), Refused.Kind.INVALID, "not in use");
    }

    @Test
    void a_new_incarnation_of_a_node_ends_the_mounts_of_the_old_one_at_once() {
        register(1, "a", 1);
        register(2, "a", 1);
        register(3, "b", 1);
        var lock = AcquireLock.newBuilder().setMode(LockMode.LOCK_WRITE)
                .setName(LockName.newBuilder().setKind(LockName.Kind.RENAME));
        assertThat(ask(request(1, 2).setAcquireLock(lock)).hasLockGranted()).isTrue();
        assertThat(core.decide(request(3, 2).setAcquireLock(lock).build(), now).sends()).singleElement()
                .satisfies(message -> assertThat(message.hasRevokeLock()).isTrue());
        var held = state.report().getMetadata().getHeld();
        var decision = core.decide(request(4, 1).setRegisterMount(
                RegisterMount.newBuilder().setNodeId("a").setNodeIncarnation(2)).build(), now);
        assertThat(decision.fenced()).containsExactly(1L, 2L);
        assertThat(decision.sends()).anySatisfy(message -> assertThat(message.getReply().hasLockGranted()).isTrue());
        assertThat(state.mounts().keySet()).containsExactly(3L, 4L);
        assertThat(state.report().getMetadata().getHeld()).isLessThan(held);
        state.verify();
    }

    @Test
    void a_silent_mount_is_given_up_but_not_for_the_servers_own_pauses() {
        register(1, "a", 1);
        for (int i = 0; i < 12; i++) assertThat(tick(SECOND / 2).fenced()).isEmpty();
        assertThat(tick(60 * SECOND).fenced()).isEmpty();
        for (int i = 0; i < 12; i++) assertThat(tick(SECOND / 2).fenced()).isEmpty();
        int ticks = 0;
        Decision decision;
        do decision = tick(SECOND / 2);
        while (decision.fenced().isEmpty() && ++ticks < 10);
        assertThat(decision.fenced()).containsExactly(1L);
        refusedWithoutTrace(request(1, 2).setRefill(Refill.getDefaultInstance()), Refused.Kind.UNKNOWN_MOUNT, "given up");
        assertThat(state.report().getMetadata().getHeld()).isZero();
    }

    private Decision tick(long nanos) {
        now += nanos;
        return core.tick(now);
    }

    @Test
    void requests_older_than_the_answers_that_are_kept_are_refused() {
        register(1, "a", 1);
        for (int nr = 2; nr < 2 + MountRecord.REPLIES_KEPT; nr++) ask(request(1, nr).setCommitLog(CommitLog.newBuilder().setInodesDelta(1)));
        refusedWithoutTrace(request(1, 1).setRegisterMount(RegisterMount.newBuilder().setNodeId("a").setNodeIncarnation(1)),
                Refused.Kind.INVALID, "older");
        assertThat(state.inodeCount()).isEqualTo(MountRecord.REPLIES_KEPT);
        assertThat(ask(request(1, 2).setCommitLog(CommitLog.newBuilder().setInodesDelta(1))).hasCommitted()).isTrue();
        assertThat(state.inodeCount()).isEqualTo(MountRecord.REPLIES_KEPT);
    }

    @Test
    void every_later_seq_is_greater_whoever_gets_it_and_after_a_new_term_too() {
        register(1, "a", 1);
        long last = 0;
        for (int nr = 2; nr < 30; nr++) {
            var name = LockName.newBuilder().setKind(LockName.Kind.INODE_GROUP).setGroup(nr);
            long seq = nr % 2 == 0
                    ? ask(request(1, nr).setCommitLog(CommitLog.getDefaultInstance())).getCommitted().getNextSeq()
                    : ask(request(1, nr).setAcquireLock(AcquireLock.newBuilder().setName(name).setMode(LockMode.LOCK_WRITE)))
                            .getLockGranted().getWriteSeq();
            assertThat(seq).isGreaterThan(last);
            last = seq;
        }
        var next = new ServerCore(ServerState.restore(state.snapshot()), ServerSettings.DEFAULT);
        next.startTerm(GEOMETRY, 0, now);
        assertThat(next.decide(request(1, 40).setCommitLog(CommitLog.getDefaultInstance()).build(), now).sends().getFirst()
                .getReply().getCommitted().getNextSeq()).isGreaterThan(last);
    }

    @Test
    void data_is_low_only_when_the_share_cannot_be_filled() {
        var grant = register(1, "a", 1);
        long nr = 1;
        while (!grant.getDataLow()) {
            var commit = CommitLog.newBuilder().addAllDataAllocated(grant.getDataList());
            grant = ask(request(1, ++nr).setCommitLog(commit)).getCommitted().getSpace();
            state.verify();
        }
        assertThat(state.report().getData().getFree()).isZero();
        assertThat(grant.getWhy()).contains("low mark");
        // What a commit frees, the same commit's answer can give again.
        grant = ask(request(1, ++nr).setCommitLog(CommitLog.newBuilder().addDataFreed(extent(1, 2000)))).getCommitted().getSpace();
        assertThat(grant.getDataLow()).isFalse();
    }

    private static Extent extent(long start, long count) {
        return Extent.newBuilder().setStart(start).setCount(count).build();
    }
}
