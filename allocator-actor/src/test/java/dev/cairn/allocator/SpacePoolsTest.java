package dev.cairn.allocator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.block.Extent;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class SpacePoolsTest {
    private static final HolderId A = HolderId.mount(1), B = HolderId.mount(2), JOB = HolderId.job(1);

    @Test
    void freed_metadata_waits_in_its_own_pool_until_the_swap() {
        var pools = new SpacePools(1024, 2, 4096, 1);
        pools.join(A);
        var blocks = pools.chooseMetadata(1022, 9);
        pools.grant(A, blocks, List.of());
        pools.useMetadata(A, new Extent(2, 500));
        pools.freeMetadata(new Extent(2, 400));
        assertThat(pools.chooseMetadata(10, 9)).isEmpty();
        assertThat(pools.wantsSwap(1)).isTrue();
        pools.swapMetadata();
        assertThat(pools.chooseMetadata(10, 9)).containsExactly(new Extent(2, 10));
        assertThat(pools.metadataLow(1)).isFalse();
    }

    @Test
    void nothing_is_freed_that_is_free_held_or_outside() {
        var pools = new SpacePools(1024, 2, 4096, 1);
        pools.join(A);
        pools.grant(A, List.of(new Extent(10, 10)), List.of(new Extent(10, 10)));
        for (var wrong : List.of(new Extent(0, 1), new Extent(12, 1), new Extent(100, 1), new Extent(1020, 10)))
            assertThatThrownBy(() -> pools.freeMetadata(wrong)).isInstanceOf(IllegalStateException.class).hasMessageContaining(wrong.toString());
        for (var wrong : List.of(new Extent(0, 1), new Extent(12, 1), new Extent(100, 1), new Extent(4090, 10)))
            assertThatThrownBy(() -> pools.freeData(wrong)).isInstanceOf(IllegalStateException.class).hasMessageContaining(wrong.toString());
        assertThatThrownBy(() -> pools.useMetadata(A, new Extent(19, 2))).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> pools.useMetadata(B, new Extent(19, 1))).isInstanceOf(IllegalStateException.class);
    }

    @Property
    void zero_free_and_the_low_flag_come_together(@ForAll @IntRange(min = 0, max = 16_000) int used,
            @ForAll @IntRange(min = 0, max = 16_000) int freed, @ForAll @IntRange(min = 0, max = 9) int mounts) {
        var pools = new SpacePools(16_384, 2, 4096, 1);
        pools.join(A);
        if (used > 0) pools.grant(A, List.of(new Extent(2, used)), List.of());
        if (used > 0) pools.useMetadata(A, new Extent(2, used));
        if (Math.min(freed, used) > 0) pools.freeMetadata(new Extent(2, Math.min(freed, used)));
        var report = pools.report(mounts, 0).getMetadata();
        assertThat(pools.metadataLow(mounts)).isEqualTo(report.getFree() == 0);
        assertThat(report.getUsed() + report.getFree() + report.getReserved() + report.getHeld()).isEqualTo(report.getTotal());
    }

    @Property
    void reserve_leaves_a_device_usable(@ForAll @IntRange(min = 1024, max = 1 << 22) int blocks) {
        var policy = new ReservePolicy(blocks, 1 << 20);
        assertThat(policy.reserve(1)).isLessThanOrEqualTo(blocks / 9);
        assertThat(policy.reserve(1)).isGreaterThanOrEqualTo(policy.metadataTarget() + policy.commitLogBlocks() + 2 * policy.mergeJobBlocks());
        assertThat(policy.reserve(3)).isLessThanOrEqualTo(blocks / 2);
    }

    /// Blocks are never in two places, never lost, and counted exactly, whatever happens in whatever order.
    @RepeatedTest(100)
    void any_history_conserves_blocks(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var pools = new SpacePools(2048, 2, 8192, 1);
        var used = new ExtentSet();
        var usedData = new ExtentSet();
        for (int step = 0; step < 400; step++) {
            var holder = List.of(A, B, JOB).get(random.nextInt(3));
            if (!pools.holders().contains(holder)) {
                pools.join(holder);
                continue;
            }
            switch (random.nextInt(7)) {
                case 0, 1 -> {
                    if (pools.wantsSwap(2)) pools.swapMetadata();
                    pools.grant(holder, pools.chooseMetadata(random.nextInt(200), 5), pools.chooseData(holder, random.nextInt(900), 5, random.nextInt(3) * 700));
                    assertThat(pools.dataLow(holder)).isEqualTo(pools.dataShare(holder).blocks() < pools.policy().dataLowMark());
                }
                case 2 -> {
                    for (var extent : peek(pools.metadataShare(holder), random)) {
                        pools.useMetadata(holder, extent);
                        used.add(extent);
                    }
                }
                case 3 -> {
                    for (var extent : peek(pools.dataShare(holder), random)) {
                        pools.useData(holder, extent);
                        usedData.add(extent);
                    }
                }
                case 4 -> used.take(random.nextInt(150), 6).forEach(pools::freeMetadata);
                case 5 -> usedData.take(random.nextInt(800), 6).forEach(pools::freeData);
                default -> {
                    if (random.nextInt(4) == 0) pools.giveBack(holder);
                }
            }
            pools.verify(place -> used.forEach((start, count) -> place.accept("the model", new Extent(start, count))));
            assertThat(pools.metadataUsedBlocks()).isEqualTo(used.blocks());
            assertThat(pools.dataUsedBlocks()).isEqualTo(usedData.blocks());
            for (var space : List.of(pools.report(2, 0).getMetadata(), pools.report(2, 0).getData()))
                assertThat(space.getUsed() + space.getFree() + space.getReserved() + space.getHeld()).isEqualTo(space.getTotal());
        }
    }

    private static List<Extent> peek(ExtentSet share, SplittableRandom random) {
        var some = share.take(random.nextInt(100), 4);
        some.forEach(share::add);
        return some;
    }
}
