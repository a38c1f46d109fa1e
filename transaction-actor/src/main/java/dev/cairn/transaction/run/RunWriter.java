package dev.cairn.transaction.run;

import com.google.protobuf.ByteString;
import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.block.MetadataBlock;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Key;
import java.util.Arrays;
import java.util.List;

/// Writes one run, item by item in ascending order of keys, into space given beforehand, and never beyond it. Holds one
/// data block, 16 blocks of output, and 8 bytes for each probe of the filter. Blocks on the disk; not for two threads.
/// Writing is not durable before the caller flushes the device.
public final class RunWriter implements AutoCloseable {
    private final long runId;
    private final BlockOutput output;
    private final ItemColumns pending = new ItemColumns(RunFormat.ITEMS_MAX, RunFormat.RAW_BYTES_MAX);
    private final byte[] raw = new byte[RunFormat.RAW_BYTES_MAX];
    private final byte[] compressed = new byte[Lz4.FACTORY.fastCompressor().maxCompressedLength(RunFormat.RAW_BYTES_MAX)];
    /// How large a payload is likely to fit a block when compressed: learnt from the block before.
    private int rawAim = RunFormat.RAW_BYTES_MAX;

    private byte[] indexKeys = new byte[64 * Key.BYTES];
    private int dataBlocks;
    private long[] probes = new long[1024];
    private int probeCount;

    private long items, deletions, minSeq = -1, maxSeq;
    private Key lastKey;
    private ItemBlock lastBlock;
    private int lastIndex;
    private Key firstKey;

    /// @param space used from its front, in this order
    public RunWriter(BlockDevice meta, long fsid, long runId, List<Extent> space) {
        this.runId = runId;
        output = new BlockOutput(meta, fsid, runId, space);
    }

    /// A true upper bound of the blocks (index and filter included) that a run of these items takes.
    ///
    /// @param rawBytes the sum of [dev.cairn.transaction.Item#bytesInRun] over the items
    public static long blocksNeededAtMost(long items, long rawBytes) {
        return items == 0 ? 0 : blocks(RunFormat.dataBlocksAtMost(rawBytes), items);
    }

    private static long blocks(long dataBlocks, long probes) {
        return dataBlocks + RunFormat.indexBlocks(dataBlocks) + RunFormat.bloomBlocks(dataBlocks, probes);
    }

    /// Whether an item with a value of this size can still be added within the space, whatever the order of things.
    public boolean fits(int valueBytes) {
        long data = dataBlocks
                + RunFormat.dataBlocksAtMost((long) pending.itemBytes() + ItemColumns.bytesOf(valueBytes));
        return blocks(data, probeCount + 1L) <= output.total();
    }

    /// An item of the largest size might not fit any more.
    public boolean full() {
        return !fits(dev.cairn.transaction.Item.VALUE_BYTES_MAX);
    }

    /// @throws IllegalStateException when the item does not [#fits]
    /// @throws IllegalArgumentException when the key does not follow the one before
    public void add(Key key, long seq, byte[] valueOrNull) throws DeviceException {
        var before = lastKey();
        if (before != null && before.compareTo(key) >= 0)
            throw new IllegalArgumentException("run %x: %s does not follow %s".formatted(runId, key, before));
        makeRoom(valueOrNull == null ? 0 : valueOrNull.length);
        pending.add(key, seq, valueOrNull);
        lastKey = key;
        lastBlock = null;
        if (firstKey == null) firstKey = key;
        if (valueOrNull == null) deletions++;
        added(seq, RunFormat.probeHash(key));
    }

    /// As [#add], straight from another run's block.
    void add(ItemBlock from, int i) throws DeviceException {
        if (lastBlock != null ? lastBlock.compare(lastIndex, from, i) >= 0
                : lastKey != null && from.compare(i, lastKey) <= 0)
            throw new IllegalArgumentException("run %x: %s does not follow %s".formatted(runId, from.key(i), lastKey()));
        makeRoom(from.valueLength(i));
        pending.add(from, i);
        if (firstKey == null) firstKey = from.key(i);
        if (from.deleted(i)) deletions++;
        lastBlock = from;
        lastIndex = i;
        added(from.seq(i), from.probeHash(i));
    }

    private Key lastKey() {
        return lastBlock == null ? lastKey : lastBlock.key(lastIndex);
    }

    private void makeRoom(int valueLength) throws DeviceException {
        if (!fits(valueLength))
            throw new IllegalStateException("run %x: a value of %d bytes does not fit its space of %d blocks any more"
                    .formatted(runId, valueLength, output.total()));
        while (pending.count() > 0
                && RunFormat.KEYS_AT + pending.itemBytes() + ItemColumns.bytesOf(valueLength) > rawAim) closeBlock();
    }

    private void added(long seq, long probe) {
        items++;
        if (Long.compareUnsigned(seq, minSeq) < 0) minSeq = seq;
        if (Long.compareUnsigned(seq, maxSeq) > 0) maxSeq = seq;
        // Keys that differ in `third` alone follow each other: one probe for all of them.
        if (probeCount > 0 && probes[probeCount - 1] == probe) return;
        if (probeCount == probes.length) probes = Arrays.copyOf(probes, probeCount * 2);
        probes[probeCount++] = probe;
    }

    public long items() {
        return items;
    }

    /// Puts as many of the pending items into a block as fit: all of them if they compress well enough. Never fewer than
    /// fit uncompressed: [#blocksNeededAtMost] counts on that.
    private void closeBlock() throws DeviceException {
        int n = pending.count(), rawBytes = pending.assemble(n, raw), stored = compress(rawBytes);
        if (stored > RunFormat.PAYLOAD_BYTES && rawBytes > RunFormat.PAYLOAD_BYTES) {
            int likely = (int) ((long) rawBytes * RunFormat.PAYLOAD_BYTES / stored) / 16 * 15;
            rawAim = Math.max(RunFormat.PAYLOAD_BYTES, likely);
            n = pending.within(rawAim);
            rawBytes = pending.assemble(n, raw);
            stored = compress(rawBytes);
            if (stored > RunFormat.PAYLOAD_BYTES && rawBytes > RunFormat.PAYLOAD_BYTES) {
                n = pending.within(RunFormat.PAYLOAD_BYTES);
                rawBytes = pending.assemble(n, raw);
                stored = compress(rawBytes);
            }
        } else {
            long likely = (long) rawBytes * RunFormat.PAYLOAD_BYTES / stored / 32 * 31;
            rawAim = (int) Math.clamp(likely, RunFormat.PAYLOAD_BYTES, RunFormat.RAW_BYTES_MAX);
        }
        if (dataBlocks * Key.BYTES == indexKeys.length) indexKeys = Arrays.copyOf(indexKeys, indexKeys.length * 2);
        pending.firstKey(indexKeys, dataBlocks * Key.BYTES);
        boolean pays = stored <= RunFormat.PAYLOAD_BYTES
                && (rawBytes > RunFormat.PAYLOAD_BYTES || stored < rawBytes - rawBytes / 8);
        if (pays) output.put(MetadataBlock.Kind.ITEMS, compressed, stored, RunFormat.ENCODING_LZ4, rawBytes);
        else output.put(MetadataBlock.Kind.ITEMS, raw, rawBytes, RunFormat.ENCODING_RAW, rawBytes);
        dataBlocks++;
        pending.remove(n);
    }

    private int compress(int rawBytes) {
        return Lz4.FACTORY.fastCompressor().compress(raw, 0, rawBytes, compressed, 0, compressed.length);
    }

    /// Writes what is left and says what the run is. The blocks of `space` that the reference does not list are unused.
    /// Does not flush the device.
    ///
    /// @throws IllegalStateException when nothing was added: there are no empty runs
    public RunRef finish(long ownerRid, int level) throws DeviceException {
        if (items == 0) throw new IllegalStateException("run %x has no items".formatted(runId));
        while (pending.count() > 0) closeBlock();
        if (dataBlocks > 1) {
            putIndex();
            putBloom();
        }
        int index = (int) RunFormat.indexBlocks(dataBlocks);
        var ref = RunRef.newBuilder().setRunId(runId).setOwnerRid(ownerRid).setLevel(level)
                .setMinSeq(minSeq).setMaxSeq(maxSeq).setItems(items).setDeletions(deletions)
                .setFirstKey(ByteString.copyFrom(firstKey.toBytes()))
                .setLastKey(ByteString.copyFrom(lastKey().toBytes()))
                .setDataBlocks(dataBlocks).setIndexBlocks(index)
                .setBloomBlocks(output.written() - dataBlocks - index);
        for (var extent : output.finish())
            ref.addExtents(dev.cairn.proto.Extent.newBuilder().setStart(extent.start()).setCount(extent.count()));
        return ref.build();
    }

    private void putIndex() throws DeviceException {
        for (int done = 0; done < dataBlocks; ) {
            int count = Math.min(RunFormat.INDEX_KEYS, dataBlocks - done);
            ItemBlock.U32.set(raw, RunFormat.COUNT_AT, count);
            System.arraycopy(indexKeys, done * Key.BYTES, raw, RunFormat.KEYS_AT, count * Key.BYTES);
            int length = RunFormat.KEYS_AT + count * Key.BYTES;
            output.put(MetadataBlock.Kind.INDEX, raw, length, RunFormat.ENCODING_RAW, length);
            done += count;
        }
    }

    private void putBloom() throws DeviceException {
        int blocks = (int) RunFormat.bloomBlocks(dataBlocks, probeCount);
        long bits = ((long) probeCount * RunFormat.BLOOM_BITS_PER_PROBE + blocks - 1) / blocks;
        int bitsEach = (int) Math.min(RunFormat.BLOOM_BITS_MAX, (bits + 7) / 8 * 8);
        var filter = new BloomBlock[blocks];
        for (int i = 0; i < blocks; i++) filter[i] = BloomBlock.empty(bitsEach);
        for (int i = 0; i < probeCount; i++) filter[RunFormat.bloomBlockOf(probes[i], blocks)].add(probes[i]);
        for (var block : filter) {
            int length = block.payload().length;
            output.put(MetadataBlock.Kind.BLOOM, block.payload(), length, RunFormat.ENCODING_RAW, length);
        }
    }

    /// Gives the buffers back; what was not finished is abandoned.
    @Override
    public void close() {
        output.close();
    }
}
