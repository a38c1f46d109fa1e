package dev.cairn.quorum.journal;

import dev.cairn.proto.JournalEntry;
import dev.cairn.proto.JournalReply;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.apache.ratis.protocol.ClientId;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.protocol.SnapshotManagementRequest;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.storage.RaftStorage;
import org.apache.ratis.util.LifeCycle;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One start of this slot's Raft peer, with what belongs to it alone: the files' check, the state, the front log, images.
/// It ends for good when its log cannot be written; [RatisJournal] then starts another.
final class SlotPeer implements JournalStateMachine.Listener {
    private static final Logger LOG = LoggerFactory.getLogger(SlotPeer.class);
    /// So many applied entries make an image due: what is not in one is applied again at the next start, 2000 in about a
    /// tenth of a second.
    private static final long LOG_ENTRIES_MAX = 2_000;
    private static final Duration IMAGE_RETRY = Duration.ofSeconds(10);
    /// What must be free to begin: the segment that Ratis preallocates, and a little.
    private static final int PROBE_BYTES = 1_100_000;
    private static final Duration HAND_ON_AT_CLOSE = Duration.ofSeconds(2);

    private final RatisJournal.Settings settings;
    private final RaftPeerId self;
    private final RaftGroupId groupId;
    private final BiConsumer<SlotPeer, Throwable> onFailure;
    private final ClientId imageClient = ClientId.randomId();
    private final AtomicLong imageCalls = new AtomicLong();
    private volatile String imageTrouble;
    private volatile boolean failed;
    final JournalState state = new JournalState();
    final CompletableFuture<Void> leading = new CompletableFuture<>();
    final AtomicBoolean imaging = new AtomicBoolean();
    /// Done when it leads and its state has all that was ever acknowledged.
    final CompletableFuture<Void> ready;
    final AcknowledgedIndex acknowledged;
    final FrontLane front;
    final RaftServer server;
    volatile boolean closing;
    final CompletableFuture<Long> stateMachineClosed = new CompletableFuture<>();

    /// @param ratis     submits an entry to the group and answers when it has been applied
    /// @param onFailure hears, perhaps more than once, why this peer can write nothing any more
    SlotPeer(RatisJournal.Settings settings, Function<JournalEntry, CompletableFuture<JournalReply>> ratis,
             BiConsumer<SlotPeer, Throwable> onFailure) throws IOException {
        this.settings = settings;
        this.onFailure = onFailure;
        self = settings.selfId();
        Files.createDirectories(settings.directory());
        probe();
        var raft = settings.directory().resolve("raft");
        acknowledged = settings.single() ? new AcknowledgedIndex(settings.directory().resolve("acknowledged")) : null;
        if (!settings.single()) FrontLog.requireEmpty(settings.directory());
        FrontLane lane = null;
        try {
            var group = settings.group();
            groupId = group.getGroupId();
            JournalCheck.check(raft.resolve(group.getGroupId().getUuid().toString()),
                    acknowledged == null ? -1 : acknowledged.read());
            lane = settings.single() ? new FrontLane(settings.directory(), settings.data(), ratis, this::fail) : null;
            front = lane;
            ready = front == null ? leading : leading.thenCompose(_ -> front.recover(state))
                    .whenComplete((_, e) -> {
                        if (e != null) fail(e);
                    });
            server = RaftServer.newBuilder().setServerId(self).setGroup(group)
                    .setOption(RaftStorage.StartupOption.RECOVER)
                    .setProperties(JournalTuning.properties(raft, settings))
                    .setStateMachineRegistry(_ -> new JournalStateMachine(state, this)).build();
        } catch (IOException | RuntimeException e) {
            if (acknowledged != null) acknowledged.close();
            if (lane != null) lane.close();
            throw e;
        }
    }

    /// Ratis that cannot write its vote at start neither fails nor tries again: it just never leads.
    private void probe() throws IOException {
        var probe = settings.directory().resolve("probe");
        try (var file = FileChannel.open(probe, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
            var buffer = ByteBuffer.allocate(PROBE_BYTES);
            while (buffer.hasRemaining()) file.write(buffer);
            file.force(true);
        } finally {
            Files.deleteIfExists(probe);
        }
    }

    private void fail(Throwable cause) {
        failed = true;
        onFailure.accept(this, cause);
    }

    /// What is wrong with its images, in words for an operator; null when nothing is.
    String imageTrouble() {
        return imageTrouble;
    }

    void start() throws IOException {
        server.start();
    }

    boolean alive() {
        try {
            return server.getLifeCycleState() == LifeCycle.State.RUNNING
                    && server.getDivision(groupId).getInfo().isAlive();
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public void leaderReady() {
        leading.complete(null);
    }

    @Override
    public void applied(long index) throws IOException {
        if (acknowledged != null) acknowledged.write(index);
    }

    @Override
    public void logFailed(Throwable cause) {
        fail(cause);
    }

    @Override
    public void imageFailed(IOException cause) {
        boolean first = imageTrouble == null;
        imageTrouble = "the journal's image cannot be written to %s: %s. Its log grows until it can"
                .formatted(settings.directory(), cause.getMessage());
        if (first) LOG.error(imageTrouble);
    }

    @Override
    public void imageWritten() {
        imageTrouble = null;
    }

    /// Asks Ratis for an image, one at a time. Ratis' own trigger would try again at every entry while the disk is full.
    @Override
    public void logGrown(long entries, long bytes) {
        if ((entries >= LOG_ENTRIES_MAX || bytes >= RatisJournal.LOG_BYTES_MAX) && imaging.compareAndSet(false, true)) image();
    }

    private void image() {
        server.snapshotManagementAsync(SnapshotManagementRequest.newCreate(imageClient, self, groupId,
                imageCalls.incrementAndGet(), IMAGE_RETRY.toMillis()))
                .whenComplete((reply, e) -> {
                    if (e == null && reply.isSuccess()) imaging.set(false);
                    else imageLater();
                });
    }

    // By the clock and not when the log grows: a volume that nobody changes gets well, too. Ratis is asked only when
    // there is room, because it logs every failure at length.
    private void imageLater() {
        CompletableFuture.delayedExecutor(IMAGE_RETRY.toMillis(), TimeUnit.MILLISECONDS).execute(() -> {
            if (closing || failed) return;
            try {
                probe();
            } catch (IOException e) {
                imageFailed(e);
                imageLater();
                return;
            }
            image();
        });
    }

    @Override
    public void closed() {
        stateMachineClosed.complete(System.nanoTime());
    }

    @Override
    public void shutDown() {
        if (!closing) fail(new IOException("the Raft peer has stopped"));
    }

    void close() {
        closing = true;
        closeFront();
        var closed = CompletableFuture.runAsync(() -> {
            try {
                server.close();
            } catch (IOException e) {
                throw new CompletionException(e);
            }
        }, runnable -> Thread.ofPlatform().daemon().name("journal-close").start(runnable));
        // The log's writer looks only once a second whether it is to stop. Nothing is under way, so it may be woken.
        while (!closed.isDone()) {
            try {
                closed.get(20, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                wakeIdleLogWriter();
            } catch (ExecutionException e) {
                LOG.warn("the journal in {} did not close cleanly", settings.directory(), e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
        try {
            if (acknowledged != null) acknowledged.close();
        } catch (IOException e) {
            LOG.warn("the journal in {} did not close cleanly", settings.directory(), e);
        }
    }

    // What it has not handed on is there at the next start: waiting for it only saves that start the work.
    void closeFront() {
        if (front == null) return;
        try {
            if (!failed && ready.isDone()) front.handedOn().get(HAND_ON_AT_CLOSE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            LOG.debug("the next start hands on what the front log has", e);
        }
        try {
            front.close();
        } catch (IOException e) {
            LOG.warn("the front log in {} did not close cleanly", settings.directory(), e);
        }
    }

    private void wakeIdleLogWriter() {
        // The log is closed soon after it; woken before that, the writer would complain.
        if (!stateMachineClosed.isDone() || System.nanoTime() - stateMachineClosed.join() < 100_000_000L) return;
        var name = self + "@" + groupId + "-SegmentedRaftLogWorker";
        for (var thread : Thread.getAllStackTraces().keySet())
            if (thread.getName().equals(name) && thread.getState() == Thread.State.TIMED_WAITING) thread.interrupt();
    }
}
