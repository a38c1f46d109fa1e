package dev.cairn.transaction;

import java.util.Arrays;

/// The bytes of many values in few arrays: a value costs the collector nothing, and its place is used again when it is given
/// back. A place is a number; how long its value is, is the caller's to remember. For one thread; [#copy] for any while nothing
/// is changed.
final class ValueSlab {
    /// The first chunk is small, because most transactions that somebody waits for are.
    private static final int CHUNK_BYTES_FIRST = 4 << 10, CHUNK_BYTES_MAX = 64 << 10;
    private static final int OFFSET_BITS = 16;
    /// Places are multiples of it, so that few sizes of free places serve all values.
    private static final int GRAIN_BITS = 4, GRAIN = 1 << GRAIN_BITS;
    private static final byte[] NOTHING = new byte[0];

    private byte[][] chunks = new byte[4][];
    private int count;
    /// Bytes of the last chunk that are taken.
    private int taken;
    /// Places that were given back, by their grains.
    private final long[][] free = new long[(Item.VALUE_BYTES_MAX >> GRAIN_BITS) + 1][];
    private final int[] freeCount = new int[free.length];

    /// Bytes that a value of this length takes.
    static int bytesOf(int length) {
        return length + GRAIN - 1 & -GRAIN;
    }

    private static int grains(int length) {
        return length + GRAIN - 1 >> GRAIN_BITS;
    }

    /// @param value at most [Item#VALUE_BYTES_MAX] bytes
    /// @return its place
    long add(byte[] value) {
        return add(value, 0, value.length);
    }

    private long add(byte[] from, int at, int length) {
        if (length == 0) return 0;
        int grains = grains(length);
        long place = freeCount[grains] > 0 ? free[grains][--freeCount[grains]] : fresh(grains << GRAIN_BITS);
        System.arraycopy(from, at, chunks[(int) (place >>> OFFSET_BITS)], offset(place), length);
        return place;
    }

    /// A copy of another slab's value.
    long add(ValueSlab from, long place, int length) {
        return length == 0 ? 0 : add(from.chunks[(int) (place >>> OFFSET_BITS)], offset(place), length);
    }

    private static int offset(long place) {
        return (int) place & (1 << OFFSET_BITS) - 1;
    }

    private long fresh(int bytes) {
        if (count == 0 || taken + bytes > chunks[count - 1].length) {
            if (count == chunks.length) chunks = Arrays.copyOf(chunks, 2 * count);
            chunks[count] = new byte[count < 4 ? CHUNK_BYTES_FIRST << count : CHUNK_BYTES_MAX];
            count++;
            taken = 0;
        }
        long place = (long) (count - 1) << OFFSET_BITS | taken;
        taken += bytes;
        return place;
    }

    void giveBack(long place, int length) {
        if (length == 0) return;
        int grains = grains(length);
        var places = free[grains];
        if (places == null) free[grains] = places = new long[8];
        else if (freeCount[grains] == places.length) free[grains] = places = Arrays.copyOf(places, 2 * places.length);
        places[freeCount[grains]++] = place;
    }

    byte[] copy(long place, int length) {
        if (length == 0) return NOTHING;
        int from = offset(place);
        return Arrays.copyOfRange(chunks[(int) (place >>> OFFSET_BITS)], from, from + length);
    }
}
