package dev.cairn.transaction;

import dev.cairn.allocator.ExtentSet;
import dev.cairn.allocator.MountShare;
import dev.cairn.block.Extent;
import dev.cairn.proto.LockName;
import dev.cairn.proto.RunRef;
import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import dev.cairn.transaction.run.BlockCache;
import dev.cairn.transaction.run.InlineRun;
import dev.cairn.transaction.run.ItemView;
import dev.cairn.transaction.run.Needs;
import dev.cairn.transaction.run.RunSet;
import dev.cairn.transaction.run.RunWriter;
import java.util.ArrayList;
import java.util.List;

/// A mount's view of its volume and its transactions: what is dirty, what is being committed, what is committed. The rules
/// of sections 5 and 6 that concern one mount; no clock, no thread, no I/O. Used by one thread at a time.
///
/// An item is looked for in: the open transaction, the frozen one, the items committed inline since the last run, the
/// runs of the manifest. The first hit is the newest version.
final class Transactions {
    /// Blocks by which the metadata share must exceed what the dirty items need, so that one more operation always fits.
    private static final long SHARE_MARGIN_BLOCKS = 4;
    /// Above it a commit writes a run: the server keeps inline items in its own state.
    static final int INLINE_BYTES_MAX = 32 << 10;
    /// A run's commit costs several times an inline one's. Together they stay below what makes the server merge them, and below
    /// what is worth keeping in its state.
    static final int INLINE_COMMITS_MAX = 96;
    static final int CARRIED_BYTES_MAX = 256 << 10;

    final MountShare share;
    final LockClient locks = new LockClient();
    final BlockCache cache;
    final InodeNumbers directoryNumbers = new InodeNumbers();
    final InodeNumbers otherNumbers = new InodeNumbers();
    /// So that a commit's message, and its event in the journal, stay far below a megabyte.
    private static final long EXTENTS_MAX = 16 << 10;
    private final long dirtyBytesMax;

    private RunSet runs;
    /// What is read below the tables: without this mount's own carried runs, each of whose items is among [#carried], as it is
    /// or newer. After many fsyncs there are a hundred, and each would be asked for every key.
    private RunSet beneath;
    Transaction open;
    /// Data blocks that a passed commit has freed and that are being discarded on the device. They belong to this mount's share.
    final ExtentSet discarding = new ExtentSet();
    /// Null, or the one whose commit is going on. There is never more than one.
    Transaction frozen;
    /// Items of inline commits that the next run will include, and the inline runs that it then replaces.
    private ItemTable carried = new ItemTable();
    private final List<Long> carriedRuns = new ArrayList<>();
    /// For the transaction after the open one; 0 while the frozen one's commit has not brought it.
    private long nextSeq;
    private long inodeCount;

    Transactions(MountShare share, BlockCache cache, long dirtyBytesMax) {
        this.share = share;
        this.cache = cache;
        this.dirtyBytesMax = dirtyBytesMax;
    }

    /// The mount has been registered: its first two seqs are in hand.
    void start(RunSet runs, long firstSeq, long secondSeq) {
        follow(runs);
        this.open = new Transaction(firstSeq);
        this.nextSeq = secondSeq;
    }

    /// A newer version of the manifest.
    void follow(RunSet newer) {
        runs = newer;
        beneath = newer.without(carriedRuns);
    }

    /// The newest known version of the manifest, all of it.
    RunSet runs() {
        return runs;
    }

    static long indexLock(boolean data, long seq) {
        return LockClient.id(data ? LockName.Kind.DATA_SEQ_GROUP : LockName.Kind.META_SEQ_GROUP, seq >>> 10);
    }

    // ---- reading

    /// The value of the newest uncommitted or not yet merged-in version that this mount itself has written;
    /// [ItemTable#DELETED] when that is a deletion; null when there is none.
    byte[] dirty(Key key) {
        byte[] value = open.items.value(key);
        if (value == null && frozen != null) value = frozen.items.value(key);
        if (value == null && !carried.isEmpty()) value = carried.value(key);
        return value;
    }

    /// The newest committed version of what is not [#dirty]; as [RunSet#get].
    ItemView committed(Key key, Needs needs) {
        return beneath.get(key, cache, needs);
    }

    void want(Key key, Needs needs) {
        if (dirty(key) == null) beneath.want(key, cache, needs);
    }

    Cursor scan(Key first, Key last, Needs needs) {
        var tables = new ItemTable[] {
            open.items, frozen == null ? null : frozen.items, carried.isEmpty() ? null : carried};
        return new MergedCursor(tables, beneath.seek(first, last, cache, needs), first, last);
    }

    long committedSeq() {
        return (frozen == null ? open : frozen).seq - 1;
    }

    /// What this mount has in hand counts as free, not as held: it is what the user can still write. Metadata counts only
    /// while allocating operations may have it: once flagged low, it is there for deleting.
    SpaceReport space() {
        var report = share.report();
        return report.toBuilder()
                .setMetadata(share.metadataLow() ? report.getMetadata() : asFree(report.getMetadata(), share.metadataBlocks()))
                .setData(asFree(report.getData(), share.dataBlocks() + discarding.blocks()))
                .setInodeCount(inodeCount + open.inodesDelta + (frozen == null ? 0 : frozen.inodesDelta)).build();
    }

    private static Space asFree(Space space, long inHand) {
        return space.toBuilder().setFree(space.getFree() + inHand).setHeld(Math.max(0, space.getHeld() - inHand)).build();
    }

    void counted(long newInodeCount) {
        inodeCount = newInodeCount;
    }

    // ---- when to commit

    /// Whether an operation that changes something may start in the open transaction: its items must fit the blocks in
    /// hand whatever happens, and memory.
    boolean mayGrow() {
        return blocksNeeded() + SHARE_MARGIN_BLOCKS <= share.metadataBlocks() && open.items.heapBytes() < 2 * dirtyBytesMax
                && extents() < 4 * EXTENTS_MAX;
    }

    /// Whether the open transaction should be committed without anybody asking.
    boolean wantsCommit() {
        return open.items.heapBytes() >= dirtyBytesMax || extents() >= EXTENTS_MAX
                || 2 * (blocksNeeded() + SHARE_MARGIN_BLOCKS) > share.metadataBlocks() && !open.items.isEmpty();
    }

    // What the next run takes at most: the open items and the carried ones. The frozen transaction has its blocks already.
    private long blocksNeeded() {
        return blocksNeeded(open);
    }

    private long blocksNeeded(Transaction transaction) {
        return RunWriter.blocksNeededAtMost(transaction.items.size() + carried.size(),
                transaction.items.bytesInRun() + carried.bytesInRun());
    }

    private long extents() {
        return open.dataFreed.extents() + share.dataReferredExtents();
    }

    boolean mayFreeze() {
        return frozen == null && nextSeq != 0;
    }

    /// What goes back to the server because others are short, without what the open transaction's run may need: operations
    /// have been let in for it, see [#mayGrow], and by half of the share it is committed, see [#wantsCommit].
    List<Extent> takeMetadataSurplus() {
        return share.takeMetadataSurplus(2 * (blocksNeeded() + SHARE_MARGIN_BLOCKS));
    }

    // ---- a commit's stations

    /// Opens a new transaction and freezes the open one.
    Transaction freeze() {
        if (!mayFreeze()) throw new IllegalStateException("transaction " + open.seq + " cannot be frozen yet");
        frozen = open;
        frozen.dataReferred = share.takeReferred();
        frozen.dataReturned = share.takeDataSurplus();
        open = new Transaction(nextSeq);
        nextSeq = 0;
        return frozen;
    }

    /// Whether the frozen transaction is small enough to travel inside its commit message. One without items is: a run for it
    /// would hold nothing but what is carried.
    boolean fitsInline() {
        return frozen.items.isEmpty() || carriedRuns.size() < INLINE_COMMITS_MAX && carried.bytesInRun() <= CARRIED_BYTES_MAX && frozen.items.bytesInRun() <= INLINE_BYTES_MAX
                && InlineRun.fits(frozen.items.size(), frozen.items.bytesInRun());
    }

    /// What a run for the frozen transaction holds: its own items over those carried from inline commits. Neither is changed
    /// before the run is written.
    Iterable<Item> runItems() {
        return frozen.items.inOrderOver(carried);
    }

    /// Blocks out of the share for a run of [#runItems], with room to spare; what is left of them is given back by
    /// [#usedRunSpace]. [#mayGrow] has made sure that they are there.
    List<Extent> takeRunSpace() {
        return share.takeMetadata(blocksNeeded(frozen));
    }

    /// The run took its blocks from the front of `space`; the rest goes back.
    void usedRunSpace(List<Extent> space, RunRef run) {
        long left = run.getExtentsList().stream().mapToLong(dev.cairn.proto.Extent::getCount).sum();
        var used = new ArrayList<Extent>();
        var unused = new ArrayList<Extent>();
        for (var extent : space) {
            long taken = Math.min(left, extent.count());
            left -= taken;
            if (taken > 0) used.add(new Extent(extent.start(), taken));
            if (taken < extent.count()) unused.add(new Extent(extent.start() + taken, extent.count() - taken));
        }
        share.writtenMetadata(used);
        share.returnMetadata(unused);
    }

    List<Long> carriedRuns() {
        return List.copyOf(carriedRuns);
    }

    /// The frozen transaction is journalled.
    ///
    /// @param committed the manifest with its run in it; the one in hand, when that has it already
    /// @param inlineRun the id of its inline run, or 0 when it was written as a run that includes all carried items
    Transaction passed(RunSet committed, long inlineRun, long seqAfterOpen) {
        var passed = frozen;
        if (inlineRun != 0) {
            carried.putAll(passed.items);
            carriedRuns.add(inlineRun);
            // Most often nothing else is new, and what is read beneath lacks it.
            if (committed == runs) follow(runs);
            else runs = committed;
        } else if (!passed.items.isEmpty()) {
            carried = new ItemTable();
            carriedRuns.clear();
            follow(committed);
        }
        passed.dataFreed.forEach(discarding::add);
        nextSeq = seqAfterOpen;
        frozen = null;
        return passed;
    }

    /// The device has let go of them: they can be written again.
    void discarded(List<Extent> extents) {
        for (var extent : extents) {
            discarding.remove(extent);
            share.keptData(extent);
        }
    }

    /// A lock goes to another mount: its newer versions must not be covered by what this mount would carry into a later run.
    /// The inline runs stay in the manifest until they are merged.
    void stopCarrying() {
        carried = new ItemTable();
        carriedRuns.clear();
        follow(runs);
    }

    long dirtyItems() {
        return open.items.size() + (frozen == null ? 0 : frozen.items.size());
    }

    long dirtyHeapBytes() {
        return open.items.heapBytes() + (frozen == null ? 0 : frozen.items.heapBytes());
    }
}
