package dev.cairn.fuse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/// An io_uring of the kernel, as far as FUSE needs it: submissions of 128 bytes, and completions. It belongs to the thread
/// that opened it, also by the kernel's rules (SINGLE_ISSUER, DEFER_TASKRUN: completions are made when that thread asks
/// for them, and interrupt nobody).
///
///     submission()… -> enter(wait) -> next()… -> submission()…
final class IoUring implements AutoCloseable {
    // struct io_uring_sqe with 128 bytes; from CMD on it is the command's own
    static final int SQE_OPCODE = 0, SQE_CMD_OP = 8, SQE_ADDRESS = 16, SQE_LENGTH = 24, SQE_USER_DATA = 32, SQE_CMD = 48,
            SQE_BYTES = 128;
    private static final int SQE_FLAGS = 1, SQE_FD = 4;
    private static final byte FIXED_FILE = 1;
    static final byte OP_READ = 22, OP_URING_CMD = 46;

    // struct io_uring_params, and the offsets in it that the kernel answers with
    private static final int PARAMS_SQ_ENTRIES = 0, PARAMS_CQ_ENTRIES = 4, PARAMS_FLAGS = 8, PARAMS_FEATURES = 20,
            PARAMS_SQ_OFF = 40, PARAMS_CQ_OFF = 80, PARAMS_BYTES = 120;
    private static final int OFF_HEAD = 0, OFF_TAIL = 4, OFF_MASK = 8, OFF_ENTRIES = 12, CQ_OFF_CQES = 20;
    private static final int SETUP_CLAMP = 1 << 4, SETUP_SQE128 = 1 << 10, SETUP_SINGLE_ISSUER = 1 << 12,
            SETUP_DEFER_TASKRUN = 1 << 13, SETUP_NO_SQARRAY = 1 << 16;
    private static final int FEATURE_SINGLE_MMAP = 1, ENTER_GETEVENTS = 1, ENTER_REGISTERED_RING = 1 << 4;
    private static final int REGISTER_FILES = 2, REGISTER_RING_FDS = 20, UNREGISTER_RING_FDS = 21;
    // struct io_uring_rsrc_update { u32 offset, resv; u64 data }
    private static final int UPDATE_OFFSET = 0, UPDATE_DATA = 8, UPDATE_BYTES = 16, ANY_OFFSET = -1;
    private static final long MAP_RINGS_AT = 0, MAP_SQES_AT = 0x10000000L;
    private static final int CQE_BYTES = 16;
    private static final VarHandle INT = JAVA_INT.varHandle();

    private final Arena arena = Arena.ofShared();
    private final MemorySegment errno = Linux.errnoMemory(arena);
    private final int fd;
    /// What [#enter] names the ring by: its descriptor, or a place in the thread's own table of rings.
    private int enterFd, enterFlags = ENTER_GETEVENTS;
    private int[] files = {};
    private final MemorySegment rings, submissions;
    private final long submissionHeadAt, submissionTailAt, completionHeadAt, completionTailAt, completionsAt;
    private final int submissionMask, submissionEntries, completionMask;
    /// Ours; the kernel's copies are written when it has to see them.
    private int submissionTail, completionHead;
    private int unsubmitted;

    // The completion that #next found.
    private long userData;
    private int result;

    /// @param entries submissions between two calls of [#enter]
    IoUring(int entries) throws IOException {
        var params = arena.allocate(PARAMS_BYTES, 8);
        params.set(JAVA_INT, PARAMS_FLAGS,
                SETUP_CLAMP | SETUP_SQE128 | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN | SETUP_NO_SQARRAY);
        fd = RingCalls.ioUringSetup(entries, params);
        if (fd < 0) {
            arena.close();
            throw new IOException("the kernel gives no io_uring: " + (fd == -Linux.EPERM
                    ? "EPERM; /proc/sys/kernel/io_uring_disabled or the container forbids it" : Linux.describe(-fd)));
        }
        enterFd = fd;
        try {
            if ((params.get(JAVA_INT, PARAMS_FEATURES) & FEATURE_SINGLE_MMAP) == 0)
                throw new IOException("the kernel's io_uring is too old");
            submissionEntries = params.get(JAVA_INT, PARAMS_SQ_ENTRIES);
            int completionEntries = params.get(JAVA_INT, PARAMS_CQ_ENTRIES);
            completionsAt = params.get(JAVA_INT, PARAMS_CQ_OFF + CQ_OFF_CQES);
            rings = Linux.map(arena, completionsAt + (long) completionEntries * CQE_BYTES, fd, MAP_RINGS_AT);
            submissions = Linux.map(arena, (long) submissionEntries * SQE_BYTES, fd, MAP_SQES_AT);
            submissionHeadAt = params.get(JAVA_INT, PARAMS_SQ_OFF + OFF_HEAD);
            submissionTailAt = params.get(JAVA_INT, PARAMS_SQ_OFF + OFF_TAIL);
            submissionMask = rings.get(JAVA_INT, params.get(JAVA_INT, PARAMS_SQ_OFF + OFF_MASK));
            completionHeadAt = params.get(JAVA_INT, PARAMS_CQ_OFF + OFF_HEAD);
            completionTailAt = params.get(JAVA_INT, PARAMS_CQ_OFF + OFF_TAIL);
            completionMask = rings.get(JAVA_INT, params.get(JAVA_INT, PARAMS_CQ_OFF + OFF_MASK));
            registerRing();
        } catch (IOException | RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    // Saves a look-up of the descriptor, with two writes to a count, at each enter. Where the kernel refuses, it does without.
    private void registerRing() {
        var update = update(ANY_OFFSET, fd);
        if (RingCalls.ioUringRegister(errno, fd, REGISTER_RING_FDS, update, 1) != 1) return;
        enterFd = update.get(JAVA_INT, UPDATE_OFFSET);
        enterFlags |= ENTER_REGISTERED_RING;
    }

    private MemorySegment update(int offset, long data) {
        var update = arena.allocate(UPDATE_BYTES, 8);
        update.set(JAVA_INT, UPDATE_OFFSET, offset);
        update.set(JAVA_LONG, UPDATE_DATA, data);
        return update;
    }

    @Override
    public void close() {
        if ((enterFlags & ENTER_REGISTERED_RING) != 0)
            RingCalls.ioUringRegister(errno, fd, UNREGISTER_RING_FDS, update(enterFd, 0), 1);
        Linux.close(fd);
        arena.close();
    }

    /// The ring holds on to these files until it is closed, so that submissions do not have to: all rings of a mount have one
    /// file in common, whose count of holders their CPUs would take from each other with every request. Once at most; where
    /// the kernel refuses, submissions do as well without.
    void hold(int... descriptors) {
        var memory = arena.allocate(JAVA_INT, descriptors.length);
        for (int i = 0; i < descriptors.length; i++) memory.setAtIndex(JAVA_INT, i, descriptors[i]);
        if (RingCalls.ioUringRegister(errno, fd, REGISTER_FILES, memory, descriptors.length) == 0) files = descriptors.clone();
    }

    /// The file that the submission at `at` is about.
    void file(long at, int descriptor) {
        for (int place = 0; place < files.length; place++) {
            if (files[place] != descriptor) continue;
            submissions.set(JAVA_BYTE, at + SQE_FLAGS, FIXED_FILE);
            submissions.set(JAVA_INT, at + SQE_FD, place);
            return;
        }
        submissions.set(JAVA_INT, at + SQE_FD, descriptor);
    }

    /// A submission to be filled in: at its `at` of [#submissions], all zero. The kernel sees it at the next [#enter]; there
    /// are never more than the ring was made for.
    long submission() {
        if (submissionTail - (int) INT.getAcquire(rings, submissionHeadAt) >= submissionEntries)
            throw new IllegalStateException("more submissions than the ring of " + submissionEntries + " holds");
        long at = (long) (submissionTail & submissionMask) * SQE_BYTES;
        submissions.asSlice(at, SQE_BYTES).fill((byte) 0);
        submissionTail++;
        unsubmitted++;
        return at;
    }

    MemorySegment submissions() {
        return submissions;
    }

    /// Submissions made since the last [#enter].
    int unsubmitted() {
        return unsubmitted;
    }

    /// Submits, and waits until there is a completion if `wait`.
    ///
    /// @return 0, or minus errno; EINTR and EAGAIN among them: then it is to be called again
    int enter(boolean wait) {
        INT.setRelease(rings, submissionTailAt, submissionTail);
        int n = RingCalls.ioUringEnter(errno, enterFd, unsubmitted, wait ? 1 : 0, enterFlags);
        if (n < 0) return n;
        unsubmitted -= n;
        return 0;
    }

    /// Takes the next completion, if there is one: then it is in [#userData] and [#result].
    boolean next() {
        if (completionHead == (int) INT.getAcquire(rings, completionTailAt)) return false;
        long at = completionsAt + (long) (completionHead & completionMask) * CQE_BYTES;
        userData = rings.get(JAVA_LONG, at);
        result = rings.get(JAVA_INT, at + 8);
        completionHead++;
        INT.setRelease(rings, completionHeadAt, completionHead);
        return true;
    }

    boolean hasNext() {
        return completionHead != (int) INT.getAcquire(rings, completionTailAt);
    }

    long userData() {
        return userData;
    }

    /// 0 or positive, or minus errno.
    int result() {
        return result;
    }
}
