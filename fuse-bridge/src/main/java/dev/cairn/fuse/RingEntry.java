package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import java.lang.foreign.MemorySegment;

/// A place for one request in a queue of the kernel's: it writes the request there, and takes the reply from there when the
/// entry is committed. Between the two the entry is the bridge's, on whatever thread.
///
///     registered -> with the kernel -> taken (a request has come) -> answered -> with the kernel …
///                        +-> dead: the connection has ended
final class RingEntry implements ReplyLine {
    final FuseRequest request;
    private final RingThread thread;
    final int queue;
    /// Among the thread's entries: what completions name it by.
    final int index;
    /// struct fuse_uring_req_header: the request's or reply's header, the fixed arguments, and what the ring needs.
    final MemorySegment header;
    /// Says which request is answered.
    private long commitId;
    private boolean answered;
    /// Of [RingThread]'s list of entries that were answered on other threads.
    RingEntry nextAnswered;

    RingEntry(FuseSession session, RingThread thread, int queue, int index) {
        this.thread = thread;
        this.queue = queue;
        this.index = index;
        request = new FuseRequest(session);
        request.line = this;
        header = request.ringHeader();
    }

    long commitId() {
        return commitId;
    }

    /// A request has come: takes it as far as it goes without waiting.
    ///
    /// @return true when it has been answered; false when another thread will do so
    boolean begin() {
        answered = false;
        commitId = header.get(U64, RING_COMMIT_ID);
        if (!request.begin(request.takeFromRing(header))) return false;
        // What has no reply does not come by a ring, says the protocol; an entry that is not committed would be lost.
        if (!answered) fail();
        return true;
    }

    private void fail() {
        header.set(U32, OUT_LEN, OUT_HEADER_BYTES);
        header.set(U32, OUT_ERROR, -dev.cairn.transaction.Errno.EIO.number());
        header.set(U64, OUT_UNIQUE, commitId);
        header.set(U32, RING_PAYLOAD_BYTES, 0);
    }

    @Override
    public long send(RequestSlot slot, int bytes) {
        MemorySegment.copy(slot.out, 0, header, 0, OUT_HEADER_BYTES);
        int body = bytes - OUT_HEADER_BYTES;
        MemorySegment.copy(slot.out, OUT_HEADER_BYTES, slot.payload, 0, body);
        header.set(U32, RING_PAYLOAD_BYTES, body);
        answered = true;
        return bytes;
    }

    @Override
    public long sendPayload(RequestSlot slot, long bytes) {
        MemorySegment.copy(slot.out, 0, header, 0, OUT_HEADER_BYTES);
        header.set(U32, RING_PAYLOAD_BYTES, (int) bytes);
        answered = true;
        return bytes;
    }

    @Override
    public void ended(FuseRequest request) {
        if (!answered) fail();
        thread.answered(this);
    }
}
