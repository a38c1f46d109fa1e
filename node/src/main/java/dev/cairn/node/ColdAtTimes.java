package dev.cairn.node;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.ForwardingDevice;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/// A device in memory as one on a disk, also where it is read into pipes: every now and then a read has to wait, as if the page cache had lost it.
final class ColdAtTimes extends ForwardingDevice {
    private static final int COLD_EVERY = 16, LARGE_BYTES = 64 << 10;

    private final AtomicInteger reads = new AtomicInteger();

    ColdAtTimes(BlockDevice device) {
        super(device);
    }

    @Override
    public boolean readWithoutWaiting(long byteOffset, MemorySegment into) throws DeviceException {
        // A large one has been asked for by [#isCached] before, and was not.
        return into.byteSize() < LARGE_BYTES && reads.incrementAndGet() % COLD_EVERY != 0 && super.readWithoutWaiting(byteOffset, into);
    }

    @Override
    public boolean readsToPipes() {
        return device.readsToPipes();
    }

    @Override
    public boolean isCached(long byteOffset, long bytes) throws DeviceException {
        return reads.incrementAndGet() % COLD_EVERY != 0 && device.isCached(byteOffset, bytes);
    }

    @Override
    public boolean readToPipe(long byteOffset, long bytes, int pipe) throws DeviceException {
        return device.readToPipe(byteOffset, bytes, pipe);
    }
}
