package dev.cairn.transaction.run;

import dev.cairn.transaction.Key;

/// The first key of each data block of a run: all index blocks of the run together.
final class RunIndex implements Decoded {
    private final byte[] keys;
    private final int blocks;

    RunIndex(byte[] keys) {
        this.keys = keys;
        this.blocks = keys.length / Key.BYTES;
    }

    /// Puts the payloads of a run's index blocks together.
    ///
    /// @return a [RunIndex], or [Decoded.Damaged] when they do not describe `dataBlocks` ascending blocks
    static Decoded decode(byte[][] payloads, int dataBlocks) {
        var keys = new byte[dataBlocks * Key.BYTES];
        int at = 0;
        for (var payload : payloads) {
            int count = payload.length < RunFormat.KEYS_AT ? -1 : (int) ItemBlock.U32.get(payload, RunFormat.COUNT_AT);
            if (count < 0 || count > RunFormat.INDEX_KEYS
                    || payload.length != RunFormat.KEYS_AT + count * Key.BYTES || at + count * Key.BYTES > keys.length)
                return new Damaged("an index block of %d keys in %d bytes, for a run of %d data blocks"
                        .formatted(count, payload.length, dataBlocks));
            System.arraycopy(payload, RunFormat.KEYS_AT, keys, at, count * Key.BYTES);
            at += count * Key.BYTES;
        }
        if (at != keys.length)
            return new Damaged("the index has %d keys for %d data blocks".formatted(at / Key.BYTES, dataBlocks));
        for (int i = Key.BYTES; i < keys.length; i += Key.BYTES)
            if (ItemBlock.compare(keys, i - Key.BYTES, keys, i) >= 0)
                return new Damaged("index key %d is not above the one before".formatted(i / Key.BYTES));
        return new RunIndex(keys);
    }

    /// The data block that holds `key` if any does; 0 when it is below all of them.
    int blockOf(Key key) {
        int low = 0, high = blocks;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (ItemBlock.compare(keys, middle * Key.BYTES, key) <= 0) low = middle + 1;
            else high = middle;
        }
        return Math.max(0, low - 1);
    }

    @Override
    public int heapBytes() {
        return keys.length + 64;
    }
}
