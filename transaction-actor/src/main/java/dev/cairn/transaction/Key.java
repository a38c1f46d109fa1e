package dev.cairn.transaction;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/// Where an item stands in the one sorted key space of a volume: 26 bytes compared as unsigned bytes,
/// `zone(1) first(8) type(1) second(8) third(8)`, big-endian. What the fields mean for each zone and type is section 4
/// of docs/architecture.md; `filesystem` gives them their names.
public record Key(byte zone, long first, byte type, long second, long third) implements Comparable<Key> {
    public static final int BYTES = 26;
    public static final Key MIN = new Key((byte) 0, 0, (byte) 0, 0, 0);
    public static final Key MAX = new Key((byte) -1, -1, (byte) -1, -1, -1);

    private static final ValueLayout.OfLong U64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    @Override
    public int compareTo(Key other) {
        if (zone != other.zone) return Byte.compareUnsigned(zone, other.zone);
        if (first != other.first) return Long.compareUnsigned(first, other.first);
        if (type != other.type) return Byte.compareUnsigned(type, other.type);
        if (second != other.second) return Long.compareUnsigned(second, other.second);
        return Long.compareUnsigned(third, other.third);
    }

    /// The next key in order; [#MAX] has none.
    public Key next() {
        if (third != -1) return new Key(zone, first, type, second, third + 1);
        if (second != -1) return new Key(zone, first, type, second + 1, 0);
        if (type != -1) return new Key(zone, first, (byte) (type + 1), 0, 0);
        if (first != -1) return new Key(zone, first + 1, (byte) 0, 0, 0);
        if (zone != -1) return new Key((byte) (zone + 1), 0, (byte) 0, 0, 0);
        throw new IllegalStateException("no key follows the last one");
    }

    public void write(MemorySegment into, long at) {
        into.set(ValueLayout.JAVA_BYTE, at, zone);
        into.set(U64, at + 1, first);
        into.set(ValueLayout.JAVA_BYTE, at + 9, type);
        into.set(U64, at + 10, second);
        into.set(U64, at + 18, third);
    }

    public static Key read(MemorySegment from, long at) {
        return new Key(from.get(ValueLayout.JAVA_BYTE, at), from.get(U64, at + 1),
                from.get(ValueLayout.JAVA_BYTE, at + 9), from.get(U64, at + 10), from.get(U64, at + 18));
    }

    public byte[] toBytes() {
        var bytes = new byte[BYTES];
        write(MemorySegment.ofArray(bytes), 0);
        return bytes;
    }

    /// @throws IllegalArgumentException when there are not exactly 26 bytes
    public static Key of(byte[] bytes) {
        if (bytes.length != BYTES) throw new IllegalArgumentException("a key of " + bytes.length + " bytes");
        return read(MemorySegment.ofArray(bytes), 0);
    }
}
