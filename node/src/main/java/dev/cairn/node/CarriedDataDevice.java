package dev.cairn.node;

import dev.cairn.block.DeviceException;
import dev.cairn.block.VolumeDevices;
import dev.cairn.quorum.journal.CarriedData;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The data device for the journal, which writes file data again that it has carried, and flushes it.
///
/// The journal may know of a larger volume than the labels, which follow it only when the server has started: a resize
/// whose last step failed, a commit behind the old end, a crash. What it carries is reason enough for them to follow.
record CarriedDataDevice(VolumeDevices devices) implements CarriedData.Device {
    @Override
    public void write(long byteOffset, byte[] bytes) {
        var device = devices.data();
        try (var arena = Arena.ofConfined()) {
            long end = Math.ceilDiv(Math.addExact(byteOffset, bytes.length), device.blockBytes());
            if (end > device.blocks()) devices.grow(devices.metadata().blocks(), end);
            device.write(byteOffset, arena.allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes)));
        } catch (DeviceException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    @Override
    public void flush() {
        try {
            devices.data().flush();
        } catch (DeviceException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }
}
