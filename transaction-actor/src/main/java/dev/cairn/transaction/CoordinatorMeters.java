package dev.cairn.transaction;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
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
    private final Counter refills;
    private final Counter revokes;
    // Gauges are read by other threads than the coordinator's: they see what was last published.
    private volatile long dirtyItems;
    private volatile long dirtyBytes;
    private volatile long locks;
    private volatile long level0;
    private volatile long metadataInHand;
    private volatile long dataInHand;
    private volatile long discarding;
    private volatile boolean metadataLow;
    private volatile boolean dataLow;
    private final AtomicIntegerArray waiting = new AtomicIntegerArray(Waiting.values().length);

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
        refills = Counter.builder("cairn.refills").description("Times that this mount asked the server for blocks, beside those that commits bring")
                .register(registry);
        revokes = Counter.builder("cairn.lock.revokes").description("Locks that the server asked back").register(registry);
        inHand("metadata", () -> metadataInHand, () -> metadataLow ? 1 : 0);
        inHand("data", () -> dataInHand, () -> dataLow ? 1 : 0);
        gauge("cairn.share.discarding", "Data blocks that this mount has freed and not yet given back to the device: others are written first",
                () -> discarding);
        for (var reason : Waiting.values())
            Gauge.builder("cairn.operation.waiting", waiting, counts -> counts.get(reason.ordinal()))
                    .description("Operations that wait, by what they wait for").tag("reason", reason.text()).register(registry);
    }

    private void inHand(String kind, Supplier<Number> blocks, Supplier<Number> low) {
        Gauge.builder("cairn.share.blocks", blocks).description("Blocks that this mount has in hand").tag("kind", kind).register(registry);
        Gauge.builder("cairn.share.low", low).description("1 while the server has told this mount that space is low").tag("kind", kind)
                .register(registry);
    }

    void waits(Waiting reason) {
        waiting.incrementAndGet(reason.ordinal());
    }

    void waitsNoMore(Waiting reason) {
        waiting.decrementAndGet(reason.ordinal());
    }

    private void gauge(String name, String description, Supplier<Number> value) {
        Gauge.builder(name, value).description(description).register(registry);
    }

    void publish(Transactions transactions) {
        metadataInHand = transactions.share.metadataBlocks();
        dataInHand = transactions.share.dataBlocks();
        discarding = transactions.discarding.blocks();
        metadataLow = transactions.share.metadataLow();
        dataLow = transactions.share.dataLow();
        if (transactions.open == null) return;
        dirtyItems = transactions.dirtyItems();
        dirtyBytes = transactions.dirtyHeapBytes();
        locks = transactions.locks.heldCount();
        level0 = transactions.runs().logCount();
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

    void refilled() {
        refills.increment();
    }

    void revoked() {
        revokes.increment();
    }

    /// @param kind of the space that there is none of: `metadata` or `data`
    void enospc(String kind, String operation) {
        // Rare by nature, so looked up at each time.
        Counter.builder("cairn.enospc").description("Operations answered with ENOSPC, by the kind of space that was missing")
                .tag("kind", kind).tag("operation", operation).register(registry).increment();
    }
}
