package dev.cairn.transaction;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/// What an operator would ask about a mount's transactions.
final class CoordinatorMeters {
    private final MeterRegistry registry;
    private final Timer commits;
    private final Counter commitFailures;
    private final Counter committedItems;
    private final Counter restarts;
    private final Counter slowed;
    private final Counter damaged;
    // Gauges are read by other threads than the coordinator's: they see what was last published.
    private volatile long dirtyItems;
    private volatile long dirtyBytes;
    private volatile long locks;
    private volatile long level0;
    private volatile long waiting;

    CoordinatorMeters(MeterRegistry registry) {
        this.registry = registry;
        commits = Timer.builder("cairn.commit").description("From freezing a transaction to its durability")
                .publishPercentileHistogram().register(registry);
        commitFailures = Counter.builder("cairn.commit.failures").description("Commits that a device error stopped").register(registry);
        committedItems = Counter.builder("cairn.commit.items").description("Items in commits").register(registry);
        restarts = Counter.builder("cairn.operation.restarts")
                .description("Attempts of operations that lacked blocks, a lock, space or a commit").register(registry);
        slowed = Counter.builder("cairn.operation.slowed").description("Operations delayed because merging lags behind").register(registry);
        damaged = Counter.builder("cairn.metadata.damaged").description("Metadata blocks that could not be trusted").register(registry);
        gauge("cairn.dirty.items", "Items not yet committed", () -> dirtyItems);
        gauge("cairn.dirty.bytes", "Memory that uncommitted items take", () -> dirtyBytes);
        gauge("cairn.locks.held", "Cluster locks that this mount holds", () -> locks);
        gauge("cairn.commit.logs", "Committed runs that are not merged yet, of all mounts", () -> level0);
        gauge("cairn.operation.waiting", "Operations that wait for blocks, a lock, space, a commit or the server", () -> waiting);
    }

    private void gauge(String name, String description, Supplier<Number> value) {
        Gauge.builder(name, value).description(description).register(registry);
    }

    void publish(Transactions transactions, int waitingNow) {
        waiting = waitingNow;
        if (transactions.open == null) return;
        dirtyItems = transactions.dirtyItems();
        dirtyBytes = transactions.dirtyHeapBytes();
        locks = transactions.locks.heldCount();
        level0 = transactions.runs.logCount();
    }

    void committed(long nanos, Transaction passed) {
        commits.record(nanos, TimeUnit.NANOSECONDS);
        committedItems.increment(passed.items.size());
    }

    void commitFailed() {
        commitFailures.increment();
    }

    void restarted() {
        restarts.increment();
    }

    void slowedDown() {
        slowed.increment();
    }

    void damaged() {
        damaged.increment();
    }

    void enospc(String operation) {
        // Rare by nature, so looked up at each time.
        registry.counter("cairn.enospc", "operation", operation).increment();
    }
}
