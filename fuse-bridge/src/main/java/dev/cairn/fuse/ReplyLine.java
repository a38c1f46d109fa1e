package dev.cairn.fuse;

/// Where a request came from, and where its reply goes: a descriptor of /dev/fuse ([DeviceReader]) or an entry of a ring
/// ([RingEntry]).
interface ReplyLine {
    /// Sends the first `bytes` of the slot's `out`: header and body.
    ///
    /// @return what the kernel says if it is known already: bytes, or minus errno
    long send(RequestSlot slot, int bytes);

    /// Sends the header that `out` begins with, and the first `bytes` of the payload from where they are.
    long sendPayload(RequestSlot slot, long bytes);

    /// Whether [#sendPipe] can be called.
    default boolean takesPipes() {
        return false;
    }

    /// Sends the header and so many bytes of payload that are in the pipe behind it.
    default long sendPipe(RequestSlot slot, ReplyPipe pipe, long bytes) {
        throw new UnsupportedOperationException("replies of " + getClass().getSimpleName() + " do not come from pipes");
    }

    /// The request has ended on a thread that is not its reader's.
    void ended(FuseRequest request);
}
