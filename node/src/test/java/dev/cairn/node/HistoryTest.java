package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class HistoryTest {
    private static long[] sample(long millis) {
        var sample = new long[History.COLUMNS.size()];
        sample[0] = millis;
        return sample;
    }

    private static List<Long> times(History history, long since) {
        return ((List<?>) history.since(since).get("rows")).stream().map(row -> (Long) ((List<?>) row).getFirst()).toList();
    }

    @Test
    void the_oldest_sample_makes_room_and_only_newer_ones_than_asked_for_are_told() {
        var history = new History(3, 5);
        for (long millis = 10; millis <= 50; millis += 10) history.add(sample(millis));
        assertThat(times(history, 0)).containsExactly(30L, 40L, 50L);
        assertThat(times(history, 40)).containsExactly(50L);
        assertThat(times(history, 50)).isEmpty();
    }

    @Test
    void a_sample_has_a_number_for_each_column() {
        assertThatThrownBy(() -> new History(3, 5).add(1, 2)).isInstanceOf(IllegalArgumentException.class);
    }
}
