package dev.cairn.transaction.run;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Key;
import java.util.List;

public final class RunWriter implements AutoCloseable {
    public RunWriter(BlockDevice meta, long fsid, long runId, List<Extent> space) {}

    /// A true upper bound of the blocks (index and filter included) that a run of these items takes.
    ///
    /// @param rawBytes the sum of [dev.cairn.transaction.Item#bytesInRun] over the items
    public static long blocksNeededAtMost(long items, long rawBytes) {
        throw new UnsupportedOperationException();
    }

    /// Whether an item with a value of this size can still be added within the space.
    public boolean fits(int valueBytes) {
        throw new UnsupportedOperationException();
    }

    /// An item of the largest size might not fit any more.
    public boolean full() {
        throw new UnsupportedOperationException();
    }

    public void add(Key key, long seq, byte[] valueOrNull) throws DeviceException {
        throw new UnsupportedOperationException();
    }

    public long items() {
        throw new UnsupportedOperationException();
    }

    /// Writes what is left. Does not flush the device.
    public RunRef finish(long ownerRid, int level) throws DeviceException {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
