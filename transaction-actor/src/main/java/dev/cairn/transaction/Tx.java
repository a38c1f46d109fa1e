package dev.cairn.transaction;

import dev.cairn.block.Extent;

/// What an [Operation] sees of the volume while it runs: the newest state of every item, its own changes included.
/// One thread, one attempt. Any method may throw [NotReady]; then the attempt leaves no trace and is made again later.
///
/// Locks come first: an operation takes the locks it needs, in ascending order of inode group, before it reads.
public interface Tx {
    // ---- locks

    /// The lock on the inode group of `ino`: everything keyed by the inode, its data included.
    void lockInode(long ino, LockMode mode);

    /// The index items of this transaction's own [#seq] (write-only) are always covered; this covers those of `seq`,
    /// which an inode's items move away from. `data` chooses data_seq, otherwise meta_seq.
    void lockIndex(boolean data, long seq, LockMode mode);

    /// The orphan items, or the right to rename across directories.
    void lockOrphans(LockMode mode);

    void lockRename();

    // ---- items

    /// The value of a key, or null when there is none. Not to be changed.
    byte[] get(Key key);

    /// Says that `key` will be asked for: what is missing for it is fetched together with whatever else the attempt turns
    /// out to lack, instead of one restart for each. Never throws, never waits, and costs nothing while nothing is missing.
    void want(Key key);

    /// From `first` to `last`, both included.
    Cursor scan(Key first, Key last);

    /// The array becomes the item's; the caller does not change it any more. At most [Item#VALUE_BYTES_MAX] bytes.
    void put(Key key, byte[] value);

    /// As [#put], for a key that has no item, which the caller knows: it has looked, or nobody can have used the key before.
    /// An item that is deleted again before its transaction is committed then leaves no trace at all.
    void create(Key key, byte[] value);

    /// Deletes the item whether or not it exists.
    void delete(Key key);

    // ---- the transaction

    /// The seq of the open transaction. meta_seq and data_seq of what is changed now.
    long seq();

    /// The greatest seq whose transaction, and every one before it, is committed: the horizon of walk-inodes.
    long committedSeq();

    /// A fresh inode number for a directory or for anything else.
    long allocateInode(boolean directory);

    /// Counts inodes for statfs: +1 with the inode item that is created, -1 with the one that is deleted.
    void countInodes(int delta);

    /// Whether nothing may be added any more: an operation of hold [Operation.Hold#MAY_ALLOCATE] that would, ends with ENOSPC.
    boolean metadataLow();

    /// Whether half of what is reserved for freeing and merging has been used up. What frees or changes, and is never refused,
    /// must not add items on the side from here on: were the rest used as well, not even deleting would go on.
    boolean metadataScarce();

    // ---- data blocks (4 KiB)

    /// Takes up to `count` consecutive data blocks out of the mount's share, for the operation to write to before any
    /// item refers to them; near `goal` when possible (0: anywhere). At least one; ask again for the rest. They belong
    /// to the caller until [#referData] or [#returnData]; a crash in between returns them.
    /// Throws ENOSPC's failure when the volume has no data block left, and when this attempt has reserved all that is in hand:
    /// it ends with what it got, and the next one waits for more.
    Extent reserveData(long count, long goal);

    /// The same, for a file that has more to come: if possible, `room` blocks behind these, and `lead` before them when they
    /// are in a new place, are kept from other files for a while. Nothing has to be given back.
    default Extent reserveData(long count, long goal, long lead, long room) {
        return reserveData(count, goal);
    }

    /// Reserved blocks are referred to by items of this transaction from now on.
    void referData(Extent reserved);

    /// The same for blocks that nobody has written: the items say so.
    default void referUnwritten(Extent reserved) {
        referData(reserved);
    }

    /// Reserved blocks were not needed.
    void returnData(Extent reserved);

    /// Blocks that items no longer refer to. They become free when this transaction has been committed and every
    /// [DataPin] taken before has been released.
    void freeData(Extent blocks);

    /// Keeps blocks that are freed from now on out of other hands until released: for reads and writes of file data that
    /// go on after the operation. Take it as the last step of an attempt, when nothing can throw any more.
    DataPin pinData();

    /// What statfs answers: totals, free (reserve subtracted), inode count; as of the last grant and what was used since.
    dev.cairn.proto.SpaceReport space();
}
