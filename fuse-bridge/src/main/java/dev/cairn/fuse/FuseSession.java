package dev.cairn.fuse;

import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.FileSystem;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One mount, from mounting to unmounting: the connection to the kernel, the threads that read it, and the pool of request
/// slots that they fill.
///
///     start -> serving -+-> stop():   unmount -> drain -> ended
///                       +-> umount DIR, abort --> drain -> ended
///
/// `drain` waits for requests that are still away from their readers, then deletes what was unlinked but in use. Work may
/// be submitted to the coordinator until [#ended] completes, and not after.
public final class FuseSession {
    private static final Logger log = LoggerFactory.getLogger(FuseSession.class);
    /// Idle slots beyond this are given back: they were needed when many requests waited at once.
    private static final int IDLE_SLOTS_MAX = 128;
    /// How long the end of a session waits for requests and deletions under way before it gives up on them.
    private static final Duration DRAIN_MAX = Duration.ofSeconds(30);

    /// An operation takes about 10 µs, a wake-up across CPUs 70.
    private static final long SPIN_NANOS = 30_000;

    /// @param readers  threads that read requests: as many as cores, each is the server of one client at a time
    /// @param ioThreads threads for file data that has to wait for the disk
    /// @param fsid     of the volume, and `rid` of the mount: for StatVolume
    /// @param transport how requests travel
    /// @param cpuLatency what is asked of the kernel while they come in a stream
    public record Settings(Path directory, MountOptions mount, CachePolicy cache, Transport transport,
            CpuLatency cpuLatency, int readers, int ioThreads, long fsid, long rid) {
        public Settings {
            if (readers < 1 || ioThreads < 1)
                throw new IllegalArgumentException("%d readers, %d I/O threads".formatted(readers, ioThreads));
        }

        public static Settings of(Path directory, String source, long fsid, long rid) {
            int cores = Runtime.getRuntime().availableProcessors();
            return new Settings(directory, MountOptions.of(source), CachePolicy.of(MountOptions.of(source)), Transport.DEFAULT, CpuLatency.AUTO,
                    Math.max(2, cores), Math.max(4, 2 * cores), fsid, rid);
        }

        public Settings transport(Transport to) {
            return new Settings(directory, mount, cache, to, cpuLatency, readers, ioThreads, fsid, rid);
        }

        Settings mount(MountOptions to) {
            return new Settings(directory, to, CachePolicy.of(to), transport, cpuLatency, readers, ioThreads, fsid, rid);
        }

        public Settings cpuLatency(CpuLatency to) {
            return new Settings(directory, mount, cache, transport, to, readers, ioThreads, fsid, rid);
        }
    }

    /// How a session ended.
    public enum End {
        /// The mount is gone, by [#stop] or `umount`.
        UNMOUNTED,
        /// Somebody aborted the connection (`umount -f`, or the kernel).
        ABORTED,
        /// The connection failed: the log says how.
        FAILED
    }

    final Settings settings;
    final FileSystem fileSystem;
    final DataIo dataIo;
    final Submitter submitter;
    final CachePolicy cache;
    /// Reading moves access times, as with relatime.
    final AccessTimes accessTimes;
    final Durability durability;
    final ReplyEncoder encoder;
    final KernelCache kernelCache;
    final KnownInodes known = new KnownInodes();
    final WriteGate gate = new WriteGate();
    final Reclaimer reclaimer;
    final FuseMetrics metrics;
    final ReplyPipes pipes = new ReplyPipes();
    final ExecutorService background;
    final StalePages stalePages;
    final CachedPages cachedPages = new CachedPages();

    /// How long a reader waits for an operation that another one runs; 0 where nobody can run it meanwhile.
    final long spinNanos = Runtime.getRuntime().availableProcessors() > 1 ? SPIN_NANOS : 0;

    private final FuseMount mount;
    /// Null on /dev/fuse.
    private final Rings rings;
    private final InitNegotiation negotiated;
    /// Guarded by itself; touched only when a request leaves its reader.
    private final ArrayDeque<FuseRequest> idle = new ArrayDeque<>();
    private final AtomicInteger readersLeft;
    /// Null beside rings, which have their CPUs.
    private final ReaderPlaces places;
    /// Null when nothing is asked.
    private final PromptCpus promptCpus;
    /// Requests that somebody has waited for, counted for [#promptCpus].
    private final LongAdder awaited = new LongAdder();
    private final List<DeviceReader> readers = new ArrayList<>();
    private final Away away = new Away();
    private volatile End end = End.UNMOUNTED;
    private final CompletableFuture<End> ended = new CompletableFuture<>();

    /// Mounts and serves. When it returns the mount is usable.
    ///
    /// @param onEnd told once, on a thread of the session's own, when it has ended for whatever reason
    /// @throws IOException with a message for the user, when mounting is not possible
    public static FuseSession start(Settings settings, FileSystem fileSystem, DataIo dataIo, Submitter submitter,
            MeterRegistry registry, Consumer<End> onEnd) throws IOException {
        var rings = rings(settings.transport());
        try {
            return on(FuseMount.mount(settings.directory(), settings.mount()), rings, settings, fileSystem, dataIo, submitter,
                    registry, onEnd);
        } catch (RingsRefused e) {
            rings.discard();
            if (settings.transport() == Transport.IO_URING) throw e;
            log.warn("{}; mounting again, with /dev/fuse", e.getMessage());
            return start(settings.transport(Transport.DEV_FUSE), fileSystem, dataIo, submitter, registry, onEnd);
        } catch (IOException | RuntimeException | Error e) {
            if (rings != null) rings.discard();
            throw e;
        }
    }

    /// There were rings, and they turned out not to serve this mount.
    private static final class RingsRefused extends IOException {
        private static final long serialVersionUID = 1;

        RingsRefused(String message, Throwable cause) {
            super(message, cause);
        }
    }

    private static Rings rings(Transport asked) throws IOException {
        if (asked.chosen() == Transport.DEV_FUSE) return null;
        try {
            return Rings.open();
        } catch (IOException e) {
            if (asked == Transport.IO_URING) throw e;
            log.warn("{}; requests go over /dev/fuse", e.getMessage());
            return null;
        }
    }

    /// @param rings null: /dev/fuse only
    static FuseSession on(FuseMount mount, Rings rings, Settings settings, FileSystem fileSystem, DataIo dataIo,
            Submitter submitter, MeterRegistry registry, Consumer<End> onEnd) throws IOException {
        FuseSession session;
        try {
            var negotiated = handshake(mount, settings, rings != null);
            if (rings != null && !negotiated.has(FuseProtocol.OVER_IO_URING))
                throw new RingsRefused("transport io-uring was switched off just now", null);
            mount.raiseReadAhead();
            session = new FuseSession(settings, fileSystem, dataIo, submitter, registry, mount, rings, negotiated);
        } catch (IOException | RuntimeException | Error e) {
            mount.abort();
            Linux.close(mount.fd());
            throw e;
        }
        session.serve();
        session.ended.thenAccept(onEnd);
        return session;
    }

    private FuseSession(Settings settings, FileSystem fileSystem, DataIo dataIo, Submitter submitter,
            MeterRegistry registry, FuseMount mount, Rings rings, InitNegotiation negotiated) {
        this.settings = settings;
        this.fileSystem = fileSystem;
        this.dataIo = dataIo;
        this.submitter = submitter;
        this.mount = mount;
        this.rings = rings;
        this.negotiated = negotiated;
        cache = settings.cache();
        accessTimes = new AccessTimes(mount, settings.mount());
        durability = Durability.of(settings.mount());
        encoder = new ReplyEncoder(cache);
        kernelCache = new KernelCache(mount.fd());
        metrics = new FuseMetrics(registry, mount.point().toString(), known, transport());
        int count = rings == null ? settings.readers() : 1;     // beside rings, one is enough for what does not go over them
        readersLeft = new AtomicInteger(count);
        var pins = rings == null ? new CpuPins() : null;
        for (int i = 0; i < count; i++) readers.add(new DeviceReader(this, mount, pins, rings != null, this::lost));
        places = rings == null ? new ReaderPlaces(readers, CpuPins::ofProcess, pins) : null;
        metrics.pinnedBy(rings == null ? pins : rings.pins());
        var ioThreads = new AtomicInteger();
        background = Executors.newFixedThreadPool(settings.ioThreads(), task -> Thread.ofPlatform().daemon()
                .name("cairn-fuse-io-" + ioThreads.getAndIncrement()).unstarted(task));
        promptCpus = promptCpus(settings.cpuLatency());
        stalePages = new StalePages(kernelCache::contentsChanged);
        reclaimer = new Reclaimer(fileSystem, submitter, background, known, kernelCache::attributesChanged);
    }

    private PromptCpus promptCpus(CpuLatency latency) {
        var micros = latency.chosen();
        if (micros.isEmpty()) return null;
        log.info("{}: while requests come in a stream, CPUs are asked to wake within {} us (cpu-latency {})", mount.point(),
                micros.getAsInt(), latency.label());
        var prompt = new PromptCpus(micros.getAsInt(), Path.of("/").resolve(CpuLatency.DEVICE), awaited::sum);
        metrics.promptFor(prompt);
        return prompt;
    }

    private void serve() throws IOException {
        for (int i = 0; i < readers.size(); i++)
            Thread.ofPlatform().daemon().name("cairn-fuse-reader-" + i).start(readers.get(i));
        if (places != null) Thread.ofPlatform().daemon().name("cairn-fuse-places").start(places);
        if (promptCpus != null) Thread.ofPlatform().daemon().name("cairn-fuse-cpus").start(promptCpus);
        try {
            if (rings != null) rings.serve(this);
        } catch (IOException e) {
            mount.abort();
            ended.join();
            throw new RingsRefused(e.getMessage(), e);
        }
        reclaimer.reapLeftOvers();
    }

    // ---- for others

    /// Where the volume is mounted, as an absolute path.
    public Path mountPoint() {
        return mount.point();
    }

    /// How requests travel: DEV_FUSE or IO_URING.
    public Transport transport() {
        return rings == null ? Transport.DEV_FUSE : Transport.IO_URING;
    }

    /// How many requests have come since it began.
    public long requests() {
        return metrics.requests();
    }

    public CompletableFuture<End> ended() {
        return ended.copy();
    }

    /// Completes when the orphans that dead mounts left have been deleted.
    public CompletableFuture<Void> orphansReaped() {
        return reclaimer.leftOversReaped().copy();
    }

    /// Waits until nothing is being freed in the background: deleted files, truncated tails, orphans of dead mounts.
    ///
    /// @return false when there was still something to free after `timeout`
    public boolean awaitReclaimed(Duration timeout) throws InterruptedException {
        return reclaimer.awaitIdle(timeout);
    }

    /// Unmounts if nobody uses the mount any more; [#ended] completes soon after. Nothing changes when it throws.
    ///
    /// @throws IOException when the mount is in use
    public void unmount() throws IOException {
        if (!ended.isDone()) mount.unmount();
    }

    /// Unmounts, by force if somebody still uses the mount, and waits until the session has ended.
    ///
    /// @return false when it has not ended after `timeout`
    public boolean stop(Duration timeout) throws InterruptedException {
        if (!ended.isDone()) {
            try {
                mount.unmount();
            } catch (IOException e) {
                log.warn("{}: {}; who still uses it gets errors from now on", mount.point(), e.getMessage());
                mount.abort();
            }
        }
        try {
            ended.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (java.util.concurrent.ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- for requests

    int fd() {
        return mount.fd();
    }

    InitNegotiation negotiated() {
        return negotiated;
    }

    FuseRequest take(ReplyLine line) {
        FuseRequest request;
        synchronized (idle) {
            request = idle.pollLast();       // the one whose memory was touched last
        }
        if (request == null) request = new FuseRequest(this);
        request.line = line;
        return request;
    }

    void give(FuseRequest request) {
        synchronized (idle) {
            if (idle.size() < IDLE_SLOTS_MAX) {
                idle.addLast(request);
                return;
            }
        }
        request.close();
    }

    /// @param isAwaited somebody waits for the reply
    void requestCame(boolean isAwaited) {
        metrics.started();
        if (promptCpus == null || !isAwaited) return;
        awaited.increment();
        promptCpus.requestCame();
    }

    /// A reader has counted a request of a client.
    void clientCame() {
        if (places != null) places.clientCame();
    }

    void wentAway() {
        away.went();
    }

    void cameBack() {
        away.came();
    }

    /// FOPEN_… for a file that is opened with these flags. Direct writes are parallel only for who opened the file so, and
    /// while nobody has it open through the page cache: the kernel sees to that.
    int openedAs(int flags) {
        return settings.mount().parallelDirectWrites() && (flags & FuseProtocol.O_DIRECT) != 0
                ? FuseProtocol.FOPEN_DIRECT_IO | FuseProtocol.FOPEN_PARALLEL_DIRECT_WRITES : FuseProtocol.FOPEN_KEEP_CACHE;
    }

    // ---- the connection

    /// The kernel's first request is INIT, and it sends no other until that is answered.
    private static InitNegotiation handshake(FuseMount mount, Settings settings, boolean rings)
            throws IOException {
        try (var arena = Arena.ofConfined()) {
            var errno = Linux.errnoMemory(arena);
            var in = arena.allocate(InitNegotiation.IO_BYTES_MAX + 8192L, 4096);    // smaller ones are refused
            var out = arena.allocate(FuseProtocol.OUT_HEADER_BYTES + FuseProtocol.INIT_OUT_BYTES, 8);
            long n;
            do {
                n = Linux.read(errno, mount.fd(), in, in.byteSize());
            } while (n == -Linux.EINTR || n == -Linux.EAGAIN);
            if (n < FuseProtocol.IN_HEADER_BYTES || in.get(FuseProtocol.U32, FuseProtocol.IN_OPCODE) != FuseProtocol.INIT)
                throw new IOException("the kernel did not begin with INIT: "
                        + (n < 0 ? Linux.describe((int) -n) : n + " bytes"));
            out.set(FuseProtocol.U64, FuseProtocol.OUT_UNIQUE, in.get(FuseProtocol.U64, FuseProtocol.IN_UNIQUE));
            int body = 0;
            InitNegotiation negotiated = null;
            IOException refused = null;
            try {
                negotiated = InitNegotiation.of(in, FuseProtocol.IN_HEADER_BYTES, n - FuseProtocol.IN_HEADER_BYTES,
                        settings.cache(), settings.mount().acl(), settings.mount().parallelDirectWrites(), rings);
                body = negotiated.write(out, FuseProtocol.OUT_HEADER_BYTES);
            } catch (IOException e) {
                refused = e;
                out.set(FuseProtocol.U32, FuseProtocol.OUT_ERROR, -dev.cairn.transaction.Errno.EPROTO.number());
            }
            out.set(FuseProtocol.U32, FuseProtocol.OUT_LEN, FuseProtocol.OUT_HEADER_BYTES + body);
            long written = Linux.write(errno, mount.fd(), out, FuseProtocol.OUT_HEADER_BYTES + body);
            if (refused != null) throw refused;
            if (written < 0) throw new IOException("the kernel refused the reply to INIT: "
                    + Linux.describe((int) -written));
            return negotiated;
        }
    }

    /// A ring does not go on, so requests would wait for ever: the mount ends. Not on the ring's thread, which may be needed.
    void ringFailed() {
        end = End.FAILED;
        Thread.ofPlatform().name("cairn-fuse-abort").start(mount::abort);
    }

    /// A reader has seen the end of the connection.
    private void lost(int errno) {
        switch (errno) {
            case Linux.ENODEV, 0 -> {}
            case Linux.ECONNABORTED -> end = End.ABORTED;
            default -> {
                log.error("{}: reading from the kernel failed: {}", mount.point(), Linux.describe(errno));
                end = End.FAILED;
            }
        }
        if (readersLeft.decrementAndGet() == 0) Thread.ofPlatform().name("cairn-fuse-drain").start(this::drain);
    }

    private void drain() {
        if (places != null) places.stop();
        if (promptCpus != null) promptCpus.stop();
        try {
            // Unless the mount itself has gone, whoever uses it would wait for ever.
            if (end != End.UNMOUNTED) mount.abort();
            boolean all = away.awaitNone(DRAIN_MAX) & (rings == null || rings.awaitEnded(DRAIN_MAX));
            // Nobody can have them open any more. What is not deleted in time, the next mount deletes.
            for (long ino : known.drainUnlinked()) reclaimer.delete(ino);
            if (!reclaimer.awaitIdle(DRAIN_MAX)) log.info("{}: deleted files are still being freed; the next mount goes on "
                    + "with it", mount.point());
            reclaimer.stop();
            if (all && reclaimer.awaitIdle(DRAIN_MAX)) background.shutdown();
            all &= stalePages.stop(DRAIN_MAX);
            // While somebody may still answer, the descriptor must not become another file's.
            if (all) {
                Linux.close(mount.fd());
                pipes.close();
                if (rings != null) rings.close();
                synchronized (idle) {
                    idle.forEach(FuseRequest::close);
                    idle.clear();
                }
            } else log.error("{}: requests were not answered within {} s after the mount ended", mount.point(),
                    DRAIN_MAX.toSeconds());
        } catch (InterruptedException e) {
            log.warn("{}: interrupted while the session was ending", mount.point());
        } finally {
            metrics.close();
            ended.complete(end);
        }
    }

    /// Counts the requests that have left their readers.
    private static final class Away {
        private final AtomicInteger count = new AtomicInteger();

        void went() {
            count.incrementAndGet();
        }

        void came() {
            if (count.decrementAndGet() == 0)
                synchronized (this) {
                    notifyAll();
                }
        }

        synchronized boolean awaitNone(Duration timeout) throws InterruptedException {
            long deadline = System.nanoTime() + timeout.toNanos();
            while (count.get() > 0) {
                long left = deadline - System.nanoTime();
                if (left <= 0) return false;
                TimeUnit.NANOSECONDS.timedWait(this, left);
            }
            return true;
        }
    }
}
