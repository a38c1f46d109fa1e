package dev.cairn.allocator;

import dev.cairn.block.Extent;
import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceGrant;
import dev.cairn.proto.SpaceReport;
import java.util.ArrayList;
import java.util.List;

/// The blocks that one mount has in hand, on the transaction coordinator's thread.
///
///     data       in hand --reserve--> reserved --refer--> referred --takeReferred--> in the commit, the server's to count
///                in hand <--return--  reserved <-unrefer- referred
///     metadata   in hand --take--> with the run that is being written --written--> in the commit
///                in hand <--return--
///
/// Each step names its blocks and can be taken back until the commit, so an attempt that is rolled back leaves the share
/// as it was. What the server believes this mount to hold is what it granted less what commits have reported: in hand,
/// reserved, referred, and what is in a commit that it has not answered yet.
public final class MountShare {
    /// So that a commit's message stays small; what is more follows with the next one.
    private static final int SURPLUS_EXTENTS_MAX = 16 << 10;
    /// A file that wants at least so many blocks at once, 32 KiB, and cannot go on where it was, is being streamed beside
    /// others that are: it is given a place with room to go on, 1 MiB at least. Two files that are streamed at once so
    /// come to lie apart, in a few long extents each, where the nearest free blocks would make them alternate.
    private static final int STREAM_BLOCKS = 8, STREAM_ROOM = 256;
    /// So many files have room at the same time, however little is in hand; room that others have used longer ago gives way.
    /// Without, files that are written faster than refills come would alternate block by block until the next one.
    private static final int ROOMS_AT_LEAST = 32;
    private final ExtentSet metadata = new ExtentSet();
    private final ExtentSet metadataTaken = new ExtentSet();
    private final ExtentSet data = new ExtentSet();
    /// In hand as well, for the files that it lies beside.
    private final RoomAhead roomAhead = new RoomAhead();
    private final ExtentSet dataReserved = new ExtentSet();
    private final ExtentSet dataReferred = new ExtentSet();
    private long metadataLowMark;
    private long reserveMin;
    private long dataLowMark;
    private long dataTarget = Long.MAX_VALUE / 2;
    private boolean metadataLow;
    private boolean dataLow;
    /// Others are short: what is above the low mark goes back with the next commit.
    private boolean metadataWanted;
    private boolean dataWanted;
    private String why = "";
    private SpaceReport report = SpaceReport.getDefaultInstance();
    private long dataInCommits;

    /// Blocks and flags of a registration, a commit's answer or a refill. A grant is counted once: a repeated answer must
    /// not come here again.
    public void granted(SpaceGrant grant) {
        for (var extent : grant.getMetadataList()) metadata.add(extent.getStart(), extent.getCount());
        for (var extent : grant.getDataList()) data.add(extent.getStart(), extent.getCount());
        metadataLow = grant.getMetadataLow();
        dataLow = grant.getDataLow();
        if (dataLow) roomAhead.giveAll(data::add);
        why = grant.getWhy();
        if (grant.hasReport()) reported(grant.getReport());
    }

    /// The volume as of now, while no commit is on its way. It may have grown.
    public void reported(SpaceReport newest) {
        report = newest;
        dataInCommits = 0;
        if (newest.getMetadata().getTotal() == 0 || newest.getData().getTotal() == 0) return;
        var policy = new ReservePolicy(newest.getMetadata().getTotal(), newest.getData().getTotal());
        metadataLowMark = policy.metadataLowMark();
        reserveMin = policy.reserve(1);
        dataLowMark = policy.dataLowMark();
        dataTarget = policy.dataTarget();
    }

    // ---- data

    /// Up to `count` consecutive blocks: those from `goal` on when they are in hand, else near it (0: anywhere), or of a
    /// stream far from it.
    /// Null when nothing is in hand.
    public Extent reserveData(long count, long goal) {
        return reserveData(count, goal, 0, 0);
    }

    /// The same for a file that has more to come around these blocks: up to `room` blocks behind them, and when they are in
    /// a new place up to `lead` before them, are kept from other files as long as there is enough for these.
    public Extent reserveData(long count, long goal, long lead, long room) {
        if (lead > 0 && lead + room <= roomMax()) return reserveWithRoom(count, goal, lead, room);
        long most = Math.max(roomMax() - roomAhead.blocks(), roomMax() / ROOMS_AT_LEAST);
        return reserveWithRoom(count, goal, 0, Math.min(room, most));
    }

    /// Half of what is in hand is for whoever comes; near the end of the space all of it.
    private long roomMax() {
        return dataLow ? 0 : dataBlocks() / 2;
    }

    private Extent reserveWithRoom(long count, long goal, long lead, long room) {
        var extent = goal > 0 ? roomAhead.take(count, goal) : null;
        if (extent == null) extent = takeFree(count, goal, lead, room);
        if (extent == null && roomAhead.blocks() > 0) {
            roomAhead.giveAll(data::add);
            return reserveWithRoom(count, goal, 0, 0);
        }
        if (extent == null) return null;
        dataReserved.add(extent);
        if (extent.count() == count && room > 0) keepRoom(extent.end(), room);
        return extent;
    }

    private Extent takeFree(long count, long goal, long lead, long room) {
        boolean goesOn = goal > 0 && data.overlaps(goal, 1);
        if (!goesOn && lead + room > 0) {
            // A long stream goes far away from the others, where it need not look for a place so soon again.
            long all = lead + count + room;
            var whole = goal > 0 && all >= STREAM_ROOM ? data.takeApart(all, STREAM_ROOM) : null;
            if (whole == null) whole = data.takeFit(all, goal);
            if (whole != null) {
                if (lead > 0) keep(new Extent(whole.start(), lead));
                if (room > 0) data.add(whole.start() + lead + count, room);      // kept by the caller
                return new Extent(whole.start() + lead, count);
            }
        }
        Extent extent = null;
        if (!goesOn && goal > 0 && count >= STREAM_BLOCKS) extent = data.takeApart(count, STREAM_ROOM);
        return extent != null ? extent : data.takeUpTo(count, goal);
    }

    private void keepRoom(long from, long room) {
        if (!roomAhead.has(from) && data.overlaps(from, 1)) keep(data.takeUpTo(room, from));
    }

    private void keep(Extent room) {
        roomAhead.keep(room, (dataBlocks() + room.count()) / 2, data::add);
    }

    public void returnData(Extent reserved) {
        dataReserved.remove(reserved);
        data.add(reserved);
    }

    /// Items of the open transaction refer to the blocks from now on.
    public void referData(Extent reserved) {
        dataReserved.remove(reserved);
        dataReferred.add(reserved);
    }

    /// Takes [#referData] back, when the attempt that did it is rolled back.
    public void unreferData(Extent referred) {
        dataReferred.remove(referred);
        dataReserved.add(referred);
    }

    /// Blocks that the mount has freed, committed and discarded: in hand like granted ones.
    public void keptData(Extent freed) {
        data.add(freed);
    }

    /// For `CommitLog.data_returned` of the transaction that is being frozen: what is beyond the refill target when freeing
    /// has left this mount with far more than that, or beyond the low mark when others are short; in a bounded number of
    /// extents. Out of this mount's hands from now on.
    public List<Extent> takeDataSurplus() {
        long surplus = dataSurplus();
        if (dataWanted) roomAhead.giveAll(data::add);
        dataWanted = false;
        return surplus > 0 ? data.take(surplus, SURPLUS_EXTENTS_MAX) : List.of();
    }

    private long dataSurplus() {
        if (dataWanted) return dataBlocks() - dataLowMark;
        return data.blocks() > 2 * dataTarget ? data.blocks() - dataTarget : 0;
    }

    /// For `CommitLog.data_allocated` of the transaction that is being frozen.
    public List<Extent> takeReferred() {
        dataInCommits += dataReferred.blocks();
        return dataReferred.takeAll(Integer.MAX_VALUE);
    }

    // ---- giving back

    /// Other mounts cannot be filled to their low marks.
    public void othersShort(boolean ofMetadata, boolean ofData) {
        metadataWanted |= ofMetadata;
        dataWanted |= ofData;
    }

    /// Whether a commit should be made only to give blocks back.
    public boolean hasSurplus() {
        return dataSurplus() > 0 || metadataWanted && metadata.blocks() > metadataLowMark;
    }

    // ---- metadata

    /// For `CommitLog.metadata_returned`: what is beyond the low mark when others are short, but for so many that this
    /// mount counts on.
    public List<Extent> takeMetadataSurplus(long countedOn) {
        if (!metadataWanted) return List.of();
        metadataWanted = false;
        long surplus = metadata.blocks() - Math.max(metadataLowMark, countedOn);
        return surplus > 0 ? metadata.take(surplus, SURPLUS_EXTENTS_MAX) : List.of();
    }

    /// Exactly `blocks` blocks for a run, in as few extents as there are; null when there are not so many in hand, and
    /// then none is taken.
    public List<Extent> takeMetadata(long blocks) {
        if (blocks > metadata.blocks()) return null;
        var taken = metadata.take(blocks, Integer.MAX_VALUE);
        taken.forEach(metadataTaken::add);
        return taken;
    }

    /// The run came out smaller, or was not written.
    public void returnMetadata(List<Extent> taken) {
        for (var extent : taken) {
            metadataTaken.remove(extent);
            metadata.add(extent);
        }
    }

    /// These belong to a run that a commit reports.
    public void writtenMetadata(List<Extent> taken) {
        taken.forEach(metadataTaken::remove);
    }

    // ---- questions

    public long metadataBlocks() {
        return metadata.blocks();
    }

    public long dataBlocks() {
        return data.blocks() + roomAhead.blocks();
    }

    /// How many extents the commit of the open transaction will name.
    public long dataReferredExtents() {
        return dataReferred.extents();
    }

    /// Reserved or referred by the transaction that is open.
    public long dataBlocksInUse() {
        return dataReserved.blocks() + dataReferred.blocks();
    }

    /// Below the low mark, or flagged low: only the next answer can say that the flag has gone.
    public boolean wantsMetadata() {
        return metadata.blocks() < metadataLowMark || metadataLow;
    }

    public boolean wantsData() {
        return dataBlocks() < dataLowMark || dataLow;
    }

    public boolean wantsRefill() {
        return wantsMetadata() || wantsData();
    }

    /// Set: an allocating hold gets ENOSPC.
    public boolean metadataLow() {
        return metadataLow;
    }

    /// Half of the least reserve that the server keeps has been used up, by operations that are never refused.
    public boolean metadataScarce() {
        return metadataLow && 2 * report.getMetadata().getReserved() <= reserveMin;
    }

    /// Set: a data allocation that finds nothing in hand gets ENOSPC; otherwise it forces a commit and tries again.
    public boolean dataLow() {
        return dataLow;
    }

    /// The server's words for the flags, for logs and status.
    public String why() {
        return why;
    }

    /// The volume as of the last grant, with the data that this mount has used since moved from held to used.
    public SpaceReport report() {
        long since = Math.min(report.getData().getHeld(), dataReserved.blocks() + dataReferred.blocks() + dataInCommits);
        if (since == 0) return report;
        var then = report.getData();
        return report.toBuilder()
                .setData(Space.newBuilder(then).setUsed(then.getUsed() + since).setHeld(then.getHeld() - since))
                .build();
    }

    /// Everything in hand, for a look from outside.
    public List<Extent> metadataInHand() {
        return new ArrayList<>(metadata.toList());
    }

    public List<Extent> dataInHand() {
        var all = new ExtentSet(data.toList());
        roomAhead.forEach(all::add);
        return all.toList();
    }
}
