package dev.cairn.transaction.run;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.block.MetadataBlock;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// Fills the blocks of given extents one after the other, and writes neighbours together.
final class BlockOutput implements AutoCloseable {
    private final BlockDevice meta;
    private final long fsid, runId;
    private final List<Extent> space;
    private final long total;
    private final List<Extent> used = new ArrayList<>();
    private MemorySegment buffer = IoBuffers.take();
    /// The extent that is being filled, and how much of it is.
    private int extent;
    private long inExtent;
    private int ordinal;
    /// Blocks in the buffer that are not written yet; they end right before the next block.
    private int buffered;

    BlockOutput(BlockDevice meta, long fsid, long runId, List<Extent> space) {
        this.meta = meta;
        this.fsid = fsid;
        this.runId = runId;
        this.space = List.copyOf(space);
        total = space.stream().mapToLong(Extent::count).sum();
    }

    long total() {
        return total;
    }

    int written() {
        return ordinal;
    }

    void put(MetadataBlock.Kind kind, byte[] payload, int length, int encoding, int rawBytes) throws DeviceException {
        if (ordinal >= total) throw new IllegalStateException("run %x: all its %d blocks are full".formatted(runId, total));
        if (inExtent == space.get(extent).count()) {
            write();
            extent++;
            inExtent = 0;
        }
        long address = space.get(extent).start() + inExtent;
        var block = IoBuffers.block(buffer, buffered);
        MemorySegment.copy(payload, 0, MetadataBlock.payload(block), ValueLayout.JAVA_BYTE, 0, length);
        MetadataBlock.seal(block, new MetadataBlock.Expected(fsid, address, runId), kind, ordinal, length, encoding,
                rawBytes);
        inExtent++;
        ordinal++;
        if (++buffered == IoBuffers.BLOCKS) {
            write();
            // Piece by piece: a flush of a whole run at once keeps the disk from the journal for milliseconds, and every fsync waits.
            meta.startWriteBack();
        }
    }

    private void write() throws DeviceException {
        if (buffered == 0) return;
        long first = space.get(extent).start() + inExtent - buffered;
        meta.write(first * RunFormat.BLOCK_BYTES, buffer.asSlice(0, (long) buffered * RunFormat.BLOCK_BYTES));
        var last = used.isEmpty() ? null : used.getLast();
        if (last != null && last.end() == first) used.set(used.size() - 1, new Extent(last.start(), last.count() + buffered));
        else used.add(new Extent(first, buffered));
        buffered = 0;
    }

    /// Writes what is left. @return the blocks used, in the order of the run
    List<Extent> finish() throws DeviceException {
        write();
        return used;
    }

    @Override
    public void close() {
        if (buffer != null) IoBuffers.giveBack(buffer);
        buffer = null;
    }
}
