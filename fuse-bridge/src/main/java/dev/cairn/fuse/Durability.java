package dev.cairn.fuse;

/// Which changes are durable before they are answered. The kernel asks for an fsync itself after what is written through its
/// cache on a `sync` mount; of `dirsync`, and of the rest of `sync`, it leaves everything to the file system.
///
/// @param names those of names
/// @param all   all of them
record Durability(boolean names, boolean all) {
    static Durability of(MountOptions options) {
        return new Durability(options.has(MountFlag.DIRSYNC), options.has(MountFlag.SYNC));
    }

    boolean wants(int opcode, boolean changes) {
        return changes && (all || names && FuseProtocol.isOfNames(opcode));
    }
}
