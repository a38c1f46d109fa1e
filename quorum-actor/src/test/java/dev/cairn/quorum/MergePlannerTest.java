package dev.cairn.quorum;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import dev.cairn.allocator.ExtentSet;
import dev.cairn.proto.Extent;
import dev.cairn.proto.Manifest;
import dev.cairn.proto.MergeTask;
import dev.cairn.proto.RunRef;
import dev.cairn.proto.ServerSnapshot;
import dev.cairn.proto.VolumeGeometry;
import dev.cairn.quorum.MergePlanner.Zeal;
import dev.cairn.transaction.Key;
import org.junit.jupiter.api.Test;

/// What is worth a merge while nothing presses.
class MergePlannerTest {
    private static final long BLOCKS = 4096;

    private static ByteString key(int ino) {
        return ByteString.copyFrom(new Key((byte) 1, ino, (byte) 2, 0, 0).toBytes());
    }

    private static RunRef run(long id, int level, int firstIno, int lastIno, long start, int blocks, long items, long deletions) {
        return RunRef.newBuilder().setRunId(id).setLevel(level).setFirstKey(key(firstIno)).setLastKey(key(lastIno)).setItems(items)
                .setDeletions(deletions).setDataBlocks(blocks).addExtents(Extent.newBuilder().setStart(start).setCount(blocks)).build();
    }

    /// A level that is not too full, and one small run above it with so many deletions.
    private static MergePlanner planner(int level, long deletions) {
        var manifest = Manifest.newBuilder().setVersion(1);
        if (level == 0) manifest.addRuns(run(1000, 0, 0, 2000, 4, 1, deletions + 1, deletions));
        for (int n = 0; n < (level == 0 ? 4 : 20); n++) manifest.addRuns(run(n + 1, 1 + Math.max(0, level), n * 100, n * 100 + 99, 100 + n * 60, 60, 1000, 0));
        if (level > 0) manifest.addRuns(run(1000, level, 0, 2000, 4, 1, deletions + 1, deletions));
        return planner(ServerSnapshot.newBuilder().setManifest(manifest));
    }

    private static MergePlanner planner(ServerSnapshot.Builder snapshot) {
        var avail = new ExtentSet();
        avail.add(2000, 2000);
        return new MergePlanner(ServerState.restore(snapshot
                .setGeometry(VolumeGeometry.newBuilder().setMetadataBlocks(BLOCKS).setMetadataFirst(4).setDataBlocks(1000).setDataFirst(64))
                .setMetadataAvail(ByteString.copyFrom(avail.encode())).setMetadataFreed(ByteString.copyFrom(new ExtentSet().encode()))
                .setDataFree(ByteString.copyFrom(new ExtentSet().encode())).build()));
    }

    /// Seen after an rm -rf of a full volume: 58482 deletions in 17 blocks above 3400 blocks of what they had deleted.
    @Test
    void an_idle_volume_carries_out_its_deletions_however_small_they_are() {
        for (int level = 0; level <= 1; level++) {
            assertThat(planner(level, 20_000).next(Zeal.IDLE)).as("level %d", level).isInstanceOf(MergePlanner.Plan.Job.class);
            assertThat(planner(level, 20_000).next(Zeal.BUSY)).as("level %d", level).isNull();
        }
    }

    @Test
    void a_few_deletions_do_not_rewrite_a_level() {
        for (int level = 0; level <= 1; level++)
            assertThat(planner(level, 100).next(Zeal.IDLE)).as("level %d", level).isNull();
    }

    /// Seen while one program made small files and fsynced each: every hundredth had 17 MiB of level 1 rewritten.
    @Test
    void commits_in_the_manifest_weigh_what_they_hold() {
        var manifest = Manifest.newBuilder().setVersion(1);
        for (int n = 0; n < 4; n++) manifest.addRuns(run(n + 1, 1, n * 100, n * 100 + 99, 100 + n * 60, 60, 1000, 0));
        for (int n = 0; n < 3; n++) manifest.addRuns(run(100 + n, 0, 0, 400, 4 + n, 1, 300, 0));
        for (int n = 0; n < 90; n++) manifest.addRuns(inline(200 + n, 700));
        assertThat(planner(ServerSnapshot.newBuilder().setManifest(manifest)).next(Zeal.BUSY)).isNull();
        for (int n = 0; n < 90; n++) manifest.addRuns(inline(300 + n, 60_000));
        assertThat(planner(ServerSnapshot.newBuilder().setManifest(manifest)).next(Zeal.BUSY)).isInstanceOf(MergePlanner.Plan.Job.class);
    }

    private static RunRef inline(long id, int bytes) {
        return RunRef.newBuilder().setRunId(id).setFirstKey(key(0)).setLastKey(key(400)).setItems(3)
                .setInlineBlock(ByteString.copyFrom(new byte[bytes])).build();
    }

    /// Found by ServerHistoryTest: a run that began before a busy one and reached into it changed its level, and overlapped.
    @Test
    void a_run_that_reaches_into_a_busy_one_is_merged_up_to_there() {
        RunRef above = run(1000, 1, 50, 250, 4, 1, 10, 0), pushed = run(1001, 1, 300, 400, 5, 1, 10, 0), busy = run(1, 2, 200, 320, 100, 60, 1000, 0);
        var plan = planner(ServerSnapshot.newBuilder()
                .setManifest(Manifest.newBuilder().setVersion(1).addRuns(above).addRuns(pushed).addRuns(busy))
                .addTasks(MergeTask.newBuilder().setJobId(1).addInputRunIds(1001).addInputRunIds(1).setTargetLevel(2)
                        .setFromKey(busy.getFirstKey()).setThroughKey(Runs.LAST_KEY).setOutputRunId(2000))).next(Zeal.LOW);
        assertThat(plan).isInstanceOfSatisfying(MergePlanner.Plan.Job.class, job -> {
            assertThat(job.inputs()).containsExactly(above);
            assertThat(job.targetLevel()).isEqualTo(2);
            assertThat(job.through()).isEqualTo(Runs.below(busy.getFirstKey()));
        });
    }
}
