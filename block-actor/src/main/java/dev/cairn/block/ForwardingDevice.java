package dev.cairn.block;

import java.lang.foreign.MemorySegment;

/// A device that is another one but for what a subclass changes. The other one belongs to whoever opened it, and stays open.
/// Reads to no pipes of itself: a subclass may have its own mind about reading.
public abstract class ForwardingDevice implements BlockDevice {
    protected final BlockDevice device;

    protected ForwardingDevice(BlockDevice device) {
        this.device = device;
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
    public void read(long byteOffset, MemorySegment into) throws DeviceException {
        device.read(byteOffset, into);
    }

    @Override
    public boolean readWithoutWaiting(long byteOffset, MemorySegment into) throws DeviceException {
        return device.readWithoutWaiting(byteOffset, into);
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
    public void startWriteBack() throws DeviceException {
        device.startWriteBack();
    }

    @Override
    public void discard(Extent blocks) throws DeviceException {
        device.discard(blocks);
    }

    @Override
    public long discardBytesAtOnce() {
        return device.discardBytesAtOnce();
    }

    @Override
    public void close() {}
}
