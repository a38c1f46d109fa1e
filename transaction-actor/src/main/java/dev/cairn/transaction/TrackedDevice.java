package dev.cairn.transaction;

import com.google.protobuf.UnsafeByteOperations;
import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.block.ForwardingDevice;
import dev.cairn.proto.DataPatch;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
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
final class TrackedDevice extends ForwardingDevice {
    private static final Logger log = LoggerFactory.getLogger(TrackedDevice.class);
    /// So much is written before the device is asked to begin: a millisecond of a fast disk, for which a commit elsewhere waits.
    private static final long WRITE_BACK_BYTES = 1 << 20;

    private final Executor io;
    private final AtomicLong notSentOn = new AtomicLong();
    private final AtomicBoolean sending = new AtomicBoolean();
    private final AtomicBoolean written = new AtomicBoolean();
    /// Null when commits always flush.
    private final RecentWrites recent;

    TrackedDevice(BlockDevice device, boolean carriesData, Executor io) {
        super(device);
        this.io = io;
        this.recent = carriesData ? new RecentWrites() : null;
    }

    // Whatever has been written is on the device, so its pages are what a read would say.
    @Override
    public boolean readsToPipes() {
        return device.readsToPipes();
    }

    @Override
    public boolean isCached(long byteOffset, long bytes) throws DeviceException {
        return device.isCached(byteOffset, bytes);
    }

    @Override
    public boolean readToPipe(long byteOffset, long bytes, int pipe) throws DeviceException {
        return device.readToPipe(byteOffset, bytes, pipe);
    }

    @Override
    public void write(long byteOffset, MemorySegment from) throws DeviceException {
        if (recent != null && !recent.forgets()) {
            synchronized (recent) {
                if (recent.remembers(from.byteSize())) {
                    super.write(byteOffset, from);
                    recent.remember(byteOffset, from);
                    if (!written.get()) written.set(true);
                    return;
                }
            }
        }
        super.write(byteOffset, from);
        // After the write, so that a flush that began before it does not count for it.
        if (recent != null && !recent.forgets()) {
            synchronized (recent) {
                recent.tooMany();
            }
        }
        written(from.byteSize());
    }

    @Override
    public void writeFresh(long byteOffset, MemorySegment from) throws DeviceException {
        super.writeFresh(byteOffset, from);
        written(from.byteSize());
    }

    private void written(long bytes) {
        if (!written.get()) written.set(true);
        if (notSentOn.addAndGet(bytes) >= WRITE_BACK_BYTES && sending.compareAndSet(false, true)) {
            notSentOn.set(0);
            io.execute(this::sendOn);
        }
    }

    private void sendOn() {
        try {
            startWriteBack();
        } catch (DeviceException e) {
            log.warn("what was written could not be sent on its way to the medium; the next commit's flush will tell what became of it", e);
        } finally {
            sending.set(false);
        }
    }

    /// So many fresh blocks a commit may carry.
    long freshBlocksMax() {
        return recent == null ? 0 : RecentWrites.BYTES_MAX / blockBytes();
    }

    /// Whether a commit that ended now would have something to carry instead of a flush.
    ///
    /// @param fresh see [#takeRecent]
    boolean carries(List<Extent> fresh) {
        if (recent == null || fresh == null) return false;
        synchronized (recent) {
            return recent.canBeCarried(bytes(fresh));
        }
    }

    /// What a commit has to carry instead of a flush; null when it has to flush. Fresh blocks are read back, so that what came
    /// and went between two commits is neither carried nor flushed. They may bring along what a later transaction has
    /// overwritten in place meanwhile: it was on the device as well.
    ///
    /// @param fresh the blocks that the commit is the first to refer to and that were written; null when there are too many
    List<DataPatch> takeRecent(List<Extent> fresh) {
        if (recent == null || fresh == null) return null;
        List<DataPatch> taken;
        synchronized (recent) {
            taken = recent.take(bytes(fresh));
        }
        if (taken == null || fresh.isEmpty()) return taken;
        try {
            var all = new ArrayList<>(taken);
            // Last: what is remembered of a block may be of the file that had it before.
            for (var extent : fresh) all.add(readBack(extent));
            return all;
        } catch (DeviceException e) {
            // The flush covers what has been taken, too.
            log.warn("what was written cannot be read back for the journal; the device is flushed instead: {}", e.getMessage());
            return null;
        }
    }

    private DataPatch readBack(Extent extent) throws DeviceException {
        try (var arena = Arena.ofConfined()) {
            var bytes = arena.allocate(extent.count() * blockBytes(), blockBytes());
            long at = extent.start() * blockBytes();
            read(at, bytes);
            return DataPatch.newBuilder().setByteOffset(at)
                    .setBytes(UnsafeByteOperations.unsafeWrap(bytes.toArray(ValueLayout.JAVA_BYTE))).build();
        }
    }

    private long bytes(List<Extent> extents) {
        long blocks = 0;
        for (var extent : extents) blocks += extent.count();
        return blocks * blockBytes();
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
        super.flush();
    }
}
