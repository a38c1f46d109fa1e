package dev.cairn.transaction;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.proto.DataPatch;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The data device as a mount uses it: knows whether anything was written since the last flush, so that commits of mere
/// metadata flush nothing.
///
/// What has been written is sent on its way to the medium early: a flush that has to write gigabytes of one program's stream
/// would keep another program's fsync waiting for seconds.
final class TrackedDevice implements BlockDevice {
    private static final Logger log = LoggerFactory.getLogger(TrackedDevice.class);
    /// So much is written before the device is asked to begin: a few milliseconds of a fast disk.
    private static final long WRITE_BACK_BYTES = 8 << 20;

    private final BlockDevice device;
    private final Executor io;
    private final AtomicLong notSentOn = new AtomicLong();
    private final AtomicBoolean sending = new AtomicBoolean();
    private final AtomicBoolean written = new AtomicBoolean();
    /// Null when commits always flush.
    private final RecentWrites recent;

    TrackedDevice(BlockDevice device, boolean carriesData, Executor io) {
        this.device = device;
        this.io = io;
        this.recent = carriesData ? new RecentWrites() : null;
    }

    @Override
    public void write(long byteOffset, MemorySegment from) throws DeviceException {
        if (recent != null && !recent.forgets()) {
            synchronized (recent) {
                if (recent.remembers(from.byteSize())) {
                    device.write(byteOffset, from);
                    recent.remember(byteOffset, from);
                    if (!written.get()) written.set(true);
                    return;
                }
            }
        }
        device.write(byteOffset, from);
        // After the write, so that a flush that began before it does not count for it.
        if (recent != null && !recent.forgets()) {
            synchronized (recent) {
                recent.tooMany();
            }
        }
        if (!written.get()) written.set(true);
        if (notSentOn.addAndGet(from.byteSize()) >= WRITE_BACK_BYTES && sending.compareAndSet(false, true)) {
            notSentOn.set(0);
            io.execute(this::sendOn);
        }
    }

    private void sendOn() {
        try {
            device.startWriteBack();
        } catch (DeviceException e) {
            log.warn("what was written could not be sent on its way to the medium; the next commit's flush will tell what became of it", e);
        } finally {
            sending.set(false);
        }
    }

    /// Whether a commit that ended now would have something to carry instead of a flush.
    boolean carries() {
        if (recent == null) return false;
        synchronized (recent) {
            return recent.canBeCarried();
        }
    }

    /// What a commit has to carry instead of a flush; null when it has to flush.
    List<DataPatch> takeRecent() {
        if (recent == null) return null;
        synchronized (recent) {
            return recent.take();
        }
    }

    /// @return whether everything written before is durable now; false when nothing was written since the last flush
    boolean flushIfWritten() throws DeviceException {
        if (!written.getAndSet(false)) return false;
        flush();
        return true;
    }

    @Override
    public void flush() throws DeviceException {
        if (recent != null) {
            synchronized (recent) {
                recent.flushing();
            }
        }
        notSentOn.set(0);
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
