package dev.cairn.allocator;

import java.util.Arrays;

/// Non-negative integers, seven bits in a byte, the lowest first; the high bit says that more follow.
final class VarintWriter {
    private byte[] bytes = new byte[64];
    private int size;

    void write(long value) {
        if (size + 10 > bytes.length) bytes = Arrays.copyOf(bytes, bytes.length * 2);
        while (value >= 0x80) {
            bytes[size++] = (byte) (value | 0x80);
            value >>>= 7;
        }
        bytes[size++] = (byte) value;
    }

    byte[] toBytes() {
        return Arrays.copyOf(bytes, size);
    }
}
