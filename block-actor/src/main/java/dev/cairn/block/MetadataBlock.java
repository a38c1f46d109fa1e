package dev.cairn.block;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/// One 64 KiB block of a run on a metadata device. Little-endian. The header names everything that a reference to the
/// block expects, so a block that is torn, stale, misplaced or reused gives itself away.
///
///      0  u32  magic     "CMB1"
///      4  u32  checksum  CRC32C of the whole block from offset 8 on, the padding too
///      8  u16  version   1
///     10  u8   kind      what the payload is: see [Kind]
///     11  u8   encoding  of the payload (compression); its meaning belongs to the payload's owner
///     12  u32  ordinal   this block's place within its run, from 0
///     16  u64  fsid      the volume: a device that held another one before keeps its old blocks
///     24  u64  address   this block's own number on the device, so a misdirected write is seen
///     32  u64  run id    unique for ever, so a reused block is seen by a reader with an old manifest
///     40  u32  length    of the payload as stored, at most 65 488
///     44  u32  raw bytes length of the payload once decoded; its meaning belongs to the payload's owner
///     48       payload   zero-padded to the end of the block
public final class MetadataBlock {
    public static final int BYTES = 64 * 1024;
    public static final int HEADER_BYTES = 48;
    public static final int PAYLOAD_BYTES_MAX = BYTES - HEADER_BYTES;

    private static final int MAGIC_AT = 0, CHECKSUM_AT = 4, VERSION_AT = 8, KIND_AT = 10, ENCODING_AT = 11,
            ORDINAL_AT = 12, FSID_AT = 16, ADDRESS_AT = 24, RUN_ID_AT = 32, LENGTH_AT = 40, RAW_BYTES_AT = 44;
    private static final int MAGIC = 'C' | 'M' << 8 | 'B' << 16 | '1' << 24;
    private static final short VERSION = 1;

    private static final ValueLayout.OfShort U16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong U64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// What the payload is.
    public enum Kind {
        ITEMS(1), INDEX(2), BLOOM(3);

        private final byte code;

        Kind(int code) {
            this.code = (byte) code;
        }

        private static Kind of(byte code) {
            return switch (code) {
                case 1 -> ITEMS;
                case 2 -> INDEX;
                case 3 -> BLOOM;
                default -> null;
            };
        }
    }

    /// What a reference to a block says about it.
    public record Expected(long fsid, long address, long runId) {}

    /// What a block turned out to be.
    public sealed interface Read {}

    /// @param payload as stored: a slice of the block that was read, so it lives and changes with it
    public record Whole(MemorySegment payload, Kind kind, int ordinal, int encoding, int rawBytes) implements Read {}

    /// Bytes that cannot be trusted, or that never were this block.
    public record Damaged(String why) implements Read {}

    /// A sound block of another run at the right place: it was reused, and the reader's manifest is old.
    public record Foreign(String why) implements Read {}

    private MetadataBlock() {}

    /// Where the payload of `block` goes; write it there, then [#seal].
    public static MemorySegment payload(MemorySegment block) {
        return block.asSlice(HEADER_BYTES, PAYLOAD_BYTES_MAX);
    }

    /// Completes a block whose payload is in place: pads it, writes the header, takes the checksum.
    public static void seal(MemorySegment block, Expected identity, Kind kind, int ordinal, int length, int encoding,
            int rawBytes) {
        if (block.byteSize() != BYTES)
            throw new IllegalArgumentException("a metadata block has " + BYTES + " bytes, not " + block.byteSize());
        if (length < 0 || length > PAYLOAD_BYTES_MAX || ordinal < 0 || rawBytes < 0 || encoding < 0 || encoding > 255)
            throw new IllegalArgumentException("payload of %d bytes, raw %d, encoding %d, ordinal %d"
                    .formatted(length, rawBytes, encoding, ordinal));
        block.asSlice(HEADER_BYTES + (long) length).fill((byte) 0);
        block.set(U32, MAGIC_AT, MAGIC);
        block.set(U16, VERSION_AT, VERSION);
        block.set(ValueLayout.JAVA_BYTE, KIND_AT, kind.code);
        block.set(ValueLayout.JAVA_BYTE, ENCODING_AT, (byte) encoding);
        block.set(U32, ORDINAL_AT, ordinal);
        block.set(U64, FSID_AT, identity.fsid());
        block.set(U64, ADDRESS_AT, identity.address());
        block.set(U64, RUN_ID_AT, identity.runId());
        block.set(U32, LENGTH_AT, length);
        block.set(U32, RAW_BYTES_AT, rawBytes);
        block.set(U32, CHECKSUM_AT, checksum(block));
    }

    public static Read read(MemorySegment block, Expected expected) {
        if (block.byteSize() != BYTES)
            return new Damaged("a metadata block has %d bytes, here are %d".formatted(BYTES, block.byteSize()));
        int magic = block.get(U32, MAGIC_AT);
        if (magic == 0 && checksumStored(block) == 0) return new Damaged("never written, or discarded: zeros");
        if (magic != MAGIC) return new Damaged("magic is %08x, expected %08x".formatted(magic, MAGIC));
        int stored = checksumStored(block), actual = checksum(block);
        if (stored != actual) return new Damaged("checksum is %08x, header says %08x".formatted(actual, stored));
        // From here on the block is as somebody wrote it; what follows tells whether it is the one we were sent for.
        int version = Short.toUnsignedInt(block.get(U16, VERSION_AT));
        if (version != VERSION)
            return new Damaged("format version is %d, this program knows %d".formatted(version, VERSION));
        long fsid = block.get(U64, FSID_AT);
        if (fsid != expected.fsid())
            return new Damaged("a block of volume %016x, expected volume %016x".formatted(fsid, expected.fsid()));
        long address = block.get(U64, ADDRESS_AT);
        if (address != expected.address())
            return new Damaged("misplaced: written as block %d, found at block %d"
                    .formatted(address, expected.address()));
        long runId = block.get(U64, RUN_ID_AT);
        if (runId != expected.runId())
            return new Foreign("reused: belongs to run %x, expected run %x".formatted(runId, expected.runId()));
        byte code = block.get(ValueLayout.JAVA_BYTE, KIND_AT);
        var kind = Kind.of(code);
        if (kind == null) return new Damaged("unknown kind " + Byte.toUnsignedInt(code));
        int length = block.get(U32, LENGTH_AT), raw = block.get(U32, RAW_BYTES_AT);
        int ordinal = block.get(U32, ORDINAL_AT);
        if (length < 0 || length > PAYLOAD_BYTES_MAX || raw < 0 || ordinal < 0)
            return new Damaged("payload of %d bytes, raw %d, ordinal %d".formatted(length, raw, ordinal));
        int encoding = Byte.toUnsignedInt(block.get(ValueLayout.JAVA_BYTE, ENCODING_AT));
        return new Whole(block.asSlice(HEADER_BYTES, length), kind, ordinal, encoding, raw);
    }

    private static int checksumStored(MemorySegment block) {
        return block.get(U32, CHECKSUM_AT);
    }

    private static int checksum(MemorySegment block) {
        var crc = new CRC32C();
        crc.update(block.asSlice(VERSION_AT).asByteBuffer());
        return (int) crc.getValue();
    }
}
