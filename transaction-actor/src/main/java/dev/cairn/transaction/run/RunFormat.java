package dev.cairn.transaction.run;

import dev.cairn.block.MetadataBlock;
import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;

/// The bytes of a run. A run is written once, in ascending order of its keys, and never changed.
///
///     ordinal  0 …            data_blocks    items, ascending through all blocks
///              data_blocks …  index_blocks   the first key of each data block; none when there is one data block
///              …              bloom_blocks   one filter for the run, cut by hash; none when there is one data block
///
/// Each is one 64 KiB block of the metadata device that begins with the header of [MetadataBlock] (fsid, address, run id,
/// ordinal, kind, encoding, raw length, CRC32C). The index and the filter come last because a writer that streams
/// knows them last; they are next to each other so that opening a run is one read. All numbers in a payload are
/// big-endian, as keys are.
///
/// **Data block**, raw or LZ4. The raw payload may be larger than a block, up to [#RAW_BYTES_MAX], if its compressed form
/// fits one. Columns, because equal fields of neighbours then lie side by side and compress to nearly nothing, and
/// because a column of fixed width is searched in place:
///
///      0  u32        n        items, at least 1
///      4  n × 26     keys     strictly ascending
///         n × u64    seqs
///         n × u16    lengths  of the values; 0xffff marks a deletion
///                    values   one after the other, to the end of the payload
///
/// **Index block**, raw: `u32 n`, then n × 26 bytes of keys, at most [#INDEX_KEYS] in each.
///
/// **Bloom block**, raw: `u32 bits` (a multiple of 8), then the bits, byte by byte, lowest bit first. What is filtered is
/// the *probe*: zone, first, type and second of a key. `third` is left out, so versions of one name and the parts of one
/// attribute share a probe. Every key of the run is in the filter by its probe, and every lookup asks by the probe of its
/// key, so the answer "no" is right for any key. The upper half of a probe's hash chooses the block, a second mix the
/// [#BLOOM_PROBES] bits in it.
///
/// **Inline run** (`RunRef.inline_block`): `u8 encoding`, `u32 raw length`, then the payload of one data block.
final class RunFormat {
    static final int BLOCK_BYTES = MetadataBlock.BYTES;
    static final int PAYLOAD_BYTES = MetadataBlock.PAYLOAD_BYTES_MAX;

    static final int ENCODING_RAW = 0, ENCODING_LZ4 = 1;

    static final int COUNT_AT = 0, KEYS_AT = 4;
    static final int DELETED = 0xffff;
    /// What an item takes beside its value.
    static final int ITEM_BYTES = Key.BYTES + Long.BYTES + Short.BYTES;
    static final int ITEM_BYTES_MAX = ITEM_BYTES + Item.VALUE_BYTES_MAX;
    /// Twice a block: where items compress better than 1:2, half-empty blocks are still rare. Larger would make each
    /// miss cost more memory and time.
    static final int RAW_BYTES_MAX = 2 * BLOCK_BYTES;
    static final int ITEMS_MAX = (RAW_BYTES_MAX - KEYS_AT) / ITEM_BYTES;

    static final int INDEX_KEYS = (PAYLOAD_BYTES - KEYS_AT) / Key.BYTES;

    static final int BLOOM_BITS_AT = 4;
    static final int BLOOM_BITS_PER_PROBE = 10;
    static final int BLOOM_PROBES = 7;
    static final int BLOOM_BITS_MAX = (PAYLOAD_BYTES - BLOOM_BITS_AT) * 8;

    private RunFormat() {}

    /// Of the data blocks that a [RunWriter] fills, each but the last holds at least this many bytes of items: it only
    /// closes a block when the next item could have made it larger than an uncompressed block.
    static final int DATA_BYTES_MIN = PAYLOAD_BYTES - KEYS_AT - ITEM_BYTES_MAX + 1;

    static long dataBlocksAtMost(long itemBytes) {
        return itemBytes / DATA_BYTES_MIN + 1;
    }

    static long indexBlocks(long dataBlocks) {
        return dataBlocks <= 1 ? 0 : (dataBlocks + INDEX_KEYS - 1) / INDEX_KEYS;
    }

    static long bloomBlocks(long dataBlocks, long probes) {
        return dataBlocks <= 1 ? 0 : (probes * BLOOM_BITS_PER_PROBE + BLOOM_BITS_MAX - 1) / BLOOM_BITS_MAX;
    }

    /// Part of the format: what a filter was built with is what it is asked with.
    static long probeHash(Key key) {
        return probeHash(key.zone(), key.first(), key.type(), key.second());
    }

    static long probeHash(byte zone, long first, byte type, long second) {
        long h = mix(first + (zone & 0xffL) * 0x9E3779B97F4A7C15L);
        h = mix(h ^ (second + (type & 0xffL) * 0xC2B2AE3D27D4EB4FL));
        return h;
    }

    /// Every bit of the result depends on every bit of x (the finisher of SplitMix64).
    static long mix(long x) {
        x = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
        x = (x ^ (x >>> 27)) * 0x94D049BB133111EBL;
        return x ^ (x >>> 31);
    }

    static int bloomBlockOf(long hash, int blocks) {
        return (int) (((hash >>> 32) * blocks) >>> 32);
    }
}
