package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.block.DeviceException;
import dev.cairn.filesystem.DataPlan;
import dev.cairn.filesystem.OperationKind;
import dev.cairn.filesystem.Outcome;
import dev.cairn.transaction.Errno;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Requests that move file data, and so take several operations with I/O between them. Each `after…` takes note of one
/// operation's end and says what comes next.
///
///     READ          plan -> bytes from the devices -> answer
///     WRITE         (plan -> bytes to the devices -> finish)… -> answer; a write that fails gives its blocks back, and so
///                   does one whose plan reaches beyond its own blocks: it is planned again when it has the file alone
///     copy          (plan -> bytes to the payload -> as a write, or a hole: zeros at its ends -> hole)… -> answer
///     fallocate     zeros at the ends of the range, then as any other request
abstract class DataRequest extends RequestRun {
    private static final Logger log = LoggerFactory.getLogger(FuseRequest.class);

    /// What the operation being made is for.
    enum Stage { ANSWER, COMMIT, PLAN_READ, PLAN_WRITE, FINISH_WRITE, ABANDON_WRITE, PLAN_ZERO, PLAN_COPY, COPY_HOLE, NOTE_ACCESS, TELL_KERNEL }

    /// One request copies no more, so that who asked for a copy of everything can be interrupted: the kernel asks on.
    private static final long COPY_BYTES_MAX = 64 << 20;

    final DataPlan plan = new DataPlan();
    Stage stage;
    OperationKind kind;
    /// What the attempt that just ran says; valid when it was the last one.
    Outcome outcome;
    long stepBytes;

    /// Bytes of a write, copy or fallocate that are done by earlier operations.
    long progress;
    private Errno writeError;
    /// Where a write or copy goes to, where its first byte belongs, and how many bytes there are.
    long toNode, toOffset, toBytes;
    /// What is in the payload: the bytes from one progress to the other. Of a write everything, of a copy a part.
    private long partFrom;
    long partEnd;
    /// Of a copy: where in `node` its first byte is. The arguments lie where the payload goes.
    long fromOffset;
    boolean killPriv;
    /// Of a write: past the kernel's cache; durable before it is answered.
    private boolean direct, durable;
    /// What the kernel is to drop.
    private long staleNode, staleFrom, staleBytes;
    private final Executor onceDropped = task -> session.stalePages.dropAndThen(staleNode, staleFrom, staleBytes, () -> session.background.execute(task));
    /// Ends of the range to allocate, or of a hole that is copied, have been zeroed.
    boolean zeroed;
    /// This READ could not be answered through a pipe.
    boolean pipeFailed;
    final WriteGate.Place place = new WriteGate.Place(this);

    DataRequest(FuseSession session) {
        super(session);
    }

    /// Answers: with an error, or with the body as it stands.
    ///
    /// @return true
    abstract boolean answer(Errno with);

    /// The answer was sent, with this result.
    abstract void sent(long result);

    /// Lets others at the gate go on.
    abstract void leaveGate();

    final Next ended(Errno with) {
        answer(with);
        return Next.ENDED;
    }

    /// @return false when there is nothing to write
    final boolean beginWrite(long size) {
        writeError = null;
        toOffset = argU64(IO_OFFSET);
        partFrom = 0;
        toBytes = partEnd = size;
        killPriv = (argU32(IO_FLAGS) & WRITE_KILL_SUIDGID) != 0;
        direct = (argU32(IO_FLAGS) & IO_LOCK_OWNER) != 0;
        if (!direct) session.cachedPages.cached(node);
        // The kernel asks for an fsync itself after what goes through its cache. After a direct write it does not, when nobody
        // waits for that one or when several may be under way.
        durable = direct && (session.durability.all() || (argU32(IO_OPEN_FLAGS) & O_DSYNC) != 0);
        planWrite();
        return size != 0;
    }

    /// The kernel does not tell of every request whether the caller may keep suid and sgid; root alone surely may.
    final boolean byRoot() {
        return uid == 0;
    }

    /// @return false when there is nothing to copy
    final boolean beginCopy() {
        writeError = null;
        fromOffset = argU64(COPY_FROM_OFFSET);
        toOffset = argU64(COPY_TO_OFFSET);
        toBytes = Math.min(argU64(COPY_LENGTH), COPY_BYTES_MAX);
        killPriv = !byRoot();
        direct = false;
        durable = session.durability.all();
        planCopy();
        return toBytes != 0;
    }

    final Next afterReadPlan(On thread) {
        if (error != null) return ended(error);
        long bytes = plan.bytes();
        if (bytes > 0) {
            if (thread == On.COORDINATOR) return Next.ELSEWHERE;
            try {
                if (readByPipe(thread, bytes)) return Next.ENDED;
                // What the page cache was said to have is not to be had: whoever may wait finds out why.
                if (pipeFailed && thread == On.READER) return Next.ELSEWHERE;
                if (thread == On.IO) session.dataIo.read(plan, payload);
                else if (!session.dataIo.tryReadNow(plan, payload)) return Next.ELSEWHERE;
            } catch (DeviceException e) {
                log.error("inode {}: {} bytes at {} cannot be read: {}", node, bytes, plan.offset(), e.getMessage());
                plan.release();
                return ended(Errno.EIO);
            }
        }
        sent(sendPayload(bytes));
        plan.release();
        session.metrics.read(bytes);
        return Next.ENDED;
    }

    /// Answers with pages of the device's cache, which saves a copy of them.
    ///
    /// @return false when that is not possible, or not worth it: nothing has been sent
    private boolean readByPipe(On thread, long bytes) throws DeviceException {
        if (pipeFailed || !line.takesPipes() || !ReplyPipe.isWorthIt(bytes, plan.segments())
                || !session.dataIo.goesByPipe(plan, thread == On.IO)) return false;
        var pipe = session.pipes.take(bytes, plan.segments());
        if (pipe == null) return false;
        long result = 0;
        try {
            pipeFailed = !beginPipe(pipe, bytes) || !session.dataIo.readToPipe(plan, pipe.writeEnd());
            if (pipeFailed) return false;
            result = sendPipe(pipe, bytes);
        } finally {
            session.pipes.give(pipe, result == FuseProtocol.OUT_HEADER_BYTES + bytes);
        }
        if (result < 0 && !isGone(-result)) {
            session.pipes.openNoMore("the kernel refused a reply from a pipe: " + Linux.describe((int) -result));
            pipeFailed = true;
            return false;
        }
        sent(result);
        plan.release();
        session.metrics.readByPipe(bytes);
        return true;
    }

    final Next afterZeroPlan(On thread) {
        boolean copy = opcode != FALLOCATE;
        if (error == null && plan.segments() > 0) {
            if (thread == On.COORDINATOR) return Next.ELSEWHERE;
            try {
                zeroed = true;      // or some of it, when that fails
                session.dataIo.write(plan, null);
            } catch (DeviceException e) {
                log.error("inode {}: zeros at {} cannot be written: {}", toNode, plan.offset(), e.getMessage());
                error = Errno.EIO;
            }
        }
        plan.release();
        if (error != null && copy) return failedCopy(error);
        if (error != null) return zeroed ? dropPages(node, argU64(FALLOCATE_OFFSET), argU64(FALLOCATE_LENGTH)) : ended(error);
        stage = copy ? Stage.COPY_HOLE : Stage.ANSWER;
        kind = copy ? OperationKind.COPY_HOLE : RequestDecoder.kind(this);
        return Next.SUBMIT;
    }

    // A copy goes stretch by stretch: data through the payload as a write, holes as holes.
    final void planCopy() {
        stage = Stage.PLAN_COPY;
        kind = OperationKind.PLAN_COPY;
    }

    final Next afterCopyPlan(On thread) {
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

    final Next afterCopyHole() {
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

    final Next afterWritePlan(On thread) {
        if (error != null) {
            writeError = error;
            return endedWrite();
        }
        if (outcome == Outcome.AGAIN) {
            plan.release();
            return Next.SUBMIT;
        }
        if (plan.needsFileAlone() && !place.alone()) {
            abandonWrite(null);
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

    /// @param because null: to be planned once more, alone at the gate
    private void abandonWrite(Errno because) {
        writeError = because;
        stage = Stage.ABANDON_WRITE;
        kind = OperationKind.ABANDON_WRITE;
    }

    final Next afterFinish() {
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

    // The kernel drops what it has cached when a direct write begins, and again when it ends, but not when nobody waits for
    // that: then somebody may have read the old contents, or attributes, in between.
    private Next endedWrite() {
        if (direct && progress > 0) {
            if (session.cachedPages.mayBe(toNode)) return dropPages(toNode, toOffset, progress);
            session.kernelCache.attributesChanged(toNode);
        }
        // A copy that fails drops only what is said to be copied.
        if (!direct && zeroed && writeError != null) return dropPages(toNode, toOffset, toBytes);
        return commitOrAnswer();
    }

    /// Goes on with [#afterDrop] when the kernel has no pages of the range any more, or is just about to drop them.
    final Next dropPages(long ino, long from, long bytes) {
        session.kernelCache.attributesChanged(ino);
        if (!session.stalePages.mayWait()) {
            session.stalePages.dropLater(ino, from, bytes);
            return afterDrop();
        }
        // What the kernel waits for may be a write of this file.
        leaveGate();
        staleNode = ino;
        staleFrom = from;
        staleBytes = bytes;
        stage = Stage.TELL_KERNEL;
        return Next.ELSEWHERE;
    }

    final Next afterDrop() {
        return opcode == FALLOCATE ? ended(error) : commitOrAnswer();
    }

    /// The copy is done and not durable: that is an error, and the kernel has yet to hear of what is done.
    final Next copyNotDurable() {
        writeError = error;
        durable = false;
        long copied = progress;
        progress = 0;
        return dropPages(toNode, toOffset, copied);
    }

    private Next commitOrAnswer() {
        if (durable && progress > 0) {
            // Other writes of the file need not wait for the disk.
            leaveGate();
            writeReply();
            stage = Stage.COMMIT;
            return Next.SUBMIT;
        }
        endWrite();
        return Next.ENDED;
    }

    @Override
    final Executor elsewhere() {
        return stage == Stage.TELL_KERNEL ? onceDropped : session.background;
    }

    /// What was written before an error is written: a short write, and the next one meets the error.
    final boolean endWrite() {
        if (progress == 0 && writeError != null) return answer(writeError);
        writeReply();
        return answer(null);
    }

    private void writeReply() {
        out.set(U64, bodyAt(), progress);
        bodyBytes = WRITE_OUT_BYTES;
        session.metrics.written(progress);
    }

    final Next afterAbandon() {
        if (error != null) log.error("inode {}: blocks of a failed write cannot be returned ({}); they are when the "
                + "mount ends", toNode, error);
        plan.release();
        return writeError != null ? endedWrite() : planAlone();
    }

    /// Behind all that are at the gate now.
    private Next planAlone() {
        planWrite();
        goOn(session.gate.leave(place));
        return session.gate.enterAlone(place, toNode) ? Next.SUBMIT : Next.AWAY;
    }

    static void goOn(WriteGate.Place turn) {
        while (turn != null) {
            var next = turn.takeNextTurn();
            turn.writer.resumeWrite();
            turn = next;
        }
    }
}
