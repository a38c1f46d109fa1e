package dev.cairn.node;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/// A device in memory as one on a disk: every now and then a read has to wait, as if the page cache had lost it.
///
/// @param device belongs to whoever opened it
record ColdAtTimes(BlockDevice device, AtomicInteger reads) implements BlockDevice {
    private static final int COLD_EVERY = 16;

    ColdAtTimes(BlockDevice device) {
        this(device, new AtomicInteger());
    }

    @Override
    public boolean readWithoutWaiting(long byteOffset, MemorySegment into) throws DeviceException {
        return reads.incrementAndGet() % COLD_EVERY != 0 && device.readWithoutWaiting(byteOffset, into);
    }

    @Override
    public void read(long byteOffset, MemorySegment into) throws DeviceException {
        device.read(byteOffset, into);
    }

    @Override
    public void write(long byteOffset, MemorySegment from) throws DeviceException {
        device.write(byteOffset, from);
    }

    @Override
    public void writeFresh(long byteOffset, MemorySegment from) throws DeviceException {
        device.writeFresh(byteOffset, from);
    }

    @Override
    public void flush() throws DeviceException {
        device.flush();
    }

    @Override
    public void discard(Extent blocks) throws DeviceException {
        device.discard(blocks);
    }

    @Override
    public String name() {
        return device.name();
    }

    @Override
    public int blockBytes() {
        return device.blockBytes();
    }

    @Override
    public long blocks() {
        return device.blocks();
    }

    @Override
    public void close() {}
}
