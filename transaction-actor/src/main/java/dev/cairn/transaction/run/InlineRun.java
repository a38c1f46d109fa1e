package dev.cairn.transaction.run;

import com.google.protobuf.ByteString;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;

/// A run so small that it travels and lives inside its [RunRef]: no block of the device is written or read.
public final class InlineRun {
    public static final int BYTES_MAX = 48 * 1024;
    private static final int ENCODING_AT = 0, RAW_BYTES_AT = 1, PAYLOAD_AT = 5;

    private InlineRun() {}

    /// Whether that many items are sure to fit; `rawBytes` as for [RunWriter#blocksNeededAtMost].
    public static boolean fits(long items, long rawBytes) {
        return items > 0 && PAYLOAD_AT + RunFormat.KEYS_AT + rawBytes <= BYTES_MAX;
    }

    /// A commit log (level 0) of these items.
    ///
    /// @param sorted strictly ascending keys, at least one
    /// @throws IllegalArgumentException when they are none, unsorted, or too many: ask [#fits] first
    public static RunRef of(Iterable<Item> sorted, long runId, long ownerRid) {
        var columns = new ItemColumns(32, 2048);
        Key first = null, last = null;
        long minSeq = -1, maxSeq = 0, deletions = 0;
        for (var item : sorted) {
            if (last != null && last.compareTo(item.key()) >= 0)
                throw new IllegalArgumentException(item.key() + " does not follow " + last);
            int length = item.deleted() ? 0 : item.value().length;
            if (PAYLOAD_AT + RunFormat.KEYS_AT + columns.itemBytes() + ItemColumns.bytesOf(length) > BYTES_MAX)
                throw new IllegalArgumentException("more items than an inline run holds");
            columns.add(item.key(), item.seq(), item.value());
            if (item.deleted()) deletions++;
            if (first == null) first = item.key();
            last = item.key();
            if (Long.compareUnsigned(item.seq(), minSeq) < 0) minSeq = item.seq();
            if (Long.compareUnsigned(item.seq(), maxSeq) > 0) maxSeq = item.seq();
        }
        if (first == null) throw new IllegalArgumentException("a run has at least one item");
        var raw = new byte[columns.rawBytes(columns.count())];
        columns.assemble(columns.count(), raw);
        var compressed = Lz4.FACTORY.fastCompressor().compress(raw);
        boolean pays = compressed.length < raw.length - raw.length / 8;
        var head = new byte[PAYLOAD_AT];
        head[ENCODING_AT] = (byte) (pays ? RunFormat.ENCODING_LZ4 : RunFormat.ENCODING_RAW);
        ItemBlock.U32.set(head, RAW_BYTES_AT, raw.length);
        return RunRef.newBuilder().setRunId(runId).setOwnerRid(ownerRid).setMinSeq(minSeq).setMaxSeq(maxSeq)
                .setFirstKey(ByteString.copyFrom(first.toBytes())).setLastKey(ByteString.copyFrom(last.toBytes()))
                .setItems(columns.count()).setDeletions(deletions).setDataBlocks(1)
                .setInlineBlock(ByteString.copyFrom(head).concat(ByteString.copyFrom(pays ? compressed : raw))).build();
    }

    /// @return an [ItemBlock] or [Decoded.Damaged]
    static Decoded decode(ByteString inline) {
        if (inline.size() < PAYLOAD_AT || inline.size() > BYTES_MAX)
            return new Decoded.Damaged("an inline run of " + inline.size() + " bytes");
        int rawBytes = (int) ItemBlock.U32.get(inline.substring(0, PAYLOAD_AT).toByteArray(), RAW_BYTES_AT);
        return switch (RunBlocks.decompress(inline.substring(PAYLOAD_AT).toByteArray(), inline.byteAt(ENCODING_AT),
                rawBytes)) {
            case Decoded.Payload(var raw) -> ItemBlock.decode(raw);
            case Decoded damaged -> damaged;
        };
    }
}
