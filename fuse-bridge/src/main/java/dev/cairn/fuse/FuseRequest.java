package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.KillPriv;
import dev.cairn.filesystem.OperationKind;
import dev.cairn.filesystem.Outcome;
import dev.cairn.filesystem.Time;
import dev.cairn.transaction.Coordinator;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.NotReady;
import dev.cairn.transaction.Tx;
import java.time.Instant;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One kernel request on its way from its bytes to its reply, and the operation that the coordinator runs for it. Used
/// again and again. Three things are told apart from what is here: the bytes ([RequestSlot]), the threads ([RequestRun]),
/// and requests that move file data ([DataRequest]).
final class FuseRequest extends DataRequest implements KillPriv {
    private static final Logger log = LoggerFactory.getLogger(FuseRequest.class);

    private final Coordinator.Commit commit = new Coordinator.Commit(this::committed);

    private long beganAt;
    /// What the attempt that runs stamps.
    Time now;
    private boolean answered, inGate;
    /// Reading may move the inode's access time; and has to, before the request is answered.
    private boolean accessCounts, accessDue;
    /// The kernel learns the mode from the replies that have attributes, not from those of write, copy and fallocate.
    private boolean privilegesTaken;
    // What the attempt that just ran says; valid when it was the last one. Taken note of in [#done], never before.
    long linked, unlinked, truncated;
    /// Directories that have another parent now.
    long moved, movedBack;
    /// A name that was looked up is not there.
    boolean absent;

    FuseRequest(FuseSession session) {
        super(session);
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
        session.requestCame(!FuseProtocol.isOneWay(opcode));
        error = null;
        answered = inGate = accessCounts = privilegesTaken = false;
        bodyBytes = 0;
        progress = 0;
        zeroed = false;
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
        return FuseProtocol.isOneWay(opcode) ? endWithoutReply() : answer(Errno.EIO);
    }

    private boolean dispatch() {
        // Before the gate, which may leave the rest to another thread.
        accessCounts = session.accessTimes.mayMove(isListing(), beganAt) && readsNode();
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
                bodyBytes = openReply(0, opcode == OPEN && has(OPEN_BYTES) ? session.openedAs(argU32(OPEN_FLAGS)) : FOPEN_KEEP_CACHE);
                return answer(null);
            }
            case RELEASE, RELEASEDIR, DESTROY -> {
                return answer(null);
            }
            case FSYNC, FSYNCDIR, SYNCFS -> stage = Stage.COMMIT;
            case READ -> {
                if (!has(IO_BYTES)) return malformed();
                pipeFailed = false;
                if ((argU32(IO_FLAGS) & IO_LOCK_OWNER) == 0) session.cachedPages.cached(node);
                stage = Stage.PLAN_READ;
            }
            case WRITE -> {
                long size = has(IO_BYTES) ? Integer.toUnsignedLong(argU32(IO_SIZE)) : -1;
                if (size < 0 || size > InitNegotiation.IO_BYTES_MAX || !has(IO_BYTES + (int) size)) return malformed();
                if (!beginWrite(size)) return endWrite();
                toNode = node;
                inGate = true;
                if (!session.gate.enter(place, node, toOffset, size)) return false;
            }
            case COPY_FILE_RANGE, COPY_FILE_RANGE_64 -> {
                if (!has(COPY_BYTES)) return malformed();
                if (argU64(COPY_FLAGS) != 0 || argU64(COPY_LENGTH) < 0) return answer(Errno.EINVAL);
                if (!beginCopy()) return endWrite();
                if (!enterGateAlone(argU64(COPY_TO_NODE))) return false;
            }
            default -> {
                kind = RequestDecoder.kind(this);
                if (kind == null) return answer(Errno.ENOSYS);
                stage = Stage.ANSWER;
                if (opcode == FALLOCATE && has(FALLOCATE_BYTES)
                        && (argU32(FALLOCATE_MODE) & (FileSystem.FALLOC_PUNCH_HOLE | FileSystem.FALLOC_ZERO_RANGE)) != 0) {
                    // The zeros at the ends of the range go to the device first; no write may come between.
                    stage = Stage.PLAN_ZERO;
                    kind = OperationKind.PLAN_ZERO;
                    if (!enterGateAlone(node)) return false;
                }
            }
        }
        return goOn(On.READER);
    }

    /// Whether the request reads what it is sent to, and not for who wants no trace of that. A copy reads its source; it does not
    /// say how that was opened.
    private boolean readsNode() {
        return switch (opcode) {
            case READ -> has(IO_BYTES) && (argU32(IO_OPEN_FLAGS) & O_NOATIME) == 0;
            case READDIR, READDIRPLUS -> has(IO_BYTES) && argU64(IO_OFFSET) == 0 && (argU32(IO_OPEN_FLAGS) & O_NOATIME) == 0;
            case READLINK, COPY_FILE_RANGE, COPY_FILE_RANGE_64 -> true;
            default -> false;
        };
    }

    private boolean isListing() {
        return opcode == READDIR || opcode == READDIRPLUS;
    }

    /// @return false when other writes are in the way: this request goes on when its turn comes
    private boolean enterGateAlone(long ino) {
        toNode = ino;
        inGate = true;
        return session.gate.enterAlone(place, ino);
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
        if (session.known.forget(ino, times)) session.reclaimer.deleteSoon(ino);
    }

    // ---- after each operation

    @Override
    Next afterOperation(On thread) {
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
        if (accessCounts && session.accessTimes.isToLook(beganAt)) {
            if (thread != On.IO) return Next.ELSEWHERE;
            session.accessTimes.look();
        }
        if (accessDue && error == null) return noteAccess();
        return switch (stage) {
            case ANSWER -> afterAnswer(thread);
            case COMMIT -> afterCommit();
            case PLAN_READ -> afterReadPlan(thread);
            case PLAN_WRITE -> afterWritePlan(thread);
            case FINISH_WRITE -> afterFinish();
            case PLAN_ZERO -> afterZeroPlan(thread);
            case PLAN_COPY -> afterCopyPlan(thread);
            case COPY_HOLE -> afterCopyHole();
            case ABANDON_WRITE -> afterAbandon();
            case NOTE_ACCESS -> afterAccess();
            case TELL_KERNEL -> afterDrop();
        };
    }

    private Next afterAnswer(On thread) {
        if (error == null) {
            if (moved != 0 || movedBack != 0) {
                if (thread != On.IO) return Next.ELSEWHERE;
                if (moved != 0) session.kernelCache.parentChanged(moved);
                if (movedBack != 0) session.kernelCache.parentChanged(movedBack);
            }
            if (opcode == FALLOCATE) progress += stepBytes;
            if (outcome == Outcome.AGAIN) return Next.SUBMIT;
            if (absent) return afterAbsent();
            if (session.durability.wants(opcode, kind.hold() != Hold.READ)) return commitFirst();
        } else if (opcode == FALLOCATE && (progress > 0 || zeroed)) {
            return afterHalfAllocation();
        }
        return ended(error);
    }

    // The answer is ready.
    private Next commitFirst() {
        leaveGate();
        stage = Stage.COMMIT;
        return Next.SUBMIT;
    }

    private Next afterCommit() {
        if (error == null) return ended(null);
        takeBack();
        if (isCopy()) return copyNotDurable();
        return opcode == FALLOCATE ? afterHalfAllocation() : ended(error);
    }

    // A part of it is done, and stays so; of a call that fails the kernel believes that nothing is.
    private Next afterHalfAllocation() {
        boolean sameContents = argU32(FALLOCATE_MODE) == 0 || argU32(FALLOCATE_MODE) == FileSystem.FALLOC_KEEP_SIZE;
        // The end of the range that shares a block with other data has been zeroed before.
        if (!sameContents) return dropPages(node, argU64(FALLOCATE_OFFSET), argU64(FALLOCATE_LENGTH));
        session.kernelCache.attributesChanged(node);
        return ended(error);
    }

    private Next afterAbsent() {
        if (session.cache.negativeSeconds() == 0) return ended(Errno.ENOENT);
        bodyBytes = session.encoder.negativeEntry(out, bodyAt());
        return ended(null);
    }

    // Before it is answered: whoever reads and then asks stat sees it.
    private Next noteAccess() {
        accessCounts = accessDue = false;
        if (!session.accessTimes.moves(isListing())) return Next.SUBMIT;
        stage = Stage.NOTE_ACCESS;
        kind = OperationKind.NOTE_ACCESS;
        return Next.SUBMIT;
    }

    // Reading goes on, whatever became of the time.
    private Next afterAccess() {
        error = null;
        if (isCopy()) {
            // Of a read the kernel knows that it may move the time; of a copy it does not.
            session.kernelCache.attributesChanged(node);
            planCopy();
        } else {
            stage = opcode == READ ? Stage.PLAN_READ : Stage.ANSWER;
            kind = opcode == READ ? OperationKind.READ : RequestDecoder.kind(this);
        }
        return Next.SUBMIT;
    }

    private boolean isCopy() {
        return opcode == COPY_FILE_RANGE || opcode == COPY_FILE_RANGE_64;
    }

    @Override
    void leaveGate() {
        if (!inGate) return;
        inGate = false;
        goOn(session.gate.leave(place));
    }

    // ---- the operation

    @Override
    void toPool() {
        line.ended(this);
    }

    @Override
    Coordinator.Command command() {
        return stage == Stage.COMMIT ? commit : this;
    }

    @Override
    boolean waitsForDisk() {
        return stage == Stage.COMMIT;
    }

    @Override
    public String name() {
        return FuseProtocol.name(opcode);
    }

    @Override
    public Hold hold() {
        return stage == Stage.PLAN_READ ? Hold.READ : kind.hold();
    }

    private boolean stamps() {
        return switch (stage) {
            case ANSWER -> kind.hold() != Hold.READ;
            case FINISH_WRITE, COPY_HOLE, NOTE_ACCESS -> true;
            default -> false;
        };
    }

    private static Time now() {
        var now = Instant.now();
        return new Time(now.getEpochSecond(), now.getNano());
    }

    @Override
    public void run(Tx tx) {
        forgetAttempt();
        // Not when it was asked for: since then it may have waited long. Whoever reads what was there before, and later looks for
        // what has changed since, must find it.
        if (stamps()) now = now();
        try {
            // Before the answer is made, or it would be made twice; of a copy before its first bytes.
            accessDue = accessCounts && (!isCopy() || stage == Stage.PLAN_COPY && progress == 0)
                    && session.fileSystem.accessDue(tx, node, System.currentTimeMillis() / 1000);
            if (accessDue) return;
            switch (stage) {
                case ANSWER -> RequestDecoder.run(this, session, tx);
                case PLAN_READ -> session.fileSystem.planRead(tx, node, argU64(IO_OFFSET),
                        Math.min(Integer.toUnsignedLong(argU32(IO_SIZE)), InitNegotiation.IO_BYTES_MAX), plan);
                case PLAN_WRITE -> outcome = session.fileSystem.planWrite(tx, toNode, toOffset + progress,
                        partEnd - progress, plan);
                case FINISH_WRITE -> outcome = session.fileSystem.finishWrite(tx, plan, now, killPriv ? this : null);
                case ABANDON_WRITE -> session.fileSystem.abandonWrite(tx, plan);
                case PLAN_ZERO -> {
                    if (opcode == FALLOCATE)
                        session.fileSystem.planZero(tx, node, argU64(FALLOCATE_OFFSET), argU64(FALLOCATE_LENGTH),
                                (argU32(FALLOCATE_MODE) & FileSystem.FALLOC_PUNCH_HOLE) != 0, plan);
                    else session.fileSystem.planZero(tx, toNode, toOffset + progress, partEnd - progress, true, plan);
                }
                case PLAN_COPY -> session.fileSystem.planCopy(tx, node, fromOffset + progress, toBytes - progress,
                        payload.byteSize(), plan);
                case COPY_HOLE -> stepBytes = session.fileSystem.copyHole(tx, toNode, toOffset + progress,
                        partEnd - progress, now, killPriv ? this : null);
                case NOTE_ACCESS -> session.fileSystem.noteAccess(tx, node, now);
                case COMMIT, TELL_KERNEL -> throw new IllegalStateException("no operation: " + stage);
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
        linked = unlinked = truncated = moved = movedBack = 0;
        accessDue = absent = false;
        giveNothing();
    }

    @Override
    void unexpected(Throwable e) {
        session.metrics.unexpectedFailure();
        log.error("{} of inode {} failed unexpectedly, it is answered with EIO", FuseProtocol.name(opcode), node, e);
    }

    /// The kernel does not say all groups of a caller. Its process knows; when it has gone nobody waits for the answer.
    @Override
    public boolean isMember(int group) {
        return byRoot() || gid == group || Groups.ofProcess(pid).contains(Integer.toUnsignedLong(group));
    }

    @Override
    public boolean mayChangeMode(int owner) {
        return byRoot() || uid == owner;
    }

    @Override
    public void tookAway() {
        privilegesTaken = opcode == WRITE || isCopy() || opcode == FALLOCATE;
    }

    // ---- the end

    private boolean endWithoutReply() {
        session.metrics.ended(opcode, System.nanoTime() - beganAt);
        return true;
    }

    /// Answers: with an error, or with the body as it stands.
    @Override
    boolean answer(Errno with) {
        if (privilegesTaken) session.kernelCache.attributesChanged(opcode == FALLOCATE ? node : toNode);
        sent(sendBody(with));
        return true;
    }

    @Override
    void sent(long result) {
        answered = true;
        if (result < 0) notSent((int) -result);
        session.metrics.ended(opcode, System.nanoTime() - beganAt);
    }

    /// ENOENT and ENODEV: nobody waits any more, because the connection was aborted or unmounted. The kernel then did not
    /// learn what the reply gave it.
    private void notSent(int errno) {
        if (!isGone(errno))
            log.error("the reply to {} of inode {} was refused by the kernel: {}", FuseProtocol.name(opcode), node,
                    Linux.describe(errno));
        takeBack();
    }

    /// The kernel does not learn of the inodes in the reply.
    private void takeBack() {
        if (given != 0 && session.known.forget(given, 1)) session.reclaimer.delete(given);
        for (int i = 0; i < givenByReaddir.size(); i++) {
            long ino = givenByReaddir.getLong(i);
            if (session.known.forget(ino, 1)) session.reclaimer.delete(ino);
        }
        giveNothing();
    }
}
