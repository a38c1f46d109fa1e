package dev.cairn.filesystem;

import static dev.cairn.transaction.Errno.EFBIG;
import static dev.cairn.transaction.Errno.EINVAL;
import static dev.cairn.transaction.Errno.EIO;
import static dev.cairn.transaction.Errno.EISDIR;
import static dev.cairn.transaction.Errno.ENOSPC;
import static dev.cairn.transaction.Errno.ENXIO;

import dev.cairn.block.Extent;
import dev.cairn.filesystem.Extents.Mapping;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.Tx;

/// Reads and writes of file data: resolving them to places on the device before the I/O, and making what was written
/// part of the file after it.
///
/// Fresh blocks are filled before any item refers to them, so a crash never shows a file what a block held before. Blocks
/// that a file has already are overwritten in place.
final class FileData {
    /// Of one plan; the kernel's writes are 1 MiB at most.
    static final long BYTES_PER_PLAN = 16 << 20;
    /// A plan whose free space comes in more pieces than this is cut short: a short write, and the caller goes on.
    static final int PIECES_PER_PLAN = 256;
    private static final long BLOCK = FileSystem.BLOCK_BYTES;

    private static Inode loadRegular(Tx tx, long ino) {
        var inode = Inodes.load(tx, ino);
        if (inode.isDirectory()) throw EISDIR.failure();
        if (!inode.isRegular()) throw EINVAL.failure();
        return inode;
    }

    private static long blockEnd(long offset) {
        return Extents.blocks(offset) * BLOCK;
    }

    // ---- reading

    static void planRead(Tx tx, long ino, long offset, long length, DataPlan plan) {
        if (offset < 0 || length < 0) throw EINVAL.failure();
        plan.reset(ino, offset, false);
        tx.lockInode(ino, LockMode.READ);
        var inode = loadRegular(tx, ino);
        if (offset >= inode.size || length == 0) return;
        long end = Math.min(inode.size, offset + Math.min(length, BYTES_PER_PLAN));
        long at = offset;
        var walk = new Extents.Walk(tx, inode, offset / BLOCK);
        boolean device = false;
        while (at < end) {
            var mapping = walk.next();
            long from = mapping == null ? end : Math.min(end, mapping.first() * BLOCK);
            if (from > at) {
                plan.add(DataPlan.ZERO, DataPlan.NOWHERE, from - at);
                at = from;
            }
            if (at == end) break;
            long to = Math.min(end, mapping.end() * BLOCK);
            if (mapping.online()) {
                device = true;
                addRead(plan, inode, mapping, at, to);
            } else if (mapping.offline()) {
                // Staging on demand is not built yet; zeros would be a lie.
                throw EIO.failure();
            } else {
                plan.add(DataPlan.ZERO, DataPlan.NOWHERE, to - at);
            }
            at = to;
        }
        plan.bytes = end - offset;
        if (device) plan.pin(tx.pinData());
    }

    // From the device, but for what reads as zeros although it is mapped: see Inode.zeroFrom.
    private static void addRead(DataPlan plan, Inode inode, Mapping mapping, long from, long to) {
        long zeroFrom = Math.clamp(inode.zeroFrom == 0 ? to : inode.zeroFrom, from, to);
        long zeroEnd = Math.clamp(inode.zeroFrom == 0 ? to : blockEnd(inode.zeroFrom), from, to);
        plan.add(DataPlan.DATA, deviceAt(mapping, from), zeroFrom - from);
        plan.add(DataPlan.ZERO, DataPlan.NOWHERE, zeroEnd - zeroFrom);
        plan.add(DataPlan.DATA, deviceAt(mapping, zeroEnd), to - zeroEnd);
    }

    private static long deviceAt(Mapping mapping, long offset) {
        return mapping.physical() * BLOCK + (offset - mapping.first() * BLOCK);
    }

    // ---- writing

    static Outcome planWrite(Tx tx, long ino, long offset, long length, DataPlan plan, Preallocation preallocation) {
        if (offset < 0 || length < 0) throw EINVAL.failure();
        plan.reset(ino, offset, true);
        tx.lockInode(ino, LockMode.WRITE);
        var inode = loadRegular(tx, ino);
        if (length == 0) return Outcome.DONE;
        if (offset >= FileSystem.FILE_BYTES_MAX) throw EFBIG.failure();
        long end = offset + Math.min(Math.min(length, BYTES_PER_PLAN), FileSystem.FILE_BYTES_MAX - offset);
        if (inode.truncating() && end > inode.size) {
            Attributes.step(tx, inode);
            return Outcome.AGAIN;
        }
        plan.sizeSeen = inode.size;
        plan.zeroFromSeen = inode.zeroFrom;
        long endPlanned = resolve(tx, inode, plan, offset / BLOCK, Extents.blocks(end), preallocation) * BLOCK;
        if (endPlanned <= offset) throw ENOSPC.failure();
        end = Math.min(end, endPlanned);
        addLeftOvers(tx, inode, plan, offset, end);
        plan.fresh = plan.segments() == 0 && plan.onlyFreshPieces();
        for (int i = 0; i < plan.pieces; i++) addWrite(plan, i, offset, end);
        plan.bytes = end - offset;
        plan.pin(tx.pinData());
        return Outcome.DONE;
    }

    /// Finds or reserves a place for every block.
    /// @return the block up to which it could
    private static long resolve(Tx tx, Inode inode, DataPlan plan, long from, long end, Preallocation preallocation) {
        // New blocks go on where the file's last block is, most often the one just before.
        long look = preallocation.contigOnly() ? from - 1 : from - from % Math.max(1, preallocation.blocks()) - 1;
        var walk = new Extents.Walk(tx, inode, Math.max(0, look));
        Mapping before = null, mapping = walk.next();
        while (mapping != null && mapping.end() <= from) {
            before = mapping;
            mapping = walk.next();
        }
        if (mapping != null && mapping.first() < from && mapping.mapped()) before = mapping.slice(mapping.first(), from);
        long at = from, fresh = 0;
        for (; at < end; mapping = walk.next()) {
            long holeEnd = mapping == null ? end : Math.min(end, mapping.first());
            while (at < holeEnd) {
                if (plan.pieces >= PIECES_PER_PLAN || tx.metadataLow()) return at;
                var place = reserve(tx, holeEnd - at, preallocation.of(inode.onlineBlocks + fresh, before, at, holeEnd, mapping));
                if (place == null) return at;
                plan.addPiece(DataPlan.FRESH, at, place.count(), place.start());
                before = new Mapping(at, place.count(), place.start(), 0);
                at += place.count();
                fresh += place.count();
            }
            if (at == end) break;
            if (plan.pieces >= PIECES_PER_PLAN) return at;
            if (mapping.offline()) throw EIO.failure();
            // What was allocated beforehand was promised; but in the end the extents that it is cut into are items too.
            if (mapping.unwritten() && tx.metadataScarce()) return at;
            var part = mapping.slice(at, Math.min(end, mapping.end()));
            plan.addPiece(part.unwritten() ? DataPlan.UNWRITTEN : DataPlan.MAPPED, at, part.count(), part.physical());
            before = part;
            at = part.end();
        }
        return at;
    }

    /// Null when the volume is full.
    static Extent reserve(Tx tx, long count, Preallocation.Wish wish) {
        try {
            var extent = tx.reserveData(count, wish.goal(), wish.lead(), wish.room());
            if (extent.count() > count || extent.start() == 0)
                throw new IllegalStateException("asked for %d blocks, got %s".formatted(count, extent));
            return extent;
        } catch (Errno.Failure failure) {
            if (failure.errno() != ENOSPC) throw failure;
            return null;
        }
    }

    // Left-overs behind an end of the file that this write passes, or that was passed before, become zeros on the device:
    // from now on they are inside the file. See Inode.zeroFrom.
    private static void addLeftOvers(Tx tx, Inode inode, DataPlan plan, long offset, long end) {
        long from = inode.zeroFrom != 0 ? inode.zeroFrom : inode.size;
        if (from % BLOCK == 0 || inode.zeroFrom == 0 && offset <= inode.size) return;
        long to = blockEnd(from);
        var mapping = Extents.at(tx, inode, from / BLOCK);
        if (mapping == null || !mapping.online()) return;
        plan.leftOvers = from / BLOCK < offset / BLOCK || from / BLOCK >= Extents.blocks(end);
        if (from < offset) plan.add(DataPlan.ZERO, deviceAt(mapping, from), Math.min(to, offset) - from);
        // Behind the write only what is inside the file already; the new end of the file is left as any end is.
        if (to > end && inode.zeroFrom != 0) {
            long behind = Math.max(from, end);
            plan.add(DataPlan.ZERO, deviceAt(mapping, behind), to - behind);
        }
    }

    private static void addWrite(DataPlan plan, int piece, long offset, long end) {
        long first = plan.pieceBlock[piece] * BLOCK, last = first + plan.pieceCount[piece] * BLOCK;
        long device = plan.piecePhysical[piece] * BLOCK;
        long from = Math.max(first, offset), to = Math.min(last, end);
        // Blocks that become part of the file are written whole.
        boolean whole = plan.pieceState[piece] != DataPlan.MAPPED;
        if (whole) plan.add(DataPlan.ZERO, device, from - first);
        plan.add(DataPlan.DATA, device + (from - first), to - from);
        if (whole) plan.add(DataPlan.ZERO, device + (to - first), last - to);
    }

    static Outcome finishWrite(Tx tx, DataPlan plan, Time now, KillPriv killPriv) {
        if (!plan.write) throw new IllegalArgumentException("a read plan has nothing to finish");
        if (plan.bytes == 0) return Outcome.DONE;
        tx.lockInode(plan.ino, LockMode.WRITE);
        var inode = Inodes.loadOrNull(tx, plan.ino);
        if (inode == null || !stillTrue(tx, inode, plan)) {
            returnReserved(tx, plan);
            return Outcome.AGAIN;
        }
        for (int i = 0; i < plan.pieces; i++) {
            long first = plan.pieceBlock[i], count = plan.pieceCount[i], physical = plan.piecePhysical[i];
            switch (plan.pieceState[i]) {
                case DataPlan.FRESH -> {
                    tx.referData(new Extent(physical, count));
                    Extents.insert(tx, inode, new Mapping(first, count, physical, 0));
                    inode.onlineBlocks += count;
                }
                case DataPlan.UNWRITTEN -> {
                    Extents.reflag(tx, inode, Extents.at(tx, inode, first), first, first + count, 0);
                    inode.onlineBlocks += count;
                }
                default -> {}
            }
        }
        inode.size = Math.max(inode.size, plan.offset + plan.bytes);
        inode.zeroFrom = 0;
        Attributes.killPriv(inode, killPriv);
        Xattrs.dropCapability(tx, inode);
        inode.touched(now);
        Inodes.storeContents(tx, inode);
        return Outcome.DONE;
    }

    /// Is the file, where the plan wrote, what the plan found?
    private static boolean stillTrue(Tx tx, Inode inode, DataPlan plan) {
        long end = plan.offset + plan.bytes;
        if (inode.zeroFrom != plan.zeroFromSeen) return false;
        if (inode.truncating() && end > inode.size) return false;
        // It was cut meanwhile: between its end now and the write there would be what was cut off.
        if (inode.size != plan.sizeSeen && inode.size < plan.offset) return false;
        for (int i = 0; i < plan.pieces; i++) {
            long first = plan.pieceBlock[i], pieceEnd = first + plan.pieceCount[i];
            var mapping = Extents.atOrAfter(tx, inode, first);
            boolean hole = mapping == null || mapping.first() >= pieceEnd;
            if (plan.pieceState[i] == DataPlan.FRESH) {
                if (!hole) return false;
                continue;
            }
            if (hole || mapping.first() > first || mapping.end() < pieceEnd || !mapping.mapped() || mapping.offline()
                    || mapping.unwritten() != (plan.pieceState[i] == DataPlan.UNWRITTEN)
                    || mapping.physicalAt(first) != plan.piecePhysical[i]) return false;
        }
        return true;
    }

    static void abandonWrite(Tx tx, DataPlan plan) {
        if (!plan.write) throw new IllegalArgumentException("a read plan has nothing to abandon");
        returnReserved(tx, plan);
    }

    private static void returnReserved(Tx tx, DataPlan plan) {
        for (int i = 0; i < plan.pieces; i++)
            if (plan.pieceState[i] == DataPlan.FRESH)
                tx.returnData(new Extent(plan.piecePhysical[i], plan.pieceCount[i]));
    }

    // ---- copying

    static void planCopy(Tx tx, long ino, long offset, long length, long bytesMax, DataPlan plan) {
        if (offset < 0 || length < 0) throw EINVAL.failure();
        plan.reset(ino, offset, false);
        tx.lockInode(ino, LockMode.READ);
        var inode = loadRegular(tx, ino);
        if (offset >= inode.size || length == 0) return;
        long end = length > inode.size - offset ? inode.size : offset + length;
        long dataAt = end, dataEnd = end;
        var walk = new Extents.Walk(tx, inode, offset / BLOCK);
        for (Mapping mapping; (mapping = walk.next()) != null && mapping.first() * BLOCK < end; ) {
            boolean data = mapping.online() || mapping.offline();
            if (dataAt == end && data) dataAt = Math.max(offset, mapping.first() * BLOCK);
            else if (dataAt == end) continue;
            else if (!data || mapping.first() * BLOCK > dataEnd) break;
            dataEnd = Math.min(end, mapping.end() * BLOCK);
            if (dataEnd - offset >= bytesMax) break;
        }
        if (dataAt > offset) plan.bytes = dataAt - offset;
        else planRead(tx, ino, offset, Math.min(bytesMax, dataEnd - offset), plan);
    }

    // ---- lseek

    static long lseek(Tx tx, long ino, long offset, int whence) {
        if (whence != FileSystem.SEEK_DATA && whence != FileSystem.SEEK_HOLE) throw EINVAL.failure();
        tx.lockInode(ino, LockMode.READ);
        var inode = loadRegular(tx, ino);
        if (offset < 0 || offset >= inode.size) throw ENXIO.failure();
        var walk = new Extents.Walk(tx, inode, offset / BLOCK);
        long at = offset;
        for (Mapping mapping; (mapping = walk.next()) != null && at < inode.size; ) {
            // Archived data is data, wherever it is just now.
            boolean data = mapping.online() || mapping.offline();
            if (whence == FileSystem.SEEK_DATA) {
                if (!data) continue;
                at = Math.max(at, mapping.first() * BLOCK);
                if (at < inode.size) return at;
                break;
            }
            if (!data || mapping.first() * BLOCK > at) return at;
            at = mapping.end() * BLOCK;
        }
        if (whence == FileSystem.SEEK_DATA) throw ENXIO.failure();
        return Math.min(at, inode.size);
    }

    static void mapExtents(Tx tx, long ino, long firstBlock, FileSystem.ExtentSink sink) {
        tx.lockInode(ino, LockMode.READ);
        var inode = loadRegular(tx, ino);
        if (firstBlock < 0 || firstBlock > Extents.BLOCKS_MAX) throw EINVAL.failure();
        var walk = new Extents.Walk(tx, inode, firstBlock);
        for (Mapping mapping; (mapping = walk.next()) != null; )
            if (!sink.extent(mapping.first(), mapping.physical(), mapping.count(), mapping.unwritten(), mapping.offline())) return;
    }

    private FileData() {}
}
