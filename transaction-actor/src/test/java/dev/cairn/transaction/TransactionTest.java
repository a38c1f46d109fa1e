package dev.cairn.transaction;

import dev.cairn.allocator.ExtentSet;
import dev.cairn.block.Extent;
import java.util.BitSet;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

import static org.assertj.core.api.Assertions.assertThat;

class TransactionTest {
    @Property
    void fresh_blocks_are_those_referred_to_written_and_not_freed(
            @ForAll @Size(max = 60) List<@IntRange(min = 1, max = 200) Integer> referred,
            @ForAll @Size(max = 60) List<@IntRange(min = 1, max = 200) Integer> freed,
            @ForAll @Size(max = 60) List<@IntRange(min = 1, max = 200) Integer> unwritten, @ForAll @IntRange(max = 70) int most) {
        var transaction = new Transaction(1);
        var referredSet = new ExtentSet();
        var fresh = new BitSet();
        for (int block : referred) {
            if (!fresh.get(block)) referredSet.add(block, 1);
            fresh.set(block);
        }
        transaction.dataReferred = referredSet.toList();
        for (int block : freed) {
            if (!transaction.dataFreed.contains(block, 1)) transaction.dataFreed.add(block, 1);
            fresh.clear(block);
        }
        for (int block : unwritten) {
            if (!transaction.dataUnwritten.contains(block, 1)) transaction.dataUnwritten.add(block, 1);
            fresh.clear(block);
        }
        var found = transaction.freshBlocks(most);
        if (fresh.cardinality() > most) {
            assertThat(found).isNull();
            return;
        }
        var blocks = new BitSet();
        for (Extent extent : found) blocks.set((int) extent.start(), (int) extent.end());
        assertThat(blocks).isEqualTo(fresh);
    }
}
