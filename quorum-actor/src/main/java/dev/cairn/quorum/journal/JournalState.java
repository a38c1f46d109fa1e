package dev.cairn.quorum.journal;

import com.google.protobuf.ByteString;
import dev.cairn.proto.JournalAppend;
import dev.cairn.proto.JournalDeleteSnapshots;
import dev.cairn.proto.JournalEntry;
import dev.cairn.proto.JournalEvent;
import dev.cairn.proto.JournalImage;
import dev.cairn.proto.JournalPartialSnapshot;
import dev.cairn.proto.JournalReply;
import dev.cairn.proto.JournalReply.Outcome;
import dev.cairn.proto.JournalSaveSnapshot;
import dev.cairn.proto.JournalSnapshot;
import dev.cairn.proto.JournalStream;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;

/// What the journal holds after some prefix of its log: for each persistence id its writer's epoch, its highest sequence
/// number, and the events and snapshots that nobody has deleted. The same entries in the same order give the same state on
/// every slot; refusing an entry is part of that.
///
/// A complete snapshot drops the events it covers and the snapshots before it: recovery never needs them, and so the state
/// is bounded by what the server's snapshots hold and not by how long the volume has lived.
///
/// Applied by Ratis' updater thread, read by the plugins' threads: every method takes the monitor.
final class JournalState {
    private static final class Stream {
        long epoch;
        long highest;
        final NavigableMap<Long, JournalEvent> events = new TreeMap<>();
        final NavigableMap<Long, JournalSnapshot> snapshots = new TreeMap<>();
        JournalPartialSnapshot.Builder partial;
    }

    private final TreeMap<String, Stream> streams = new TreeMap<>();

    synchronized JournalReply apply(JournalEntry entry) {
        var stream = streams.computeIfAbsent(entry.getPersistenceId(), _ -> new Stream());
        var outcome = switch (entry.getBodyCase()) {
            case CLAIM -> {
                stream.epoch++;
                yield Outcome.DONE;
            }
            case RENEW -> entry.getRenew().getEpoch() == stream.epoch ? Outcome.DONE : Outcome.STALE_EPOCH;
            case APPEND -> append(stream, entry.getAppend());
            case DELETE_EVENTS -> {
                stream.events.headMap(entry.getDeleteEvents().getToSequenceNr(), true).clear();
                yield Outcome.DONE;
            }
            case SAVE_SNAPSHOT -> save(stream, entry.getSaveSnapshot());
            case DELETE_SNAPSHOTS -> {
                stream.snapshots.values().removeIf(selects(entry.getDeleteSnapshots()));
                yield Outcome.DONE;
            }
            // A newer version's entry. Skipping it would make this slot's state differ from the others'.
            case BODY_NOT_SET -> throw new JournalException("the journal holds an entry that this version does not know");
        };
        return JournalReply.newBuilder().setOutcome(outcome).setEpoch(stream.epoch)
                .setHighestSequenceNr(stream.highest).build();
    }

    private static Outcome append(Stream stream, JournalAppend append) {
        if (append.getEpoch() != stream.epoch) return Outcome.STALE_EPOCH;
        var events = append.getEventsList();
        for (int i = 1; i < events.size(); i++)
            if (events.get(i).getSequenceNr() != events.get(i - 1).getSequenceNr() + 1) return Outcome.GAP;
        if (events.isEmpty()) return Outcome.DONE;
        long first = events.getFirst().getSequenceNr();
        if (first > stream.highest + 1) return Outcome.GAP;
        if (first <= stream.highest) {
            // A resend, whose first sending was applied and whose answer was lost. Anything else is another history.
            for (var event : events)
                if (!event.equals(stream.events.get(event.getSequenceNr()))) return Outcome.CONFLICT;
            return Outcome.DONE;
        }
        for (var event : events) stream.events.put(event.getSequenceNr(), event);
        stream.highest = events.getLast().getSequenceNr();
        return Outcome.DONE;
    }

    private static Outcome save(Stream stream, JournalSaveSnapshot save) {
        if (save.getPart() == 0)
            stream.partial = JournalPartialSnapshot.newBuilder().setSequenceNr(save.getSequenceNr())
                    .setTimestamp(save.getTimestamp()).setParts(save.getParts());
        var partial = stream.partial;
        if (partial == null || partial.getSequenceNr() != save.getSequenceNr()
                || partial.getTimestamp() != save.getTimestamp() || partial.getReceivedCount() != save.getPart())
            return Outcome.GAP;
        partial.addReceived(save.getBytes());
        if (partial.getReceivedCount() < partial.getParts()) return Outcome.DONE;
        stream.partial = null;
        stream.snapshots.headMap(save.getSequenceNr(), true).clear();
        stream.events.headMap(save.getSequenceNr(), true).clear();
        stream.snapshots.put(save.getSequenceNr(), JournalSnapshot.newBuilder().setSequenceNr(save.getSequenceNr())
                .setTimestamp(save.getTimestamp()).setBytes(ByteString.copyFrom(partial.getReceivedList())).build());
        return Outcome.DONE;
    }

    private static Predicate<JournalSnapshot> selects(JournalDeleteSnapshots which) {
        return snapshot -> snapshot.getSequenceNr() >= which.getSequenceNrMin()
                && snapshot.getSequenceNr() <= which.getSequenceNrMax()
                && snapshot.getTimestamp() >= which.getTimestampMin()
                && snapshot.getTimestamp() <= which.getTimestampMax();
    }

    synchronized long highestSequenceNr(String persistenceId) {
        var stream = streams.get(persistenceId);
        return stream == null ? 0 : stream.highest;
    }

    synchronized List<JournalEvent> events(String persistenceId, long from, long to) {
        var stream = streams.get(persistenceId);
        if (stream == null || from > to) return List.of();
        return new ArrayList<>(stream.events.subMap(from, true, to, true).values());
    }

    synchronized Optional<JournalSnapshot> latestSnapshot(String persistenceId, JournalDeleteSnapshots among) {
        var stream = streams.get(persistenceId);
        if (stream == null) return Optional.empty();
        return stream.snapshots.descendingMap().values().stream().filter(selects(among)).findFirst();
    }

    synchronized JournalImage image() {
        var image = JournalImage.newBuilder();
        streams.forEach((persistenceId, stream) -> {
            var one = JournalStream.newBuilder().setPersistenceId(persistenceId).setEpoch(stream.epoch)
                    .setHighestSequenceNr(stream.highest).addAllEvents(stream.events.values())
                    .addAllSnapshots(stream.snapshots.values());
            if (stream.partial != null) one.setPartial(stream.partial);
            image.addStreams(one);
        });
        return image.build();
    }

    synchronized void replaceBy(JournalImage image) {
        streams.clear();
        for (var one : image.getStreamsList()) {
            var stream = new Stream();
            stream.epoch = one.getEpoch();
            stream.highest = one.getHighestSequenceNr();
            one.getEventsList().forEach(event -> stream.events.put(event.getSequenceNr(), event));
            one.getSnapshotsList().forEach(snapshot -> stream.snapshots.put(snapshot.getSequenceNr(), snapshot));
            if (one.hasPartial()) stream.partial = one.getPartial().toBuilder();
            streams.put(one.getPersistenceId(), stream);
        }
    }
}
