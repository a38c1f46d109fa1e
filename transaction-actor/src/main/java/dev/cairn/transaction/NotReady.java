package dev.cairn.transaction;

/// Ends an attempt of an [Operation] that lacks something. What it lacks is noted in the [Tx] that threw it; the
/// coordinator undoes the attempt, fetches what is missing, and runs the operation again from its start.
///
/// Never caught by an operation. One instance, no stack trace: it is control flow, thrown on every cache miss.
public final class NotReady extends RuntimeException {
    private static final long serialVersionUID = 1;
    public static final NotReady INSTANCE = new NotReady();

    private NotReady() {
        super(null, null, false, false);
    }
}
