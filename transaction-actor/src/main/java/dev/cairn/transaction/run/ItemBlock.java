package dev.cairn.transaction.run;

import static java.nio.ByteOrder.BIG_ENDIAN;

import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/// The items of one data block, sorted by key; columns as drawn in [RunFormat]. Checked once when decoded, then trusted:
/// searching and walking touch the bytes in place and allocate nothing.
final class ItemBlock implements Decoded {
    static final VarHandle U64 = MethodHandles.byteArrayViewVarHandle(long[].class, BIG_ENDIAN);
    static final VarHandle U32 = MethodHandles.byteArrayViewVarHandle(int[].class, BIG_ENDIAN);
    static final VarHandle U16 = MethodHandles.byteArrayViewVarHandle(short[].class, BIG_ENDIAN);

    private final byte[] raw;
    private final int count;
    private final int seqsAt;
    private final int lengthsAt;
    /// Where the value of each item begins; one more entry for the end of the last.
    private final int[] valueAt;

    private ItemBlock(byte[] raw, int count, int[] valueAt) {
        this.raw = raw;
        this.count = count;
        this.seqsAt = RunFormat.KEYS_AT + count * Key.BYTES;
        this.lengthsAt = seqsAt + count * Long.BYTES;
        this.valueAt = valueAt;
    }

    /// @return an [ItemBlock], or [Decoded.Damaged] when the payload contradicts itself
    static Decoded decode(byte[] raw) {
        if (raw.length < RunFormat.KEYS_AT) return new Damaged("a payload of " + raw.length + " bytes");
        int count = (int) U32.get(raw, RunFormat.COUNT_AT);
        if (count < 1 || count > (raw.length - RunFormat.KEYS_AT) / RunFormat.ITEM_BYTES)
            return new Damaged("%d items in %d bytes".formatted(count, raw.length));
        var valueAt = new int[count + 1];
        var block = new ItemBlock(raw, count, valueAt);
        int at = block.lengthsAt + count * Short.BYTES;
        for (int i = 0; i < count; i++) {
            int length = (short) U16.get(raw, block.lengthsAt + i * Short.BYTES) & 0xffff;
            if (length > Item.VALUE_BYTES_MAX && length != RunFormat.DELETED)
                return new Damaged("item %d has a value of %d bytes".formatted(i, length));
            if (i > 0 && block.compare(i - 1, block, i) >= 0)
                return new Damaged("item %d is not above the one before".formatted(i));
            valueAt[i] = at;
            at += length == RunFormat.DELETED ? 0 : length;
        }
        valueAt[count] = at;
        if (at != raw.length) return new Damaged("values end at %d of %d bytes".formatted(at, raw.length));
        return block;
    }

    int count() {
        return count;
    }

    @Override
    public int heapBytes() {
        return raw.length + valueAt.length * Integer.BYTES + 96;
    }

    Key key(int i) {
        int at = RunFormat.KEYS_AT + i * Key.BYTES;
        return new Key(raw[at], (long) U64.get(raw, at + 1), raw[at + 9], (long) U64.get(raw, at + 10),
                (long) U64.get(raw, at + 18));
    }

    int compare(int i, Key key) {
        return compare(raw, RunFormat.KEYS_AT + i * Key.BYTES, key);
    }

    static int compare(byte[] keys, int at, Key key) {
        if (keys[at] != key.zone()) return Byte.compareUnsigned(keys[at], key.zone());
        long first = (long) U64.get(keys, at + 1);
        if (first != key.first()) return Long.compareUnsigned(first, key.first());
        if (keys[at + 9] != key.type()) return Byte.compareUnsigned(keys[at + 9], key.type());
        long second = (long) U64.get(keys, at + 10);
        if (second != key.second()) return Long.compareUnsigned(second, key.second());
        return Long.compareUnsigned((long) U64.get(keys, at + 18), key.third());
    }

    int compare(int i, ItemBlock other, int j) {
        return compare(raw, RunFormat.KEYS_AT + i * Key.BYTES, other.raw, RunFormat.KEYS_AT + j * Key.BYTES);
    }

    /// 26 bytes as three unsigned longs and two bytes, in the order of the key.
    static int compare(byte[] a, int at, byte[] b, int bt) {
        long x = (long) U64.get(a, at), y = (long) U64.get(b, bt);
        if (x != y) return Long.compareUnsigned(x, y);
        x = (long) U64.get(a, at + 8);
        y = (long) U64.get(b, bt + 8);
        if (x != y) return Long.compareUnsigned(x, y);
        x = (long) U64.get(a, at + 16);
        y = (long) U64.get(b, bt + 16);
        if (x != y) return Long.compareUnsigned(x, y);
        return Integer.compare((short) U16.get(a, at + 24) & 0xffff, (short) U16.get(b, bt + 24) & 0xffff);
    }

    /// The first item whose key is not below `key`; [#count] when there is none.
    int lowerBound(Key key) {
        int low = 0, high = count;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (compare(middle, key) < 0) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// The first item whose key is above `key`; [#count] when there is none.
    int upperBound(Key key) {
        int low = 0, high = count;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (compare(middle, key) <= 0) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// The item with exactly this key, or -1.
    int find(Key key) {
        int i = lowerBound(key);
        return i < count && compare(i, key) == 0 ? i : -1;
    }

    long seq(int i) {
        return (long) U64.get(raw, seqsAt + i * Long.BYTES);
    }

    boolean deleted(int i) {
        return ((short) U16.get(raw, lengthsAt + i * Short.BYTES) & 0xffff) == RunFormat.DELETED;
    }

    int valueLength(int i) {
        return valueAt[i + 1] - valueAt[i];
    }

    byte[] value(int i) {
        return deleted(i) ? null : Arrays.copyOfRange(raw, valueAt[i], valueAt[i + 1]);
    }

    long probeHash(int i) {
        int at = keyAt(i);
        return RunFormat.probeHash(raw[at], (long) U64.get(raw, at + 1), raw[at + 9], (long) U64.get(raw, at + 10));
    }

    /// The bytes that [#keyAt] and [#valueStart] point into; not to be changed.
    byte[] raw() {
        return raw;
    }

    int keyAt(int i) {
        return RunFormat.KEYS_AT + i * Key.BYTES;
    }

    int valueStart(int i) {
        return valueAt[i];
    }
}
