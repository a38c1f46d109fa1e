package dev.cairn.block;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;

import static org.assertj.core.api.Assertions.assertThat;

class DiscardQueueTest {
    /// A model of single blocks: what is discarded was asked for and not written since; nothing asked for is forgotten.
    @RepeatedTest(300)
    void no_written_block_is_discarded_and_no_request_forgotten(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var queue = new DiscardQueue<Integer>();
        var wanted = new BitSet();
        var unanswered = new ArrayList<Integer>();
        for (int step = 0; step < 500; step++) {
            switch (random.nextInt(4)) {
                case 0, 1 -> {
                    var extents = new ArrayList<Extent>();
                    for (int i = random.nextInt(100); i >= 0; i--) {
                        var extent = new Extent(random.nextInt(1000), 1 + random.nextInt(5));
                        extents.add(extent);
                        wanted.set((int) extent.start(), (int) extent.end());
                    }
                    unanswered.add(step);
                    queue.ask(step, extents);
                }
                case 2 -> {
                    var extent = new Extent(random.nextInt(1000), 1 + random.nextInt(10));
                    if (!queue.written(extent)) wanted.clear((int) extent.start(), (int) extent.end());
                    else takeOut(queue, wanted, unanswered);
                }
                case 3 -> {
                    takeOut(queue, wanted, unanswered);
                    play(queue.next(), wanted);
                }
                default -> throw new AssertionError();
            }
        }
        takeOut(queue, wanted, unanswered);
        for (var batch = queue.next(); batch != null; batch = queue.next()) {
            play(batch, wanted);
            takeOut(queue, wanted, unanswered);
        }
        assertThat(unanswered).isEmpty();
        assertThat(queue.idle()).isTrue();
    }

    private static void takeOut(DiscardQueue<Integer> queue, BitSet wanted, List<Integer> unanswered) {
        var batch = queue.finished();
        if (batch != null) unanswered.removeAll(batch.answer());
    }

    private static void play(DiscardQueue.Batch<Integer> batch, BitSet wanted) {
        if (batch == null) return;
        assertThat(batch.extents().size()).isLessThanOrEqualTo(DiscardQueue.BATCH_EXTENTS);
        Extent before = null;
        for (var extent : batch.extents()) {
            if (before != null) assertThat(extent.start()).isGreaterThan(before.end());
            for (long block = extent.start(); block < extent.end(); block++)
                assertThat(wanted.get((int) block)).as("block %d", block).isTrue();
            before = extent;
        }
    }
}
