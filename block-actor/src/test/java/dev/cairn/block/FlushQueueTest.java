package dev.cairn.block;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.SplittableRandom;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;

import static org.assertj.core.api.Assertions.assertThat;

class FlushQueueTest {
    /// Everybody is answered once, by a flush that began after they asked, and never more flushes than needed.
    @RepeatedTest(200)
    void every_history_answers_each_by_a_flush_that_began_later(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var queue = new FlushQueue<Integer>();
        var askedAt = new HashMap<Integer, Integer>();
        var answered = new HashSet<Integer>();
        int startedAt = -1, flushes = 0;
        for (int time = 0; time < 400; time++) {
            if (time < 200 && random.nextBoolean()) {
                askedAt.put(time, time);
                if (queue.ask(time)) {
                    assertThat(startedAt).isEqualTo(-1);
                    startedAt = time;
                    flushes++;
                }
            } else if (startedAt >= 0) {
                var finished = queue.finished();
                assertThat(finished.answer()).isNotEmpty();
                for (int who : finished.answer()) {
                    assertThat(askedAt.get(who)).isLessThanOrEqualTo(startedAt);
                    assertThat(answered.add(who)).isTrue();
                }
                startedAt = finished.startNext() ? time : -1;
                if (finished.startNext()) flushes++;
            }
        }
        assertThat(answered).isEqualTo(new HashSet<>(new ArrayList<>(askedAt.keySet())));
        assertThat(flushes).isLessThanOrEqualTo(askedAt.size());
        assertThat(queue.running()).isFalse();
    }
}
