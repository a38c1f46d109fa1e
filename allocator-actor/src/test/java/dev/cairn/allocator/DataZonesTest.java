package dev.cairn.allocator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.block.Extent;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class DataZonesTest {
    private static final HolderId A = HolderId.mount(1), B = HolderId.mount(2);

    @Test
    void mounts_that_fill_side_by_side_stay_in_zones_of_their_own() {
        var pools = new SpacePools(1024, 2, 10_000, 16);
        pools.join(A);
        pools.join(B);
        for (int round = 0; round < 20; round++)
            for (var mount : List.of(A, B)) {
                var chosen = pools.chooseData(mount, 200, 8, 1000);
                pools.grant(mount, List.of(), chosen);
                // Part of it is used: only what is in shares counts.
                if (round % 3 == 1) pools.useData(mount, pools.dataShare(mount).toList().getFirst());
            }
        var ofA = new BitSet();
        pools.dataShare(A).forEach((start, count) -> ofA.set((int) (start / 1000), (int) ((start + count - 1) / 1000) + 1));
        pools.dataShare(B).forEach((start, count) -> assertThat(ofA.get((int) (start / 1000), (int) ((start + count - 1) / 1000) + 1).isEmpty()).isTrue());
    }

    @Test
    void without_zones_nothing_changes() {
        var pools = new SpacePools(1024, 2, 10_000, 16);
        pools.join(A);
        assertThat(pools.chooseData(A, 5000, 8, 0)).containsExactly(new Extent(16, 5000));
    }

    /// A block is chosen of a class of zones only when every better class has given all that it had.
    @Property(tries = 300)
    void better_zones_are_emptied_first(@ForAll @IntRange(min = 1, max = 400) int zoneBlocks, @ForAll @IntRange(min = 1, max = 3000) int count,
            @ForAll @IntRange(min = 1, max = 12) int extentsMax, @ForAll long seed) {
        var random = new SplittableRandom(seed);
        var free = new ExtentSet();
        var own = new ExtentSet();
        var other = new ExtentSet();
        for (long at = random.nextInt(20); at < 4000; ) {
            long length = 1 + random.nextInt(1 + random.nextInt(300));
            int dice = random.nextInt(12);
            (dice == 0 ? own : dice == 1 ? other : free).add(at, length);
            at += length + random.nextInt(30);
        }
        var before = free.toList();
        var chosen = DataZones.choose(free, zoneBlocks, own, List.of(other), count, extentsMax);
        assertThat(free.toList()).isEqualTo(before);
        assertThat(chosen.size()).isLessThanOrEqualTo(extentsMax);
        long sum = chosen.stream().mapToLong(Extent::count).sum();
        assertThat(sum).isLessThanOrEqualTo(count);

        var rest = new ExtentSet(before);
        chosen.forEach(rest::remove);     // each was free, and is named once
        if (chosen.size() < extentsMax) assertThat(sum).isEqualTo(Math.min(count, free.blocks()));
        int worst = 0;
        for (var extent : chosen) for (long b = extent.start(); b < extent.end(); b++) worst = Math.max(worst, rank(b / zoneBlocks, zoneBlocks, own, other));
        int worstChosen = worst;
        rest.forEach((start, length) -> {
            for (long b = start; b < start + length; b++) assertThat(rank(b / zoneBlocks, zoneBlocks, own, other)).isGreaterThanOrEqualTo(worstChosen);
        });
    }

    private static int rank(long zone, long zoneBlocks, ExtentSet own, ExtentSet other) {
        if (other.overlaps(zone * zoneBlocks, zoneBlocks)) return 2;
        return own.overlaps(zone * zoneBlocks, zoneBlocks) ? 0 : 1;
    }
}
