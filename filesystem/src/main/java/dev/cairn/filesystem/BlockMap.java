package dev.cairn.filesystem;

import java.util.BitSet;

/// One bit for each block of a device: who has been seen. 32 MiB for a device of 1 TiB.
final class BlockMap {
    private static final int CHUNK_BITS = 26;
    private static final long CHUNK = 1L << CHUNK_BITS;

    private final BitSet[] chunks;
    private final long blocks;

    BlockMap(long blocks) {
        this.blocks = blocks;
        chunks = new BitSet[(int) ((blocks + CHUNK - 1) >>> CHUNK_BITS)];
    }

    /// Marks blocks of the device.
    /// @return the first that was marked already, or -1
    long mark(long first, long count) {
        long twice = -1;
        for (long at = first, end = first + count; at < end; ) {
            int chunk = (int) (at >>> CHUNK_BITS), from = (int) (at & CHUNK - 1);
            int to = (int) Math.min(CHUNK, from + (end - at));
            if (chunks[chunk] == null) chunks[chunk] = new BitSet();
            int set = chunks[chunk].nextSetBit(from);
            if (twice < 0 && set >= 0 && set < to) twice = at + (set - from);
            chunks[chunk].set(from, to);
            at += to - from;
        }
        return twice;
    }

    /// The first block from `at` on that is marked, or not; the device's end when there is none.
    long next(long at, boolean marked) {
        while (at < blocks) {
            var chunk = chunks[(int) (at >>> CHUNK_BITS)];
            long begin = at & -CHUNK;
            int from = (int) (at - begin);
            int found = chunk == null ? (marked ? -1 : from) : marked ? chunk.nextSetBit(from) : chunk.nextClearBit(from);
            if (found >= 0 && found < CHUNK) return Math.min(blocks, begin + found);
            at = begin + CHUNK;
        }
        return blocks;
    }
}
