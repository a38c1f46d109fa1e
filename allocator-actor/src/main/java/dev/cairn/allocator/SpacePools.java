package dev.cairn.allocator;

import dev.cairn.block.Extent;
import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.Function;

/// The server's account of every block of a volume.
///
///     metadata   avail --grant--> share --use--> used --free--> freed --swap--> avail
///     data       free  --grant--> share --use--> used --free--> free
///                free  <-giveBack-- share
///
/// Blocks before the first usable one hold the labels and count as used. Two pools of free metadata put the time of a
/// whole pool between a block's being freed and its being written again: a reader with an old manifest then seldom meets
/// a reused block. Grants come from *avail*, but for a merge job that *avail* alone cannot give its blocks; the pools are
/// swapped when avail has fallen to the reserve and *freed* is larger.
///
/// Each change names its blocks. One that contradicts the account throws an [IllegalStateException] that names them.
public final class SpacePools {
    public static final int METADATA_BLOCK_BYTES = 64 << 10;
    public static final int DATA_BLOCK_BYTES = 4 << 10;

    private static final class Share {
        final ExtentSet metadata = new ExtentSet();
        final ExtentSet data = new ExtentSet();
    }

    private ReservePolicy policy;
    private final long metadataFirst;
    private final long dataFirst;
    private ExtentSet metadataAvail = new ExtentSet();
    private ExtentSet metadataFreed = new ExtentSet();
    private final ExtentSet dataFree;
    private final TreeMap<HolderId, Share> shares = new TreeMap<>();
    private long metadataUsed;
    private long dataUsed;

    /// A fresh volume: everything from the first usable block on is free.
    public SpacePools(long metadataBlocks, long metadataFirst, long dataBlocks, long dataFirst) {
        policy = new ReservePolicy(metadataBlocks, dataBlocks);
        if (metadataFirst < 0 || metadataFirst >= metadataBlocks || dataFirst < 0 || dataFirst >= dataBlocks)
            throw new IllegalArgumentException("first usable metadata block %d of %d, data block %d of %d"
                    .formatted(metadataFirst, metadataBlocks, dataFirst, dataBlocks));
        this.metadataFirst = metadataFirst;
        this.dataFirst = dataFirst;
        metadataAvail.add(metadataFirst, metadataBlocks - metadataFirst);
        dataFree = new ExtentSet();
        dataFree.add(dataFirst, dataBlocks - dataFirst);
    }

    /// From a snapshot. Shares are added with [#restoreShare]; what is nowhere is used.
    public SpacePools(long metadataBlocks, long metadataFirst, long dataBlocks, long dataFirst,
                      ExtentSet metadataAvail, ExtentSet metadataFreed, ExtentSet dataFree) {
        policy = new ReservePolicy(metadataBlocks, dataBlocks);
        this.metadataFirst = metadataFirst;
        this.dataFirst = dataFirst;
        this.metadataAvail = metadataAvail;
        this.metadataFreed = metadataFreed;
        this.dataFree = dataFree;
        metadataUsed = metadataBlocks - metadataFirst - metadataAvail.blocks() - metadataFreed.blocks();
        dataUsed = dataBlocks - dataFirst - dataFree.blocks();
    }

    public void restoreShare(HolderId holder, ExtentSet metadata, ExtentSet data) {
        var share = new Share();
        metadata.forEach(share.metadata::add);
        data.forEach(share.data::add);
        if (shares.putIfAbsent(holder, share) != null) throw new IllegalStateException(holder + " has a share already");
        metadataUsed -= metadata.blocks();
        dataUsed -= data.blocks();
    }

    public ReservePolicy policy() {
        return policy;
    }

    // ---- holders

    public void join(HolderId holder) {
        if (shares.putIfAbsent(holder, new Share()) != null)
            throw new IllegalStateException(holder + " has a share already");
    }

    public SortedSet<HolderId> holders() {
        return new TreeSet<>(shares.keySet());
    }

    private Share share(HolderId holder) {
        var share = shares.get(holder);
        if (share == null) throw new IllegalStateException(holder + " has no share");
        return share;
    }

    public ExtentSet metadataShare(HolderId holder) {
        return share(holder).metadata;
    }

    public ExtentSet dataShare(HolderId holder) {
        return share(holder).data;
    }

    // ---- deciding what to grant

    /// Blocks of *avail* that a grant could be made of, in at most `extentsMax` extents; fewer when there are no more.
    /// Nothing changes: the grant itself is an event.
    public List<Extent> chooseMetadata(long count, int extentsMax) {
        return choose(metadataAvail, count, extentsMax);
    }

    /// The same of both pools, *avail* first: for a need that may not fail, and should not be met in crumbs either. A merge job
    /// that gets half of its blocks writes twice as many runs, each with an index and a filter of its own.
    public List<Extent> chooseMetadataOfBoth(long count, int extentsMax) {
        var chosen = new ArrayList<>(chooseMetadata(count, extentsMax));
        long missing = count - chosen.stream().mapToLong(Extent::count).sum();
        chosen.addAll(choose(metadataFreed, missing, extentsMax - chosen.size()));
        return chosen;
    }

    /// The same of the free data. With zones (0: none) preferably from zones that the holder has to itself, see [DataZones].
    public List<Extent> chooseData(HolderId holder, long count, int extentsMax, long zoneBlocks) {
        if (zoneBlocks == 0) return choose(dataFree, count, extentsMax);
        var others = new ArrayList<ExtentSet>();
        shares.forEach((other, share) -> {
            if (!other.equals(holder)) others.add(share.data);
        });
        return DataZones.choose(dataFree, zoneBlocks, share(holder).data, others, count, extentsMax);
    }

    /// How many metadata blocks a refill gives the holder: up to the target, but beyond the low mark nothing that other
    /// mounts need to get to theirs, so that space which one of them gives back reaches the one that is short.
    public long metadataRefill(HolderId holder) {
        // Merging is what brings space back, so its jobs come first: mounts never get the last blocks.
        long spare = Math.max(0, metadataFreeBlocks() - policy.mergeFloor());
        return refill(share(holder).metadata.blocks(), policy.metadataLowMark(), policy.metadataTarget(), spare,
                shortOf(holder, share -> share.metadata, policy.metadataLowMark()));
    }

    /// The same of data, of which all that is free can be given away.
    public long dataRefill(HolderId holder) {
        return refill(share(holder).data.blocks(), policy.dataLowMark(), policy.dataTarget(), dataFree.blocks(),
                shortOf(holder, share -> share.data, policy.dataLowMark()));
    }

    private static long refill(long has, long lowMark, long target, long free, long othersNeed) {
        long most = Math.max(Math.max(has, lowMark) - has, free - othersNeed);
        return Math.max(0, Math.min(Math.min(most, target - has), free));
    }

    /// What the other mounts lack to their low marks.
    private long shortOf(HolderId holder, Function<Share, ExtentSet> kind, long lowMark) {
        long lacking = 0;
        for (var entry : shares.entrySet())
            if (entry.getKey().kind() == HolderId.Kind.MOUNT && !entry.getKey().equals(holder))
                lacking += Math.max(0, lowMark - kind.apply(entry.getValue()).blocks());
        return lacking;
    }

    private static List<Extent> choose(ExtentSet pool, long count, int extentsMax) {
        if (count <= 0 || extentsMax <= 0) return List.of();
        var chosen = pool.take(count, extentsMax);
        chosen.forEach(pool::add);
        return chosen;
    }

    /// Avail has fallen to the reserve and freed is larger. With avail empty this is so as soon as anything is freed, so
    /// a need that may not fail can always draw on both pools.
    public boolean wantsSwap(int mounts) {
        return metadataAvail.blocks() <= policy.reserve(mounts) && metadataFreed.blocks() > metadataAvail.blocks();
    }

    /// Whether allocating operations have to stop: what is free in both pools is within the reserve. Both count, for a
    /// swap makes either available; so the flag is set exactly when [#report] says that nothing is free.
    public boolean metadataLow(int mounts) {
        return metadataFreeBlocks() <= policy.reserve(mounts);
    }

    /// Whether the mount's share could not be filled to its low mark. No operation fails for that, but other mounts are
    /// asked to give back what they have above theirs.
    public boolean metadataShort(HolderId holder) {
        return share(holder).metadata.blocks() < policy.metadataLowMark();
    }

    /// Whether the mount's share could not be filled to its low mark.
    public boolean dataLow(HolderId holder) {
        return share(holder).data.blocks() < policy.dataLowMark();
    }

    // ---- the changes

    /// The devices have become larger, or stay as they are: what is new is free, and the policy is that of the new size.
    public void grow(long metadataBlocks, long dataBlocks) {
        long newMetadata = metadataBlocks - policy.metadataBlocks(), newData = dataBlocks - policy.dataBlocks();
        if (newMetadata < 0 || newData < 0)
            throw new IllegalStateException("%d metadata and %d data blocks cannot become %d and %d".formatted(
                    policy.metadataBlocks(), policy.dataBlocks(), metadataBlocks, dataBlocks));
        if (newMetadata > 0) metadataAvail.add(policy.metadataBlocks(), newMetadata);
        if (newData > 0) dataFree.add(policy.dataBlocks(), newData);
        policy = new ReservePolicy(metadataBlocks, dataBlocks);
    }

    public void grant(HolderId holder, List<Extent> metadata, List<Extent> data) {
        var share = share(holder);
        for (var extent : metadata) (metadataAvail.contains(extent) ? metadataAvail : metadataFreed).remove(extent);
        metadata.forEach(share.metadata::add);
        data.forEach(dataFree::remove);
        data.forEach(share.data::add);
    }

    public void swapMetadata() {
        var avail = metadataAvail;
        metadataAvail = metadataFreed;
        metadataFreed = avail;
    }

    public void useMetadata(HolderId holder, Extent extent) {
        share(holder).metadata.remove(extent);
        metadataUsed += extent.count();
    }

    public void useData(HolderId holder, Extent extent) {
        share(holder).data.remove(extent);
        dataUsed += extent.count();
    }

    public void freeMetadata(Extent extent) {
        if (!metadataIsUsed(extent)) throw new IllegalStateException("metadata blocks " + extent + " are freed but not in use");
        metadataFreed.add(extent);
        metadataUsed -= extent.count();
    }

    public void freeData(Extent extent) {
        if (!dataIsUsed(extent)) throw new IllegalStateException("data blocks " + extent + " are freed but not in use");
        dataFree.add(extent);
        dataUsed -= extent.count();
    }

    /// Blocks in use are so no longer, and belong to the holder's share: it discards them on the device before anybody
    /// writes to them again.
    public void freeDataInto(HolderId holder, Extent extent) {
        if (!dataIsUsed(extent)) throw new IllegalStateException("data blocks " + extent + " are freed but not in use");
        share(holder).data.add(extent);
        dataUsed -= extent.count();
    }

    /// The holder gives blocks of its share back. No manifest has ever named them, so they can be granted at once.
    public void returnMetadata(HolderId holder, Extent extent) {
        share(holder).metadata.remove(extent);
        metadataAvail.add(extent);
    }

    public void returnData(HolderId holder, Extent extent) {
        share(holder).data.remove(extent);
        dataFree.add(extent);
    }

    /// Everything that the holder has not used returns; the holder is forgotten. Blocks of a share may have been written
    /// but no manifest has ever named them, so they go back to *avail* at once.
    public void giveBack(HolderId holder) {
        var share = share(holder);
        share.metadata.forEach(metadataAvail::add);
        share.data.forEach(dataFree::add);
        shares.remove(holder);
    }

    // ---- questions

    /// Within the device, behind the labels, and neither free nor in a share.
    public boolean metadataIsUsed(Extent extent) {
        return extent.start() >= metadataFirst && extent.end() <= policy.metadataBlocks()
                && !metadataAvail.overlaps(extent) && !metadataFreed.overlaps(extent)
                && shares.values().stream().noneMatch(share -> share.metadata.overlaps(extent));
    }

    public boolean dataIsUsed(Extent extent) {
        return extent.start() >= dataFirst && extent.end() <= policy.dataBlocks() && !dataFree.overlaps(extent)
                && shares.values().stream().noneMatch(share -> share.data.overlaps(extent));
    }

    public ExtentSet metadataAvail() {
        return metadataAvail;
    }

    public ExtentSet metadataFreed() {
        return metadataFreed;
    }

    public ExtentSet dataFree() {
        return dataFree;
    }

    public long metadataFreeBlocks() {
        return metadataAvail.blocks() + metadataFreed.blocks();
    }

    public long metadataUsedBlocks() {
        return metadataUsed;
    }

    public long dataUsedBlocks() {
        return dataUsed;
    }

    public long metadataFirst() {
        return metadataFirst;
    }

    public long dataFirst() {
        return dataFirst;
    }

    /// What an operator sees: total = used + free + reserved + held, exactly; the labels are among the used.
    public SpaceReport report(int mounts, long inodes) {
        long metadataHeld = 0, dataHeld = 0;
        for (var share : shares.values()) {
            metadataHeld += share.metadata.blocks();
            dataHeld += share.data.blocks();
        }
        long reserved = Math.min(metadataFreeBlocks(), policy.reserve(mounts));
        return SpaceReport.newBuilder()
                .setMetadata(Space.newBuilder().setBlockBytes(METADATA_BLOCK_BYTES)
                        .setTotal(policy.metadataBlocks()).setUsed(metadataUsed + metadataFirst)
                        .setFree(metadataFreeBlocks() - reserved).setReserved(reserved).setHeld(metadataHeld))
                .setData(Space.newBuilder().setBlockBytes(DATA_BLOCK_BYTES)
                        .setTotal(policy.dataBlocks()).setUsed(dataUsed + dataFirst)
                        .setFree(dataFree.blocks()).setHeld(dataHeld))
                .setInodeCount(inodes)
                .build();
    }

    /// Checks that no block stands in two places and that the counts add up. Slow: for tests, and once at start.
    ///
    /// @param usedMetadata whom the used metadata blocks belong to, told to the visitor extent by extent
    /// @throws IllegalStateException that names what is wrong
    public void verify(java.util.function.Consumer<BiConsumer<String, Extent>> usedMetadata) {
        var metadata = new ExtentSet();
        metadataAvail.forEach((start, count) -> place(metadata, "avail", start, count));
        metadataFreed.forEach((start, count) -> place(metadata, "freed", start, count));
        shares.forEach((holder, share) ->
                share.metadata.forEach((start, count) -> place(metadata, "the share of " + holder, start, count)));
        long unused = metadata.blocks();
        usedMetadata.accept((owner, extent) -> place(metadata, owner, extent.start(), extent.count()));
        var all = new Extent(metadataFirst, policy.metadataBlocks() - metadataFirst);
        if (!metadata.contains(all) || metadata.blocks() != all.count())
            throw new IllegalStateException("metadata blocks %s should each have one place, but these have: %s"
                    .formatted(all, metadata));
        if (metadata.blocks() - unused != metadataUsed)
            throw new IllegalStateException("%d metadata blocks are in use, the account says %d"
                    .formatted(metadata.blocks() - unused, metadataUsed));

        var data = new ExtentSet();
        dataFree.forEach((start, count) -> place(data, "free", start, count));
        shares.forEach((holder, share) ->
                share.data.forEach((start, count) -> place(data, "the share of " + holder, start, count)));
        data.forEach((start, count) -> {
            if (start < dataFirst || start + count > policy.dataBlocks())
                throw new IllegalStateException("data blocks %s are not of this device".formatted(new Extent(start, count)));
        });
        if (data.blocks() + dataUsed + dataFirst != policy.dataBlocks())
            throw new IllegalStateException("%d data blocks free or held, %d used and %d for labels are not %d"
                    .formatted(data.blocks(), dataUsed, dataFirst, policy.dataBlocks()));
    }

    private static void place(ExtentSet placed, String where, long start, long count) {
        if (placed.overlaps(start, count))
            throw new IllegalStateException("blocks %s of %s have another place as well"
                    .formatted(new Extent(start, count), where));
        placed.add(start, count);
    }
}
