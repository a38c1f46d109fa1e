package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.block.DeviceException;
import dev.cairn.filesystem.DataPlan;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.OperationKind;
import dev.cairn.filesystem.Outcome;
import dev.cairn.filesystem.Time;
import dev.cairn.transaction.Coordinator;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.NotReady;
import dev.cairn.transaction.Tx;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One kernel request on its way from its bytes to its reply, and the operation that the coordinator runs for it. Used
/// again and again; it belongs to one thread at a time. The bytes themselves are [RequestSlot]'s.
///
///     reader:  read -> begin -> submit -+-> ended inside submit -> I/O, reply -> next read into the same slot
///                                       +-> not yet: parked -> next read into another slot
///     later, where the operation ends:  reply, or hand to an I/O thread -> I/O, reply -> slot back to the pool
///
/// Who goes on is settled by one compare-and-set of [#state]: the submitter parks, or the operation's end comes first.
/// Whatever may block or copies much is never done on the coordinator's thread.
final class FuseRequest extends RequestSlot {
    private static final Logger log = LoggerFactory.getLogger(FuseRequest.class);

    /// What the operation being made is for.
    enum Stage { ANSWER, COMMIT, PLAN_READ, PLAN_WRITE, FINISH_WRITE, ABANDON_WRITE, PLAN_ZERO, PLAN_COPY, COPY_HOLE }

    private enum Next { ENDED, SUBMIT, ELSEWHERE }

    /// How long the thread at hand may be kept: the coordinator's not at all, a reader for what the page cache does.
    private enum On { COORDINATOR, READER, IO }

    /// One request copies no more, so that who asked for a copy of everything can be interrupted: the kernel asks on.
    private static final long COPY_BYTES_MAX = 64 << 20;

    private static final int RUNNING = 0, OPERATION_ENDED = 1, PARKED = 2;

    private final FuseSession session;
    private final DataPlan plan = new DataPlan();
    private final Coordinator.Commit commit = new Coordinator.Commit(this::committed);
    private final Runnable goOn = this::goOnElsewhere;
    private final AtomicInteger state = new AtomicInteger(RUNNING);

    private long beganAt;
    Time now;

    // Where it is.
    private Stage stage;
    private OperationKind kind;
    /// Counted by the session as being away from its reader.
    private boolean away;
    /// Where [#goOn] takes up: true after an operation, false before one.
    private boolean afterOperation;
    private boolean answered, inGate;
    private Errno error;

    // What the attempt that just ran says; valid when it was the last one. Taken note of in [#done], never before.
    long linked, unlinked, truncated;
    Outcome outcome;
    long stepBytes;

    /// Bytes of a write, copy or fallocate that are done by earlier operations.
    long progress;
    private Errno writeError;
    /// Where a write or copy goes to, where its first byte belongs, and how many bytes there are.
    private long toNode, toOffset, toBytes;
    /// What is in the payload: the bytes from one progress to the other. Of a write everything, of a copy a part.
    private long partFrom, partEnd;
    /// Of a copy: where in `node` its first byte is. The arguments lie where the payload goes.
    private long fromOffset;
    private boolean killPriv;

    FuseRequest(FuseSession session) {
        super(session.encoder, session.metrics);
        this.session = session;
    }

    // ---- on the reader's thread

    /// Takes the request that was just read as far as it goes without waiting.
    ///
    /// @return true when it has ended; false when somebody else has taken it over, and it must not be touched any more
    boolean begin(long bytes) {
        beganAt = System.nanoTime();
        if (bytes < IN_HEADER_BYTES) {
            session.metrics.malformed();
            log.warn("the kernel sent a request of {} bytes, which is less than its header", bytes);
            return true;
        }
        boolean whole = readHeader(bytes);
        session.metrics.started();
        error = null;
        answered = inGate = false;
        bodyBytes = 0;
        progress = 0;
        outcome = Outcome.DONE;
        forgetAttempt();
        boolean ended = whole ? dispatch() : malformed();
        if (ended) back();
        return ended;
    }

    private boolean malformed() {
        session.metrics.malformed();
        log.warn("malformed {} request for inode {}: {} bytes of arguments", FuseProtocol.name(opcode), node,
                argumentBytes());
        return isOneWay(opcode) ? endWithoutReply() : answer(Errno.EIO);
    }

    static boolean isOneWay(int opcode) {
        return opcode == FORGET || opcode == BATCH_FORGET || opcode == INTERRUPT || opcode == NOTIFY_REPLY;
    }

    private boolean dispatch() {
        switch (opcode) {
            case FORGET -> {
                if (has(FORGET_BYTES)) forget(node, argU64(FORGET_COUNT));
                else return malformed();
                return endWithoutReply();
            }
            case BATCH_FORGET -> {
                if (!forgetBatch()) return malformed();
                return endWithoutReply();
            }
            // An interrupted request goes on and is answered: nothing of ours waits for long without a name.
            case INTERRUPT, NOTIFY_REPLY -> {
                return endWithoutReply();
            }
            // The first ENOSYS decides for the life of the mount, and spares a round trip on each open and close.
            case OPEN, OPENDIR -> {
                if (opcode == OPEN ? session.negotiated().zeroMessageOpen() : session.negotiated().zeroMessageOpendir())
                    return answer(Errno.ENOSYS);
                bodyBytes = openReply(0);
                return answer(null);
            }
            case RELEASE, RELEASEDIR, DESTROY -> {
                return answer(null);
            }
            case FSYNC, FSYNCDIR, SYNCFS -> stage = Stage.COMMIT;
            case READ -> {
                if (!has(IO_BYTES)) return malformed();
                stage = Stage.PLAN_READ;
            }
            case WRITE -> {
                long size = has(IO_BYTES) ? Integer.toUnsignedLong(argU32(IO_SIZE)) : -1;
                if (size < 0 || size > InitNegotiation.IO_BYTES_MAX || !has(IO_BYTES + (int) size)) return malformed();
                now = now();
                writeError = null;
                if (size == 0) return endWrite();
                toNode = node;
                toOffset = argU64(IO_OFFSET);
                partFrom = 0;
                toBytes = partEnd = size;
                killPriv = (argU32(IO_FLAGS) & WRITE_KILL_SUIDGID) != 0;
                planWrite();
                inGate = true;
                if (!session.gate.enter(toNode, this)) return false;
            }
            case COPY_FILE_RANGE, COPY_FILE_RANGE_64 -> {
                if (!has(COPY_BYTES)) return malformed();
                if (argU64(COPY_FLAGS) != 0 || argU64(COPY_LENGTH) < 0) return answer(Errno.EINVAL);
                now = now();
                writeError = null;
                fromOffset = argU64(COPY_FROM_OFFSET);
                toNode = argU64(COPY_TO_NODE);
                toOffset = argU64(COPY_TO_OFFSET);
                toBytes = Math.min(argU64(COPY_LENGTH), COPY_BYTES_MAX);
                // The kernel does not tell here whether the caller may keep suid and sgid; root alone surely may.
                killPriv = uid != 0;
                if (toBytes == 0) return endWrite();
                planCopy();
                inGate = true;
                if (!session.gate.enter(toNode, this)) return false;
            }
            default -> {
                kind = RequestDecoder.kind(this);
                if (kind == null) return answer(Errno.ENOSYS);
                stage = Stage.ANSWER;
                if (kind.hold() != Hold.READ) now = now();
                if (opcode == FALLOCATE && has(FALLOCATE_BYTES)
                        && (argU32(FALLOCATE_MODE) & (FileSystem.FALLOC_PUNCH_HOLE | FileSystem.FALLOC_ZERO_RANGE)) != 0) {
                    // The zeros at the ends of the range go to the device first; no write may come between.
                    stage = Stage.PLAN_ZERO;
                    kind = OperationKind.PLAN_ZERO;
                    toNode = node;
                    inGate = true;
                    if (!session.gate.enter(toNode, this)) return false;
                }
            }
        }
        return goOn(On.READER);
    }

    private boolean forgetBatch() {
        if (!has(BATCH_FORGET_BYTES)) return false;
        long count = Integer.toUnsignedLong(argU32(BATCH_FORGET_COUNT));
        if (argumentBytes() < BATCH_FORGET_BYTES + count * FORGET_ONE_BYTES) return false;
        for (long i = 0, at = BATCH_FORGET_BYTES; i < count; i++, at += FORGET_ONE_BYTES)
            forget(argU64(at + FORGET_ONE_NODE), argU64(at + FORGET_ONE_COUNT));
        return true;
    }

    private void forget(long ino, long times) {
        if (session.known.forget(ino, times)) session.reclaimer.deleteHere(ino);
    }

    // ---- operations, one after the other, until there is an answer

    /// @return true when the request has ended; false when it is away
    private boolean goOn(On thread) {
        for (;;) {
            if (!operate()) return false;
            switch (afterOperation(thread)) {
                case ENDED -> {
                    return true;
                }
                case ELSEWHERE -> {
                    goOnElsewhere(true);
                    return false;
                }
                case SUBMIT -> {}
            }
        }
    }

    /// @return true when the operation has ended; false when it has not yet, and whoever ends it goes on
    private boolean operate() {
        state.set(RUNNING);
        try {
            session.submitter.submit(stage == Stage.COMMIT ? commit : this);
        } catch (RuntimeException e) {
            unexpected(e);
            // Nobody else will end it, unless it got through before the exception: then that counts.
            if (state.compareAndSet(RUNNING, OPERATION_ENDED)) error = Errno.EIO;
        }
        if (state.get() == OPERATION_ENDED) return true;
        handOver();
        return !state.compareAndSet(RUNNING, PARKED);
    }

    /// The operation ended, on whatever thread.
    private void operationEnded() {
        if (state.compareAndSet(RUNNING, OPERATION_ENDED)) return;       // inside submit, or while it returns
        switch (afterOperation(On.COORDINATOR)) {
            case ENDED -> release();
            case ELSEWHERE -> goOnElsewhere(true);
            // Not from here: this operation's end has not returned to the coordinator yet.
            case SUBMIT -> goOnElsewhere(false);
        }
    }

    private void goOnElsewhere(boolean afterOperation) {
        this.afterOperation = afterOperation;
        handOver();
        session.background.execute(goOn);
    }

    private void goOnElsewhere() {
        var next = afterOperation ? afterOperation(On.IO) : Next.SUBMIT;        // an I/O thread is never sent elsewhere
        if (next == Next.ENDED || goOn(On.IO)) release();
    }

    /// Called by [WriteGate] when another write is inside, before it may be resumed.
    void handOver() {
        if (away) return;
        away = true;
        session.wentAway();
    }

    /// It is this write's turn.
    void resumeWrite() {
        goOnElsewhere(false);
    }

    private void back() {
        if (!away) return;
        away = false;
        session.cameBack();
    }

    private void release() {
        back();
        session.give(this);
    }

    private Next afterOperation(On thread) {
        Next next;
        try {
            next = afterStage(thread);
        } catch (RuntimeException | Error e) {
            unexpected(e);
            plan.release();
            if (!answered) answer(Errno.EIO);
            next = Next.ENDED;
        }
        if (next == Next.ENDED && inGate) leaveGate();
        return next;
    }

    private Next afterStage(On thread) {
        return switch (stage) {
            case ANSWER -> afterAnswer();
            case COMMIT -> ended(error);
            case PLAN_READ -> afterReadPlan(thread);
            case PLAN_WRITE -> afterWritePlan(thread);
            case FINISH_WRITE -> afterFinish();
            case PLAN_ZERO -> afterZeroPlan(thread);
            case PLAN_COPY -> afterCopyPlan(thread);
            case COPY_HOLE -> afterCopyHole();
            case ABANDON_WRITE -> {
                if (error != null) log.error("inode {}: blocks of a failed write cannot be returned ({}); they are when the "
                        + "mount ends", toNode, error);
                plan.release();
                yield endedWrite();
            }
        };
    }

    private Next ended(Errno with) {
        answer(with);
        return Next.ENDED;
    }

    private Next afterAnswer() {
        if (error == null) {
            if (opcode == FALLOCATE) progress += stepBytes;
            if (outcome == Outcome.AGAIN) return Next.SUBMIT;
        } else if (error == Errno.ENOENT && opcode == LOOKUP && session.cache.negativeSeconds() > 0) {
            bodyBytes = session.encoder.negativeEntry(out, bodyAt());
            return ended(null);
        }
        return ended(error);
    }

    private Next afterReadPlan(On thread) {
        if (error != null) return ended(error);
        long bytes = plan.bytes();
        if (bytes > 0) {
            if (thread == On.COORDINATOR) return Next.ELSEWHERE;
            try {
                if (thread == On.IO) session.dataIo.read(plan, payload);
                else if (!session.dataIo.tryReadNow(plan, payload)) return Next.ELSEWHERE;
            } catch (DeviceException e) {
                log.error("inode {}: {} bytes at {} cannot be read: {}", node, bytes, plan.offset(), e.getMessage());
                plan.release();
                return ended(Errno.EIO);
            }
        }
        sent(sendPayload(session.fd(), bytes));
        plan.release();
        session.metrics.read(bytes);
        return Next.ENDED;
    }

    private Next afterZeroPlan(On thread) {
        boolean copy = opcode != FALLOCATE;
        if (error == null && plan.segments() > 0) {
            if (thread == On.COORDINATOR) return Next.ELSEWHERE;
            try {
                session.dataIo.write(plan, null);
            } catch (DeviceException e) {
                log.error("inode {}: zeros at {} cannot be written: {}", toNode, plan.offset(), e.getMessage());
                error = Errno.EIO;
            }
        }
        plan.release();
        if (error != null) return copy ? failedCopy(error) : ended(error);
        stage = copy ? Stage.COPY_HOLE : Stage.ANSWER;
        kind = copy ? OperationKind.COPY_HOLE : RequestDecoder.kind(this);
        return Next.SUBMIT;
    }

    // A copy goes stretch by stretch: data through the payload as a write, holes as holes.
    private void planCopy() {
        stage = Stage.PLAN_COPY;
        kind = OperationKind.PLAN_COPY;
    }

    private Next afterCopyPlan(On thread) {
        if (error != null) return failedCopy(error);
        long bytes = plan.bytes();
        if (bytes == 0) return endedWrite();
        partFrom = progress;
        partEnd = progress + bytes;
        if (plan.segments() == 0) {
            stage = Stage.PLAN_ZERO;
            kind = OperationKind.PLAN_ZERO;
            return Next.SUBMIT;
        }
        if (thread != On.IO) return Next.ELSEWHERE;
        try {
            session.dataIo.read(plan, payload);
        } catch (DeviceException e) {
            log.error("inode {}: {} bytes at {} cannot be read: {}", node, bytes, plan.offset(), e.getMessage());
            plan.release();
            return failedCopy(Errno.EIO);
        }
        plan.release();
        planWrite();
        return Next.SUBMIT;
    }

    private Next afterCopyHole() {
        if (error != null) return failedCopy(error);
        progress += stepBytes;
        return progress == partEnd ? endedPart() : Next.SUBMIT;
    }

    private Next failedCopy(Errno because) {
        writeError = because;
        return endedWrite();
    }

    private Next endedPart() {
        if (progress == toBytes) return endedWrite();
        planCopy();
        return Next.SUBMIT;
    }

    private void planWrite() {
        stage = Stage.PLAN_WRITE;
        kind = OperationKind.PLAN_WRITE;
    }

    private Next afterWritePlan(On thread) {
        if (error != null) {
            writeError = error;
            return endedWrite();
        }
        if (outcome == Outcome.AGAIN) {
            plan.release();
            return Next.SUBMIT;
        }
        if (thread == On.COORDINATOR) return Next.ELSEWHERE;
        stage = Stage.FINISH_WRITE;
        kind = OperationKind.FINISH_WRITE;
        try {
            session.dataIo.write(plan, payload.asSlice(progress - partFrom, plan.bytes()));
        } catch (DeviceException e) {
            log.error("inode {}: {} bytes at {} cannot be written: {}", toNode, plan.bytes(), plan.offset(), e.getMessage());
            abandonWrite(Errno.EIO);
        }
        return Next.SUBMIT;
    }

    private void abandonWrite(Errno because) {
        writeError = because;
        stage = Stage.ABANDON_WRITE;
        kind = OperationKind.ABANDON_WRITE;
    }

    private Next afterFinish() {
        if (error != null) {
            abandonWrite(error);
            return Next.SUBMIT;
        }
        long bytes = plan.bytes();
        plan.release();
        if (outcome == Outcome.DONE) {
            progress += bytes;
            if (bytes == 0) return endedWrite();
            if (progress == partEnd) return endedPart();
        }
        planWrite();
        return Next.SUBMIT;
    }

    private Next endedWrite() {
        endWrite();
        return Next.ENDED;
    }

    private void leaveGate() {
        inGate = false;
        var next = session.gate.leave(toNode);
        if (next != null) next.resumeWrite();
    }

    /// What was written before an error is written: a short write, and the next one meets the error.
    private boolean endWrite() {
        if (progress == 0 && writeError != null) return answer(writeError);
        out.set(U64, bodyAt(), progress);
        bodyBytes = WRITE_OUT_BYTES;
        session.metrics.written(progress);
        return answer(null);
    }

    // ---- the operation

    @Override
    public String name() {
        return FuseProtocol.name(opcode);
    }

    @Override
    public Hold hold() {
        return stage == Stage.PLAN_READ ? Hold.READ : kind.hold();
    }

    @Override
    public void run(Tx tx) {
        forgetAttempt();
        try {
            switch (stage) {
                case ANSWER -> RequestDecoder.run(this, session, tx);
                case PLAN_READ -> session.fileSystem.planRead(tx, node, argU64(IO_OFFSET),
                        Math.min(Integer.toUnsignedLong(argU32(IO_SIZE)), InitNegotiation.IO_BYTES_MAX), plan);
                case PLAN_WRITE -> outcome = session.fileSystem.planWrite(tx, toNode, toOffset + progress,
                        partEnd - progress, plan);
                case FINISH_WRITE -> outcome = session.fileSystem.finishWrite(tx, plan, now, killPriv);
                case ABANDON_WRITE -> session.fileSystem.abandonWrite(tx, plan);
                case PLAN_ZERO -> {
                    if (opcode == FALLOCATE)
                        session.fileSystem.planZero(tx, node, argU64(FALLOCATE_OFFSET), argU64(FALLOCATE_LENGTH), plan);
                    else session.fileSystem.planZero(tx, toNode, toOffset + progress, partEnd - progress, plan);
                }
                case PLAN_COPY -> session.fileSystem.planCopy(tx, node, fromOffset + progress, toBytes - progress,
                        payload.byteSize(), plan);
                case COPY_HOLE -> stepBytes = session.fileSystem.copyHole(tx, toNode, toOffset + progress,
                        partEnd - progress, now, killPriv);
                case COMMIT -> throw new IllegalStateException("a commit is not an operation");
            }
        } catch (NotReady | Errno.Failure e) {
            throw e;
        } catch (RuntimeException e) {
            unexpected(e);
            throw Errno.EIO.failure();
        }
    }

    @Override
    public void done() {
        error = null;
        if (given != 0) session.known.given(given);
        for (int i = 0; i < givenByReaddir.size(); i++) session.known.given(givenByReaddir.getLong(i));
        if (linked != 0) session.known.linked(linked);
        if (unlinked != 0 && session.known.unlinked(unlinked)) session.reclaimer.delete(unlinked);
        if (truncated != 0) session.reclaimer.truncate(truncated);
        operationEnded();
    }

    @Override
    public void failed(Errno errno) {
        error = errno;
        forgetAttempt();
        operationEnded();
    }

    private void committed(Errno errno) {
        error = errno;
        operationEnded();
    }

    private void forgetAttempt() {
        linked = unlinked = truncated = 0;
        giveNothing();
    }

    private void unexpected(Throwable e) {
        session.metrics.unexpectedFailure();
        log.error("{} of inode {} failed unexpectedly, it is answered with EIO", FuseProtocol.name(opcode), node, e);
    }

    private static Time now() {
        var now = Instant.now();
        return new Time(now.getEpochSecond(), now.getNano());
    }

    // ---- the end

    private boolean endWithoutReply() {
        session.metrics.ended(opcode, System.nanoTime() - beganAt);
        return true;
    }

    /// Answers: with an error, or with the body as it stands.
    private boolean answer(Errno with) {
        sent(sendBody(session.fd(), with));
        return true;
    }

    private void sent(long result) {
        answered = true;
        if (result < 0) notSent((int) -result);
        session.metrics.ended(opcode, System.nanoTime() - beganAt);
    }

    /// ENOENT and ENODEV: nobody waits any more, because the connection was aborted or unmounted. The kernel then did not
    /// learn what the reply gave it.
    private void notSent(int errno) {
        if (errno != Linux.ENOENT && errno != Linux.ENODEV && errno != Linux.ECONNABORTED)
            log.error("the reply to {} of inode {} was refused by the kernel: {}", FuseProtocol.name(opcode), node,
                    Linux.describe(errno));
        if (given != 0 && session.known.forget(given, 1)) session.reclaimer.delete(given);
        for (int i = 0; i < givenByReaddir.size(); i++) {
            long ino = givenByReaddir.getLong(i);
            if (session.known.forget(ino, 1)) session.reclaimer.delete(ino);
        }
    }
}
