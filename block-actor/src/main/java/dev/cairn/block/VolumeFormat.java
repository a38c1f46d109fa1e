package dev.cairn.block;

import dev.cairn.block.DeviceLabel.Part;
import dev.cairn.block.DeviceLabel.Role;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;

/// Makes a volume: checks that two devices may be used, and labels them. The rest of a volume begins in the server's
/// journal, so nothing else is written here. All checks of both devices come before the first write to either.
public final class VolumeFormat {
    /// The server looks at all of them for a refill.
    public static final int ZONES_MAX = 1024;
    /// What no volume can do without, also when told to go on.
    public static final long META_BYTES_MIN = 16L << 20, DATA_BYTES_MIN = 4L << 20;

    /// What was made. Blocks include the label area.
    public record Formatted(long fsid, long metaBlocks, long dataBlocks, List<QuorumSlot> slots) {}

    private VolumeFormat() {}

    /// @throws VolumeFormatException when refused, or when a device failed
    public static Formatted format(FormatRequest request) throws VolumeFormatException {
        checkSlots(request.slots());
        try {
            VolumeDevices.refuseSame(request.metaPath(), request.dataPath());
            try (var meta = open(request.metaPath(), Role.METADATA); var data = open(request.dataPath(), Role.DATA)) {
                long metaBlocks = blocks(meta, Role.METADATA, request.metaBytes(), request.minimumMetaBytes(),
                        META_BYTES_MIN, request.allowSmall());
                long dataBlocks = blocks(data, Role.DATA, request.dataBytes(), request.minimumDataBytes(),
                        DATA_BYTES_MIN, request.allowSmall());
                checkZones(request.dataAllocZoneBlocks(), dataBlocks);
                boolean eraseMeta = checkContent(meta, request.force());
                boolean eraseData = checkContent(data, request.force());
                return write(meta, metaBlocks, eraseMeta, data, dataBlocks, eraseData, request.slots(), request.dataAllocZoneBlocks());
            }
        } catch (DeviceException e) {
            throw new VolumeFormatException(e.getMessage(), e);
        }
    }

    private static void checkSlots(List<QuorumSlot> slots) throws VolumeFormatException {
        if (slots.isEmpty())
            throw new VolumeFormatException("no quorum slot given; give at least one, as -Q 0,127.0.0.1,12345");
        var numbers = new HashSet<Integer>();
        var places = new HashMap<String, Integer>();
        for (var slot : slots) {
            if (!numbers.add(slot.nr()))
                throw new VolumeFormatException("quorum slot " + slot.nr() + " is given twice; number them differently");
            var other = places.put(slot.address() + " port " + slot.port(), slot.nr());
            if (other != null)
                throw new VolumeFormatException("quorum slots %d and %d have the same address %s and port %d"
                        .formatted(other, slot.nr(), slot.address(), slot.port()));
        }
    }

    private static DeviceFile open(Path path, Role role) throws VolumeFormatException, DeviceException {
        var stat = Libc.stat(path.toString());
        if (stat.errno() == Libc.ENOENT)
            throw new VolumeFormatException(("%s: no such %s device; give an existing block device or file (a file is "
                    + "made with: truncate -s SIZE %s)").formatted(path, role.word(), path));
        if (stat.errno() == 0) {
            var use = KernelUse.of(stat.stat());
            if (use.isPresent()) throw new VolumeFormatException(path + ": " + use.get());
        }
        return DeviceFile.open(path, LocalDevice.Mode.READ_WRITE);
    }

    private static long blocks(DeviceFile file, Role role, OptionalLong wanted, long minimum, long minimumAbsolute,
            boolean allowSmall) throws VolumeFormatException {
        var option = role == Role.METADATA ? "-m" : "-d";
        if (wanted.isPresent() && wanted.getAsLong() < 1)
            throw new VolumeFormatException("%s %d: a size must be positive".formatted(option, wanted.getAsLong()));
        long bytes = wanted.orElse(file.bytes());
        if (bytes > file.bytes())
            throw new VolumeFormatException("%s: has %d bytes, fewer than %s asks for (%d); ask for less, or enlarge it"
                    .formatted(file.name(), file.bytes(), option, bytes));
        long blocks = bytes / role.blockBytes(), used = blocks * role.blockBytes();
        if (used < minimumAbsolute)
            throw new VolumeFormatException("%s: %d bytes are too small for a %s device; it needs at least %d"
                    .formatted(file.name(), bytes, role.word(), minimumAbsolute));
        if (used < minimum && !allowSmall)
            throw new VolumeFormatException(("%s: %d bytes are too small for a %s device to hold its reserve, at least "
                    + "%d are needed; give a larger one, or -A to go on").formatted(file.name(), bytes, role.word(),
                    minimum));
        return blocks;
    }

    private static void checkZones(long zoneBlocks, long dataBlocks) throws VolumeFormatException {
        long least = Math.ceilDiv(dataBlocks, (long) ZONES_MAX);
        if (zoneBlocks != 0 && (zoneBlocks < least || zoneBlocks > dataBlocks))
            throw new VolumeFormatException("-z %d: a zone of this data device has between %d and %d blocks; 0 means no zones"
                    .formatted(zoneBlocks, least, dataBlocks));
    }

    /// @return whether something foreign is there that has to be erased
    private static boolean checkContent(DeviceFile file, boolean force) throws VolumeFormatException, DeviceException {
        var foreign = Signatures.find(file);
        if (force) return foreign.isPresent();
        if (foreign.isPresent())
            throw new VolumeFormatException("%s: carries %s already; give another device, or -f to overwrite it"
                    .formatted(file.name(), foreign.get()));
        if (LabelArea.present(whole(file)))
            throw new VolumeFormatException(
                    "%s: carries a Cairn label already; give another device, or -f to destroy the volume it belongs to"
                            .formatted(file.name()));
        return false;
    }

    private static LocalDevice whole(DeviceFile file) {
        return new LocalDevice(file, DeviceLabel.DATA_BLOCK_BYTES, file.bytes() / DeviceLabel.DATA_BLOCK_BYTES);
    }

    // The old labels go first, and durably: a power cut in the middle leaves devices that nobody takes for a volume,
    // neither for the old one nor for half of the new one. The data label comes before the metadata label, which is
    // the one a node looks at first.
    private static Formatted write(DeviceFile meta, long metaBlocks, boolean eraseMeta, DeviceFile data,
            long dataBlocks, boolean eraseData, List<QuorumSlot> slots, long zoneBlocks) throws DeviceException {
        if (eraseMeta) Signatures.erase(meta);
        if (eraseData) Signatures.erase(data);
        wipeLabels(meta);
        wipeLabels(data);
        var label = new DeviceLabel(Role.METADATA, randomFsid(), 1, Part.of(Role.METADATA, metaBlocks),
                Part.of(Role.DATA, dataBlocks), Instant.now(), slots, false, zoneBlocks);
        LabelArea.write(whole(data), label.withRole(Role.DATA));
        LabelArea.write(whole(meta), label);
        return new Formatted(label.fsid(), metaBlocks, dataBlocks, label.slots());
    }

    private static void wipeLabels(DeviceFile file) throws DeviceException {
        try (var arena = Arena.ofConfined()) {
            var zeros = arena.allocate(LabelArea.PLACE_BYTES, 4096);
            for (int place = 0; place < LabelArea.PLACES; place++)
                file.write(LabelArea.placeAt(place), zeros, DeviceLabel.DATA_BLOCK_BYTES);
            file.flush();
        }
    }

    // 0 would look like "no volume" in messages.
    private static long randomFsid() {
        var random = new SecureRandom();
        long fsid;
        do fsid = random.nextLong(); while (fsid == 0);
        return fsid;
    }
}
