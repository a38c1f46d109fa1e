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
        for (int n = 0; n < 1000; n++) pace.rest(LONG_NANOS);
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
            var thread = Thread.ofPlatform().start(() -> pace.rest(LONG_NANOS));
            Awaitility.await().pollInterval(Duration.ofMillis(1)).until(() -> thread.getState() == Thread.State.TIMED_WAITING || !thread.isAlive());
            pace.hurry();
            Awaitility.await().pollInterval(Duration.ofMillis(1)).until(() -> !thread.isAlive());
        }
    }

    private boolean rests() {
        var thread = Thread.ofPlatform().daemon().start(() -> pace.rest(LONG_NANOS));
        Awaitility.await().pollInterval(Duration.ofMillis(1)).until(() -> thread.getState() == Thread.State.TIMED_WAITING || !thread.isAlive());
        return thread.isAlive();
    }
}
