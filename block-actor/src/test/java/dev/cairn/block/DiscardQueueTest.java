package dev.cairn.block;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class DiscardQueueTest {
    private final DiscardQueue<Integer> queue = new DiscardQueue<>();
    /// By request, what is still to be discarded.
    private final TreeMap<Integer, BitSet> wanted = new TreeMap<>();

    /// A model of single blocks: what is discarded was asked for, not written since and not forgone; nothing asked for is
    /// forgotten.
    @RepeatedTest(300)
    void no_written_block_is_discarded_and_no_request_forgotten(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        for (int step = 0; step < 500; step++) {
            switch (random.nextInt(5)) {
                case 0, 1 -> {
                    var extents = new ArrayList<Extent>();
                    var blocks = new BitSet();
                    for (int i = random.nextInt(100); i >= 0; i--) {
                        var extent = new Extent(random.nextInt(1000), 1 + random.nextInt(5));
                        extents.add(extent);
                        blocks.set((int) extent.start(), (int) extent.end());
                    }
                    wanted.put(step, blocks);
                    queue.ask(step, extents);
                }
                case 2 -> {
                    var extent = new Extent(random.nextInt(1000), 1 + random.nextInt(10));
                    if (!queue.written(extent)) wanted.values().forEach(blocks -> blocks.clear((int) extent.start(), (int) extent.end()));
                    else takeOut();
                }
                case 3 -> {
                    takeOut();
                    play(queue.next());
                }
                case 4 -> {
                    var who = queue.forgo();
                    if (who != null) {
                        assertThat(who).as("forgone").isEqualTo(wanted.lastKey());
                        wanted.remove(who);
                    }
                }
                default -> throw new AssertionError();
            }
        }
        takeOut();
        for (var batch = queue.next(); batch != null; batch = queue.next()) {
            play(batch);
            takeOut();
        }
        assertThat(wanted.keySet()).as("unanswered").isEmpty();
        assertThat(queue.idle()).isTrue();
    }

    @Test
    void whoever_asked_last_may_have_its_blocks_back_unless_they_are_being_discarded() {
        queue.ask(1, List.of(new Extent(0, 10)));
        queue.ask(2, List.of(new Extent(20, 10)));
        queue.ask(3, List.of(new Extent(40, 10)));
        assertThat(queue.forgo()).isEqualTo(3);
        assertThat(queue.next().extents()).containsExactly(new Extent(0, 10), new Extent(20, 10));
        assertThat(queue.forgo()).isNull();
        assertThat(queue.finished().answer()).containsExactly(1, 2);
        assertThat(queue.forgo()).isNull();
    }

    private void takeOut() {
        var batch = queue.finished();
        if (batch != null) wanted.keySet().removeAll(batch.answer());
    }

    private void play(DiscardQueue.Batch<Integer> batch) {
        if (batch == null) return;
        assertThat(batch.extents().size()).isLessThanOrEqualTo(DiscardQueue.BATCH_EXTENTS);
        Extent before = null;
        for (var extent : batch.extents()) {
            if (before != null) assertThat(extent.start()).isGreaterThan(before.end());
            for (int block = (int) extent.start(); block < extent.end(); block++) {
                int it = block;
                assertThat(wanted.values()).as("requests for block %d", block).anyMatch(blocks -> blocks.get(it));
            }
            before = extent;
        }
    }
}
