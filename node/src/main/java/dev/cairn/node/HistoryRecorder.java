package dev.cairn.node;

import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Takes a sample of the node every few seconds into its [History].
final class HistoryRecorder implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HistoryRecorder.class);
    private static final Duration INTERVAL = Duration.ofSeconds(5), KEPT = Duration.ofHours(1);

    private final Supplier<NodeStatus> status;
    private final MeterRegistry meters;
    private final History history = new History((int) (KEPT.toSeconds() / INTERVAL.toSeconds()), INTERVAL.toSeconds());
    private final ScheduledExecutorService clock =
            Executors.newSingleThreadScheduledExecutor(Thread.ofPlatform().name("cairn-history").daemon(true).factory());

    HistoryRecorder(Supplier<NodeStatus> status, MeterRegistry meters) {
        this.status = status;
        this.meters = meters;
    }

    void start() {
        clock.scheduleAtFixedRate(this::sample, 0, INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
    }

    Map<String, Object> since(long millis) {
        return history.since(millis);
    }

    private void sample() {
        try {
            var now = status.get();
            var space = now.space().orElse(SpaceReport.getDefaultInstance());
            Space metadata = space.getMetadata(), data = space.getData();
            history.add(System.currentTimeMillis(),
                    metadata.getTotal(), metadata.getUsed(), metadata.getFree(), metadata.getReserved(), metadata.getHeld(),
                    data.getTotal(), data.getUsed(), data.getFree(), data.getReserved(), data.getHeld(),
                    space.getInodeCount(), now.mounts().stream().filter(NodeStatus.Mount::serving).count(),
                    count("cairn.commit"), micros("cairn.commit"), count("cairn_fuse_requests"), micros("cairn_fuse_requests"),
                    gauges("cairn.operation.waiting"), gauges("cairn.merge.debt"),
                    (long) meters.find("cairn.enospc").counters().stream().mapToDouble(Counter::count).sum());
        } catch (RuntimeException e) {
            // A gap in the picture; an exception would end the schedule.
            LOG.warn("no sample for the node's page", e);
        }
    }

    private long count(String timer) {
        return meters.find(timer).timers().stream().mapToLong(Timer::count).sum();
    }

    private long micros(String timer) {
        return (long) meters.find(timer).timers().stream().mapToDouble(each -> each.totalTime(TimeUnit.MICROSECONDS)).sum();
    }

    private long gauges(String name) {
        return (long) meters.find(name).gauges().stream().mapToDouble(Gauge::value).filter(Double::isFinite).sum();
    }

    @Override
    public void close() {
        clock.shutdownNow();
    }
}
