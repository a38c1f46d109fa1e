package dev.cairn.quorum.journal;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.cairn.proto.JournalDeleteSnapshots;
import dev.cairn.proto.JournalEntry;
import dev.cairn.proto.JournalRenew;
import dev.cairn.proto.JournalReply;
import dev.cairn.proto.JournalSnapshot;
import dev.cairn.proto.PersistedObject;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.ratis.client.RaftClient;
import org.apache.ratis.protocol.ClientId;
import org.apache.ratis.protocol.Message;
import org.apache.ratis.protocol.RaftClientReply;
import org.apache.ratis.protocol.RaftClientRequest;
import org.apache.ratis.protocol.RaftGroup;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.retry.RetryPolicies;
import org.apache.ratis.util.ExitUtils;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// This process' peer of the journal's Raft group, and the way to submit entries to the group.
///
/// A log that could not be written (a full disk, an I/O error) stops the peer: every entry under way fails with the reason,
/// and so does every later one, until [#claim] has opened the log anew. Nothing that was acknowledged depends on that.
public final class RatisJournal implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(RatisJournal.class);
    /// So much log may be applied before the state's image replaces it.
    static final long LOG_BYTES_MAX = 8 << 20;
    /// One Raft entry; what is larger is a bug of the caller, since snapshots are cut into parts.
    static final int ENTRY_BYTES_MAX = 4 << 20;
    private static final Duration RETRY_AFTER = Duration.ofMillis(20);

    /// @param directory this slot's journal directory; made when it is missing
    /// @param self the slot of this process
    /// @param timeout after which an entry that has not been acknowledged counts as failed (its fate is unknown)
    /// @param data where file data that the journal carries belongs; null: it carries none
    public record Settings(Path directory, long fsid, int self, List<JournalPeer> peers, Duration timeout, CarriedData.Device data) {
        public Settings(Path directory, long fsid, int self, List<JournalPeer> peers, Duration timeout) {
            this(directory, fsid, self, peers, timeout, null);
        }

        public Settings {
            peers = List.copyOf(peers);
            if (peers.stream().noneMatch(peer -> peer.slot() == self))
                throw new IllegalArgumentException("slot " + self + " is not one of " + peers);
        }

        boolean single() {
            return peers.size() == 1;
        }

        RaftPeerId selfId() {
            return RaftPeerId.valueOf(new JournalPeer(self, "", 0).id());
        }

        RaftGroup group() {
            // The volume's id is the group's: a peer that is asked for another volume does not answer.
            var id = RaftGroupId.valueOf(new UUID(0x636169726e4a0000L, fsid));
            return RaftGroup.valueOf(id, peers.stream().map(peer -> RaftPeer.newBuilder().setId(peer.id())
                    .setAddress(peer.host() + ":" + peer.port()).build()).toList());
        }
    }

    private final Settings settings;
    private final RaftPeerId self;
    private final RaftGroupId groupId;
    private final ClientId clientId = ClientId.randomId();
    private final AtomicLong callIds = new AtomicLong();
    private final Set<CompletableFuture<RaftClientReply>> underWay = ConcurrentHashMap.newKeySet();
    private final Map<RaftPeerId, RaftClient> clients = new ConcurrentHashMap<>();
    private final Map<String, Long> claims = new ConcurrentHashMap<>();
    private volatile SlotPeer peer;
    private volatile JournalException failure;
    private volatile boolean closed;

    private RatisJournal(Settings settings) {
        this.settings = settings;
        this.self = settings.selfId();
        this.groupId = settings.group().getGroupId();
    }

    /// Checks the files, then starts the peer. Returns before a leader is elected.
    ///
    /// @throws JournalException saying which file is damaged, or why the peer cannot start
    public static RatisJournal open(Settings settings) {
        // Ratis ends the process when gRPC cannot listen, and takes every uncaught exception of any thread, its own or not,
        // for a reason to end it as well.
        var handler = Thread.getDefaultUncaughtExceptionHandler();
        ExitUtils.disableSystemExit();
        ExitUtils.setTerminateOnUncaughtException(false);
        Thread.setDefaultUncaughtExceptionHandler(handler);
        var journal = new RatisJournal(settings);
        journal.start();
        return journal;
    }

    private void start() {
        SlotPeer starting = null;
        try {
            starting = new SlotPeer(settings, this::toRatis, this::fail);
            peer = starting;
            starting.start();
            failure = null;
        } catch (JournalException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            if (starting != null) starting.close();
            throw new JournalException("the journal in %s cannot start: %s. Free space or repair the disk"
                    .formatted(settings.directory, reason(e)), e);
        }
    }

    /// Done when this peer can serve: with one slot, when it leads.
    public CompletableFuture<Void> ready() {
        return settings.single() ? peer.ready : CompletableFuture.completedFuture(null);
    }

    /// What is wrong, in words for an operator.
    public Optional<String> trouble() {
        var failed = failure;
        return Optional.ofNullable(failed != null ? failed.getMessage() : peer.imageTrouble());
    }

    /// What the journal holds of one writer's stream, for a look without becoming its writer.
    ///
    /// @param snapshot the latest one, or null
    /// @param events   that followed it, oldest first
    public record Recorded(ByteString snapshot, List<ByteString> events) {}

    /// Everything that was acknowledged when it was asked; the bytes are what the serializers made of the objects.
    public CompletableFuture<Recorded> recorded(String persistenceId) {
        return caughtUp(persistenceId).thenApply(_ -> {
            var all = JournalDeleteSnapshots.newBuilder().setSequenceNrMax(Long.MAX_VALUE).setTimestampMax(Long.MAX_VALUE).build();
            var snapshot = state().latestSnapshot(persistenceId, all);
            var events = state().events(persistenceId, snapshot.map(JournalSnapshot::getSequenceNr).orElse(0L) + 1, Long.MAX_VALUE);
            try {
                return new Recorded(snapshot.isEmpty() ? null : PersistedObject.parseFrom(snapshot.get().getBytes()).getBytes(),
                        events.stream().map(event -> event.getObject().getBytes()).toList());
            } catch (InvalidProtocolBufferException e) {
                throw new JournalException("the snapshot of " + persistenceId + " cannot be parsed", e);
            }
        });
    }

    JournalState state() {
        return peer.state;
    }

    /// Submits an entry and answers once it has been applied here, so that what it claims can be read from [#state].
    /// Opens the log anew when it has failed before: a claim is what a restarted server begins with.
    CompletableFuture<JournalReply> claim(JournalEntry entry) {
        CompletableFuture<Void> open = failure == null ? CompletableFuture.completedFuture(null)
                : CompletableFuture.runAsync(this::reopen);
        return open.thenCompose(_ -> ready().copy().orTimeout(settings.timeout.toMillis(), TimeUnit.MILLISECONDS))
                .exceptionallyCompose(this::named).thenCompose(_ -> {
            var front = peer.front;
            if (front == null) return send(entry);
            if (entry.hasClaim()) front.claiming(entry.getPersistenceId());
            return front.handedOn().thenCompose(_ -> send(entry));
        }).thenCompose(reply -> applied(reply.getLogIndex(), deadline()).thenApply(_ -> {
            var parsed = parse(reply);
            if (entry.hasClaim()) {
                claims.put(entry.getPersistenceId(), parsed.getEpoch());
                if (peer.front != null) peer.front.claimed(entry.getPersistenceId(), parsed);
            }
            return parsed;
        }));
    }

    /// The epoch that this process' latest claim of the stream was given; 0 before one, which no stream accepts.
    long claimed(String persistenceId) {
        return claims.getOrDefault(persistenceId, 0L);
    }

    /// Asks the group whether this process' claim of the stream is still the latest one.
    public CompletionStage<Boolean> confirm(String persistenceId) {
        return submit(JournalEntry.newBuilder().setPersistenceId(persistenceId)
                .setRenew(JournalRenew.newBuilder().setEpoch(claimed(persistenceId))).build())
                .thenApply(reply -> reply.getOutcome() == JournalReply.Outcome.DONE);
    }

    /// Done when this slot has applied everything that the group had acknowledged when it was asked.
    CompletableFuture<Void> caughtUp(String persistenceId) {
        // An entry that changes nothing is the plain way to ask the group: read requests fail while no leader is known.
        return claim(JournalEntry.newBuilder().setPersistenceId(persistenceId)
                .setRenew(JournalRenew.getDefaultInstance()).build()).thenApply(_ -> null);
    }

    /// With one slot, events are fsynced by the calling thread; see [FrontLane].
    CompletableFuture<JournalReply> submit(JournalEntry entry) {
        var front = peer.front;
        if (front == null && FrontLane.carries(entry)) return CompletableFuture.failedFuture(
                new JournalException("a journal of several slots was given file data to carry"));
        var failed = failure;
        if (failed != null || closed) return CompletableFuture.failedFuture(failed != null ? failed : new JournalException("the journal is closed"));
        if (front == null) return toRatis(FrontLane.withoutData(entry));
        return entry.hasAppend() ? front.append(entry).exceptionallyCompose(e -> CompletableFuture.failedFuture(failure != null ? failure : e))
                : front.handedOn().thenCompose(_ -> toRatis(entry));
    }

    private CompletableFuture<JournalReply> toRatis(JournalEntry entry) {
        return send(entry).thenApply(RatisJournal::parse);
    }

    private synchronized void reopen() {
        if (failure == null || closed) return;
        LOG.info("opening the journal in {} again", settings.directory);
        peer.close();
        start();
        try {
            ready().get(settings.timeout.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            fail(peer, new IOException("its Raft peer does not get to lead"));
            throw failure;
        }
    }

    private long deadline() {
        return System.nanoTime() + settings.timeout.toNanos();
    }

    private CompletableFuture<RaftClientReply> send(JournalEntry entry) {
        if (entry.getSerializedSize() > ENTRY_BYTES_MAX) return CompletableFuture.failedFuture(new JournalException(
                "a journal entry of %d bytes is larger than %d".formatted(entry.getSerializedSize(), ENTRY_BYTES_MAX)));
        var answer = new CompletableFuture<RaftClientReply>();
        underWay.add(answer);
        answer.orTimeout(settings.timeout.toMillis(), TimeUnit.MILLISECONDS).whenComplete((_, _) -> underWay.remove(answer));
        attempt(JournalStateMachine.message(entry), callIds.incrementAndGet(), deadline(), answer);
        return answer.exceptionallyCompose(this::named);
    }

    private <T> CompletableFuture<T> named(Throwable e) {
        return CompletableFuture.failedFuture(cause(e) instanceof TimeoutException
                ? new JournalException("the journal did not acknowledge within %d ms: %s".formatted(
                        settings.timeout.toMillis(), settings.single() ? "the disk of " + settings.directory + " is slow"
                                : "no majority of the quorum slots answers"))
                : cause(e));
    }

    /// The same call id at each attempt: Ratis' retry cache answers an entry that was applied before.
    private void attempt(Message message, long callId, long deadline, CompletableFuture<RaftClientReply> answer) {
        if (answer.isDone()) return;
        var failed = failure;
        if (failed != null || closed) {
            answer.completeExceptionally(failed != null ? failed : new JournalException("the journal is closed"));
            return;
        }
        CompletableFuture<RaftClientReply> reply;
        try {
            reply = toLeader(message, callId);
        } catch (IOException | RuntimeException e) {
            reply = CompletableFuture.failedFuture(e);
        }
        reply.whenComplete((got, e) -> {
            if (e == null && got.isSuccess()) {
                answer.complete(got);
                return;
            }
            Throwable why = e != null ? cause(e) : got.getException();
            if (why != null && got != null && got.getStateMachineException() != null) {
                answer.completeExceptionally(why);
                return;
            }
            if (!peer.alive() && !closed) fail(peer, why);
            // No leader, a leader that is not ready, a lost connection: all pass, and all are bounded by the timeout.
            CompletableFuture.delayedExecutor(RETRY_AFTER.toMillis(), TimeUnit.MILLISECONDS)
                    .execute(() -> attempt(message, callId, deadline, answer));
        });
    }

    private CompletableFuture<RaftClientReply> toLeader(Message message, long callId) throws IOException {
        var server = peer.server;
        var leader = server.getDivision(groupId).getInfo().getLeaderId();
        if (leader == null || leader.equals(self))
            return server.submitClientRequestAsync(RaftClientRequest.newBuilder().setClientId(clientId).setServerId(self)
                    .setGroupId(groupId).setCallId(callId).setMessage(message)
                    .setType(RaftClientRequest.writeRequestType()).build());
        // A RaftClient sticks to a leader that has stopped: one for each leader, no retry of its own.
        return clients.computeIfAbsent(leader, id -> RaftClient.newBuilder().setRaftGroup(settings.group()).setLeaderId(id)
                .setProperties(JournalTuning.client()).setRetryPolicy(RetryPolicies.noRetry()).build())
                .async().send(message);
    }

    private CompletableFuture<Void> applied(long index, long deadline) {
        try {
            if (peer.server.getDivision(groupId).getInfo().getLastAppliedIndex() >= index)
                return CompletableFuture.completedFuture(null);
        } catch (IOException e) {
            return CompletableFuture.failedFuture(e);
        }
        if (System.nanoTime() > deadline) return CompletableFuture.failedFuture(
                new JournalException("this slot's journal has not caught up with the group in time"));
        return CompletableFuture.supplyAsync(() -> null, CompletableFuture.delayedExecutor(5, TimeUnit.MILLISECONDS))
                .thenCompose(_ -> applied(index, deadline));
    }

    private void fail(SlotPeer failed, Throwable cause) {
        if (failed != peer || closed) return;
        synchronized (underWay) {
            if (failure != null) return;
            failure = cause(cause) instanceof JournalException said ? said
                    : new JournalException("the journal in %s cannot be written: %s. Free space or repair the disk; the server "
                            .formatted(settings.directory, reason(cause)) + "tries again by itself", cause);
        }
        LOG.error(failure.getMessage());
        List.copyOf(underWay).forEach(answer -> answer.completeExceptionally(failure));
    }

    private static JournalReply parse(RaftClientReply reply) {
        try {
            return JournalReply.parseFrom(
                    CodedInputStream.newInstance(reply.getMessage().getContent().asReadOnlyByteBuffer()));
        } catch (IOException e) {
            throw new JournalException("the journal's answer cannot be parsed", e);
        }
    }

    static Throwable cause(Throwable e) {
        while ((e instanceof CompletionException || e instanceof ExecutionException)
                && e.getCause() != null) e = e.getCause();
        return e;
    }

    /// The innermost message: Ratis wraps "No space left on device" several times.
    private static String reason(Throwable e) {
        if (e == null) return "unknown";
        while (e.getCause() != null && e.getCause() != e) e = e.getCause();
        return e.getMessage() == null ? e.toString() : e.getMessage();
    }

    @Override
    public synchronized void close() {
        if (closed) return;
        peer.closeFront();
        closed = true;
        clients.values().forEach(client -> {
            try {
                client.close();
            } catch (IOException e) {
                LOG.debug("closing a journal client", e);
            }
        });
        peer.close();
        List.copyOf(underWay).forEach(answer -> answer.completeExceptionally(new JournalException("the journal is closed")));
    }
}
