package dev.cairn.block;

import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import static org.assertj.core.api.Assertions.assertThat;

class DiscardPaceTest {
    private static final long LONG_NANOS = Duration.ofHours(1).toNanos();

    private final DiscardPace pace = new DiscardPace();

    /// As many rests as would take a quarter of an hour.
    @Test
    @Timeout(60)
    void while_somebody_waits_there_are_no_rests() {
        pace.hurry();
        for (int n = 0; n < 1000; n++) pace.rest(LONG_NANOS, true);
        assertThat(rests()).isFalse();
        pace.leisure();
        assertThat(rests()).isTrue();
    }

    /// Each of the hundred rests is a second long unless it is ended.
    @Test
    @Timeout(60)
    void who_begins_to_wait_ends_the_rest_that_goes_on() {
        for (int n = 0; n < 100; n++) {
            pace.leisure();
            var thread = Thread.ofPlatform().start(() -> pace.rest(LONG_NANOS, true));
            Awaitility.await().pollInterval(Duration.ofMillis(1)).until(() -> thread.getState() == Thread.State.TIMED_WAITING || !thread.isAlive());
            pace.hurry();
            Awaitility.await().pollInterval(Duration.ofMillis(1)).until(() -> !thread.isAlive());
        }
    }

    @Test
    void beside_fsyncs_it_takes_less_unless_too_much_has_gathered() {
        long took = 1_000_000, alone = 9_000_000, beside = 199_000_000;
        assertThat(pace.restNanos(took, true, System.nanoTime())).as("no fsync yet").isEqualTo(alone);
        long before = System.nanoTime();
        pace.fsynced();
        assertThat(pace.restNanos(took, true, before)).isEqualTo(beside);
        assertThat(pace.restNanos(took, false, before)).as("too much waits").isEqualTo(alone);
        assertThat(pace.restNanos(took, true, System.nanoTime() + Duration.ofSeconds(1).toNanos())).as("fsyncs have ended").isEqualTo(alone);
        assertThat(pace.restNanos(LONG_NANOS, true, before)).isEqualTo(Duration.ofSeconds(1).toNanos());
    }

    private boolean rests() {
        var thread = Thread.ofPlatform().daemon().start(() -> pace.rest(LONG_NANOS, true));
        Awaitility.await().pollInterval(Duration.ofMillis(1)).until(() -> thread.getState() == Thread.State.TIMED_WAITING || !thread.isAlive());
        return thread.isAlive();
    }
}
