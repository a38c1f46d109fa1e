package dev.cairn.fuse;

import dev.cairn.transaction.Coordinator;
import dev.cairn.transaction.Errno;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;

/// The way of one request through threads: which of them goes on when an operation has ended. What the operations are and
/// what their ends mean is [FuseRequest]'s. A request belongs to one thread at a time.
///
///     reader:  read -> begin -> submit -+-> ended inside submit -> I/O, reply -> next read into the same slot
///                                       +-> not yet: parked -> next read into another slot
///     later, where the operation ends:  reply, or hand to an I/O thread -> I/O, reply -> slot back to the pool
///
/// Who goes on is settled by one compare-and-set of [#state]: the submitter parks, or the operation's end comes first.
/// Whatever may block or copies much is never done on the coordinator's thread.
abstract class RequestRun extends RequestSlot implements WriteGate.Writer {
    /// What comes after an operation: nothing, the next one, or the same question again on a thread that may wait. After AWAY
    /// the request is another's, and must not be touched.
    enum Next { ENDED, SUBMIT, ELSEWHERE, AWAY }

    /// How long the thread at hand may be kept: the coordinator's not at all, a reader for what the page cache does.
    enum On { COORDINATOR, READER, IO }

    private static final int RUNNING = 0, OPERATION_ENDED = 1, PARKED = 2;

    final FuseSession session;
    private final Runnable goOn = this::goOnElsewhere;
    private final AtomicInteger state = new AtomicInteger(RUNNING);
    /// Counted by the session as being away from its reader.
    private boolean away;
    /// Where [#goOn] takes up: true after an operation, false before one.
    private boolean afterOperation;
    /// How the last operation ended.
    Errno error;

    RequestRun(FuseSession session) {
        super(session.encoder, session.metrics);
        this.session = session;
    }

    /// What is to be submitted next.
    abstract Coordinator.Command command();

    /// What is to be submitted next waits for a disk whenever it does not end at once.
    abstract boolean waitsForDisk();

    /// Takes note of an operation's end. On an I/O thread ELSEWHERE is one of [#elsewhere] that is none.
    abstract Next afterOperation(On thread);

    /// Who goes on when this thread may not.
    abstract Executor elsewhere();

    /// It may be used again.
    abstract void toPool();

    /// A bug showed itself.
    abstract void unexpected(Throwable e);

    /// Runs operations, one after the other, until there is an answer.
    ///
    /// @return true when the request has ended; false when it is away
    final boolean goOn(On thread) {
        for (;;) {
            if (!operate(thread)) return false;
            switch (afterOperation(thread)) {
                case ENDED -> {
                    return true;
                }
                case ELSEWHERE -> {
                    goOnElsewhere(true);
                    return false;
                }
                case AWAY -> {
                    return false;
                }
                case SUBMIT -> {}
            }
        }
    }

    /// @return true when the operation has ended; false when it has not yet, and whoever ends it goes on
    private boolean operate(On thread) {
        state.set(RUNNING);
        try {
            session.submitter.submit(command());
        } catch (RuntimeException e) {
            unexpected(e);
            // Nobody else will end it, unless it got through before the exception: then that counts.
            if (state.compareAndSet(RUNNING, OPERATION_ENDED)) error = Errno.EIO;
        }
        if (state.get() == OPERATION_ENDED || thread == On.READER && !waitsForDisk() && endsSoon()) return true;
        handOver();
        return !state.compareAndSet(RUNNING, PARKED);
    }

    /// When another reader is inside the coordinator, it runs this operation too, within microseconds: going on here then
    /// saves two wake-ups, of whom the reply has to be handed to and of this thread.
    private boolean endsSoon() {
        long until = System.nanoTime() + session.spinNanos;
        do {
            Thread.onSpinWait();
            if (state.get() == OPERATION_ENDED) return true;
        } while (System.nanoTime() - until < 0);
        return false;
    }

    /// The operation ended, on whatever thread.
    final void operationEnded() {
        if (state.compareAndSet(RUNNING, OPERATION_ENDED)) return;       // inside submit, or while it returns
        switch (afterOperation(On.COORDINATOR)) {
            case ENDED -> release();
            case ELSEWHERE -> goOnElsewhere(true);
            // Not from here: this operation's end has not returned to the coordinator yet.
            case SUBMIT -> goOnElsewhere(false);
            case AWAY -> {}
        }
    }

    private void goOnElsewhere(boolean afterOperation) {
        this.afterOperation = afterOperation;
        handOver();
        elsewhere().execute(goOn);
    }

    private void goOnElsewhere() {
        var next = afterOperation ? afterOperation(On.IO) : Next.SUBMIT;
        if (next == Next.ELSEWHERE) goOnElsewhere(true);
        else if (next == Next.ENDED || next == Next.SUBMIT && goOn(On.IO)) release();
    }

    @Override
    public final void handOver() {
        if (away) return;
        away = true;
        session.wentAway();
    }

    @Override
    public final void resumeWrite() {
        goOnElsewhere(false);
    }

    /// The request has ended on its reader's thread.
    final void back() {
        if (!away) return;
        away = false;
        session.cameBack();
    }

    /// The request has ended on another thread.
    private void release() {
        boolean counted = away;
        away = false;
        toPool();
        // Last: while it is counted, the session keeps everything that #toPool uses.
        if (counted) session.cameBack();
    }
}
