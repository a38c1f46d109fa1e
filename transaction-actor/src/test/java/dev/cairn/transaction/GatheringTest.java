package dev.cairn.transaction;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import org.junit.jupiter.api.Test;

class GatheringTest {
    private static final long COMMIT = 300_000;

    /// Callers that fsync, do something else, and fsync again; commits of one length, one at a time, as [Commits] has them.
    private static final class Model {
        private record Event(long at, Runnable what) {}

        private final Gathering gathering = new Gathering();
        private final PriorityQueue<Event> events = new PriorityQueue<>((a, b) -> Long.compare(a.at, b.at));
        private final List<Runnable> open = new ArrayList<>();
        private long now;
        private boolean running;
        private Object waitingFor;
        int commits, fsyncs, vain;
        long waitedNanos;

        void caller(long firstAt, long thinks) {
            at(firstAt, () -> ask(thinks));
        }

        private void at(long time, Runnable what) {
            events.add(new Event(time, what));
        }

        private void ask(long thinks) {
            long asked = now;
            open.add(() -> {
                fsyncs++;
                waitedNanos += now - asked;
                at(now + thinks, () -> ask(thinks));
            });
            together();
        }

        private void together() {
            if (running) return;
            if (waitingFor != null) {
                if (!gathering.complete(open.size())) return;
                gathering.waited(false);
                begin();
                return;
            }
            long nanos = gathering.waitNanos(open.size());
            if (nanos == 0) {
                begin();
                return;
            }
            var wait = waitingFor = new Object();
            at(now + nanos, () -> {
                if (waitingFor != wait) return;
                vain++;
                gathering.waited(true);
                begin();
            });
        }

        private void begin() {
            waitingFor = null;
            running = true;
            var told = List.copyOf(open);
            open.clear();
            at(now + COMMIT, () -> {
                running = false;
                commits++;
                gathering.passed(told.size(), open.size(), COMMIT);
                told.forEach(Runnable::run);
                if (!open.isEmpty()) together();
            });
        }

        Model run(long nanos) {
            while (events.peek().at < nanos) {
                var next = events.poll();
                now = next.at;
                next.what.run();
            }
            return this;
        }
    }

    @Test
    void callers_side_by_side_come_to_share_every_commit() {
        for (int callers : new int[] {2, 3, 8}) {
            var model = new Model();
            for (int n = 0; n < callers; n++) model.caller(n * COMMIT / callers, 150_000 + 10_000 * n);
            model.run(1_000_000_000);
            assertThat((double) model.fsyncs / model.commits).as("%d callers, fsyncs of a commit", callers).isGreaterThan(callers - 0.1);
        }
    }

    @Test
    void who_is_alone_never_waits() {
        var model = new Model();
        model.caller(0, 100_000);
        model.run(1_000_000_000);
        assertThat(model.waitedNanos).isEqualTo(model.fsyncs * COMMIT);
    }

    /// One fsyncs all the time, seven others so seldom that they only ever meet it: it is seldom made to wait for them.
    @Test
    void who_does_not_come_back_soon_is_hardly_waited_for() {
        var model = new Model();
        model.caller(0, 100_000);
        for (int n = 0; n < 7; n++) model.caller(50_000 * n, 7_777_777 + 1_234_567 * n);
        model.run(1_000_000_000);
        assertThat(model.vain).isLessThan(model.commits / 40);
    }
}
