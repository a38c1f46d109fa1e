package dev.cairn.quorum.journal;

import dev.cairn.proto.JournalAppend;
import dev.cairn.proto.JournalClaim;
import dev.cairn.proto.JournalDeleteEvents;
import dev.cairn.proto.JournalEntry;
import dev.cairn.proto.JournalEvent;
import dev.cairn.proto.JournalReply;
import dev.cairn.proto.ServerEvent;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.apache.pekko.persistence.AtomicWrite;
import org.apache.pekko.persistence.PersistentRepr;
import org.apache.pekko.persistence.journal.japi.AsyncWriteJournal;
import scala.concurrent.Future;
import scala.jdk.javaapi.CollectionConverters;
import scala.jdk.javaapi.FutureConverters;

/// The Pekko Persistence journal plugin `cairn.quorum.journal`. What Pekko hands over at once becomes one Raft entry.
///
/// Reading the highest sequence number is what every persistent actor starts with: it claims the stream for this plugin, so
/// that an older writer on another node is refused from then on. Replays are read from this slot's memory afterwards.
public final class RatisWriteJournal extends AsyncWriteJournal {
    private final JournalExtension extension = JournalExtension.of(context().system());
    private final Persisted persisted = new Persisted(context().system());

    private static <T> Future<T> future(CompletionStage<T> stage) {
        return FutureConverters.asScala(stage);
    }

    @Override
    public Future<Iterable<Optional<Exception>>> doAsyncWriteMessages(Iterable<AtomicWrite> writes) {
        var entries = new LinkedHashMap<String, JournalAppend.Builder>();
        int count = 0;
        for (var write : writes) {
            count++;
            var append = entries.computeIfAbsent(write.persistenceId(), _ -> JournalAppend.newBuilder());
            for (var event : CollectionConverters.asJava(write.payload()))
                append.addEvents(JournalEvent.newBuilder().setSequenceNr(event.sequenceNr())
                        .setWriterUuid(event.writerUuid()).setTimestamp(event.timestamp())
                        .setObject(persisted.toBytes(withoutData(event.payload(), append), event.manifest())));
        }
        int answers = count;
        return future(extension.journal().thenCompose(journal -> {
            var submitted = new ArrayList<CompletableFuture<Void>>();
            entries.forEach((id, append) -> submitted.add(journal.submit(JournalEntry.newBuilder().setPersistenceId(id)
                    .setAppend(append.setEpoch(journal.claimed(id))).build()).thenAccept(reply -> accepted(id, append, reply))));
            return CompletableFuture.allOf(submitted.toArray(CompletableFuture[]::new));
        }).thenApply(_ -> {
            var none = new ArrayList<Optional<Exception>>(answers);
            for (int i = 0; i < answers; i++) none.add(Optional.empty());
            return none;
        }));
    }

    /// File data is of use only until the data device is flushed: it stands beside the events, not in them.
    private static Object withoutData(Object payload, JournalAppend.Builder append) {
        var carried = payload instanceof ServerEvent event ? CarriedData.of(event) : null;
        if (carried == null) return payload;
        append.addCarried(carried);
        var event = (ServerEvent) payload;
        return event.hasLogRecorded() ? event.toBuilder().setLogRecorded(event.getLogRecorded().toBuilder()
                .clearData().clearDataFlushed().clearDataFlushFirst()).build() : event;
    }

    /// A refusal fails the whole write, which stops the actor: its view of the world is not the journal's.
    private static void accepted(String id, JournalAppend.Builder append, JournalReply reply) {
        switch (reply.getOutcome()) {
            case DONE -> {}
            case STALE_EPOCH -> throw new JournalException(("%s was claimed by a later writer: epoch %d, this one has %d. "
                    + "It stops").formatted(id, reply.getEpoch(), append.getEpoch()));
            case GAP, CONFLICT, UNSPECIFIED, UNRECOGNIZED -> throw new JournalException(
                    "%s wanted to write event %d, the journal is at %d (%s). It stops and recovers".formatted(id,
                            append.getEventsCount() == 0 ? 0 : append.getEvents(0).getSequenceNr(),
                            reply.getHighestSequenceNr(), reply.getOutcome()));
        }
    }

    @Override
    public Future<Void> doAsyncDeleteMessagesTo(String persistenceId, long toSequenceNr) {
        return future(extension.journal().thenCompose(journal -> journal.submit(JournalEntry.newBuilder()
                .setPersistenceId(persistenceId)
                .setDeleteEvents(JournalDeleteEvents.newBuilder().setToSequenceNr(toSequenceNr)).build()))
                .thenApply(_ -> null));
    }

    @Override
    public Future<Long> doAsyncReadHighestSequenceNr(String persistenceId, long fromSequenceNr) {
        return future(extension.journal().thenCompose(journal -> journal.claim(JournalEntry.newBuilder()
                .setPersistenceId(persistenceId).setClaim(JournalClaim.getDefaultInstance()).build()))
                .thenApply(JournalReply::getHighestSequenceNr));
    }

    @Override
    public Future<Void> doAsyncReplayMessages(String persistenceId, long fromSequenceNr, long toSequenceNr, long max,
            Consumer<PersistentRepr> replay) {
        return future(extension.journal().thenApplyAsync(journal -> {
            journal.state().events(persistenceId, fromSequenceNr, toSequenceNr).stream().limit(max).forEach(event ->
                    replay.accept(PersistentRepr.apply(persisted.toObject(event.getObject()), event.getSequenceNr(),
                            persistenceId, event.getObject().getEventManifest(), false, null, event.getWriterUuid())
                            .withTimestamp(event.getTimestamp())));
            return null;
        }));
    }
}
