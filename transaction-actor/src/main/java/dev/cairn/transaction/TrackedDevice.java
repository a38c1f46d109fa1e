package dev.cairn.transaction;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;

/// The data device as a mount uses it: knows whether anything was written since the last flush, so that commits of mere
/// metadata flush nothing.
final class TrackedDevice implements BlockDevice {
    private final BlockDevice device;
    private final AtomicBoolean written = new AtomicBoolean();

    TrackedDevice(BlockDevice device) {
        this.device = device;
    }

    @Override
    public void write(long byteOffset, MemorySegment from) throws DeviceException {
        device.write(byteOffset, from);
        // After the write, so that a flush that began before it does not count for it.
        if (!written.get()) written.set(true);
    }

    void flushIfWritten() throws DeviceException {
        if (!written.getAndSet(false)) return;
        flush();
    }

    @Override
    public void flush() throws DeviceException {
        device.flush();
    }

    @Override
    public void read(long byteOffset, MemorySegment into) throws DeviceException {
        device.read(byteOffset, into);
    }

    @Override
    public boolean readWithoutWaiting(long byteOffset, MemorySegment into) throws DeviceException {
        return device.readWithoutWaiting(byteOffset, into);
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

    /// The device belongs to whoever opened it.
    @Override
    public void close() {}
}
