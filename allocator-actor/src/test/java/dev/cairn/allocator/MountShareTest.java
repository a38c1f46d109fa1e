package dev.cairn.allocator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.block.Extent;
import dev.cairn.proto.SpaceGrant;
import dev.cairn.proto.SpaceReport;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MountShareTest {
    private static SpaceGrant grant(Extent metadata, Extent data, SpaceReport report) {
        return SpaceGrant.newBuilder().setReport(report)
                .addMetadata(dev.cairn.proto.Extent.newBuilder().setStart(metadata.start()).setCount(metadata.count()))
                .addData(dev.cairn.proto.Extent.newBuilder().setStart(data.start()).setCount(data.count())).build();
    }

    private static final SpaceReport REPORT = new SpacePools(1024, 2, 65536, 1).report(1, 0);

    @Test
    void a_rolled_back_attempt_leaves_the_share_as_it_was() {
        var share = new MountShare();
        share.granted(grant(new Extent(100, 32), new Extent(1000, 4096), REPORT));
        var before = share.dataInHand();
        var first = share.reserveData(10, 0);
        var second = share.reserveData(10, first.end());
        assertThat(second.start()).isEqualTo(first.end());
        share.referData(first);
        share.unreferData(first);
        share.returnData(second);
        share.returnData(first);
        assertThat(share.dataInHand()).isEqualTo(before);
        assertThatThrownBy(() -> share.returnData(first)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> share.referData(first)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void files_that_are_streamed_at_once_lie_in_few_extents_each() {
        var share = new MountShare();
        share.granted(grant(new Extent(100, 32), new Extent(1000, 65_536), REPORT));
        long[] goals = new long[3];
        int[] extents = new int[goals.length];
        for (int round = 0; round < 60; round++)
            for (int file = 0; file < goals.length; file++)
                for (long left = 256; left > 0; ) {
                    var got = share.reserveData(left, goals[file]);
                    if (got.start() != goals[file]) extents[file]++;
                    goals[file] = got.end();
                    left -= got.count();
                }
        for (int count : extents) assertThat(count).isLessThan(6);
        // Small files stay together: they have no use for room.
        long end = share.reserveData(1, 0).end();
        assertThat(share.reserveData(4, end).start()).isEqualTo(end);
    }

    @Test
    void files_that_grow_block_by_block_have_room_of_their_own() {
        var share = new MountShare();
        share.granted(grant(new Extent(100, 32), new Extent(1000, 65_536), REPORT));
        long[] goals = new long[3];
        int[] extents = new int[goals.length];
        for (int block = 0; block < 10_000; block++)
            for (int file = 0; file < goals.length; file++) {
                var got = share.reserveData(1, goals[file], 0, block < 2 ? 0 : Math.min(block, 2048));
                if (got.start() != goals[file]) extents[file]++;
                goals[file] = got.end();
            }
        for (int count : extents) assertThat(count).isLessThan(20);
        long left = 65_536 - 30_000;
        assertThat(share.dataBlocks()).isEqualTo(left);
        // Room is nobody's property: the last block is for whoever comes.
        for (long taken = 0; taken < left; taken++) assertThat(share.reserveData(1, 0)).isNotNull();
        assertThat(share.reserveData(1, 0)).isNull();
    }

    // A refill comes when a commit has ended: what is fast finds little in hand by then.
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 8, 20})
    void files_that_grow_faster_than_refills_come_lie_in_few_extents_as_well(int files) {
        var share = new MountShare();
        long granted = 1000;
        long[] goals = new long[files];
        int extents = 0, blocks = 100_000;
        for (int n = 0; n < blocks; n++) {
            if (share.dataBlocks() == 0) {
                share.granted(grant(new Extent(100 + n, 1), new Extent(granted, 10_000), REPORT));
                granted += 20_000;
            }
            int file = n % files;
            var got = share.reserveData(1, goals[file], 0, Math.min(n / files, 2048));
            if (got.start() != goals[file]) extents++;
            goals[file] = got.end();
        }
        assertThat(extents).isLessThan(files * blocks / 300);
    }

    @Test
    void parts_of_a_region_meet_in_whatever_order_they_come() {
        var share = new MountShare();
        share.granted(grant(new Extent(100, 32), new Extent(1000, 4096), REPORT));
        var middle = share.reserveData(10, 0, 40, 50);
        var other = share.reserveData(10, 0);
        assertThat(share.reserveData(5, middle.start() - 40, 0, 0).start()).isEqualTo(middle.start() - 40);
        assertThat(share.reserveData(50, middle.end(), 0, 0)).isEqualTo(new Extent(middle.end(), 50));
        assertThat(share.reserveData(35, middle.start() - 35, 0, 0)).isEqualTo(new Extent(middle.start() - 35, 35));
        assertThat(other.start() < middle.start() - 40 || other.start() >= middle.end() + 50).isTrue();
    }

    @Test
    void asks_for_more_below_the_low_marks_and_until_the_flags_have_gone() {
        var share = new MountShare();
        share.granted(grant(new Extent(100, 32), new Extent(1000, 4096), REPORT));
        assertThat(share.wantsRefill()).isFalse();
        share.takeMetadata(17);
        assertThat(share.wantsMetadata()).isTrue();
        share.granted(SpaceGrant.newBuilder().setMetadataLow(true).setDataLow(true).setReport(REPORT).build());
        assertThat(share.wantsMetadata() && share.wantsData()).isTrue();
        assertThat(share.takeMetadata(16)).isNull();
        assertThat(share.metadataBlocks()).isEqualTo(15);
        assertThat(share.metadataLow() && share.dataLow()).isTrue();
        share.granted(grant(new Extent(300, 32), new Extent(9000, 100), REPORT));
        assertThat(share.metadataLow() || share.dataLow() || share.wantsRefill()).isFalse();
    }

    /// Granted less reported is what the mount has, in hand or out with an attempt, a transaction or a commit.
    @RepeatedTest(50)
    void agrees_with_the_server(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var pools = new SpacePools(4096, 2, 65536, 1);
        var holder = HolderId.mount(7);
        pools.join(holder);
        var share = new MountShare();
        var reserved = new ArrayList<Extent>();
        for (int step = 0; step < 300; step++) {
            switch (random.nextInt(6)) {
                case 0 -> {
                    var metadata = pools.chooseMetadata(random.nextInt(40), 4);
                    var data = pools.chooseData(holder, random.nextInt(400), 4, 0);
                    pools.grant(holder, metadata, data);
                    var answer = SpaceGrant.newBuilder();
                    metadata.forEach(e -> answer.addMetadata(dev.cairn.proto.Extent.newBuilder().setStart(e.start()).setCount(e.count())));
                    data.forEach(e -> answer.addData(dev.cairn.proto.Extent.newBuilder().setStart(e.start()).setCount(e.count())));
                    share.granted(answer.build());
                }
                case 1, 2 -> {
                    var extent = share.reserveData(1 + random.nextInt(60), random.nextInt(65536), random.nextInt(2) * random.nextInt(100),
                            random.nextInt(2) * random.nextInt(200));
                    if (extent != null) reserved.add(extent);
                }
                case 3 -> {
                    if (!reserved.isEmpty()) share.referData(reserved.removeLast());
                }
                case 4 -> {
                    if (!reserved.isEmpty()) share.returnData(reserved.removeFirst());
                }
                default -> {
                    share.takeReferred().forEach(extent -> pools.useData(holder, extent));
                    var run_ = share.takeMetadata(random.nextInt(20));
                    if (run_ != null && random.nextBoolean()) {
                        share.writtenMetadata(run_);
                        run_.forEach(extent -> pools.useMetadata(holder, extent));
                    } else if (run_ != null) {
                        share.returnMetadata(run_);
                    }
                }
            }
            assertThat(share.dataBlocks() + share.dataBlocksInUse()).isEqualTo(pools.dataShare(holder).blocks());
            assertThat(share.metadataBlocks()).isEqualTo(pools.metadataShare(holder).blocks());
        }
        reserved.forEach(share::returnData);
        long inHand = share.dataBlocks();
        assertThat(share.dataInHand().stream().mapToLong(Extent::count).sum()).isEqualTo(inHand);
        for (long taken = 0; taken < inHand; ) taken += share.reserveData(inHand, 0).count();
        assertThat(share.reserveData(1, 0)).isNull();
        assertThat(List.copyOf(share.metadataInHand())).isEqualTo(pools.metadataShare(holder).toList());
    }
}
