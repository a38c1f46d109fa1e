package dev.cairn.quorum.journal;

import dev.cairn.proto.JournalAppend;
import dev.cairn.proto.JournalCarried;
import dev.cairn.proto.JournalEntry;
import dev.cairn.proto.JournalReply;
import dev.cairn.proto.JournalReply.Outcome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The short way into a single slot's journal. Ratis needs five threads one after the other for an entry, each of which has
/// to be woken: on a fast disk that is several times what the fsync costs. So events are written to the [FrontLog] and
/// fsynced by the thread that brings them, acknowledged then, and handed on to Ratis in the background, many in one entry.
///
///     appended --[front log fsynced]--> acknowledged --[handed on: Ratis' log fsynced, applied]--> may be overwritten here
///
/// Nothing else changes: Ratis' log remains the journal, from which its state, images and other slots come.
///
/// * What is acknowledged is never refused later: an append is taken only with the epoch and the sequence number that
///   Ratis' state would take, as learned from the writer's claim. From the moment that a new claim is asked for until its
///   answer, appends take Ratis' way, where the claim decides.
/// * Claims and everything that reads the state first wait until all that was acknowledged has been handed on ([#handedOn]).
/// * After a crash, [#recover] hands on what the front log has and Ratis has not, before anything else happens.
///
/// Commits may carry file data ([CarriedData]). It stays here: only events are handed on. A record is needed until its events
/// have been handed on *and* its data is on the medium of the data device. That is flushed in the background when half a
/// file of the log waits for it, and by an append only when there is no room otherwise.
///
/// History that goes wrong without the second rule: an event is acknowledged, the server restarts, claims and replays from
/// Ratis' state, which has not got it yet; the new server gives the same blocks to somebody else.
final class FrontLane implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FrontLane.class);
    /// How long events gather before they are handed on; so much makes it happen at once.
    private static final long GATHER_MILLIS = 100;
    private static final int GATHER_BYTES = 512 << 10, HAND_ON_BYTES_MAX = 1 << 20;
    private static final int PENDING_BYTES_MAX = FrontLog.FILE_BYTES / 2;

    private record Tail(long epoch, long highest) {}

    private record Acknowledged(long number, JournalEntry entry) {}

    private record Awaiting(long number, CompletableFuture<Void> done) {}

    private final FrontLog log;
    private final CarriedData.Device data;
    private final Function<JournalEntry, CompletableFuture<JournalReply>> ratis;
    private final Consumer<Throwable> onFailure;
    private final Map<String, Tail> tails = new HashMap<>();
    private final ArrayDeque<Acknowledged> queue = new ArrayDeque<>();
    private final List<Awaiting> waiters = new ArrayList<>();
    private int queuedBytes;
    private long handedOn;
    /// The first record whose data may not be on the medium, 0 when there is none; the last one that carries any; and bytes
    /// written to the log since the first.
    private long dataPending, lastCarrying, pendingBytes;
    /// The flush in the background; null when there is none.
    private CompletableFuture<Void> flushing;
    private boolean handing;
    private boolean gathering;
    private Throwable failure;

    /// @param data      null when nobody has data to carry: what is found is left as it is
    /// @param ratis     submits an entry and answers when it has been applied
    /// @param onFailure hears why this lane, and with it the journal, takes nothing any more
    FrontLane(Path directory, CarriedData.Device data, Function<JournalEntry, CompletableFuture<JournalReply>> ratis, Consumer<Throwable> onFailure)
            throws IOException {
        this.log = new FrontLog(directory);
        this.data = data;
        this.ratis = ratis;
        this.onFailure = onFailure;
        handedOn = log.last();
    }

    static JournalEntry withoutData(JournalEntry entry) {
        if (entry.getAppend().getCarriedCount() == 0) return entry;
        return entry.toBuilder().setAppend(entry.getAppend().toBuilder().clearCarried()).build();
    }

    static boolean carries(JournalEntry entry) {
        for (var carried : entry.getAppend().getCarriedList()) if (carried.getDataCount() > 0) return true;
        return false;
    }

    /// Hands on what `state`, which has everything of Ratis' log, lacks.
    CompletableFuture<Void> recover(JournalState state) {
        synchronized (this) {
            var acknowledged = log.takeFound();
            if (!acknowledged.isEmpty()) handedOn = acknowledged.getFirst().number() - 1;
            restoreData(acknowledged);
            for (var found : acknowledged) {
                var append = found.entry().getAppend();
                long highest = state.highestSequenceNr(found.entry().getPersistenceId());
                var lacking = append.getEventsList().stream().filter(event -> event.getSequenceNr() > highest).toList();
                enqueue(found.number(), found.entry().toBuilder()
                        .setAppend(append.toBuilder().clearEvents().clearCarried().addAllEvents(lacking)).build());
            }
            // The mark of a clean end has no events.
            long missing = queue.stream().filter(one -> one.entry.getAppend().getEventsCount() > 0).count();
            if (missing > 0) LOG.info("{} journal entries were fsynced but not yet in Ratis' log", missing);
        }
        return handedOn();
    }

    // Before anybody uses the device: no mount is registered before the server has claimed, and that waits for this.
    private void restoreData(List<FrontLog.Found> acknowledged) {
        if (data == null) return;
        var carried = new CarriedData();
        for (var found : acknowledged) found.entry().getAppend().getCarriedList().forEach(carried::add);
        if (!carried.isEmpty()) LOG.info("file data that the journal carried is written again");
        toDevice(() -> carried.writeTo(data));
    }

    /// The writer's claim is on its way: until [#claimed], its stream's appends take the long way.
    synchronized void claiming(String persistenceId) {
        tails.remove(persistenceId);
    }

    synchronized void claimed(String persistenceId, JournalReply reply) {
        tails.put(persistenceId, new Tail(reply.getEpoch(), reply.getHighestSequenceNr()));
    }

    /// Blocks for one fsync in the common case. Events only; everything else has to wait for [#handedOn] and go to Ratis.
    CompletableFuture<JournalReply> append(JournalEntry entry) {
        var append = entry.getAppend();
        synchronized (this) {
            if (failure != null) return CompletableFuture.failedFuture(failure);
            if (data == null && carries(entry)) return CompletableFuture.failedFuture(
                    new JournalException("a journal that knows no data device was given file data to carry"));
            var id = entry.getPersistenceId();
            var tail = tails.get(id);
            if (tail != null && follows(append, tail) && entry.getSerializedSize() <= FrontLog.ENTRY_BYTES_MAX) {
                long number;
                try {
                    number = write(entry);
                } catch (IOException | RuntimeException e) {
                    fail(e);
                    return CompletableFuture.failedFuture(e);
                }
                if (number != 0) {
                    long highest = append.getEvents(append.getEventsCount() - 1).getSequenceNr();
                    tails.put(id, new Tail(tail.epoch, highest));
                    enqueue(number, withoutData(entry));
                    if (queuedBytes >= GATHER_BYTES) handOn();
                    else gather();
                    return CompletableFuture.completedFuture(JournalReply.newBuilder().setOutcome(Outcome.DONE)
                            .setEpoch(tail.epoch).setHighestSequenceNr(highest).build());
                }
            }
        }
        return handedOn().thenCompose(_ -> {
            flushForRatis(entry);
            return ratis.apply(withoutData(entry));
        }).thenApply(reply -> {
            synchronized (this) {
                tails.computeIfPresent(entry.getPersistenceId(), (_, tail) -> tail.epoch == reply.getEpoch()
                        ? new Tail(tail.epoch, Math.max(tail.highest, reply.getHighestSequenceNr())) : tail);
            }
            return reply;
        });
    }

    private long write(JournalEntry entry) throws IOException {
        if (mustFlush(entry)) flushData();
        for (var carried : entry.getAppend().getCarriedList()) if (carried.getFlushed()) durableUpTo(log.last());
        long number = log.append(entry, done());
        if (number == 0 && dataPending != 0) {
            flushData();
            number = log.append(entry, done());
        }
        if (number != 0 && carries(entry) && !flushesFirst(entry)) {
            lastCarrying = number;
            if (dataPending == 0) dataPending = number;
        }
        if (number != 0 && dataPending != 0 && (pendingBytes += entry.getSerializedSize()) >= PENDING_BYTES_MAX) flushSoon();
        return number;
    }

    // What records up to this number carry is on the medium.
    private void durableUpTo(long number) {
        if (dataPending == 0 || dataPending > number) return;
        dataPending = lastCarrying > number ? number + 1 : 0;
        pendingBytes = 0;
    }

    // What a record carries was in the device before the record was written, so a flush from now on covers all there are.
    private void flushSoon() {
        if (flushing != null) return;
        long upTo = log.last();
        // On a thread of its own: a disk may take its time, and others wait for the common pool's.
        flushing = CompletableFuture.runAsync(() -> toDevice(data::flush), FrontLane::onNewThread);
        flushing.whenComplete((_, e) -> {
            if (e != null) fail(e instanceof CompletionException ? e.getCause() : e);
            synchronized (this) {
                flushing = null;
                if (e == null) durableUpTo(upTo);
            }
        });
    }

    private boolean mustFlush(JournalEntry entry) {
        return flushesFirst(entry) && (dataPending != 0 || carries(entry));
    }

    private static boolean flushesFirst(JournalEntry entry) {
        for (var carried : entry.getAppend().getCarriedList()) if (carried.getFlushFirst()) return true;
        return false;
    }

    // Records up to it are needed no more.
    private long done() {
        return dataPending == 0 ? handedOn : Math.min(handedOn, dataPending - 1);
    }

    private static void onNewThread(Runnable work) {
        Thread.ofPlatform().daemon().name("cairn-front-flush").start(work);
    }

    private void flushData() {
        toDevice(data::flush);
        durableUpTo(log.last());
    }

    // A device forgets what it could not write, so flushing it again would mean nothing; opened anew it is told once more.
    private static void toDevice(Runnable work) {
        try {
            work.run();
        } catch (UncheckedIOException e) {
            throw new JournalException(("file data that the journal carries cannot be made durable on its device: %s. Check the device, "
                    + "then stop and start the node: the data is written again").formatted(e.getMessage()), e);
        }
    }

    // Ratis' log carries no data, so it is flushed, and a record of its own says so: what the entry allows others to do must
    // not be undone by data that was carried before it.
    private synchronized void flushForRatis(JournalEntry entry) {
        if (!carries(entry) && !(flushesFirst(entry) && dataPending != 0)) return;
        flushData();
        var mark = JournalEntry.newBuilder().setAppend(JournalAppend.newBuilder()
                .addCarried(JournalCarried.newBuilder().setFlushed(true))).build();
        try {
            long number = log.append(mark, done());
            if (number == 0) throw new IOException("the front log has no room");
            enqueue(number, withoutData(mark));
            gather();
        } catch (IOException e) {
            fail(e);
            throw new JournalException("the front log could not be written", e);
        }
    }

    /// Whether Ratis' state would take it as new. What it would refuse, or knows already, is for it to say.
    private static boolean follows(JournalAppend append, Tail tail) {
        if (append.getEpoch() != tail.epoch || append.getEventsCount() == 0) return false;
        long next = tail.highest + 1;
        for (var event : append.getEventsList()) if (event.getSequenceNr() != next++) return false;
        return true;
    }

    /// Done when everything acknowledged so far is in Ratis' log and applied.
    CompletableFuture<Void> handedOn() {
        synchronized (this) {
            if (failure != null) return CompletableFuture.failedFuture(failure);
            if (handedOn >= last()) return CompletableFuture.completedFuture(null);
            var done = new CompletableFuture<Void>();
            waiters.add(new Awaiting(last(), done));
            handOn();
            return done;
        }
    }

    private long last() {
        return queue.isEmpty() ? handing ? log.last() : handedOn : queue.getLast().number;
    }

    private void enqueue(long number, JournalEntry entry) {
        queue.add(new Acknowledged(number, entry));
        queuedBytes += entry.getSerializedSize();
    }

    private void gather() {
        if (gathering) return;
        gathering = true;
        CompletableFuture.delayedExecutor(GATHER_MILLIS, TimeUnit.MILLISECONDS).execute(() -> {
            synchronized (this) {
                gathering = false;
                if (failure == null) handOn();
            }
        });
    }

    // One Raft entry at a time, so that they arrive in order.
    private void handOn() {
        if (handing || queue.isEmpty()) return;
        handing = true;
        var first = queue.peek().entry;
        var append = JournalAppend.newBuilder().setEpoch(first.getAppend().getEpoch());
        long number = 0;
        for (int bytes = 0; !queue.isEmpty() && bytes < HAND_ON_BYTES_MAX; ) {
            var next = queue.peek().entry;
            if (!next.getPersistenceId().equals(first.getPersistenceId())
                    || next.getAppend().getEpoch() != append.getEpoch()) break;
            number = queue.poll().number;
            bytes += next.getSerializedSize();
            queuedBytes -= next.getSerializedSize();
            append.addAllEvents(next.getAppend().getEventsList());
        }
        long handed = number;
        if (append.getEventsCount() == 0) {
            handed(handed);
            return;
        }
        ratis.apply(first.toBuilder().setAppend(append).build()).whenComplete((reply, e) -> {
            if (e != null) fail(e);
            else if (reply.getOutcome() != Outcome.DONE) fail(new JournalException(
                    "the journal refuses events that were acknowledged (%s): %d of %s".formatted(reply.getOutcome(),
                            append.getEvents(0).getSequenceNr(), first.getPersistenceId())));
            else handed(handed);
        });
    }

    private void handed(long upTo) {
        var done = new ArrayList<CompletableFuture<Void>>();
        synchronized (this) {
            handing = false;
            handedOn = upTo;
            waiters.removeIf(waiter -> waiter.number <= upTo && done.add(waiter.done));
            if (!waiters.isEmpty() || queuedBytes >= GATHER_BYTES) handOn();
            else if (!queue.isEmpty()) gather();
        }
        done.forEach(future -> future.complete(null));
    }

    private void fail(Throwable cause) {
        var done = new ArrayList<CompletableFuture<Void>>();
        synchronized (this) {
            if (failure != null) return;
            failure = cause;
            waiters.forEach(waiter -> done.add(waiter.done));
            waiters.clear();
        }
        onFailure.accept(cause);
        done.forEach(future -> future.completeExceptionally(cause));
    }

    /// What has not been handed on stays in the front log, for the next [#recover].
    @Override
    public synchronized void close() throws IOException {
        // The device is closed next. What became of the flush is told by its own end.
        if (flushing != null) flushing.exceptionally(_ -> null).join();
        try {
            if (failure == null && handedOn == log.last() && handedOn > 0) sayDone();
        } finally {
            if (failure == null) failure = new JournalException("the journal is closed");
            log.close();
        }
    }

    // After a clean end nothing of it is needed, and damage to it is none.
    private void sayDone() throws IOException {
        if (dataPending != 0) flushData();
        log.append(JournalEntry.newBuilder().setAppend(JournalAppend.getDefaultInstance()).build(), log.last());
    }
}
