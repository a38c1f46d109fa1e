package dev.cairn.transaction.run;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.proto.CompleteMerge;
import dev.cairn.proto.MergeJob;

public final class MergeRun {
    private MergeRun() {}

    /// Blocks on the disk: call it on an I/O thread. The output has been flushed when it returns.
    ///
    /// @throws DeviceException when an input is damaged or a device fails; nothing has changed then
    public static CompleteMerge merge(MergeJob job, BlockDevice meta, long fsid) throws DeviceException {
        throw new UnsupportedOperationException();
    }
}
