/// POSIX and archive semantics as straight code over items: what a call does to a volume, with no FUSE, no actors, no
/// clocks and no I/O of its own.
///
/// Start at [FileSystem]: every method is one restartable attempt on a [dev.cairn.transaction.Tx], for the body of an
/// [dev.cairn.transaction.Operation] whose hold [OperationKind] names. [Keys] has all key shapes, [Inode] the layout of
/// inodes. File data goes beside: a [DataPlan] says where the bytes are, [DataIo] moves them.
package dev.cairn.filesystem;
