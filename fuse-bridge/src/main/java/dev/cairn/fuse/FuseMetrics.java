package dev.cairn.fuse;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.atomic.LongAdder;

/// What an operator sees of the bridge. Recording allocates nothing.
final class FuseMetrics {
    /// From the cost of FUSE itself to what somebody would complain about.
    private static final Duration[] BUCKETS = {Duration.ofNanos(20_000), Duration.ofNanos(50_000),
        Duration.ofNanos(100_000), Duration.ofNanos(250_000), Duration.ofMillis(1), Duration.ofMillis(5),
        Duration.ofMillis(20), Duration.ofMillis(50), Duration.ofMillis(100), Duration.ofMillis(500), Duration.ofSeconds(2),
        Duration.ofSeconds(10)};

    private final MeterRegistry registry;
    private final String mount;
    private final Gauge inFlight, knownInodes, transport;
    /// By opcode; made when an opcode is first seen, so that what never happens fills no page of metrics.
    private final AtomicReferenceArray<Timer> timers = new AtomicReferenceArray<>(FuseProtocol.OPCODES);
    private final LongAdder started = new LongAdder(), ended = new LongAdder();
    private Gauge pinned;
    private FunctionCounter prompt;
    private final Counter bytesRead, bytesSpliced, bytesWritten, malformed, failures;

    /// @param mount the mount point: a node may have several
    FuseMetrics(MeterRegistry registry, String mount, KnownInodes known, Transport transport) {
        this.registry = registry;
        this.mount = mount;
        inFlight = Gauge.builder("cairn_fuse_requests_in_flight", this, m -> m.started.sum() - m.ended.sum())
                .tag("mount", mount).description("Kernel requests that have not been answered yet").register(registry);
        knownInodes = Gauge.builder("cairn_fuse_known_inodes", known, KnownInodes::size).tag("mount", mount)
                .description("Inodes that the kernel has in its caches or in use").register(registry);
        this.transport = Gauge.builder("cairn_fuse_transport", () -> 1).tag("mount", mount)
                .tag("transport", transport.label()).description("How requests travel").register(registry);
        bytesRead = counter("cairn_fuse_read_bytes", "File data given to the kernel");
        bytesSpliced = counter("cairn_fuse_spliced_bytes",
                "File data given to the kernel as pages of the data device's cache, without a copy: a part of cairn_fuse_read_bytes");
        bytesWritten = counter("cairn_fuse_written_bytes", "File data taken from the kernel");
        malformed = counter("cairn_fuse_malformed_requests", "Requests that do not follow the protocol");
        failures = counter("cairn_fuse_unexpected_failures",
                "Requests answered with EIO because of a bug; the log has the stack");
    }

    private Counter counter(String name, String description) {
        return Counter.builder(name).tag("mount", mount).description(description).register(registry);
    }

    /// The session has ended. Gauges, and what is counted elsewhere, speak of it alone; counters and timers go on with the next mount at the same place.
    void close() {
        registry.remove(inFlight);
        registry.remove(knownInodes);
        registry.remove(transport);
        if (pinned != null) registry.remove(pinned);
        if (prompt != null) registry.remove(prompt);
    }

    /// @param pins held by the session, as below
    void pinnedBy(CpuPins pins) {
        pinned = Gauge.builder("cairn_fuse_pinned_threads", pins, CpuPins::pinned).tag("mount", mount)
                .description("Threads that take requests and stay on one CPU").register(registry);
    }

    /// @param cpus held by the session: a meter lets go of what nobody else holds
    void promptFor(PromptCpus cpus) {
        prompt = FunctionCounter.builder("cairn_fuse_prompt_cpus_seconds", cpus, PromptCpus::heldSeconds).tag("mount", mount)
                .description("Time for which CPUs were asked to wake promptly, since requests came in a stream").register(registry);
    }

    /// Requests that have come since the session began.
    long requests() {
        return started.sum();
    }

    void started() {
        started.increment();
    }

    void ended(int opcode, long nanoseconds) {
        timer(opcode).record(nanoseconds, TimeUnit.NANOSECONDS);
        // In this order: what is no longer in flight has been counted by opcode.
        ended.increment();
    }

    void read(long bytes) {
        bytesRead.increment(bytes);
    }

    void readByPipe(long bytes) {
        bytesRead.increment(bytes);
        bytesSpliced.increment(bytes);
    }

    void written(long bytes) {
        bytesWritten.increment(bytes);
    }

    void malformed() {
        malformed.increment();
    }

    void unexpectedFailure() {
        failures.increment();
    }

    private Timer timer(int opcode) {
        int at = opcode > 0 && opcode < FuseProtocol.OPCODES ? opcode : 0;
        var timer = timers.get(at);
        if (timer != null) return timer;
        // Two threads may get here; the registry gives both the same timer.
        timer = Timer.builder("cairn_fuse_requests").tag("mount", mount).tag("opcode", FuseProtocol.name(at))
                .description("Kernel requests, from reading to answering").serviceLevelObjectives(BUCKETS)
                .register(registry);
        timers.set(at, timer);
        return timer;
    }
}
