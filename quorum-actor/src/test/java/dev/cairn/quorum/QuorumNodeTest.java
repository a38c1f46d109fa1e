package dev.cairn.quorum;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.proto.CommitLog;
import dev.cairn.proto.GetSpaceReport;
import dev.cairn.proto.RegisterMount;
import dev.cairn.proto.ServerReply;
import dev.cairn.quorum.ServerStatus.Phase;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// One slot, whole: cluster, sharding, journal, entity and core, spoken to in the messages of mounts.
class QuorumNodeTest {
    @TempDir
    Path directory;

    private static ServerReply register(TestNode.Mount mount) throws Exception {
        return mount.ask(mount.request().setRegisterMount(RegisterMount.newBuilder().setNodeId("node").setNodeIncarnation(1))
                .build());
    }

    @Test
    void a_restarted_server_goes_on_where_the_last_one_was() throws Exception {
        dev.cairn.proto.SpaceReport before;
        long lastSeq;
        try (var node = new TestNode(directory, false)) {
            assertThat(node.serving().term()).isEqualTo(1);
            assertThat(node.markedBorn).hasValue(1);
            var mount = node.mount(11);
            var registered = register(mount);
            assertThat(registered.hasRegistered()).as("%s", registered).isTrue();
            assertThat(registered.getRegistered().getSpace().getMetadataCount()).isPositive();
            lastSeq = registered.getRegistered().getSecondSeq();
            long seq = registered.getRegistered().getFirstSeq();
            for (int i = 0; i < 300; i++) {
                var committed = mount.ask(mount.request().setCommitLog(CommitLog.newBuilder().setTransactionSeq(seq)
                        .setInodesDelta(1)).build());
                assertThat(committed.hasCommitted()).as("%s", committed).isTrue();
                seq = lastSeq;
                lastSeq = committed.getCommitted().getNextSeq();
            }
            before = mount.ask(mount.request().setGetSpaceReport(GetSpaceReport.getDefaultInstance()).build())
                    .getSpaceReport();
            assertThat(before.getInodeCount()).isEqualTo(300);
        }
        try (var node = new TestNode(directory, true)) {
            assertThat(node.serving().term()).isEqualTo(2);
            assertThat(node.serving().mounts()).isEqualTo(1);
            assertThat(node.markedBorn).hasValue(0);
            var mount = node.mount(11);
            mount.nr = 1000;
            var after = mount.ask(mount.request().setGetSpaceReport(GetSpaceReport.getDefaultInstance()).build());
            assertThat(after.getSpaceReport()).isEqualTo(before);
        }
    }

    @Test
    void requests_that_wait_share_a_journal_entry() throws Exception {
        try (var node = new TestNode(directory, false)) {
            node.serving();
            var mounts = new ArrayList<TestNode.Mount>();
            for (int i = 1; i <= 40; i++) mounts.add(node.mount(i));
            for (var mount : mounts) mount.tell(mount.request().setRegisterMount(
                    RegisterMount.newBuilder().setNodeId("node-" + mount.rid).setNodeIncarnation(1)).build());
            for (var mount : mounts) assertThat(mount.reply(1).hasRegistered()).isTrue();
            var status = latest(node);
            assertThat(status.mounts()).isEqualTo(40);
            assertThat(status.requests()).isEqualTo(40);
            assertThat(status.space().getMetadata().getTotal()).isPositive();
        }
    }

    @Test
    void thousands_of_commits_leave_a_small_directory_and_the_same_state() throws Exception {
        dev.cairn.proto.SpaceReport before;
        try (var node = new TestNode(directory, false)) {
            node.serving();
            var mounts = new ArrayList<TestNode.Mount>();
            var seqs = new java.util.HashMap<Long, long[]>();
            for (int i = 1; i <= 50; i++) {
                var mount = node.mount(i);
                var registered = mount.ask(mount.request().setRegisterMount(RegisterMount.newBuilder()
                        .setNodeId("node-" + i).setNodeIncarnation(1)).build()).getRegistered();
                seqs.put(mount.rid, new long[] {registered.getFirstSeq(), registered.getSecondSeq()});
                mounts.add(mount);
            }
            for (int round = 0; round < 60; round++) {
                for (var mount : mounts) mount.tell(mount.request().setCommitLog(CommitLog.newBuilder()
                        .setTransactionSeq(seqs.get(mount.rid)[0]).setInodesDelta(1)).build());
                for (var mount : mounts) {
                    var committed = mount.reply(mount.nr);
                    assertThat(committed.hasCommitted()).as("%s", committed).isTrue();
                    seqs.put(mount.rid, new long[] {seqs.get(mount.rid)[1], committed.getCommitted().getNextSeq()});
                }
            }
            before = report(mounts.getFirst());
            assertThat(before.getInodeCount()).isEqualTo(3000);
            assertThat(latest(node).problem()).isEmpty();
        }
        try (var files = java.nio.file.Files.walk(directory)) {
            assertThat(files.mapToLong(file -> file.toFile().length()).sum()).isLessThan(24L << 20);
        }
        try (var node = new TestNode(directory, true)) {
            node.serving();
            var mount = node.mount(1);
            mount.nr = 1000;
            assertThat(report(mount)).isEqualTo(before);
        }
    }

    private static dev.cairn.proto.SpaceReport report(TestNode.Mount mount) throws Exception {
        return mount.ask(mount.request().setGetSpaceReport(GetSpaceReport.getDefaultInstance()).build()).getSpaceReport();
    }

    /// The status after the next tick.
    private static ServerStatus latest(TestNode node) throws Exception {
        node.statuses.clear();
        node.statuses.poll(5, java.util.concurrent.TimeUnit.SECONDS);
        return node.statuses.poll(5, java.util.concurrent.TimeUnit.SECONDS);
    }

    @Test
    void an_empty_journal_of_a_volume_that_was_in_use_is_refused() throws Exception {
        try (var node = new TestNode(directory, true)) {
            org.awaitility.Awaitility.await().atMost(Duration.ofSeconds(20)).untilAsserted(() -> {
                assertThat(node.node.status().phase()).isEqualTo(Phase.REFUSED);
                assertThat(node.node.status().problem()).hasValueSatisfying(why -> assertThat(why).contains("is empty"));
            });
            assertThat(node.markedBorn).hasValue(0);
        }
    }

    @Test
    void a_taken_port_is_an_error_that_names_it() throws Exception {
        try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            assertThatThrownBy(() -> new TestNode(directory, false, taken.getLocalPort()))
                    .isInstanceOf(QuorumException.class).hasMessageContaining("port " + taken.getLocalPort());
        }
    }

    @Test
    void a_second_node_on_a_state_directory_is_told_who_has_it() throws Exception {
        String id;
        try (var identity = NodeIdentity.take(directory)) {
            id = identity.nodeId();
            assertThatThrownBy(() -> NodeIdentity.take(directory)).isInstanceOf(QuorumException.class)
                    .hasMessageContaining("process " + ProcessHandle.current().pid());
        }
        try (var identity = NodeIdentity.take(directory)) {
            assertThat(identity.nodeId()).isEqualTo(id);
        }
    }
}
