package dev.cairn.quorum.journal;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnsafeByteOperations;
import dev.cairn.proto.JournalDeleteSnapshots;
import dev.cairn.proto.JournalEntry;
import dev.cairn.proto.JournalReply;
import dev.cairn.proto.JournalSaveSnapshot;
import dev.cairn.proto.JournalSnapshot;
import dev.cairn.proto.PersistedObject;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.persistence.SelectedSnapshot;
import org.apache.pekko.persistence.SnapshotMetadata;
import org.apache.pekko.persistence.SnapshotSelectionCriteria;
import org.apache.pekko.persistence.snapshot.japi.SnapshotStore;
import scala.concurrent.Future;
import scala.jdk.javaapi.FutureConverters;

/// The Pekko Persistence snapshot plugin `cairn.quorum.snapshot`, in the same log as the events. Saving one drops the
/// events it covers and older snapshots.
public final class RatisSnapshotStore extends SnapshotStore {
    private static final int PART_BYTES = 1 << 20;

    private final JournalExtension extension = JournalExtension.of(context().system());
    private final Persisted persisted = new Persisted(context().system());

    private static <T> Future<T> future(CompletionStage<T> stage) {
        return FutureConverters.asScala(stage);
    }

    private static JournalDeleteSnapshots among(SnapshotSelectionCriteria criteria) {
        return JournalDeleteSnapshots.newBuilder().setSequenceNrMin(Math.max(0, criteria.minSequenceNr()))
                .setSequenceNrMax(criteria.maxSequenceNr()).setTimestampMin(criteria.minTimestamp())
                .setTimestampMax(criteria.maxTimestamp()).build();
    }

    /// Recovery reads the snapshot before it claims the stream: on a slot that lags it is an older one, and the events that
    /// followed it may be gone. So a read waits until this slot has applied what the group had acknowledged.
    @Override
    public Future<Optional<SelectedSnapshot>> doLoadAsync(String persistenceId, SnapshotSelectionCriteria criteria) {
        return future(extension.journal().thenCompose(journal -> journal.caughtUp(persistenceId).thenApply(_ ->
                journal.state().latestSnapshot(persistenceId, among(criteria)).map(snapshot ->
                        SelectedSnapshot.create(new SnapshotMetadata(persistenceId, snapshot.getSequenceNr(),
                                snapshot.getTimestamp()), persisted.toObject(parse(snapshot)))))));
    }

    private static PersistedObject parse(JournalSnapshot snapshot) {
        try {
            return PersistedObject.parseFrom(snapshot.getBytes());
        } catch (InvalidProtocolBufferException e) {
            throw new JournalException("snapshot " + snapshot.getSequenceNr() + " cannot be parsed", e);
        }
    }

    @Override
    public Future<Void> doSaveAsync(SnapshotMetadata metadata, Object snapshot) {
        var bytes = persisted.toBytes(snapshot, "").toByteArray();
        int parts = Math.max(1, Math.ceilDiv(bytes.length, PART_BYTES));
        return future(extension.journal().thenCompose(journal -> savePart(journal, metadata, bytes, 0, parts)));
    }

    private static CompletionStage<Void> savePart(RatisJournal journal, SnapshotMetadata metadata, byte[] bytes, int part,
            int parts) {
        int from = part * PART_BYTES;
        var save = JournalSaveSnapshot.newBuilder().setSequenceNr(metadata.sequenceNr()).setTimestamp(metadata.timestamp())
                .setPart(part).setParts(parts).setBytes(UnsafeByteOperations.unsafeWrap(bytes, from,
                        Math.min(PART_BYTES, bytes.length - from)));
        return journal.submit(JournalEntry.newBuilder().setPersistenceId(metadata.persistenceId()).setSaveSnapshot(save)
                .build()).thenCompose(reply -> {
            if (reply.getOutcome() != JournalReply.Outcome.DONE) return CompletableFuture.failedFuture(
                    new JournalException("snapshot %d of %s: part %d of %d was refused (%s)".formatted(metadata.sequenceNr(),
                            metadata.persistenceId(), part, parts, reply.getOutcome())));
            return part + 1 == parts ? CompletableFuture.completedFuture(null)
                    : savePart(journal, metadata, bytes, part + 1, parts);
        });
    }

    @Override
    public Future<Void> doDeleteAsync(SnapshotMetadata metadata) {
        return delete(metadata.persistenceId(), JournalDeleteSnapshots.newBuilder()
                .setSequenceNrMin(metadata.sequenceNr()).setSequenceNrMax(metadata.sequenceNr())
                .setTimestampMin(0).setTimestampMax(Long.MAX_VALUE).build());
    }

    @Override
    public Future<Void> doDeleteAsync(String persistenceId, SnapshotSelectionCriteria criteria) {
        return delete(persistenceId, among(criteria));
    }

    private Future<Void> delete(String persistenceId, JournalDeleteSnapshots which) {
        return future(extension.journal().thenCompose(journal -> journal.submit(JournalEntry.newBuilder()
                .setPersistenceId(persistenceId).setDeleteSnapshots(which).build())).thenApply(_ -> null));
    }
}
