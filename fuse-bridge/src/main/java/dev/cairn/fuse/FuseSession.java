package dev.cairn.fuse;

import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.FileSystem;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
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

    /// @param readers  threads that read requests: as many as cores, each is the server of one client at a time
    /// @param ioThreads threads for file data that has to wait for the disk
    /// @param fsid     of the volume, and `rid` of the mount: for StatVolume
    public record Settings(Path directory, MountOptions mount, CachePolicy cache, int readers, int ioThreads, long fsid,
            long rid) {
        public Settings {
            if (readers < 1 || ioThreads < 1)
                throw new IllegalArgumentException("%d readers, %d I/O threads".formatted(readers, ioThreads));
        }

        public static Settings of(Path directory, String source, long fsid, long rid) {
            int cores = Runtime.getRuntime().availableProcessors();
            return new Settings(directory, MountOptions.of(source), CachePolicy.singleMount(), Math.max(2, cores),
                    Math.max(4, 2 * cores), fsid, rid);
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
    final ReplyEncoder encoder;
    final KnownInodes known = new KnownInodes();
    final WriteGate gate = new WriteGate();
    final Reclaimer reclaimer;
    final FuseMetrics metrics;
    final ExecutorService background;

    private final FuseMount mount;
    private final InitNegotiation negotiated;
    /// Guarded by itself; touched only when a request leaves its reader.
    private final ArrayDeque<FuseRequest> idle = new ArrayDeque<>();
    private final AtomicInteger readersLeft;
    private final Away away = new Away();
    private volatile End end = End.UNMOUNTED;
    private final CompletableFuture<End> ended = new CompletableFuture<>();

    /// Mounts and serves. When it returns the mount is usable.
    ///
    /// @param onEnd told once, on a thread of the session's own, when it has ended for whatever reason
    /// @throws IOException with a message for the user, when mounting is not possible
    public static FuseSession start(Settings settings, FileSystem fileSystem, DataIo dataIo, Submitter submitter,
            MeterRegistry registry, Consumer<End> onEnd) throws IOException {
        return on(FuseMount.mount(settings.directory(), settings.mount()), settings, fileSystem, dataIo, submitter, registry,
                onEnd);
    }

    static FuseSession on(FuseMount mount, Settings settings, FileSystem fileSystem, DataIo dataIo, Submitter submitter,
            MeterRegistry registry, Consumer<End> onEnd) throws IOException {
        FuseSession session;
        try {
            var negotiated = handshake(mount, settings);
            mount.raiseReadAhead();
            session = new FuseSession(settings, fileSystem, dataIo, submitter, registry, mount, negotiated);
        } catch (IOException | RuntimeException | Error e) {
            mount.abort();
            Linux.close(mount.fd());
            throw e;
        }
        session.ended.thenAccept(onEnd);
        session.serve();
        return session;
    }

    private FuseSession(Settings settings, FileSystem fileSystem, DataIo dataIo, Submitter submitter,
            MeterRegistry registry, FuseMount mount, InitNegotiation negotiated) {
        this.settings = settings;
        this.fileSystem = fileSystem;
        this.dataIo = dataIo;
        this.submitter = submitter;
        this.mount = mount;
        this.negotiated = negotiated;
        cache = settings.cache();
        encoder = new ReplyEncoder(cache);
        metrics = new FuseMetrics(registry, mount.point().toString(), known);
        readersLeft = new AtomicInteger(settings.readers());
        var count = new AtomicInteger();
        background = Executors.newFixedThreadPool(settings.ioThreads(), task -> Thread.ofPlatform().daemon()
                .name("cairn-fuse-io-" + count.getAndIncrement()).unstarted(task));
        reclaimer = new Reclaimer(fileSystem, submitter, background, known);
    }

    private void serve() {
        for (int i = 0; i < settings.readers(); i++)
            Thread.ofPlatform().daemon().name("cairn-fuse-reader-" + i).start(this::readRequests);
        reclaimer.reapLeftOvers();
    }

    // ---- for others

    /// Where the volume is mounted, as an absolute path.
    public Path mountPoint() {
        return mount.point();
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

    FuseRequest take() {
        FuseRequest request;
        synchronized (idle) {
            request = idle.pollLast();       // the one whose memory was touched last
        }
        return request != null ? request : new FuseRequest(this);
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

    void wentAway() {
        away.went();
    }

    void cameBack() {
        away.came();
    }

    // ---- the connection

    /// The kernel's first request is INIT, and it sends no other until that is answered.
    private static InitNegotiation handshake(FuseMount mount, Settings settings) throws IOException {
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
                        settings.cache(), settings.mount().acl());
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

    private void readRequests() {
        try {
            var request = take();
            for (;;) {
                long n = request.read(fd());
                if (n <= 0) {
                    // ENOENT: the request was interrupted before it could be read.
                    if (n == -Linux.EINTR || n == -Linux.ENOENT || n == -Linux.EAGAIN) continue;
                    give(request);
                    lost((int) -n);
                    return;
                }
                try {
                    if (!request.begin(n)) request = take();
                } catch (RuntimeException e) {
                    // Whose the slot is now cannot be told: it is not used again.
                    log.error("{}: a request was lost by a bug; its caller waits until it is interrupted", mount.point(), e);
                    request = take();
                }
            }
        } finally {
            if (readersLeft.decrementAndGet() == 0)
                Thread.ofPlatform().name("cairn-fuse-drain").start(this::drain);
        }
    }

    private void lost(int errno) {
        switch (errno) {
            case Linux.ENODEV, 0 -> {}
            case Linux.ECONNABORTED -> end = End.ABORTED;
            default -> {
                log.error("{}: reading from the kernel failed: {}", mount.point(), Linux.describe(errno));
                end = End.FAILED;
            }
        }
    }

    private void drain() {
        try {
            // Unless the mount itself has gone, whoever uses it would wait for ever.
            if (end != End.UNMOUNTED) mount.abort();
            boolean all = away.awaitNone(DRAIN_MAX);
            // Nobody can have them open any more. What is not deleted in time, the next mount deletes.
            for (long ino : known.drainUnlinked()) reclaimer.delete(ino);
            if (!reclaimer.awaitIdle(DRAIN_MAX)) log.info("{}: deleted files are still being freed; the next mount goes on "
                    + "with it", mount.point());
            reclaimer.stop();
            if (all && reclaimer.awaitIdle(DRAIN_MAX)) background.shutdown();
            // While somebody may still answer, the descriptor must not become another file's.
            if (all) {
                Linux.close(mount.fd());
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
