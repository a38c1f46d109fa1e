package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RequestStreamTest {
    private static final long MILLI = 1_000_000, SECOND = 1_000_000_000;

    private final RequestStream stream = new RequestStream();
    private long now = 77 * SECOND, requests = 5;

    private boolean look(long millis, long came) {
        now += millis * MILLI;
        requests += came;
        return stream.look(now, requests);
    }

    @Test
    void a_stream_is_seen_with_the_first_look_and_for_a_while_after_its_end() {
        assertThat(stream.resting()).isTrue();
        stream.wake(now, requests);
        assertThat(stream.resting()).isFalse();
        assertThat(stream.pauseNanos()).isEqualTo(MILLI);
        assertThat(look(1, 8)).isTrue();
        assertThat(stream.pauseNanos()).isEqualTo(10 * MILLI);
        assertThat(look(10, 300)).isTrue();
        // A pause between two bursts.
        assertThat(look(10, 0)).isTrue();
        assertThat(look(15, 0)).isTrue();
        assertThat(look(10, 30)).isTrue();
        assertThat(look(29, 0)).isTrue();
        assertThat(look(1, 0)).isFalse();
        assertThat(stream.resting()).isFalse();
    }

    @Test
    void single_requests_are_no_stream_however_soon_it_looks() {
        stream.wake(now, requests);
        assertThat(stream.look(now + 10, requests + 7)).isFalse();
        requests += 7;
        assertThat(look(1, 7)).isFalse();
        for (int i = 0; i < 100; i++) assertThat(look(10, 19)).isFalse();
        assertThat(look(10, 20)).isTrue();
    }

    @Test
    void it_rests_after_a_second_without_any_and_begins_anew() {
        stream.wake(now, requests);
        for (int i = 0; i < 99; i++) look(10, i % 50 == 0 ? 1 : 0);
        assertThat(stream.resting()).isFalse();
        for (int i = 0; i < 100; i++) look(10, 0);
        assertThat(stream.resting()).isTrue();
        assertThat(stream.seen()).isEqualTo(requests);
        // Days later, with many that came before anybody looked.
        now += 100_000 * SECOND;
        stream.wake(now, requests += 1_000_000);
        assertThat(look(1, 1)).isFalse();
        assertThat(look(10, 100)).isTrue();
    }
}
