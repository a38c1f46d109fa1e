package dev.cairn.transaction.run;

import dev.cairn.block.BlockDevice;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Key;

/// A [RunRef] ready for use: checked, its keys parsed, its blocks addressable by ordinal.
final class Run {
    final RunRef ref;
    final long id;
    final int level;
    /// The live window, both ends included. What a run holds below or above it has been merged elsewhere.
    final Key firstKey, lastKey;
    final int dataBlocks, indexBlocks, bloomBlocks;
    /// Leading data blocks that are gone.
    final int trimmed;
    /// The items of a run that lives in the manifest itself; null for a run on the device.
    final ItemBlock inline;
    /// Extent i holds the ordinals from ordinals[i] on, at starts[i].
    private final int[] ordinals;
    private final long[] starts;
    /// Where the cache keeps this run's blocks: looked up once.
    private BlockCache.Slots slots;

    /// @throws IllegalArgumentException when the reference contradicts itself
    Run(RunRef ref) {
        this.ref = ref;
        id = ref.getRunId();
        level = ref.getLevel();
        firstKey = Key.of(ref.getFirstKey().toByteArray());
        lastKey = Key.of(ref.getLastKey().toByteArray());
        dataBlocks = ref.getDataBlocks();
        indexBlocks = ref.getIndexBlocks();
        bloomBlocks = ref.getBloomBlocks();
        trimmed = ref.getTrimmedBlocks();
        if (level < 0 || firstKey.compareTo(lastKey) > 0) throw contradiction("level or window");
        if (!ref.getInlineBlock().isEmpty()) {
            if (dataBlocks != 1 || indexBlocks != 0 || bloomBlocks != 0 || trimmed != 0 || ref.getExtentsCount() > 0)
                throw contradiction("an inline run with blocks on the device");
            inline = switch (InlineRun.decode(ref.getInlineBlock())) {
                case ItemBlock block -> block;
                case Decoded.Damaged(var why) -> throw contradiction("inline block: " + why);
                case Decoded other -> throw contradiction("inline block: " + other);
            };
            ordinals = new int[0];
            starts = new long[0];
            return;
        }
        inline = null;
        if (dataBlocks < 1 || indexBlocks < 0 || bloomBlocks < 0 || trimmed < 0 || trimmed >= dataBlocks
                || indexBlocks != RunFormat.indexBlocks(dataBlocks))
            throw contradiction("block counts");
        int extents = ref.getExtentsCount();
        ordinals = new int[extents];
        starts = new long[extents];
        long total = 0, expected = (long) dataBlocks + indexBlocks + bloomBlocks;
        for (var extent : ref.getExtentsList()) total += extent.getCount();
        // Blocks that were trimmed may still be listed or not; which of the two shows in the sum.
        long ordinal;
        if (total == expected) ordinal = 0;
        else if (total == expected - trimmed) ordinal = trimmed;
        else throw contradiction("extents of %d blocks, expected %d".formatted(total, expected));
        for (int i = 0; i < extents; i++) {
            var extent = ref.getExtents(i);
            if (extent.getCount() < 1 || extent.getStart() < 0 || ordinal > expected - extent.getCount())
                throw contradiction("extent " + i);
            ordinals[i] = (int) ordinal;
            starts[i] = extent.getStart();
            ordinal += extent.getCount();
        }
    }

    private IllegalArgumentException contradiction(String what) {
        return new IllegalArgumentException(
                "run %x: its reference contradicts itself: %s (%d data, %d index, %d bloom, %d trimmed)".formatted(
                        ref.getRunId(), what, ref.getDataBlocks(), ref.getIndexBlocks(), ref.getBloomBlocks(),
                        ref.getTrimmedBlocks()));
    }

    int indexOrdinal() {
        return dataBlocks;
    }

    int bloomOrdinal(long hash) {
        return dataBlocks + indexBlocks + RunFormat.bloomBlockOf(hash, bloomBlocks);
    }

    boolean covers(Key key) {
        return firstKey.compareTo(key) <= 0 && lastKey.compareTo(key) >= 0;
    }

    int blocks() {
        return dataBlocks + indexBlocks + bloomBlocks;
    }

    /// The block of the device that is block `ordinal` of this run.
    long address(int ordinal) {
        int i = extentOf(ordinal);
        return starts[i] + (ordinal - ordinals[i]);
    }

    /// How many blocks from `ordinal` on lie one after the other on the device.
    int contiguous(int ordinal) {
        int i = extentOf(ordinal);
        return (i + 1 < ordinals.length ? ordinals[i + 1] : blocks()) - ordinal;
    }

    private int extentOf(int ordinal) {
        if (ordinals.length == 0 || ordinal < ordinals[0] || ordinal >= blocks())
            throw new IllegalArgumentException("run %x has no block %d".formatted(id, ordinal));
        int low = 0, high = ordinals.length - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (ordinals[middle] <= ordinal) low = middle;
            else high = middle - 1;
        }
        return low;
    }

    /// For messages.
    String describe(BlockDevice meta, int ordinal) {
        return "%s: block %d (block %d of %d of run %x)".formatted(meta.name(), address(ordinal), ordinal, blocks(), id);
    }

    BlockCache.Slots slots(BlockCache cache) {
        var known = slots;
        if (known == null || known.cache != cache || known.dropped) slots = known = cache.slots(this);
        return known;
    }
}
