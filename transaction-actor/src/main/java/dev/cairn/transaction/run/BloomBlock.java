package dev.cairn.transaction.run;

import static dev.cairn.transaction.run.RunFormat.BLOOM_BITS_AT;

/// One block of a run's bloom filter: says for sure that a probe is not in the run, or that it probably is.
final class BloomBlock implements Decoded {
    private final byte[] payload;
    private final int bits;

    private BloomBlock(byte[] payload, int bits) {
        this.payload = payload;
        this.bits = bits;
    }

    static BloomBlock empty(int bits) {
        var payload = new byte[BLOOM_BITS_AT + bits / 8];
        ItemBlock.U32.set(payload, 0, bits);
        return new BloomBlock(payload, bits);
    }

    static Decoded decode(byte[] payload) {
        int bits = payload.length < BLOOM_BITS_AT ? -1 : (int) ItemBlock.U32.get(payload, 0);
        if (bits < 8 || bits % 8 != 0 || payload.length != BLOOM_BITS_AT + bits / 8)
            return new Damaged("a filter of %d bits in %d bytes".formatted(bits, payload.length));
        return new BloomBlock(payload, bits);
    }

    void add(long hash) {
        long second = RunFormat.mix(hash);
        int at = (int) second, step = (int) (second >>> 32) | 1;
        for (int i = 0; i < RunFormat.BLOOM_PROBES; i++, at += step) {
            int bit = (int) ((Integer.toUnsignedLong(at) * bits) >>> 32);
            payload[BLOOM_BITS_AT + (bit >>> 3)] |= (byte) (1 << (bit & 7));
        }
    }

    boolean mayContain(long hash) {
        long second = RunFormat.mix(hash);
        int at = (int) second, step = (int) (second >>> 32) | 1;
        for (int i = 0; i < RunFormat.BLOOM_PROBES; i++, at += step) {
            int bit = (int) ((Integer.toUnsignedLong(at) * bits) >>> 32);
            if ((payload[BLOOM_BITS_AT + (bit >>> 3)] & (1 << (bit & 7))) == 0) return false;
        }
        return true;
    }

    byte[] payload() {
        return payload;
    }

    @Override
    public int heapBytes() {
        return payload.length + 64;
    }
}
