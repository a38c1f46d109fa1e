package dev.cairn.transaction.run;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.MetadataBlock;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import net.jpountz.lz4.LZ4Exception;

/// From bytes on the device to decoded blocks. Nothing read is believed before it has been checked.
final class RunBlocks {
    private RunBlocks() {}

    /// Fills `buffer` with `count` blocks of `run` from `ordinal` on, with as few reads as their places allow.
    static void read(BlockDevice meta, Run run, int ordinal, int count, MemorySegment buffer) throws DeviceException {
        for (int done = 0; done < count; ) {
            int piece = Math.min(count - done, run.contiguous(ordinal + done));
            meta.read(run.address(ordinal + done) * RunFormat.BLOCK_BYTES,
                    buffer.asSlice((long) done * RunFormat.BLOCK_BYTES, (long) piece * RunFormat.BLOCK_BYTES));
            done += piece;
        }
    }

    /// Checks and decodes one block of items or of the filter.
    static Decoded decode(long fsid, Run run, int ordinal, MemorySegment block) {
        return switch (open(fsid, run, ordinal, block)) {
            case Decoded.Payload(var raw) when ordinal < run.dataBlocks -> ItemBlock.decode(raw);
            case Decoded.Payload(var raw) -> BloomBlock.decode(raw);
            case Decoded other -> other;
        };
    }

    /// @return [Decoded.Payload], [Decoded.Damaged] or [Decoded.Foreign]
    static Decoded open(long fsid, Run run, int ordinal, MemorySegment block) {
        var expected = new MetadataBlock.Expected(fsid, run.address(ordinal), run.id);
        return switch (MetadataBlock.read(block, expected)) {
            case MetadataBlock.Damaged(var why) -> new Decoded.Damaged(why);
            case MetadataBlock.Foreign(var why) -> new Decoded.Foreign(why);
            case MetadataBlock.Whole(var stored, var kind, var found, var encoding, var rawBytes) -> {
                var kindExpected = ordinal < run.dataBlocks ? MetadataBlock.Kind.ITEMS
                        : ordinal < run.dataBlocks + run.indexBlocks ? MetadataBlock.Kind.INDEX
                        : MetadataBlock.Kind.BLOOM;
                if (kind != kindExpected || found != ordinal)
                    yield new Decoded.Damaged("it says %s, block %d of its run; expected %s, block %d"
                            .formatted(kind, found, kindExpected, ordinal));
                yield decompress(stored.toArray(ValueLayout.JAVA_BYTE), encoding, rawBytes);
            }
        };
    }

    /// @return [Decoded.Payload] or [Decoded.Damaged]
    static Decoded decompress(byte[] stored, int encoding, int rawBytes) {
        if (rawBytes < 0 || rawBytes > RunFormat.RAW_BYTES_MAX)
            return new Decoded.Damaged("a payload of %d bytes, at most %d".formatted(rawBytes, RunFormat.RAW_BYTES_MAX));
        switch (encoding) {
            case RunFormat.ENCODING_RAW -> {
                return rawBytes == stored.length ? new Decoded.Payload(stored)
                        : new Decoded.Damaged("%d bytes stored, %d expected".formatted(stored.length, rawBytes));
            }
            case RunFormat.ENCODING_LZ4 -> {
                var raw = new byte[rawBytes];
                try {
                    int length = Lz4.FACTORY.safeDecompressor().decompress(stored, 0, stored.length, raw, 0, rawBytes);
                    return length == rawBytes ? new Decoded.Payload(raw)
                            : new Decoded.Damaged("decompressed to %d bytes, expected %d".formatted(length, rawBytes));
                } catch (LZ4Exception e) {
                    return new Decoded.Damaged("cannot be decompressed: " + e.getMessage());
                }
            }
            default -> {
                return new Decoded.Damaged("unknown encoding " + encoding);
            }
        }
    }
}
