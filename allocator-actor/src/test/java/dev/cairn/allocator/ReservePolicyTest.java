package dev.cairn.allocator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.block.Extent;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// The reserve is enough, and it is not too much.
class ReservePolicyTest {
    private static final long GIB = (1L << 30) / SpacePools.METADATA_BLOCK_BYTES;

    private static double part(long blocks, int mounts) {
        return 100.0 * new ReservePolicy(blocks, 1 << 24).reserve(mounts) / blocks;
    }

    /// What can be used of a device: percent in reserve.
    @Test
    void a_device_of_1_gib_is_usable_and_one_of_64_gib_not_wasteful() {
        assertThat(part(GIB, 1)).isBetween(10.0, 11.0);
        assertThat(part(GIB, 3)).isBetween(26.0, 27.0);
        assertThat(part(64 * GIB, 1)).isBetween(1.0, 1.1);
        assertThat(part(64 * GIB, 3)).isBetween(2.8, 2.9);
        assertThat(part(64 * GIB, 10)).isLessThan(9.1);
        assertThat(part(1024 * GIB, 10)).isLessThan(0.6);
        // Whatever the mounts, half of it can be filled; and what mkfs accepts holds six of them.
        assertThat(part(GIB, 100)).isEqualTo(50.0);
        assertThat(part(ReservePolicy.METADATA_BLOCKS_MIN, 4)).isLessThan(50.0);
        var gib = new ReservePolicy(GIB, 1 << 24);
        assertThat(gib.metadataTarget()).isEqualTo(512);
        assertThat(gib.mergeJobBlocks()).isEqualTo(256);
        assertThat(gib.reserve(1)).isEqualTo(1792);
        assertThat(new ReservePolicy(64 * GIB, 1 << 24).reserve(1)).isEqualTo(11_264);
        assertThat(new ReservePolicy(64 * GIB, 1 << 24).reserve(3)).isEqualTo(29_696);
    }

    /// A volume at the moment of the flag, and what mounts and merging may do from then on, as badly as they may: commits of
    /// any size that the share allows, refills as the policy gives them, jobs that are as large as they can be and bring
    /// nothing back, and half-merged logs that keep all that they may keep.
    private static final class LowVolume {
        final ReservePolicy policy;
        final SpacePools pools;
        final int mounts;
        final ExtentSet used = new ExtentSet();
        final List<HolderId> jobs = new ArrayList<>();
        final SplittableRandom random;
        long kept;
        long nextJob = 1;
        long committed;

        LowVolume(int blocks, int mounts, int inHand, SplittableRandom random) {
            this.mounts = mounts;
            this.random = random;
            pools = new SpacePools(blocks, 2, 1 << 20, 1);
            policy = pools.policy();
            for (int i = 1; i <= mounts; i++) pools.join(HolderId.mount(i));
            // Shares as full as they happen to be; the rest down to the reserve is files.
            for (int i = 1; i <= mounts; i++) grant(HolderId.mount(i), Math.min(inHand, (blocks - 2 - policy.reserve(mounts)) / mounts));
            var filler = HolderId.job(0);
            pools.join(filler);
            long files = pools.metadataFreeBlocks() - policy.reserve(mounts);
            if (files > 0) grant(filler, files);
            for (var extent : pools.metadataShare(filler).toList()) use(filler, extent);
            pools.giveBack(filler);
            assertThat(pools.metadataLow(mounts)).isTrue();
        }

        private void grant(HolderId holder, long count) {
            pools.grant(holder, pools.chooseMetadata(count, Integer.MAX_VALUE), List.of());
        }

        private void use(HolderId holder, Extent extent) {
            pools.useMetadata(holder, extent);
            used.add(extent);
        }

        private void use(HolderId holder, long count) {
            var share = pools.metadataShare(holder);
            var some = share.take(count, Integer.MAX_VALUE);
            some.forEach(share::add);
            some.forEach(extent -> use(holder, extent));
        }

        /// @return whether the mount could write anything
        boolean commit(HolderId mount, long most) {
            long size = Math.min(most, pools.metadataShare(mount).blocks());
            use(mount, size);
            committed += size;
            refill(mount);
            return size > 0;
        }

        void refill(HolderId mount) {
            long missing = pools.metadataRefill(mount);
            for (int pool = 0; pool < 2 && missing > 0; pool++) {
                if (pools.wantsSwap(mounts)) pools.swapMetadata();
                var chosen = pools.chooseMetadata(missing, 512);
                pools.grant(mount, chosen, List.of());
                missing -= chosen.stream().mapToLong(Extent::count).sum();
            }
        }

        void startJob() {
            if (jobs.size() == 2) return;
            if (pools.wantsSwap(mounts)) pools.swapMetadata();
            var space = pools.chooseMetadataOfBoth(policy.mergeJobBlocks(), 1 << 20);
            assertThat(space.stream().mapToLong(Extent::count).sum()).as("blocks for a merge job, %d free", pools.metadataFreeBlocks())
                    .isEqualTo(policy.mergeJobBlocks());
            var job = HolderId.job(nextJob++);
            pools.join(job);
            pools.grant(job, space, List.of());
            jobs.add(job);
        }

        /// It has written as much as it could, and what it has read is free but for what half-merged logs keep.
        void endJob() {
            if (jobs.isEmpty()) return;
            var job = jobs.remove(random.nextInt(jobs.size()));
            long output = random.nextLong(policy.mergeJobBlocks() + 1), keeps = random.nextLong(policy.mergeJobBlocks() + 1);
            use(job, output);
            long freed = Math.min(used.blocks() - output, output - Math.min(output, keeps - kept));
            kept = Math.max(kept - freed + output, 0);
            used.take(freed, Integer.MAX_VALUE).forEach(pools::freeMetadata);
            pools.giveBack(job);
        }
    }

    @Property(tries = 150)
    void no_legal_history_needs_more(@ForAll @IntRange(min = 256, max = 70_000) int blocks, @ForAll @IntRange(min = 1, max = 9) int mounts,
            @ForAll @IntRange(max = 4096) int inHand, @ForAll @Size(min = 20, max = 300) List<@IntRange(max = 9) Integer> history, @ForAll long seed) {
        var random = new SplittableRandom(seed);
        var volume = new LowVolume(blocks, mounts, inHand, random);
        for (int dice : history) {
            var mount = HolderId.mount(1 + random.nextInt(mounts));
            switch (dice) {
                case 0, 1, 2, 3 -> volume.commit(mount, random.nextLong(1 + volume.policy.commitLogBlocks()));
                case 4 -> volume.refill(mount);
                case 5, 6, 7 -> volume.startJob();
                default -> volume.endJob();
            }
            assertThat(volume.kept).isLessThanOrEqualTo(volume.policy.mergeJobBlocks());
            assertThat(volume.pools.metadataFreeBlocks()).isNotNegative();
        }
        // However it went, merging can go on.
        volume.endJob();
        volume.startJob();
    }

    /// From the flag on, each mount can write a share and a full log before anything has come back.
    @Property(tries = 100)
    void each_mount_can_commit_a_share_and_a_full_log_before_merging_brings_anything(@ForAll @IntRange(min = 1024, max = 70_000) int blocks,
            @ForAll @IntRange(min = 1, max = 9) int mounts, @ForAll long seed) {
        var random = new SplittableRandom(seed);
        var volume = new LowVolume(blocks, mounts, 0, random);
        volume.startJob();
        for (int i = 1; i <= mounts; i++) volume.refill(HolderId.mount(i));
        boolean any = true;
        while (any) {
            any = false;
            for (int i = 1; i <= mounts; i++) any |= volume.commit(HolderId.mount(i), 1 + random.nextLong(volume.policy.commitLogBlocks()));
        }
        boolean capped = volume.policy.reserve(mounts) == blocks / 2;     // more mounts than the device was made for
        if (!capped) assertThat(volume.committed).isGreaterThanOrEqualTo(mounts * (volume.policy.metadataTarget() + volume.policy.commitLogBlocks())
                - volume.policy.mergeJobBlocks());
        volume.startJob();
    }
}
