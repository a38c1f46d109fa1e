package dev.cairn.transaction;

/// One version of a key's value. A deletion is an item too, with no value, until no older version can be left anywhere.
///
/// @param seq   max(transaction seq, seq of the lock it was written under); the highest one wins
/// @param value at most [#VALUE_BYTES_MAX] bytes, never changed once it is here; null for a deletion
public record Item(Key key, long seq, byte[] value) {
    /// Small enough that any item fits a block many times over, large enough for any value of section 4.
    public static final int VALUE_BYTES_MAX = 4096;

    public boolean deleted() {
        return value == null;
    }

    /// Bytes an item of this value size takes in an uncompressed run, at the most.
    public static int bytesInRun(int valueBytes) {
        return Key.BYTES + 8 + 4 + valueBytes;
    }
}
