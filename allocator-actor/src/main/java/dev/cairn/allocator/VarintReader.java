package dev.cairn.allocator;

/// Reads what [VarintWriter] wrote. Anything else is an [IllegalArgumentException].
final class VarintReader {
    private final byte[] bytes;
    private int at;

    VarintReader(byte[] bytes) {
        this.bytes = bytes;
    }

    long read() {
        long value = 0;
        for (int shift = 0; shift < 63; shift += 7) {
            if (at == bytes.length) throw new IllegalArgumentException("a number is cut off at the end, byte " + at);
            byte b = bytes[at++];
            value |= (long) (b & 0x7f) << shift;
            if (b >= 0) return value;
        }
        throw new IllegalArgumentException("a number of more than 63 bits at byte " + at);
    }

    void expectEnd() {
        if (at != bytes.length)
            throw new IllegalArgumentException((bytes.length - at) + " bytes follow the last extent");
    }
}
