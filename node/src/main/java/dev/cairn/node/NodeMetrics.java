package dev.cairn.node;

import com.sun.management.ThreadMXBean;
import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.jvm.ClassLoaderMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.function.ToLongFunction;

/// What the node as a whole measures; each part below registers its own. The numbers of one scrape come from one look at
/// the node, so that they add up. The gauges are all that keeps it, so they hold it strongly.
final class NodeMetrics {
    private static final Duration ONE_LOOK = Duration.ofMillis(200);

    private final Node node;
    private NodeStatus seen;
    private long seenNanos;

    private NodeMetrics(Node node) {
        this.node = node;
    }

    static void bind(Node node, MeterRegistry meters) {
        var metrics = new NodeMetrics(node);
        metrics.space(meters, "metadata", SpaceReport::getMetadata);
        metrics.space(meters, "data", SpaceReport::getData);
        metrics.gauge(meters, "cairn.inodes", "Inodes in the volume", status -> status.space().map(SpaceReport::getInodeCount).orElse(0L));
        metrics.gauge(meters, "cairn.term", "Term of the server that this node last heard", status -> status.term().orElse(0));
        metrics.gauge(meters, "cairn.mounts", "Mounts that this node serves", status -> status.mounts().stream().filter(NodeStatus.Mount::serving).count());
        metrics.gauge(meters, "cairn.ready", "1 when usable, as /ready says", status -> status.ready() ? 1 : 0);
        for (var name : Condition.Name.values())
            Gauge.builder("cairn.condition", metrics, self -> self.look().conditions().stream().anyMatch(condition -> condition.name() == name) ? 1 : 0)
                    .description("1 while the health condition holds").tag("name", name.text())
                    .tag("severity", name.severity.name().toLowerCase(java.util.Locale.ROOT)).strongReference(true).register(meters);
        for (var kind : new Condition.Name[] {Condition.Name.METADATA_LOW, Condition.Name.DATA_LOW})
            Gauge.builder("cairn.space.low", metrics, self -> self.look().conditions().stream().anyMatch(condition -> condition.name() == kind) ? 1 : 0)
                    .description("1 while allocating fails with ENOSPC").tag("kind", kind == Condition.Name.DATA_LOW ? "data" : "metadata")
                    .strongReference(true).register(meters);
        new JvmMemoryMetrics().bindTo(meters);
        new JvmThreadMetrics().bindTo(meters);
        new ClassLoaderMetrics().bindTo(meters);
        new ProcessorMetrics().bindTo(meters);
        new UptimeMetrics().bindTo(meters);
        new FileDescriptorMetrics().bindTo(meters);
        bindGc(meters);
        allocated(meters);
    }

    // What it-tests/bench/allocation.sh divides by the number of operations.
    private static void allocated(MeterRegistry meters) {
        if (!(ManagementFactory.getThreadMXBean() instanceof ThreadMXBean threads)) return;
        FunctionCounter.builder("cairn.allocated.bytes", threads, ThreadMXBean::getTotalThreadAllocatedBytes)
                .description("Heap allocated by all threads since the start").register(meters);
    }

    // It lives as long as the process does: its listener ends with the JVM.
    @SuppressWarnings("resource")
    private static void bindGc(MeterRegistry meters) {
        new JvmGcMetrics().bindTo(meters);
    }

    private void space(MeterRegistry meters, String kind, java.util.function.Function<SpaceReport, Space> which) {
        blocks(meters, kind, "total", which, Space::getTotal);
        blocks(meters, kind, "used", which, Space::getUsed);
        blocks(meters, kind, "free", which, Space::getFree);
        blocks(meters, kind, "reserved", which, Space::getReserved);
        blocks(meters, kind, "held", which, Space::getHeld);
    }

    private void blocks(MeterRegistry meters, String kind, String blocks, java.util.function.Function<SpaceReport, Space> which, ToLongFunction<Space> field) {
        Gauge.builder("cairn.blocks", this, self -> self.look().space().map(which).map(field::applyAsLong).orElse(0L))
                .description("Blocks of the volume: 64 KiB of metadata, 4 KiB of data; total is the sum of the other states")
                .tag("kind", kind).tag("state", blocks).strongReference(true).register(meters);
    }

    private void gauge(MeterRegistry meters, String name, String description, ToLongFunction<NodeStatus> value) {
        Gauge.builder(name, this, self -> value.applyAsLong(self.look())).description(description).strongReference(true).register(meters);
    }

    private synchronized NodeStatus look() {
        long now = System.nanoTime();
        if (seen == null || now - seenNanos > ONE_LOOK.toNanos()) {
            seen = node.status();
            seenNanos = now;
        }
        return seen;
    }
}
