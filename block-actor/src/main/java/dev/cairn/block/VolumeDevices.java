package dev.cairn.block;

import dev.cairn.block.DeviceLabel.Part;
import dev.cairn.block.DeviceLabel.Role;
import dev.cairn.block.LabelException.Problem;
import java.nio.file.Path;

/// The two devices of one volume, open, locked for this process, and known to belong together.
public final class VolumeDevices implements AutoCloseable {
    private final LocalDevice metadata, data;
    private DeviceLabel label;

    private VolumeDevices(LocalDevice metadata, LocalDevice data, DeviceLabel label) {
        this.metadata = metadata;
        this.data = data;
        this.label = label;
    }

    /// Opens the pair for reading and writing. A label with one torn copy is made whole again.
    ///
    /// @throws DeviceInUseException when a node, mkfs or a mount has one of them
    /// @throws LabelException when a label is missing, damaged, newer, on the wrong device, or of another volume
    public static VolumeDevices open(Path metaPath, Path dataPath) throws DeviceException {
        return open(metaPath, dataPath, LocalDevice.Mode.READ_WRITE);
    }

    public static VolumeDevices open(Path metaPath, Path dataPath, LocalDevice.Mode mode) throws DeviceException {
        refuseSame(metaPath, dataPath);
        var metaFile = DeviceFile.open(metaPath, mode);
        DeviceFile dataFile = null;
        try {
            dataFile = DeviceFile.open(dataPath, mode);
            // Once they are open nobody can have exchanged the paths between the look and the use.
            if (metaFile.stat().sameAs(dataFile.stat())) throw same(metaPath, dataPath);
            return opened(metaFile, dataFile, mode);
        } catch (DeviceException | RuntimeException | Error e) {
            metaFile.close();
            if (dataFile != null) dataFile.close();
            throw e;
        }
    }

    private static VolumeDevices opened(DeviceFile metaFile, DeviceFile dataFile, LocalDevice.Mode mode)
            throws DeviceException {
        var meta = whole(metaFile, Role.METADATA);
        var data = whole(dataFile, Role.DATA);
        var label = pair(meta, data);
        checkSize(metaFile, label.metadata());
        checkSize(dataFile, label.data());
        if (mode == LocalDevice.Mode.READ_WRITE) {
            LabelArea.repair(meta, label.withRole(Role.METADATA));
            LabelArea.repair(data, label.withRole(Role.DATA));
        }
        return new VolumeDevices(new LocalDevice(metaFile, meta.blockBytes(), label.metadata().blocks()),
                new LocalDevice(dataFile, data.blockBytes(), label.data().blocks()), label);
    }

    private static LocalDevice whole(DeviceFile file, Role role) {
        return new LocalDevice(file, role.blockBytes(), file.bytes() / role.blockBytes());
    }

    /// Reads both labels and checks them against each other.
    ///
    /// @return the label of the volume, in its metadata role: the newer one, when an update reached one device only
    static DeviceLabel pair(BlockDevice meta, BlockDevice data) throws DeviceException {
        var onMeta = LabelArea.read(meta);
        var onData = LabelArea.read(data);
        if (onMeta.role() == Role.DATA && onData.role() == Role.METADATA)
            throw new LabelException(Problem.ROLE_SWAPPED, ("%s is the data device and %s the metadata device: they "
                    + "are swapped, give them the other way round").formatted(meta.name(), data.name()));
        checkRole(meta, onMeta, Role.METADATA);
        checkRole(data, onData, Role.DATA);
        if (onMeta.fsid() != onData.fsid())
            throw new LabelException(Problem.FOREIGN_PAIR, ("%s belongs to volume %s and %s to volume %s: give two "
                    + "devices of one volume").formatted(meta.name(), onMeta.fsidText(), data.name(),
                    onData.fsidText()));
        checkCounterpart(meta, onMeta, data, onData, Role.METADATA);
        checkCounterpart(meta, onMeta, data, onData, Role.DATA);
        return (onMeta.sequence() >= onData.sequence() ? onMeta : onData).withRole(Role.METADATA);
    }

    private static void checkRole(BlockDevice device, DeviceLabel label, Role wanted) throws LabelException {
        if (label.role() != wanted)
            throw new LabelException(Problem.ROLE_SWAPPED, "%s: is the %s device of volume %s, given as %s device"
                    .formatted(device.name(), label.role().word(), label.fsidText(), wanted.word()));
    }

    private static void checkCounterpart(BlockDevice meta, DeviceLabel onMeta, BlockDevice data, DeviceLabel onData,
            Role role) throws LabelException {
        DeviceLabel newer = onMeta.sequence() >= onData.sequence() ? onMeta : onData, older = newer == onMeta ? onData : onMeta;
        Part now = newer.part(role), then = older.part(role);
        // A crash while the volume grew: the newer label says how much it uses.
        boolean grown = newer.sequence() > older.sequence() && now.blocks() > then.blocks() && now.equals(then.withBlocks(now.blocks()));
        if (!now.equals(then) && !grown)
            throw new LabelException(Problem.FOREIGN_PAIR, ("%s and %s are both of volume %s but not a pair: their "
                    + "labels differ about the %s device (%s, %d blocks; %s, %d blocks)").formatted(meta.name(),
                    data.name(), onMeta.fsidText(), role.word(), onMeta.part(role).uuid(), onMeta.part(role).blocks(),
                    onData.part(role).uuid(), onData.part(role).blocks()));
    }

    private static void checkSize(DeviceFile file, DeviceLabel.Part part) throws LabelException {
        if (file.bytes() < part.bytes())
            throw new LabelException(Problem.TRUNCATED, ("%s: device ends at %d, its label says it has %d blocks of %d "
                    + "bytes (%d); it was cut short, bring it back to its full size").formatted(file.name(),
                    file.bytes(), part.blocks(), part.blockBytes(), part.bytes()));
    }

    /// Before anything is opened: opened twice, the second would only be found locked by ourselves.
    static void refuseSame(Path metaPath, Path dataPath) throws LabelException {
        var meta = Libc.stat(metaPath.toString());
        var data = Libc.stat(dataPath.toString());
        if (meta.errno() == 0 && data.errno() == 0 && meta.stat().sameAs(data.stat())) throw same(metaPath, dataPath);
    }

    private static LabelException same(Path metaPath, Path dataPath) {
        return new LabelException(Problem.SAME_DEVICE, metaPath.equals(dataPath)
                ? metaPath + ": given as metadata and as data device; a volume needs two devices"
                : metaPath + " and " + dataPath + " are the same device; a volume needs two devices");
    }

    public LocalDevice metadata() {
        return metadata;
    }

    public LocalDevice data() {
        return data;
    }

    public synchronized DeviceLabel label() {
        return label;
    }

    /// Writes to both labels that the server's journal exists from now on. To be called when the journal has been
    /// started for the first time; a later start that finds it empty has lost it. Does nothing when it stands there.
    public synchronized void markJournalBorn() throws DeviceException {
        if (label.journalBorn()) return;
        var next = label.withJournalBorn();
        // Either label alone says it: a power cut between the two is mended at the next open.
        LabelArea.write(metadata, next.withRole(Role.METADATA));
        LabelArea.write(data, next.withRole(Role.DATA));
        label = next;
    }

    /// The volume uses so many blocks of each device from now on, the label area included: the open devices follow, then
    /// both labels, durably. Does nothing when that is so already. After a failure the devices have grown, for reading
    /// and writing, and the labels perhaps not: to be called again at the next start.
    ///
    /// @throws LabelException when a device has less than that, or the volume uses more; nothing has changed then
    public synchronized void grow(long metadataBlocks, long dataBlocks) throws DeviceException {
        checkGrowth(metadata, metadataBlocks);
        checkGrowth(data, dataBlocks);
        metadata.grow(metadataBlocks);
        data.grow(dataBlocks);
        if (label.metadata().blocks() == metadataBlocks && label.data().blocks() == dataBlocks) return;
        var next = label.withBlocks(metadataBlocks, dataBlocks);
        // Either label alone says it: a power cut between the two is mended at the next open.
        LabelArea.write(metadata, next.withRole(Role.METADATA));
        LabelArea.write(data, next.withRole(Role.DATA));
        label = next;
    }

    private static void checkGrowth(LocalDevice device, long blocks) throws DeviceException {
        long capacity = device.capacityBlocks();
        if (blocks > capacity)
            throw new LabelException(Problem.TRUNCATED, "%s: the volume uses %d blocks of %d bytes of it, but it has only %d; it was cut short, bring it back to its full size"
                    .formatted(device.name(), blocks, device.blockBytes(), capacity));
        if (blocks < device.blocks())
            throw new LabelException(Problem.TRUNCATED, "%s: the volume uses %d blocks of it, and cannot do with %d"
                    .formatted(device.name(), device.blocks(), blocks));
    }

    @Override
    public void close() {
        metadata.close();
        data.close();
    }
}
