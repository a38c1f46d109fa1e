package dev.cairn.quorum;

import dev.cairn.proto.VolumeGeometry;
import dev.cairn.quorum.journal.CarriedData;

/// The volume's devices, where the server's node has them: what the server has to know of them, and what they have to know
/// of the server's journal. Both may block on the disk, and throw a RuntimeException that says in words what a device or
/// its label lacks.
///
/// A volume grows by an event in the journal; open devices and labels follow it. In this order a crash in between leaves
/// labels that say less than the journal, which a new term sees and mends. In the other order it would leave labels that
/// say more, and those could as well be labels of a volume whose journal has lost its end.
public interface VolumeDevices {
    /// How large the devices are at this moment, in blocks, whatever the volume uses of them.
    VolumeGeometry capacity();

    /// The volume uses this much of them, by the journal. Called in every term before anything is served, and when the volume
    /// has grown, before anybody can be granted a block that is new.
    ///
    /// @throws RuntimeException when a device is smaller than that: nothing may be served then
    void follow(VolumeGeometry geometry);

    /// The data device, for file data that commits carry; null: commits flush.
    default CarriedData.Device data() {
        return null;
    }

    /// Devices that are as large as the volume says and stay so: for tests that have none.
    static VolumeDevices fixed(VolumeGeometry geometry) {
        return new VolumeDevices() {
            @Override
            public VolumeGeometry capacity() {
                return geometry;
            }

            @Override
            public void follow(VolumeGeometry wanted) {
                if (!wanted.equals(geometry)) throw new IllegalStateException("devices of\n%s\ncannot be\n%s".formatted(geometry, wanted));
            }
        };
    }
}
