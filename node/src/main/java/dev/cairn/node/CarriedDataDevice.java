package dev.cairn.node;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.quorum.journal.CarriedData;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The data device for the journal, which writes file data again that it has carried, and flushes it.
record CarriedDataDevice(BlockDevice device) implements CarriedData.Device {
    @Override
    public void write(long byteOffset, byte[] bytes) {
        try (var arena = Arena.ofConfined()) {
            device.write(byteOffset, arena.allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes)));
        } catch (DeviceException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    @Override
    public void flush() {
        try {
            device.flush();
        } catch (DeviceException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }
}
