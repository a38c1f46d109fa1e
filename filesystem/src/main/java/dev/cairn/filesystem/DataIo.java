package dev.cairn.filesystem;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Carries out a [DataPlan] against the data device. For many threads at once, one plan each; blocks on the disk.
public final class DataIo {
    private static final int BLOCK = FileSystem.BLOCK_BYTES;
    private static final MemorySegment ZEROS = Arena.global().allocate(BLOCK, BLOCK);
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

    /// Writes the first [DataPlan#bytes] bytes of `from`. When it throws, any part may have been written: abandon.
    public void write(DataPlan plan, MemorySegment from) throws DeviceException {
        long at = 0;
        for (int i = 0; i < plan.segments(); i++) {
            long length = plan.length(i), to = plan.deviceOffset(i);
            if (plan.kind(i) == DataPlan.DATA) {
                device.write(to, from.asSlice(at, length));
                at += length;
            } else {
                for (long done = 0; done < length; ) {
                    long part = Math.min(length - done, BLOCK);
                    device.write(to + done, ZEROS.asSlice(0, part));
                    done += part;
                }
            }
        }
    }
}
