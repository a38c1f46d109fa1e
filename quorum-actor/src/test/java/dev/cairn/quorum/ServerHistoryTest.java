package dev.cairn.quorum;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/// Whole histories of a volume: mounts that write, delete, commit, merge, crash and come back, and servers that are replaced.
class ServerHistoryTest {
    @RepeatedTest(20)
    void whatever_happens_reads_find_what_was_committed_and_every_block_has_one_place(RepetitionInfo run) {
        var volume = new SimulatedVolume(run.getCurrentRepetition());
        play(volume, 1_000);
        volume.checkReads();

    }

    /// Long lives without accidents: everything goes down the levels, several jobs at once, in a volume that gets full.
    @RepeatedTest(8)
    void merging_never_loses_and_never_revives(RepetitionInfo run) {
        var volume = new SimulatedVolume(1_000 + run.getCurrentRepetition());
        for (int i = 0; i < 3; i++) volume.register(i, i);
        for (int step = 0; step < 1_600; step++) {
            if (volume.mounts.size() < 3) volume.register(step, step);
            var mount = volume.mounts.get(volume.random.nextInt(volume.mounts.size()));
            int dice = volume.random.nextInt(100);
            if (dice < 50) volume.write(mount);
            else if (dice < 60) volume.commit(mount, false);
            else if (dice < 78) volume.claim(mount);
            else if (dice < 99) volume.finishJob(mount);
            else volume.tick(4_000_000_000L);
            if (step % 5 == 0) volume.checkSpace();
            if (step % 20 == 0) volume.checkReads();
        }
        volume.checkReads();
        // And once they have written enough, what is free is what live items leave free, but for the cheap rest.
        for (int i = 0; i < 300; i++) {
            volume.tick(500_000_000L);
            for (var mount : volume.mounts) {
                volume.claim(mount);
                volume.finishJob(mount);
            }
        }
        volume.checkReads();
        volume.checkSpace();
        assertThat(volume.state.report().getMetadata().getUsed()).isLessThan(2 * volume.committed.size() + 50);
    }

    @RepeatedTest(5)
    void a_volume_that_is_emptied_and_left_alone_merges_down_to_nothing(RepetitionInfo run) {
        var volume = new SimulatedVolume(run.getCurrentRepetition());
        play(volume, 600);
        var mount = volume.mounts.isEmpty() ? volume.register(9, 900) : volume.mounts.getFirst();
        volume.tick(40_000_000_000L);     // the crashed ones are given up
        for (int key = 0; key < SimulatedVolume.KEYS; key += SimulatedVolume.KEYS_PER_LOCK) {
            var lock = dev.cairn.proto.LockName.newBuilder().setKind(dev.cairn.proto.LockName.Kind.INODE_GROUP)
                    .setGroup(key / SimulatedVolume.KEYS_PER_LOCK).build();
            var reply = mount.ask(ServerRequest.newBuilder().setAcquireLock(dev.cairn.proto.AcquireLock.newBuilder()
                    .setName(lock).setMode(dev.cairn.proto.LockMode.LOCK_WRITE)));
            if (reply != null && reply.hasLockGranted()) mount.locks.put(lock, reply.getLockGranted().getWriteSeq());
            assertThat(mount.locks).containsKey(lock);
        }
        volume.commit(mount, false);
        for (int key : new ArrayList<>(volume.committed.keySet())) {
            var lock = dev.cairn.proto.LockName.newBuilder().setKind(dev.cairn.proto.LockName.Kind.INODE_GROUP)
                    .setGroup(key / SimulatedVolume.KEYS_PER_LOCK).build();
            mount.dirty.put(key, new SimulatedVolume.Version(key, Math.max(mount.seqs.peek(), mount.locks.get(lock)), true));
            if (mount.dirty.size() == 24) deleted(volume, mount);
        }
        deleted(volume, mount);
        for (int i = 0; i < 400; i++) {
            volume.tick(1_000_000_000L);
            for (var worker : volume.mounts) {
                volume.claim(worker);
                volume.finishJob(worker);
            }
        }
        volume.checkReads();
        volume.checkSpace();
        assertThat(volume.committed).isEmpty();
        assertThat(volume.state.manifest().getRunsList()).isEmpty();
        assertThat(volume.state.report().getMetadata().getUsed()).isEqualTo(2);
    }

    /// Fill a volume, delete what filled it, and the count of free blocks is what it was: whatever happened in between.
    @RepeatedTest(12)
    void what_a_volume_takes_when_left_alone_depends_on_its_items_alone(RepetitionInfo run) {
        var volume = new SimulatedVolume(2_000 + run.getCurrentRepetition());
        play(volume, 300 + 60 * run.getCurrentRepetition());
        if (volume.mounts.isEmpty()) volume.register(9, 900);
        for (var mount : java.util.List.copyOf(volume.mounts)) volume.commit(mount, false);
        for (int i = 0; i < 600; i++) {
            volume.tick(1_000_000_000L);
            for (var worker : volume.mounts) {
                volume.claim(worker);
                volume.finishJob(worker);
            }
        }
        volume.checkReads();
        volume.checkSpace();
        int full = (16 - 2) * SimulatedVolume.ITEMS_PER_BLOCK, items = volume.committed.size();
        long expected = 2 + items / full * 16L + (items % full == 0 ? 0 : SimulatedVolume.blocks(items % full));
        assertThat(volume.state.report().getMetadata().getUsed()).as("%d items", items).isEqualTo(expected);
        assertThat(volume.state.report().getMetadata().getHeld()).as("blocks of jobs").isEqualTo(
                volume.mounts.stream().mapToLong(mount -> mount.share.metadataBlocks()).sum());
    }

    @Test
    void a_repeat_gets_the_first_answer_and_changes_nothing() {
        var volume = new SimulatedVolume(5);
        play(volume, 400);
        volume.restartServer();
        var state = volume.state.snapshot();
        int repeated = 0;
        for (var asked : volume.answers.entrySet()) {
            var request = asked.getKey();
            var mount = volume.state.mounts().get(request.getRid());
            if (mount == null || mount.kept(request.getRequestNr()) == null) continue;
            var again = volume.again(request);
            assertThat(bare(again)).isEqualTo(bare(asked.getValue()));
            repeated++;
        }
        assertThat(repeated).isGreaterThan(20);
        assertThat(volume.state.snapshot()).isEqualTo(state);
    }

    private static void deleted(SimulatedVolume volume, SimulatedVolume.Mount mount) {
        volume.commit(mount, false);
        for (int i = 0; i < 3; i++) {
            volume.claim(mount);
            volume.finishJob(mount);
        }
    }

    private static ServerReply bare(ServerReply reply) {
        var bare = reply.toBuilder();
        if (bare.hasRegistered()) bare.getRegisteredBuilder().clearManifest();
        if (bare.hasMergeJob()) bare.clearMergeJob();
        return bare.build();
    }

    /// Never twice, never lost, and every answer's flags are those of the policy: [SimulatedVolume] checks the accounts after
    /// every step, and each answer with space as it is given. Mounts that fill the volume, so that both kinds get low.
    @Property(tries = 150, edgeCases = EdgeCasesMode.NONE)
    void space_is_given_once_and_flags_are_the_policys(@ForAll @Size(min = 100, max = 700) List<@IntRange(max = 119) Integer> history, @ForAll long seed) {
        var volume = nearlyFull(seed);
        for (int step = 0; step < history.size(); step++) step(volume, step, history.get(step));
        volume.checkReads();
        assertThat(volume.grants).isPositive();
    }

    /// The histories above do meet what they are about.
    @Test
    void histories_of_full_volumes_are_among_them() {
        int metadata = 0, data = 0, grants = 0;
        for (int seed = 0; seed < 4; seed++) {
            var volume = nearlyFull(seed);
            for (int step = 0; step < 600; step++) step(volume, step, volume.random.nextInt(120));
            metadata += volume.lowMetadata;
            data += volume.lowData;
            grants += volume.grants;
        }
        assertThat(metadata).isBetween(20, grants - 20);
        assertThat(data).isBetween(20, grants - 20);
    }

    private static SimulatedVolume nearlyFull(long seed) {
        var volume = new SimulatedVolume(seed);
        volume.filling = true;
        for (int i = 0; i < 5; i++) volume.register(i, i);
        for (int step = 0; step < 250; step++) {
            var mount = volume.mounts.get(volume.random.nextInt(volume.mounts.size()));
            volume.write(mount);
            if (step % 6 == 0) volume.commit(mount, false);
        }
        return volume;
    }

    private static void play(SimulatedVolume volume, int steps) {
        for (int step = 0; step < steps; step++) step(volume, step, volume.random.nextInt(120));
    }

    private static void step(SimulatedVolume volume, int step, int dice) {
        var random = volume.random;
        boolean filling = volume.filling;
        // Five mounts have four tenths of the little device in reserve.
        int most = filling ? 5 : 3;
        if (volume.mounts.isEmpty() || volume.mounts.size() < most && random.nextInt(filling ? 10 : 60) == 0)
            volume.register(random.nextInt(most), random.nextInt(1 << 30));
        var mount = volume.mounts.get(random.nextInt(volume.mounts.size()));
        if (dice == 0) volume.mounts.remove(mount);                            // kill -9
        else if (dice == 1) volume.register(mount.node, mount.incarnation);    // a second mount of the same node
        else if (dice == 2) volume.restartServer();
        else if (dice == 3) volume.tick(random.nextLong(16_000_000_000L));
        else if (dice == 4 && volume.mounts.size() > 1) volume.farewell(mount);
        else if (dice == 5) volume.refill(mount);
        else if (dice < 60) volume.write(mount);
        else if (dice < 80) volume.commit(mount, random.nextBoolean());
        else if (dice < 90) volume.data(mount);
        else if (dice < (filling ? 95 : 105)) volume.claim(mount);
        else if (filling && dice < 110) volume.write(mount);
        else volume.finishJob(mount);
        if (filling && dice >= 80 && dice < 90) for (int i = 0; i < 6; i++) volume.data(mount);
        volume.checkSpace();
        if (step % 20 == 0) volume.checkReads();
    }
}
