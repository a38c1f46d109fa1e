package dev.cairn.filesystem;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Carries out a [DataPlan] against the data device. For many threads at once, one plan each; blocks on the disk.
public final class DataIo {
    private static final int BLOCK = FileSystem.BLOCK_BYTES;
    private static final MemorySegment ZEROS = Arena.global().allocate(BLOCK, BLOCK);
    /// Where a block that only partly comes from the buffer is put together: one write of a whole block, where two would
    /// make the page cache read the block first.
    private static final ThreadLocal<MemorySegment> SCRATCH =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(BLOCK, BLOCK));

    private final BlockDevice device;

    public DataIo(BlockDevice device) {
        this.device = device;
    }

    /// Reads [DataPlan#bytes] bytes to the start of `into`, if that takes no waiting for the disk.
    /// @return false when it would: `into` is undefined, call [#read] from a thread that may wait
    public boolean tryReadNow(DataPlan plan, MemorySegment into) throws DeviceException {
        long at = 0;
        for (int i = 0; i < plan.segments(); i++) {
            var part = into.asSlice(at, plan.length(i));
            if (plan.kind(i) == DataPlan.ZERO) part.fill((byte) 0);
            else if (!device.readWithoutWaiting(plan.deviceOffset(i), part)) return false;
            at += plan.length(i);
        }
        return true;
    }

    /// Reads [DataPlan#bytes] bytes to the start of `into`.
    public void read(DataPlan plan, MemorySegment into) throws DeviceException {
        long at = 0;
        for (int i = 0; i < plan.segments(); i++) {
            var part = into.asSlice(at, plan.length(i));
            if (plan.kind(i) == DataPlan.ZERO) part.fill((byte) 0);
            else device.read(plan.deviceOffset(i), part);
            at += plan.length(i);
        }
    }

    /// Whether [#readToPipe] may be tried, without waiting for the disk unless `mayWait`.
    public boolean goesByPipe(DataPlan plan, boolean mayWait) throws DeviceException {
        if (!device.readsToPipes()) return false;
        for (int i = 0; i < plan.segments(); i++) if (plan.kind(i) == DataPlan.ZERO) return false;
        if (mayWait) return true;
        for (int i = 0; i < plan.segments(); i++)
            if (!device.isCached(plan.deviceOffset(i), plan.length(i))) return false;
        return true;
    }

    /// Puts [DataPlan#bytes] bytes into a pipe, as pages of the device's cache: see [BlockDevice#readToPipe]. The plan is
    /// not to be released before they have been taken from the pipe.
    ///
    /// @return false when not all of them are there
    public boolean readToPipe(DataPlan plan, int pipe) throws DeviceException {
        for (int i = 0; i < plan.segments(); i++)
            if (!device.readToPipe(plan.deviceOffset(i), plan.length(i), pipe)) return false;
        return true;
    }

    /// Writes the first [DataPlan#bytes] bytes of `from` (null for a plan of zeros only). When it throws, any part may have
    /// been written: abandon.
    public void write(DataPlan plan, MemorySegment from) throws DeviceException {
        long at = 0;
        for (int i = 0; i < plan.segments(); ) {
            // Consecutive segments that go to consecutive places are one stretch of the device.
            int next = i + 1;
            long start = plan.deviceOffset(i), end = start + plan.length(i);
            while (next < plan.segments() && plan.deviceOffset(next) == end) end += plan.length(next++);
            at = writeStretch(plan, i, next, start, end, from, at);
            i = next;
        }
    }

    /// Segments `first` up to `next`, at `start` up to `end` of the device. @return where in the buffer it got to
    private long writeStretch(DataPlan plan, int first, int next, long start, long end, MemorySegment from, long at)
            throws DeviceException {
        int segment = first;
        long within = 0;
        for (long to = start; to < end; ) {
            long left = plan.length(segment) - within;
            long blockEnd = Math.min(end, to - to % BLOCK + BLOCK);
            if (left >= blockEnd - to && plan.kind(segment) == DataPlan.DATA) {
                // As much as there is in whole blocks, or to the end of the stretch.
                long length = to + left == end ? left : to + left - (to + left) % BLOCK - to;
                write(plan, to, from.asSlice(at, length));
                at += length;
                to += length;
                within += length;
            } else if (left >= blockEnd - to) {
                write(plan, to, ZEROS.asSlice(0, blockEnd - to));
                within += blockEnd - to;
                to = blockEnd;
            } else {
                var block = SCRATCH.get();
                for (long filled = 0; filled < blockEnd - to; ) {
                    long part = Math.min(plan.length(segment) - within, blockEnd - to - filled);
                    if (plan.kind(segment) == DataPlan.DATA) {
                        MemorySegment.copy(from, at, block, filled, part);
                        at += part;
                    } else {
                        block.asSlice(filled, part).fill((byte) 0);
                    }
                    filled += part;
                    within += part;
                    if (within == plan.length(segment)) {
                        segment++;
                        within = 0;
                    }
                }
                write(plan, to, block.asSlice(0, blockEnd - to));
                to = blockEnd;
            }
            if (segment < next && within == plan.length(segment)) {
                segment++;
                within = 0;
            }
        }
        return at;
    }

    private void write(DataPlan plan, long to, MemorySegment bytes) throws DeviceException {
        if (plan.fresh) device.writeFresh(to, bytes);
        else device.write(to, bytes);
    }
}
