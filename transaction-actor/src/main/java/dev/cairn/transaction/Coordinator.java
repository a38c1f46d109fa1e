package dev.cairn.transaction;

/// The transaction coordinator of one mount: see package-info.
public final class Coordinator {
    public sealed interface Command permits Operation, Commit {}

    /// Asks for a commit of everything done so far (fsync, sync, umount). `done` is called once, with null or the error,
    /// when all of it is durable.
    public record Commit(java.util.function.Consumer<Errno> done) implements Command {}

    private Coordinator() {}
}
