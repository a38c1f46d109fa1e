package dev.cairn.transaction.run;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;

/// Native buffers of 16 blocks for device I/O, used again and again: making native memory costs more than filling it.
/// Those that nobody uses are kept up to a bound; the others go with the garbage collector.
final class IoBuffers {
    static final int BLOCKS = 16;
    private static final int KEPT_MAX = 32;
    /// Direct I/O wants buffers that begin at a page.
    private static final int ALIGNMENT = 4096;

    private static final ConcurrentLinkedDeque<MemorySegment> FREE = new ConcurrentLinkedDeque<>();
    private static final AtomicInteger KEPT = new AtomicInteger();

    private IoBuffers() {}

    static MemorySegment take() {
        var buffer = FREE.pollFirst();
        if (buffer == null) return Arena.ofAuto().allocate((long) BLOCKS * RunFormat.BLOCK_BYTES, ALIGNMENT);
        KEPT.decrementAndGet();
        return buffer;
    }

    static void giveBack(MemorySegment buffer) {
        if (KEPT.incrementAndGet() <= KEPT_MAX) FREE.addFirst(buffer);
        else KEPT.decrementAndGet();
    }

    static MemorySegment block(MemorySegment buffer, int index) {
        return buffer.asSlice((long) index * RunFormat.BLOCK_BYTES, RunFormat.BLOCK_BYTES);
    }
}
