package dev.cairn.node;

import dev.cairn.block.ScratchDevices;
import dev.cairn.block.VolumeDevices;
import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.fuse.Rehearsal;
import dev.cairn.quorum.ScratchServer;
import dev.cairn.transaction.MountClient;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A fresh JVM serves its first ten thousands of requests at half its speed, until what serves them has been compiled. So a
/// node that has started does a few seconds of work for nobody: on a volume in memory, with a journal, a server, a coordinator and a
/// session of its own, whose code and not whose state is that of the real ones. It rests while the real mount has work,
/// which compiles as well, and ends when the compilers have nothing more to do.
final class WarmUp {
    private static final Logger LOG = LoggerFactory.getLogger(WarmUp.class);
    private static final long META_BYTES = 32L << 20, DATA_BYTES = 32L << 20, CACHE_BYTES = 8L << 20, DIRTY_BYTES = 4L << 20;
    private static final Duration STARTED_WITHIN = Duration.ofSeconds(20), ENDED_WITHIN = Duration.ofSeconds(30), COMMIT_INTERVAL = Duration.ofSeconds(5);
    private static final int DAYS_MIN = 5, DAYS_MAX = 30, IO_THREADS = 4;
    /// Files that a client fsyncs in a day. What is done once in a commit takes thousands of them to be worth compiling, but a
    /// journal in memory keeps all that it ever got.
    private static final int SYNCED = 400, SYNCED_IN_MEMORY = 50;
    /// Of a day, in CPU time of the compilers: less is what every JVM does for ever.
    private static final double COMPILING_MIN = 0.1;
    private static final Duration REST = Duration.ofMillis(100), LATEST = Duration.ofMinutes(2);
    /// While the real mount has more requests than this in a rest, it has work.
    private static final long REQUESTS_AT_REST = 20;

    private final LongSupplier requests;
    private final Future<?> end;
    private final int daysMax;
    private final Path directory;
    private final long began = System.nanoTime(), latest = began + LATEST.toNanos();
    private long seen;
    private long seenAt = began;

    private WarmUp(LongSupplier requests, Future<?> end, int daysMax, Path directory) {
        this.directory = directory;
        this.requests = requests;
        this.end = end;
        this.daysMax = daysMax;
        seen = requests.getAsLong();
    }

    /// On threads of its own. Nobody has to wait for it: it uses nothing of the node's.
    ///
    /// @param requests  how many the real mount has served
    /// @param end       it is over as soon as this is done
    /// @param directory for its journal, where the disk is quick; deleted before and after. Its parent is there. Null: in memory
    static void start(LongSupplier requests, Future<?> end, Path directory) {
        Thread.ofPlatform().daemon().name("cairn-warm-up").start(new WarmUp(requests, end, DAYS_MAX, directory)::run);
    }

    /// A little of it, here and now: for the JVM to record what it loads.
    static void once(Path directory) throws IOException {
        new WarmUp(() -> 0, new CompletableFuture<>(), 1, directory).work();
    }

    /// Nothing depends on it: whatever goes wrong costs speed, later.
    private void run() {
        try {
            work();
            if (ends()) return;
            int compilers = CompilerThreads.makeWay();
            LOG.info("warmed up in {} ms; {} compiler threads make way for others from now on", (System.nanoTime() - began) / 1_000_000, compilers);
        } catch (IOException | RuntimeException e) {
            LOG.warn("warming up has failed; the first requests will be slower, and that is all: {}", e.toString());
        }
    }

    private void work() throws IOException {
        // Of one that was killed.
        if (directory != null) ScratchDirectory.discard(directory);
        try (var devices = ScratchDevices.open(META_BYTES, DATA_BYTES);
             var journal = directory != null && ScratchDirectory.isWelcome(directory) ? new ScratchDirectory(directory) : null;
             var server = ScratchServer.start(LocalVolume.geometry(devices.label()), LocalVolume.followers(devices), journal == null ? null : journal.path())) {
            if (journal == null) LOG.info("fsyncs take too long here to be rehearsed, or there is no room: the first ones will be slower");
            LOG.info("warming up, on volume {} in memory", devices.label().fsidText());
            // A mount's end takes ways that compiled code has not seen. Seen once, they do not make it worthless the next time.
            int synced = journal == null ? SYNCED_IN_MEMORY : SYNCED;
            mounted(devices, server, synced, 1);
            if (!ends()) mounted(devices, server, synced, daysMax);
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException(e.toString(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void mounted(VolumeDevices devices, ScratchServer server, int synced, int daysMax)
            throws IOException, InterruptedException, ExecutionException, TimeoutException {
        var registered = new CompletableFuture<Void>();
        var meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        long fsid = devices.label().fsid();
        try (var mount = new Mount(MountClient.start(server.system(), new MountClient.Options(fsid, "warm-up", 1, devices.metadata(),
                devices.data(), CACHE_BYTES, DIRTY_BYTES, COMMIT_INTERVAL, IO_THREADS, true, meters, LocalMount.listener("warming up", registered))))) {
            var client = mount.client;
            registered.get(STARTED_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
            var fileSystem = new FileSystem();
            var formatted = new CompletableFuture<Void>();
            client.submit(new LocalMount.MakeRoot(fileSystem, formatted));
            formatted.get(STARTED_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
            try (var rehearsal = Rehearsal.begin(fileSystem, new DataIo(new ColdAtTimes(client.data())), LocalMount.submitter(client), meters, fsid, client.rid(), synced, this::mayGoOn)) {
                days(rehearsal, daysMax);
            }
        }
    }

    /// Closed last, and without hiding what went wrong before.
    private record Mount(MountClient client) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            try {
                client.stop().toCompletableFuture().get(ENDED_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
            } catch (ExecutionException | TimeoutException e) {
                throw new IOException("the mount in memory does not end", e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted");
            }
        }
    }

    private void days(Rehearsal rehearsal, int daysMax) throws IOException, InterruptedException {
        var compilers = ManagementFactory.getCompilationMXBean();
        if (compilers == null) return;      // a JVM that only interprets
        for (int day = 1; day <= daysMax && !ends(); day++) {
            long before = compilers.getTotalCompilationTime(), from = System.nanoTime();
            if (!rehearsal.day()) return;
            long millis = (System.nanoTime() - from) / 1_000_000, compiled = compilers.getTotalCompilationTime() - before;
            LOG.debug("warming up: day {} took {} ms, and {} ms of the compilers", day, millis, compiled);
            if (day >= DAYS_MIN && compiled < millis * COMPILING_MIN) break;
            // More work would only make them queue.
            for (long now = compilers.getTotalCompilationTime(), then = -1; now > then && !ends(); then = now, now = compilers.getTotalCompilationTime())
                rest();
        }
    }

    private boolean mayGoOn() throws InterruptedException {
        while (busy() && !ends()) rest();
        return !ends();
    }

    /// Shorter when the node ends.
    private void rest() throws InterruptedException {
        try {
            end.get(REST.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException | CancellationException _) {
            // Whether and how the node has ended is asked elsewhere.
        }
    }

    private boolean ends() {
        return end.isDone() || System.nanoTime() - latest > 0;
    }

    /// Whether the real mount has had work lately.
    private boolean busy() {
        long now = System.nanoTime(), count = requests.getAsLong();
        long past = now - seenAt;
        if (past < REST.toNanos() / 10) return false;
        boolean busy = count - seen > Math.max(1, REQUESTS_AT_REST * past / REST.toNanos());
        seen = count;
        seenAt = now;
        return busy;
    }
}
