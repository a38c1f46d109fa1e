package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class StalePagesTest {
    private final List<String> dropped = new CopyOnWriteArrayList<>();
    /// How many drops the kernel answers.
    private final Semaphore answers = new Semaphore(0);
    private StalePages pages = new StalePages(this::drop);

    private void drop(long ino, long from, long bytes) {
        answers.acquireUninterruptibly();
        if (ino == 13) throw new IllegalStateException("unlucky");
        dropped.add(ino + ": " + from + "+" + bytes);
    }

    @AfterEach
    void end() throws Exception {
        answers.release(1000);
        assertThat(pages.stop(Duration.ofSeconds(10))).isTrue();
    }

    private CountDownLatch waiting(long ino) {
        var done = new CountDownLatch(1);
        assertThat(pages.mayWait()).isTrue();
        pages.dropAndThen(ino, 0, 10, done::countDown);
        return done;
    }

    @Test
    void one_waits_until_its_pages_are_dropped_and_then_the_next_may() throws Exception {
        answers.release(1000);
        for (int i = 0; i < 3; i++) assertThat(waiting(7).await(10, TimeUnit.SECONDS)).isTrue();
        assertThat(dropped).containsExactly("7: 0+10", "7: 0+10", "7: 0+10");
    }

    @Test
    void while_one_waits_no_other_may() throws Exception {
        pages.stop(Duration.ofSeconds(10));
        pages = new StalePages(this::drop, Duration.ofMinutes(10));
        var done = waiting(7);
        assertThat(pages.mayWait()).isFalse();
        answers.release();
        assertThat(done.await(10, TimeUnit.SECONDS)).isTrue();
        assertThat(pages.mayWait()).isTrue();
    }

    @Test
    void it_does_not_wait_for_ever_and_all_is_dropped_in_the_end() throws Exception {
        pages.dropLater(1, 100, 10);
        var done = waiting(7);
        assertThat(done.await(10, TimeUnit.SECONDS)).as("while the kernel does not answer").isTrue();
        for (int i = 0; i < 100; i++) pages.dropLater(2, 1000 - i, 10);
        answers.release(1000);
        Awaitility.await().untilAsserted(() -> assertThat(dropped).containsExactlyInAnyOrder("1: 100+10", "7: 0+10", "2: 901+109"));
    }

    @Test
    void what_was_waited_for_in_vain_is_dropped_all_the_same() throws Exception {
        pages.dropLater(1, 0, 1);
        for (int ino = 5; ino <= 7; ino++) assertThat(waiting(ino).await(10, TimeUnit.SECONDS)).isTrue();
        answers.release(1000);
        Awaitility.await().untilAsserted(() -> assertThat(dropped).containsExactlyInAnyOrder("1: 0+1", "5: 0+10", "6: 0+10", "7: 0+10"));
    }

    @Test
    void who_waits_comes_before_what_nobody_waits_for() throws Exception {
        for (int ino = 1; ino <= 4; ino++) pages.dropLater(ino, 0, 1);
        answers.release(1);
        Awaitility.await().until(() -> dropped.size() == 1);
        var done = waiting(7);
        answers.release(2);
        assertThat(done.await(10, TimeUnit.SECONDS)).isTrue();
        Awaitility.await().until(() -> dropped.size() == 3);
        assertThat(dropped.indexOf("7: 0+10")).as("after the first, and one that may have been begun").isBetween(1, 2);
    }

    @Test
    void what_cannot_be_told_keeps_nothing_else_up() throws Exception {
        answers.release(1000);
        pages.dropLater(13, 0, 1);
        assertThat(waiting(13).await(10, TimeUnit.SECONDS)).isTrue();
        pages.dropLater(5, 0, 1);
        Awaitility.await().until(() -> dropped.equals(List.of("5: 0+1")));
    }

    @Test
    void after_the_end_nobody_waits() throws Exception {
        pages.dropLater(1, 0, 1);
        var done = waiting(7);
        answers.release(1000);
        assertThat(pages.stop(Duration.ofSeconds(10))).isTrue();
        assertThat(done.await(10, TimeUnit.SECONDS)).isTrue();
        assertThat(pages.mayWait()).isFalse();
        pages.dropLater(2, 0, 1);
    }
}
