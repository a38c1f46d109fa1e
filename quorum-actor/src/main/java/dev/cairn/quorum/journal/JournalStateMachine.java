package dev.cairn.quorum.journal;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.MessageLite;
import dev.cairn.proto.JournalEntry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.ratis.io.MD5Hash;
import org.apache.ratis.proto.RaftProtos.LogEntryProto;
import org.apache.ratis.proto.RaftProtos.RoleInfoProto;
import org.apache.ratis.protocol.Message;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.protocol.TermIndex;
import org.apache.ratis.server.storage.FileInfo;
import org.apache.ratis.server.storage.RaftStorage;
import org.apache.ratis.statemachine.SnapshotInfo;
import org.apache.ratis.statemachine.SnapshotRetentionPolicy;
import org.apache.ratis.statemachine.StateMachineStorage;
import org.apache.ratis.statemachine.TransactionContext;
import org.apache.ratis.statemachine.impl.BaseStateMachine;
import org.apache.ratis.statemachine.impl.SingleFileSnapshotInfo;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.thirdparty.com.google.protobuf.UnsafeByteOperations;
import org.apache.ratis.util.LifeCycle;
import org.apache.ratis.util.MD5FileUtil;

/// Connects a [JournalState] to Ratis: entries in, images out. One for each start of the Raft peer.
final class JournalStateMachine extends BaseStateMachine {
    /// What the owner of the peer wants to know.
    interface Listener {
        void leaderReady();

        void applied(long index) throws IOException;

        void logFailed(Throwable cause);

        void imageFailed(IOException cause);

        void imageWritten();

        /// So much log has been applied since the latest image.
        void logGrown(long entries, long bytes);

        void closed();

        void shutDown();
    }

    private final JournalState state;
    private final Listener listener;
    private final Storage storage = new Storage();
    private long logBytes;
    private long logEntries;

    JournalStateMachine(JournalState state, Listener listener) {
        this.state = state;
        this.listener = listener;
    }

    @Override
    public void initialize(RaftServer server, RaftGroupId group, RaftStorage raftStorage) throws IOException {
        super.initialize(server, group, raftStorage);
        storage.init(raftStorage);
        getLifeCycle().startAndTransition(this::load, IOException.class);
    }

    private void load() throws IOException {
        var latest = storage.latest();
        if (latest == null) return;
        state.replaceBy(latest.read());
        setLastAppliedTermIndex(TermIndex.valueOf(latest.term(), latest.index()));
    }

    @Override
    public void pause() {
        getLifeCycle().transition(LifeCycle.State.PAUSING);
        getLifeCycle().transition(LifeCycle.State.PAUSED);
    }

    /// A follower was too far behind and has been sent the leader's image.
    @Override
    public void reinitialize() throws IOException {
        load();
        getLifeCycle().transition(LifeCycle.State.STARTING);
        getLifeCycle().transition(LifeCycle.State.RUNNING);
    }

    @Override
    public CompletableFuture<Message> applyTransaction(TransactionContext transaction) {
        LogEntryProto entry = transaction.getLogEntry();
        var data = entry.getStateMachineLogEntry().getLogData();
        JournalEntry parsed;
        try {
            parsed = JournalEntry.parseFrom(CodedInputStream.newInstance(data.asReadOnlyByteBuffer()));
        } catch (IOException e) {
            // The log's checksum was right, so this was written wrongly: going on would lose it silently.
            throw new JournalException("journal entry " + entry.getIndex() + " cannot be parsed", e);
        }
        var reply = state.apply(parsed);
        updateLastAppliedTermIndex(entry.getTerm(), entry.getIndex());
        try {
            listener.applied(entry.getIndex());
        } catch (IOException e) {
            listener.logFailed(e);
        }
        logBytes += data.size();
        listener.logGrown(++logEntries, logBytes);
        return CompletableFuture.completedFuture(message(reply));
    }

    /// Called by the thread that applies: nothing changes meanwhile.
    @Override
    public long takeSnapshot() throws IOException {
        var applied = getLastAppliedTermIndex();
        if (applied == null || applied.getIndex() < 0) return -1;
        var latest = storage.latest();
        if (latest != null && latest.index() == applied.getIndex()) return applied.getIndex();
        try {
            SnapshotFile.write(storage.directory, applied.getTerm(), applied.getIndex(), state.image());
        } catch (IOException e) {
            listener.imageFailed(e);
            throw e;
        }
        logBytes = logEntries = 0;
        listener.imageWritten();
        return applied.getIndex();
    }

    @Override
    public StateMachineStorage getStateMachineStorage() {
        return storage;
    }

    @Override
    public SnapshotInfo getLatestSnapshot() {
        return storage.getLatestSnapshot();
    }

    @Override
    public void notifyLeaderReady() {
        listener.leaderReady();
    }

    @Override
    public void notifyLogFailed(Throwable cause, LogEntryProto failed) {
        listener.logFailed(cause);
    }

    @Override
    public void notifyServerShutdown(RoleInfoProto role, boolean all) {
        listener.shutDown();
    }

    @Override
    public void close() {
        listener.closed();
    }

    static Message message(MessageLite message) {
        ByteString bytes = UnsafeByteOperations.unsafeWrap(message.toByteArray());
        return Message.valueOf(bytes);
    }

    /// The images beside the log, in Ratis' own directory for them.
    private static final class Storage implements StateMachineStorage {
        private Path directory;
        private SnapshotFile digested;
        private MD5Hash digest;

        @Override
        public void init(RaftStorage raftStorage) throws IOException {
            directory = raftStorage.getStorageDir().getStateMachineDir().toPath();
            Files.createDirectories(directory);
        }

        private SnapshotFile latest() throws IOException {
            List<SnapshotFile> all = SnapshotFile.list(directory);
            return all.isEmpty() ? null : all.getLast();
        }

        @Override
        public synchronized SnapshotInfo getLatestSnapshot() {
            try {
                var latest = latest();
                if (latest == null) return null;
                if (!latest.equals(digested)) {
                    digest = MD5FileUtil.computeMd5ForFile(latest.path().toFile());
                    digested = latest;
                }
                return new SingleFileSnapshotInfo(new FileInfo(latest.path(), digest), latest.term(), latest.index());
            } catch (IOException e) {
                throw new JournalException("cannot look for journal images in " + directory, e);
            }
        }

        @Override
        public void format() {}

        /// The newest image is all that recovery reads, and it was fsynced before it got its name.
        @Override
        public void cleanupOldSnapshots(SnapshotRetentionPolicy policy) throws IOException {
            var all = SnapshotFile.list(directory);
            for (int i = 0; i < all.size() - 1; i++) Files.deleteIfExists(all.get(i).path());
        }
    }
}
