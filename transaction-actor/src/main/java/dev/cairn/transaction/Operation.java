package dev.cairn.transaction;

/// One unit of work on a volume, handed to the [Coordinator] and run there to completion, one operation at a time.
///
/// [#run] is a pure function of the [Tx] it sees (take clocks and random numbers before submitting): it may be run
/// several times, each attempt undone but for the last. [#done] or [#failed] follows exactly once.
///
/// All three are called on whatever thread the coordinator runs on, often the submitter's own, inside `submit`: they
/// must not block. An implementation may be reused after it has ended.
public abstract non-sealed class Operation implements Coordinator.Command {
    /// What an operation does to space; the rule of section 6: allocating operations get ENOSPC on a mount whose metadata
    /// is flagged low, the others always proceed. What turns out only while it runs is asked of [Tx#metadataLow].
    public enum Hold {
        READ, MODIFY,
        /// As MODIFY, and slowed down as ALLOCATE: a write may overwrite what is there, or need new items.
        MAY_ALLOCATE,
        ALLOCATE
    }

    /// For metrics and errors, e.g. "unlink".
    public abstract String name();

    public abstract Hold hold();

    /// Reads and changes items. Ends normally, by [NotReady] (thrown by the Tx), or by [Errno.Failure] (which undoes the
    /// attempt as well). Anything else thrown is a bug: undone, logged, and answered with EIO.
    public abstract void run(Tx tx);

    public abstract void done();

    public abstract void failed(Errno errno);
}
