package dev.cairn.block;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.cairn.proto.LabelledDevice;
import dev.cairn.proto.LabelledSlot;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/// Who a device is: its volume, its role there, its counterpart, and what must be known before the server's journal is
/// read. Both labels of a volume say the same but for their role.
///
/// @param fsid random, names the volume for ever
/// @param sequence grows with each change; of several sound labels the highest counts
/// @param journalBorn the server's journal was started once: from then on an empty journal is a lost one
/// @param dataAllocZoneBlocks 0: no zones
public record DeviceLabel(Role role, long fsid, long sequence, Part metadata, Part data, Instant created,
        List<QuorumSlot> slots, boolean journalBorn, long dataAllocZoneBlocks) {
    public static final int METADATA_BLOCK_BYTES = MetadataBlock.BYTES;
    public static final int DATA_BLOCK_BYTES = 4096;

    /// What the device is for.
    public enum Role {
        METADATA(METADATA_BLOCK_BYTES), DATA(DATA_BLOCK_BYTES);

        private final int blockBytes;

        Role(int blockBytes) {
            this.blockBytes = blockBytes;
        }

        public int blockBytes() {
            return blockBytes;
        }

        /// The first block behind the label area.
        public long firstUsableBlock() {
            return LabelArea.BYTES / blockBytes;
        }

        /// For messages.
        public String word() {
            return this == METADATA ? "metadata" : "data";
        }
    }

    /// One device of the volume.
    ///
    /// @param blocks used by the volume, the label area included
    public record Part(UUID uuid, long blocks, int blockBytes, long firstUsableBlock) {
        public long bytes() {
            return blocks * blockBytes;
        }

        Part withBlocks(long newBlocks) {
            return new Part(uuid, newBlocks, blockBytes, firstUsableBlock);
        }

        static Part of(Role role, long blocks) {
            return new Part(UUID.randomUUID(), blocks, role.blockBytes(), role.firstUsableBlock());
        }
    }

    public DeviceLabel {
        slots = List.copyOf(slots);
        created = created.truncatedTo(ChronoUnit.MILLIS);      // as it is stored, so a label read equals the one written
    }

    /// The device that this label stands on.
    public Part own() {
        return part(role);
    }

    public Part part(Role of) {
        return of == Role.METADATA ? metadata : data;
    }

    /// The same volume's label for the device of this role.
    public DeviceLabel withRole(Role other) {
        return new DeviceLabel(other, fsid, sequence, metadata, data, created, slots, journalBorn,
                dataAllocZoneBlocks);
    }

    DeviceLabel withJournalBorn() {
        return new DeviceLabel(role, fsid, sequence + 1, metadata, data, created, slots, true, dataAllocZoneBlocks);
    }

    DeviceLabel withBlocks(long metadataBlocks, long dataBlocks) {
        return new DeviceLabel(role, fsid, sequence + 1, metadata.withBlocks(metadataBlocks), data.withBlocks(dataBlocks),
                created, slots, journalBorn, dataAllocZoneBlocks);
    }

    /// The fsid as people read it.
    public String fsidText() {
        return "%016x".formatted(fsid);
    }

    byte[] toBytes() {
        var message = dev.cairn.proto.DeviceLabel.newBuilder()
                .setRole(role == Role.METADATA
                        ? dev.cairn.proto.DeviceLabel.Role.METADATA : dev.cairn.proto.DeviceLabel.Role.DATA)
                .setFsid(fsid).setSequence(sequence)
                .setMetadata(toMessage(metadata)).setData(toMessage(data))
                .setCreatedUnixMillis(created.toEpochMilli())
                .setJournalBorn(journalBorn).setDataAllocZoneBlocks(dataAllocZoneBlocks);
        for (var slot : slots)
            message.addSlots(LabelledSlot.newBuilder().setNr(slot.nr())
                    .setAddress(ByteString.copyFrom(slot.inetAddress().getAddress())).setPort(slot.port()));
        return message.build().toByteArray();
    }

    private static LabelledDevice toMessage(Part part) {
        var uuid = ByteBuffer.allocate(16).putLong(part.uuid.getMostSignificantBits())
                .putLong(part.uuid.getLeastSignificantBits()).flip();
        return LabelledDevice.newBuilder().setUuid(ByteString.copyFrom(uuid)).setBlocks(part.blocks)
                .setBlockBytes(part.blockBytes).setFirstUsableBlock(part.firstUsableBlock).build();
    }

    /// Its checksum was right, so what does not make sense here was written by another program, or by a fault of ours.
    ///
    /// @throws IllegalArgumentException saying which field makes no sense
    static DeviceLabel fromBytes(byte[] bytes) {
        try {
            var message = dev.cairn.proto.DeviceLabel.parseFrom(bytes);
            var role = switch (message.getRole()) {
                case METADATA -> Role.METADATA;
                case DATA -> Role.DATA;
                case ROLE_UNSPECIFIED, UNRECOGNIZED ->
                        throw new IllegalArgumentException("role is " + message.getRoleValue());
            };
            var slots = new ArrayList<QuorumSlot>();
            for (var slot : message.getSlotsList())
                slots.add(new QuorumSlot(slot.getNr(),
                        InetAddress.getByAddress(slot.getAddress().toByteArray()).getHostAddress(), slot.getPort()));
            if (message.getDataAllocZoneBlocks() < 0)
                throw new IllegalArgumentException("zones of " + message.getDataAllocZoneBlocks() + " blocks");
            return new DeviceLabel(role, message.getFsid(), message.getSequence(),
                    fromMessage(Role.METADATA, message.getMetadata()), fromMessage(Role.DATA, message.getData()),
                    Instant.ofEpochMilli(message.getCreatedUnixMillis()), slots, message.getJournalBorn(),
                    message.getDataAllocZoneBlocks());
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalArgumentException("is not a label message: " + e.getMessage(), e);
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException("a slot's address: " + e.getMessage(), e);
        }
    }

    private static Part fromMessage(Role role, LabelledDevice message) {
        if (message.getUuid().size() != 16)
            throw new IllegalArgumentException("%s uuid of %d bytes".formatted(role.word(), message.getUuid().size()));
        if (message.getBlockBytes() != role.blockBytes())
            throw new IllegalArgumentException("%s blocks of %d bytes, this program has %d"
                    .formatted(role.word(), message.getBlockBytes(), role.blockBytes()));
        long blocks = message.getBlocks(), first = message.getFirstUsableBlock();
        if (first < role.firstUsableBlock() || blocks <= first || blocks > Long.MAX_VALUE / role.blockBytes())
            throw new IllegalArgumentException("%s device of %d blocks, usable from %d"
                    .formatted(role.word(), blocks, first));
        var uuid = message.getUuid().asReadOnlyByteBuffer();
        return new Part(new UUID(uuid.getLong(), uuid.getLong()), blocks, message.getBlockBytes(), first);
    }
}
