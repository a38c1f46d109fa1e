package dev.cairn.transaction;

import java.util.Locale;

/// What an operation between two attempts waits for.
enum Waiting {
    /// Metadata blocks that are being read.
    BLOCKS,
    /// The newest manifest, because a block was not what the one in hand says.
    MANIFEST,
    LOCK,
    /// A transaction that has grown as large as it may.
    COMMIT,
    /// Data blocks, which a commit brings, or the discarding of freed ones.
    SPACE,
    /// Merging, which the mount is outrunning.
    MERGE,
    SERVER;

    String text() {
        return name().toLowerCase(Locale.ROOT);
    }
}
