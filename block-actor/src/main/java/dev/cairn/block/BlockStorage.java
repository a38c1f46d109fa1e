package dev.cairn.block;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves one device. Carries out what [FlushQueue], [DiscardQueue], [DiscardPace] and [FenceTable] decide; the I/O itself
/// runs on the executor it was given, never on the dispatcher. A device error is an answer ([Failed]) and a line in the
/// log, and the actor goes on.
///
/// Who has the device at hand may also use it directly for reads and writes, but then must know by itself that it is
/// not fenced, and must not write to blocks whose [Discard] has not been answered.
public final class BlockStorage {
    private static final Logger LOG = LoggerFactory.getLogger(BlockStorage.class);

    /// On whose behalf I/O is done: a mount and its epoch.
    public record Caller(long rid, long epoch) {}

    public sealed interface Command {}

    /// Makes durable every write acknowledged before this was sent. Those who ask while a flush runs share the next.
    public record Flush(ActorRef<Reply> replyTo) implements Command {}

    /// Reads whole blocks. `into` is native memory of their exact size, not to be touched until the answer.
    public record Read(Caller caller, Extent blocks, MemorySegment into, ActorRef<Reply> replyTo) implements Command {}

    /// Writes whole blocks. `from` is native memory of their exact size, not to be changed until the answer.
    public record Write(Caller caller, Extent blocks, MemorySegment from, ActorRef<Reply> replyTo)
            implements Command {}

    /// Gives freed blocks back to the device, when there is time. They may be written by others than this actor only
    /// after the answer. It is Done even when the device refused or the blocks were needed ([ForgoDiscard]): a discard is a
    /// hint. Who does not care (nobody will ever write there directly) passes the system's ignoreRef.
    public record Discard(List<Extent> extents, ActorRef<Reply> replyTo) implements Command {
        public Discard {
            extents = List.copyOf(extents);
        }
    }

    /// Somebody waits for blocks that are to be discarded: the [Discard] that came last is answered at once, undone. If it has
    /// begun already, it ends as soon as the device can.
    public record ForgoDiscard() implements Command {}

    /// No discard goes on after the answer: those that have not begun are answered undone. For whoever gives the blocks into
    /// other hands next, which might write them before a late discard wipes them.
    public record EndDiscards(ActorRef<Reply> replyTo) implements Command {}

    /// Refuses the mount's requests of this and earlier epochs from now on. Done when those let in before have ended.
    public record Fence(long rid, long epoch, ActorRef<Reply> replyTo) implements Command {}

    /// Ends what runs, closes the device, answers Done and stops. Does not flush.
    public record Close(ActorRef<Reply> replyTo) implements Command {}

    public sealed interface Reply {}

    public record Done() implements Reply {}

    /// The caller is fenced, or the actor is closing. Nothing was done.
    public record Refused(String why) implements Reply {}

    /// The device could not; `why` names device, block and reason.
    public record Failed(String why) implements Reply {}

    // From the executor: `error` is null when it went well.
    private record Transferred(Caller caller, ActorRef<Reply> replyTo, Throwable error) implements Command {}

    private record Flushed(Throwable error) implements Command {}

    private record Discarded(Throwable error) implements Command {}

    private static final Done DONE = new Done();

    @FunctionalInterface
    private interface Work {
        void run() throws DeviceException;
    }

    private final ActorContext<Command> context;
    private final BlockDevice device;
    private final Executor executor;
    private final FlushQueue<ActorRef<Reply>> flushes = new FlushQueue<>();
    private final DiscardQueue<ActorRef<Reply>> discards = new DiscardQueue<>();
    private final DiscardPace pace;
    private final FenceTable<ActorRef<Reply>> fences = new FenceTable<>();
    private final List<Write> heldByDiscard = new ArrayList<>();
    private final List<ActorRef<Reply>> untilDiscarded = new ArrayList<>();
    private int transfers;
    private boolean discardFailureLogged;
    private ActorRef<Reply> closing;

    private BlockStorage(ActorContext<Command> context, BlockDevice device, Executor executor, DiscardPace pace) {
        this.context = context;
        this.device = device;
        this.executor = executor;
        this.pace = pace;
    }

    /// @param executor runs blocking I/O; its threads bound how much goes on at once
    /// @param pace     of this device's discards, told of fsyncs by whoever makes them
    public static Behavior<Command> create(BlockDevice device, Executor executor, DiscardPace pace) {
        return Behaviors.setup(context -> {
            var storage = new BlockStorage(context, device, executor, pace);
            return Behaviors.receive(Command.class).onAnyMessage(storage::on)
                    .onSignal(PostStop.class, _ -> storage.stopped()).build();
        });
    }

    private Behavior<Command> on(Command command) {
        switch (command) {
            case Flush flush -> {
                if (admitted(flush.replyTo) && flushes.ask(flush.replyTo)) startFlush();
            }
            case Read read -> {
                if (admitted(read.replyTo) && admitted(read.caller, read.blocks, read.into, read.replyTo))
                    transfer(read.caller, read.replyTo, () -> device.read(at(read.blocks), read.into));
            }
            case Write write -> {
                if (admitted(write.replyTo) && admitted(write.caller, write.blocks, write.from, write.replyTo))
                    write(write);
            }
            case Discard discard -> {
                if (admitted(discard.replyTo)) {
                    discards.ask(discard.replyTo, discard.extents);
                    startDiscard();
                }
            }
            case ForgoDiscard() -> {
                var who = discards.forgo();
                if (who != null) who.tell(DONE);
                else if (!discards.idle()) pace.hurry();
            }
            case EndDiscards(var replyTo) -> {
                for (ActorRef<Reply> who; (who = discards.forgo()) != null; ) who.tell(DONE);
                if (discards.idle()) replyTo.tell(DONE);
                else {
                    untilDiscarded.add(replyTo);
                    pace.hurry();
                }
            }
            case Fence(long rid, long epoch, var replyTo) -> {
                LOG.info("{}: mount {} is fenced up to epoch {}", device.name(), Long.toHexString(rid), epoch);
                fences.fence(rid, epoch, replyTo).forEach(who -> who.tell(DONE));
                refuseHeld();
            }
            case Close(var replyTo) -> {
                if (admitted(replyTo)) closing = replyTo;
                pace.hurry();
            }
            case Transferred(var caller, var replyTo, var error) -> {
                transfers--;
                replyTo.tell(answer(error));
                fences.leave(caller).forEach(who -> who.tell(DONE));
                startDiscard();
            }
            case Flushed(var error) -> {
                var reply = answer(error);
                var finished = flushes.finished();
                finished.answer().forEach(who -> who.tell(reply));
                if (finished.startNext()) startFlush();
            }
            case Discarded(var error) -> discarded(error);
        }
        return closing != null && idle() ? close() : Behaviors.same();
    }

    private boolean admitted(ActorRef<Reply> replyTo) {
        if (closing == null) return true;
        replyTo.tell(new Refused(device.name() + ": is being closed"));
        return false;
    }

    private boolean admitted(Caller caller, Extent blocks, MemorySegment buffer, ActorRef<Reply> replyTo) {
        if (fences.refuses(caller)) {
            replyTo.tell(fenced(caller));
            return false;
        }
        if (blocks.end() <= device.blocks() && buffer.isNative()
                && buffer.byteSize() == blocks.count() * device.blockBytes()) return true;
        replyTo.tell(new Refused("%s: %d blocks at %d with %d bytes of %s memory; the volume uses %d blocks of %d bytes"
                .formatted(device.name(), blocks.count(), blocks.start(), buffer.byteSize(),
                        buffer.isNative() ? "native" : "heap", device.blocks(), device.blockBytes())));
        return false;
    }

    private Refused fenced(Caller caller) {
        return new Refused("%s: mount %x is fenced (epoch %d)".formatted(device.name(), caller.rid(), caller.epoch()));
    }

    private long at(Extent blocks) {
        return blocks.start() * device.blockBytes();
    }

    private void write(Write write) {
        if (discards.written(write.blocks)) {
            heldByDiscard.add(write);
            pace.hurry();
        } else transfer(write.caller, write.replyTo, () -> device.write(at(write.blocks), write.from));
    }

    private void transfer(Caller caller, ActorRef<Reply> replyTo, Work work) {
        transfers++;
        fences.enter(caller);
        run(work, error -> new Transferred(caller, replyTo, error));
    }

    private void startFlush() {
        run(device::flush, Flushed::new);
    }

    // When no reads and writes go on, for they have somebody waiting; or when so much has gathered that it must be done.
    private void startDiscard() {
        if (transfers > 0 && closing == null && !discards.overdue()) return;
        var batch = discards.next();
        if (batch == null) return;
        boolean few = discards.few();
        run(() -> {
            DeviceException first = null;
            long most = Math.max(1, device.discardBytesAtOnce() / device.blockBytes());
            for (var extent : batch.extents())
                for (var piece : extent.pieces(most)) {
                    long began = System.nanoTime();
                    try {
                        device.discard(piece);
                    } catch (DeviceException e) {       // the others of the batch may still go well
                        if (first == null) first = e;
                    }
                    pace.rest(System.nanoTime() - began, few);
                }
            if (first != null) throw first;
        }, Discarded::new);
    }

    private void discarded(Throwable error) {
        if (error != null && !discardFailureLogged) {
            discardFailureLogged = true;
            LOG.warn("{}: discard failed, freed blocks keep their space on the device; further failures are not logged",
                    device.name(), error);
        }
        discards.finished().answer().forEach(who -> who.tell(DONE));
        if (discards.idle()) {
            if (closing == null) pace.leisure();
            untilDiscarded.forEach(who -> who.tell(DONE));
            untilDiscarded.clear();
        }
        var held = List.copyOf(heldByDiscard);
        heldByDiscard.clear();
        held.forEach(this::write);
        startDiscard();
    }

    private void refuseHeld() {
        heldByDiscard.removeIf(write -> {
            if (!fences.refuses(write.caller)) return false;
            write.replyTo.tell(fenced(write.caller));
            return true;
        });
    }

    private Reply answer(Throwable error) {
        if (error == null) return DONE;
        if (error instanceof DeviceException) LOG.error("{}", error.getMessage());
        else LOG.error("{}: I/O could not be carried out", device.name(), error);
        return new Failed(error.getMessage() == null ? device.name() + ": " + error : error.getMessage());
    }

    private boolean idle() {
        return transfers == 0 && !flushes.running() && discards.idle() && heldByDiscard.isEmpty();
    }

    // Stopped from outside, without Close: nobody is told, but the device's lock is given back.
    private Behavior<Command> stopped() {
        device.close();
        return Behaviors.same();
    }

    private Behavior<Command> close() {
        device.close();
        closing.tell(DONE);
        return Behaviors.stopped();
    }

    @FunctionalInterface
    private interface Ended {
        Command with(Throwable errorOrNull);
    }

    private void run(Work work, Ended ended) {
        var outcome = new CompletableFuture<Void>();
        context.pipeToSelf(outcome, (_, error) -> ended.with(error));
        try {
            executor.execute(() -> {
                try {
                    work.run();
                    outcome.complete(null);
                } catch (Throwable t) {        // the actor answers and logs it; swallowed here, the asker waits for ever
                    outcome.completeExceptionally(t);
                }
            });
        } catch (RuntimeException rejected) {  // the executor is full or shut down
            outcome.completeExceptionally(rejected);
        }
    }
}
