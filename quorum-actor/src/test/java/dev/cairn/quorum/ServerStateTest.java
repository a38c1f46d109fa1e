package dev.cairn.quorum;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.cairn.allocator.ExtentSet;
import dev.cairn.proto.Extent;
import dev.cairn.proto.ServerSnapshot;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The server's account of metadata blocks is damaged on purpose, and looking at it says so: a part of `cairn check`.
class ServerStateTest {
    private ServerSnapshot sound;

    @BeforeEach
    void make() {
        var volume = new SimulatedVolume(11);
        var mount = volume.register(1, 1);
        for (int i = 0; i < 200; i++) volume.write(mount);
        volume.commit(mount, false);
        sound = volume.state.snapshot();
    }

    private static ByteString changed(ByteString set, UnaryOperator<ExtentSet> change) {
        return ByteString.copyFrom(change.apply(ExtentSet.decode(set.toByteArray())).encode());
    }

    private void refused(ServerSnapshot.Builder damaged, String... parts) {
        var thrown = assertThatThrownBy(() -> ServerState.restore(damaged.build()).verify());
        for (var part : parts) thrown.hasMessageContaining(part);
    }

    @Test
    void a_sound_account_is_sound() {
        ServerState.restore(sound).verify();
        assertThat(sound.getManifest().getRunsCount()).isPositive();
    }

    @Test
    void a_block_that_nobody_has() {
        refused(sound.toBuilder().setMetadataAvail(changed(sound.getMetadataAvail(), set -> {
            set.take(1, 1);
            return set;
        })), "metadata");
    }

    @Test
    void a_free_block_that_a_run_has_as_well() {
        long taken = sound.getManifest().getRuns(0).getExtents(0).getStart();
        refused(sound.toBuilder().setMetadataFreed(changed(sound.getMetadataFreed(), set -> {
            set.add(taken, 1);
            return set;
        })), Runs.name(sound.getManifest().getRuns(0).getRunId()), "have another place as well");
    }

    @Test
    void a_block_of_two_runs() {
        var run = sound.getManifest().getRuns(0);
        var twin = run.toBuilder().setRunId(run.getRunId() + 1_000_000);
        refused(sound.toBuilder().setManifest(sound.getManifest().toBuilder().addRuns(twin)), Runs.name(twin.getRunId()), "have another place as well");
    }

    @Test
    void a_run_on_blocks_that_the_device_does_not_have() {
        var run = sound.getManifest().getRuns(0).toBuilder().clearExtents()
                .addExtents(Extent.newBuilder().setStart(SimulatedVolume.GEOMETRY.getMetadataBlocks() - 1).setCount(2));
        refused(sound.toBuilder().setManifest(sound.getManifest().toBuilder().setRuns(0, run)), Runs.name(run.getRunId()));
    }

    @Test
    void a_share_that_nobody_has() {
        assertThat(sound.getMountsCount()).isEqualTo(1);
        refused(sound.toBuilder().clearMounts(), "metadata");
    }
}
