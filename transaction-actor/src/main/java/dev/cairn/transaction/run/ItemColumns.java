package dev.cairn.transaction.run;

import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import java.util.Arrays;

/// Items on their way into a data block: the columns of [RunFormat] while they grow. At their largest they take 300 KiB, which
/// an fsync's few items should not pay for.
final class ItemColumns {
    private byte[] keys, seqs, lengths, values;
    /// Where the value of each item ends.
    private int[] valueEnds;
    private int count;

    /// Begins with room for so much, grows to what [RunFormat] allows for a block.
    ItemColumns(int items, int valueBytes) {
        keys = new byte[items * Key.BYTES];
        seqs = new byte[items * Long.BYTES];
        lengths = new byte[items * Short.BYTES];
        valueEnds = new int[items];
        values = new byte[valueBytes];
    }

    private void makeRoom(int length) {
        if (count == valueEnds.length) {
            int items = Math.min(2 * count, RunFormat.ITEMS_MAX);
            keys = Arrays.copyOf(keys, items * Key.BYTES);
            seqs = Arrays.copyOf(seqs, items * Long.BYTES);
            lengths = Arrays.copyOf(lengths, items * Short.BYTES);
            valueEnds = Arrays.copyOf(valueEnds, items);
        }
        int bytes = valueEnd() + length;
        if (bytes > values.length) values = Arrays.copyOf(values, Math.min(Math.max(bytes, 2 * values.length), RunFormat.RAW_BYTES_MAX));
    }

    int count() {
        return count;
    }

    private int valueEnd() {
        return count == 0 ? 0 : valueEnds[count - 1];
    }

    /// Bytes of the items, the payload's header not included.
    int itemBytes() {
        return count * RunFormat.ITEM_BYTES + valueEnd();
    }

    static int bytesOf(int valueLength) {
        return RunFormat.ITEM_BYTES + valueLength;
    }

    void add(Key key, long seq, byte[] valueOrNull) {
        int length = valueOrNull == null ? 0 : valueOrNull.length;
        if (length > Item.VALUE_BYTES_MAX) throw new IllegalArgumentException(key + " has a value of " + length + " bytes");
        makeRoom(length);
        int at = count * Key.BYTES;
        keys[at] = key.zone();
        ItemBlock.U64.set(keys, at + 1, key.first());
        keys[at + 9] = key.type();
        ItemBlock.U64.set(keys, at + 10, key.second());
        ItemBlock.U64.set(keys, at + 18, key.third());
        if (length > 0) System.arraycopy(valueOrNull, 0, values, valueEnd(), length);
        added(seq, length, valueOrNull == null);
    }

    void add(ItemBlock from, int i) {
        int length = from.valueLength(i);
        makeRoom(length);
        System.arraycopy(from.raw(), from.keyAt(i), keys, count * Key.BYTES, Key.BYTES);
        System.arraycopy(from.raw(), from.valueStart(i), values, valueEnd(), length);
        added(from.seq(i), length, from.deleted(i));
    }

    private void added(long seq, int length, boolean deleted) {
        ItemBlock.U64.set(seqs, count * Long.BYTES, seq);
        ItemBlock.U16.set(lengths, count * Short.BYTES, (short) (deleted ? RunFormat.DELETED : length));
        valueEnds[count] = valueEnd() + length;
        count++;
    }

    /// How many of the first items make a payload of at most `bytes`; never less than one.
    int within(int bytes) {
        int low = 1, high = count;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (rawBytes(middle) <= bytes) low = middle;
            else high = middle - 1;
        }
        return low;
    }

    /// Bytes of the payload of the first `n` items.
    int rawBytes(int n) {
        return RunFormat.KEYS_AT + n * RunFormat.ITEM_BYTES + valueEnds[n - 1];
    }

    /// Puts the payload of the first `n` items into `into`.
    int assemble(int n, byte[] into) {
        ItemBlock.U32.set(into, RunFormat.COUNT_AT, n);
        int at = RunFormat.KEYS_AT;
        System.arraycopy(keys, 0, into, at, n * Key.BYTES);
        at += n * Key.BYTES;
        System.arraycopy(seqs, 0, into, at, n * Long.BYTES);
        at += n * Long.BYTES;
        System.arraycopy(lengths, 0, into, at, n * Short.BYTES);
        at += n * Short.BYTES;
        System.arraycopy(values, 0, into, at, valueEnds[n - 1]);
        return at + valueEnds[n - 1];
    }

    /// The first key, as bytes.
    void firstKey(byte[] into, int at) {
        System.arraycopy(keys, 0, into, at, Key.BYTES);
    }

    /// Drops the first `n` items.
    void remove(int n) {
        int gone = valueEnds[n - 1], end = valueEnd(), left = count - n;
        System.arraycopy(keys, n * Key.BYTES, keys, 0, left * Key.BYTES);
        System.arraycopy(seqs, n * Long.BYTES, seqs, 0, left * Long.BYTES);
        System.arraycopy(lengths, n * Short.BYTES, lengths, 0, left * Short.BYTES);
        System.arraycopy(values, gone, values, 0, end - gone);
        for (int i = 0; i < left; i++) valueEnds[i] = valueEnds[i + n] - gone;
        count = left;
    }
}
