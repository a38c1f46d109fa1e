package dev.cairn.transaction;

import dev.cairn.block.Extent;
import dev.cairn.proto.LockName;
import dev.cairn.proto.SpaceReport;
import java.util.ArrayList;
import java.util.List;

/// One attempt of one operation on a mount's [Transactions]. Items are changed in place, and back when an attempt ends early;
/// changes to space are only noted, and made when the attempt has succeeded.
///
/// One object serves all attempts of a mount, one after the other.
final class Attempt implements Tx {
    private final Transactions mount;
    private Lacking lacking;
    /// Items of this attempt carry at least the seq of the locks that it has taken for writing.
    private long seq;

    private long directoriesTaken;
    private long othersTaken;
    private int inodesDelta;
    private boolean lowSeen;
    private final List<Extent> reserved = new ArrayList<>();
    private final List<Extent> referred = new ArrayList<>();
    private final List<Extent> unwritten = new ArrayList<>();
    private final List<Extent> returned = new ArrayList<>();
    private final List<Extent> freed = new ArrayList<>();
    private final List<DataPin> pins = new ArrayList<>();

    Attempt(Transactions mount) {
        this.mount = mount;
    }

    void begin(Lacking lacking) {
        this.lacking = lacking;
        lacking.kind = Lacking.Kind.BLOCKS;
        lacking.needs.begin();
        lowSeen = false;
        seq = mount.open.seq;
    }

    /// The operation ended well: what it did to space becomes so.
    void succeed() {
        var open = mount.open;
        open.items.keep();
        mount.directoryNumbers.take(directoriesTaken);
        mount.otherNumbers.take(othersTaken);
        open.inodesDelta += inodesDelta;
        // Most operations are about names and attributes.
        if (!referred.isEmpty() || !returned.isEmpty() || !freed.isEmpty()) moveData(open);
        forget();
    }

    // What is unwritten is referred to as well.
    private void moveData(Transaction open) {
        for (var extent : referred) mount.share.referData(extent);
        for (var extent : unwritten) open.dataUnwritten.add(extent);
        for (var extent : returned) mount.share.returnData(extent);
        for (var extent : freed) open.dataFreed.add(extent);
    }

    /// The operation ended early: nothing of it stays.
    void undo() {
        mount.open.items.undo();
        for (var extent : reserved) mount.share.returnData(extent);
        for (var pin : pins) pin.release();
        forget();
    }

    private void forget() {
        directoriesTaken = othersTaken = 0;
        inodesDelta = 0;
        reserved.clear();
        referred.clear();
        unwritten.clear();
        returned.clear();
        freed.clear();
        pins.clear();
    }

    // ---- locks

    @Override
    public void lockInode(long ino, LockMode mode) {
        lock(LockClient.id(LockName.Kind.INODE_GROUP, ino >>> 10), mode);
    }

    @Override
    public void lockIndex(boolean data, long indexSeq, LockMode mode) {
        lock(Transactions.indexLock(data, indexSeq), mode);
    }

    @Override
    public void lockOrphans(LockMode mode) {
        lock(LockClient.id(LockName.Kind.ORPHANS, 0), mode);
    }

    @Override
    public void lockRename() {
        lock(LockClient.id(LockName.Kind.RENAME, 0), LockMode.WRITE);
    }

    void lock(long id, LockMode mode) {
        if (!mount.locks.covers(id, mode)) throw lacking.lock(id, mode);
        if (mode != LockMode.READ) seq = Math.max(seq, mount.locks.writeSeq(id));
    }

    // ---- items

    @Override
    public byte[] get(Key key) {
        byte[] dirty = mount.dirty(key);
        if (dirty != null) return dirty == ItemTable.DELETED ? null : dirty;
        var committed = mount.committed(key, lacking.needs);
        return committed == null ? null : committed.value();
    }

    @Override
    public void want(Key key) {
        if (lacking.looksAhead) mount.want(key, lacking.needs);
    }

    @Override
    public Cursor scan(Key first, Key last) {
        return mount.scan(first, last, lacking.needs);
    }

    @Override
    public void put(Key key, byte[] value) {
        requireFit(key, value);
        mount.open.items.put(key, seq, value);
    }

    @Override
    public void create(Key key, byte[] value) {
        requireFit(key, value);
        mount.open.items.create(key, seq, value);
    }

    @Override
    public void delete(Key key) {
        mount.open.items.delete(key, seq);
    }

    private static void requireFit(Key key, byte[] value) {
        if (value.length > Item.VALUE_BYTES_MAX)
            throw new IllegalArgumentException("a value of %d bytes for %s".formatted(value.length, key));
    }

    // ---- the transaction

    @Override
    public long seq() {
        return mount.open.seq;
    }

    @Override
    public long committedSeq() {
        return mount.committedSeq();
    }

    @Override
    public long allocateInode(boolean directory) {
        var numbers = directory ? mount.directoryNumbers : mount.otherNumbers;
        long taken = directory ? directoriesTaken : othersTaken;
        if (numbers.left() <= taken) throw lacking.commit(mount.open);     // each commit brings more
        if (directory) directoriesTaken++;
        else othersTaken++;
        return numbers.peek(taken);
    }

    @Override
    public void countInodes(int delta) {
        inodesDelta += delta;
    }

    @Override
    public boolean metadataLow() {
        lowSeen |= mount.share.metadataLow();
        return mount.share.metadataLow();
    }

    @Override
    public boolean metadataScarce() {
        lowSeen |= mount.share.metadataScarce();
        return mount.share.metadataScarce();
    }

    /// Whether the attempt was told that there is too little metadata.
    boolean sawLowMetadata() {
        return lowSeen;
    }

    // ---- data blocks

    @Override
    public Extent reserveData(long count, long goal) {
        return reserveData(count, goal, 0, 0);
    }

    @Override
    public Extent reserveData(long count, long goal, long lead, long room) {
        var extent = mount.share.reserveData(count, goal, lead, room);
        if (extent == null) throw noData();
        reserved.add(extent);
        return extent;
    }

    // Section 6: ENOSPC when the server has said that it is low; else a commit brings more. Blocks that this mount has
    // freed are free for the user: they come back by a commit and a discard, so those are waited for first.
    // What this attempt has reserved itself comes back by no commit: its operation gets on with that, and asks again.
    private RuntimeException noData() {
        if (!reserved.isEmpty()) return Errno.ENOSPC.failure();
        if (!mount.open.dataFreed.isEmpty()) return lacking.space(mount.open);
        if (mount.frozen != null && !mount.frozen.dataFreed.isEmpty()) return lacking.space(mount.frozen);
        if (!mount.discarding.isEmpty()) return lacking.discard();
        return mount.share.dataLow() ? Errno.ENOSPC.failure() : lacking.space(mount.open);
    }

    @Override
    public void referData(Extent blocks) {
        referred.add(blocks);
    }

    @Override
    public void referUnwritten(Extent blocks) {
        referred.add(blocks);
        unwritten.add(blocks);
    }

    @Override
    public void returnData(Extent blocks) {
        returned.add(blocks);
    }

    @Override
    public void freeData(Extent blocks) {
        freed.add(blocks);
    }

    @Override
    public DataPin pinData() {
        var pin = mount.open.pins.pin();
        pins.add(pin);
        return pin;
    }

    @Override
    public SpaceReport space() {
        return mount.space();
    }
}
