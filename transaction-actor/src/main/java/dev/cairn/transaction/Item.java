package dev.cairn.transaction;

/// One version of a key's value. A deletion is an item too, with no value, until no older version can be left anywhere.
///
/// @param seq   max(transaction seq, seq of the lock it was written under); the highest one wins
/// @param value at most [#VALUE_BYTES_MAX] bytes, never changed once it is here; null for a deletion
/// @param born  its key had nothing before the transaction that it is in: as long as that is open, deleting the item leaves
///              nothing behind, not even a deletion. Means nothing once the transaction is frozen, and is not stored.
public record Item(Key key, long seq, byte[] value, boolean born) {
    /// Small enough that any item fits a block many times over, large enough for any value of section 4.
    public static final int VALUE_BYTES_MAX = 4096;

    public Item(Key key, long seq, byte[] value) {
        this(key, seq, value, false);
    }

    public boolean deleted() {
        return value == null;
    }

    /// Bytes an item of this value size takes in an uncompressed run, at the most.
    public static int bytesInRun(int valueBytes) {
        return Key.BYTES + 8 + 4 + valueBytes;
    }
}
