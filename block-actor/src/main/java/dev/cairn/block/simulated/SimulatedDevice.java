package dev.cairn.block.simulated;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/// A device in memory with a volatile cache: reads see every write, but a power cut keeps only what was flushed, and
/// of the rest whatever it likes. Everything that happens is recorded, so that a test can run a workload once and then
/// look at any state that a power cut on the way could have left.
///
///     recorded:   w1  w2  FLUSH  w3  w4  discard  w5 | crash here
///     after it:   w1  w2  surely;  w3, w4, w5: each whole, torn by sectors, or not at all; the discard perhaps
///
/// A flush that fails takes the writes before it out of every later flush's promise, as Linux does: they may be lost
/// although the next flush succeeds. Safe for many threads.
public final class SimulatedDevice implements BlockDevice {
    /// What can be made to fail.
    public enum Operation { READ, WRITE, FLUSH, DISCARD }

    /// In which pieces a write reaches the medium when the power goes. The numbers are bytes.
    public enum Tearing {
        /// Each write is there or not.
        NONE(0),
        SECTORS_512(512),
        SECTORS_4096(4096);

        private final int bytes;

        Tearing(int bytes) {
            this.bytes = bytes;
        }
    }

    /// What happened, in order. `at` is its place in the [Recording]'s common order.
    public sealed interface Event {
        long at();
    }

    public record Write(long at, long byteOffset, byte[] bytes) implements Event {}

    public record Discard(long at, Extent extent) implements Event {}

    public record Flush(long at, boolean succeeded) implements Event {}

    private record Fault(Set<Operation> operations, Extent blocks, String reason) {}

    private final String name;
    private final int blockBytes;
    private final long blocks;
    private final Recording recording;
    private final Image now;
    private Image atStart;
    private final List<Event> history = new ArrayList<>();
    private final List<Fault> faults = new ArrayList<>();
    private boolean gone, readOnly, full, closed, cacheCold;
    private int flushes;

    private SimulatedDevice(String name, int blockBytes, long blocks, Recording recording, Image content) {
        if (blockBytes < 512 || blocks < 1) throw new IllegalArgumentException(blocks + " blocks of " + blockBytes);
        this.name = name;
        this.blockBytes = blockBytes;
        this.blocks = blocks;
        this.recording = recording;
        this.now = content;
        this.atStart = content.copy();
    }

    public static SimulatedDevice create(String name, int blockBytes, long blocks) {
        return create(name, blockBytes, blocks, new Recording());
    }

    /// A device whose events are numbered together with those of the others on the same recording.
    public static SimulatedDevice create(String name, int blockBytes, long blocks, Recording recording) {
        return new SimulatedDevice(name, blockBytes, blocks, recording, new Image());
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public long blocks() {
        return blocks;
    }

    @Override
    public synchronized void read(long byteOffset, MemorySegment into) throws DeviceException {
        admit(Operation.READ, byteOffset, into.byteSize(), into);
        var bytes = new byte[Math.toIntExact(into.byteSize())];
        now.read(byteOffset, bytes);
        MemorySegment.copy(bytes, 0, into, ValueLayout.JAVA_BYTE, 0, bytes.length);
    }

    @Override
    public synchronized boolean readWithoutWaiting(long byteOffset, MemorySegment into) throws DeviceException {
        if (cacheCold) return false;
        read(byteOffset, into);
        return true;
    }

    @Override
    public synchronized void write(long byteOffset, MemorySegment from) throws DeviceException {
        admit(Operation.WRITE, byteOffset, from.byteSize(), from);
        if (readOnly) throw failure(Operation.WRITE, byteOffset, "is read-only (EROFS)");
        if (full && !now.holds(byteOffset, from.byteSize()))
            throw failure(Operation.WRITE, byteOffset, "no space left under the device (ENOSPC)");
        var bytes = from.toArray(ValueLayout.JAVA_BYTE);
        now.write(byteOffset, bytes, 0, bytes.length);
        history.add(new Write(recording.tick(false), byteOffset, bytes));
    }

    @Override
    public synchronized void flush() throws DeviceException {
        if (closed) throw new DeviceException(name + ": is closed");
        if (gone) throw new DeviceException(name + ": flush: the device is gone (ENXIO)");
        for (var fault : faults)
            if (fault.operations.contains(Operation.FLUSH)) {
                history.add(new Flush(recording.tick(false), false));
                throw new DeviceException(name + ": flush: " + fault.reason);
            }
        flushes++;
        history.add(new Flush(recording.tick(true), true));
    }

    @Override
    public synchronized void discard(Extent extent) throws DeviceException {
        admit(Operation.DISCARD, extent.start() * blockBytes, extent.count() * blockBytes, MemorySegment.NULL);
        if (readOnly) throw failure(Operation.DISCARD, extent.start() * blockBytes, "is read-only (EROFS)");
        now.zero(extent.start() * blockBytes, extent.count() * blockBytes);
        history.add(new Discard(recording.tick(false), extent));
    }

    @Override
    public synchronized void close() {
        closed = true;
    }

    private void admit(Operation operation, long byteOffset, long length, MemorySegment buffer) throws DeviceException {
        if (!buffer.isNative())
            throw new IllegalArgumentException("a device reads and writes native memory only, not the heap's");
        if (closed) throw new DeviceException(name + ": is closed");
        if (byteOffset < 0 || byteOffset > blocks * blockBytes - length)
            throw failure(operation, byteOffset, "the volume uses only the first " + blocks + " blocks");
        if (gone) throw failure(operation, byteOffset, "the device is gone (ENXIO)");
        long first = byteOffset / blockBytes, end = (byteOffset + length + blockBytes - 1) / blockBytes;
        for (var fault : faults)
            if (fault.operations.contains(operation) && fault.blocks.start() < end && first < fault.blocks.end())
                throw failure(operation, byteOffset, fault.reason);
    }

    private DeviceException failure(Operation operation, long byteOffset, String reason) {
        return new DeviceException("%s: %s of block %d (at %d): %s".formatted(name, operation.name().toLowerCase(),
                Math.floorDiv(byteOffset, (long) blockBytes), byteOffset, reason));
    }

    // ---- faults ----

    /// From now on these operations fail with EIO where they touch `extent`; a flush fails whatever the extent is.
    public synchronized void fail(Set<Operation> operations, Extent extent) {
        faults.add(new Fault(EnumSet.copyOf(operations), extent, "input/output error (EIO)"));
    }

    public void failReads(Extent extent) {
        fail(EnumSet.of(Operation.READ), extent);
    }

    public void failWrites(Extent extent) {
        fail(EnumSet.of(Operation.WRITE), extent);
    }

    public void failFlushes() {
        fail(EnumSet.of(Operation.FLUSH), new Extent(0, blocks));
    }

    /// Writes to places never written before fail with ENOSPC, as in a sparse file on a full file system.
    public synchronized void fillUp() {
        full = true;
    }

    /// Everything fails with ENXIO.
    public synchronized void disappear() {
        gone = true;
    }

    public synchronized void makeReadOnly() {
        readOnly = true;
    }

    /// Ends every fault but corruption.
    public synchronized void heal() {
        faults.clear();
        gone = readOnly = full = false;
    }

    /// Flips bits on the medium, as if it had always been so: in the past states too.
    public synchronized void corrupt(long byteOffset, int xor) {
        for (var image : List.of(now, atStart)) {
            var one = new byte[1];
            image.read(byteOffset, one);
            one[0] ^= (byte) xor;
            image.write(byteOffset, one, 0, 1);
        }
        for (var event : history)
            if (event instanceof Write(_, var offset, var bytes)
                    && byteOffset >= offset && byteOffset < offset + bytes.length)
                bytes[(int) (byteOffset - offset)] ^= (byte) xor;
    }

    /// Whether [#readWithoutWaiting] answers false, always, as if nothing were in the page cache.
    public synchronized void cacheCold(boolean cold) {
        cacheCold = cold;
    }

    // ---- history and crashes ----

    public Recording recording() {
        return recording;
    }

    public synchronized List<Event> history() {
        return List.copyOf(history);
    }

    /// Successful flushes since the beginning.
    public synchronized int flushes() {
        return flushes;
    }

    /// Starts the history afresh: what is there now counts as flushed. Only then do crash states begin here.
    public synchronized void forgetHistory() {
        history.clear();
        atStart = now.copy();
    }

    /// The device as it is now, with all writes: what a killed process leaves, whose kernel lives on.
    public synchronized SimulatedDevice restart() {
        return new SimulatedDevice(name, blockBytes, blocks, new Recording(), now.copy());
    }

    /// The device after a power cut at instant `at` that lost nothing: all writes before it, none after.
    public SimulatedDevice prefix(long at) {
        return rebuild(at, Unflushed.KEPT, null, Tearing.NONE);
    }

    /// The device after a power cut at instant `at` that lost everything not flushed by then.
    public SimulatedDevice flushedOnly(long at) {
        return rebuild(at, Unflushed.LOST, null, Tearing.NONE);
    }

    /// The device after a power cut at instant `at`: of what was not flushed by then, `random` decides what survives,
    /// and in which pieces. The same seed gives the same state.
    public SimulatedDevice crash(long at, SplittableRandom random, Tearing tearing) {
        return rebuild(at, Unflushed.RANDOM, random, tearing);
    }

    private enum Unflushed { KEPT, LOST, RANDOM }

    private synchronized SimulatedDevice rebuild(long at, Unflushed unflushed, SplittableRandom random,
            Tearing tearing) {
        var image = atStart.copy();
        var certain = certain(at);
        for (int i = 0; i < history.size() && history.get(i).at() < at; i++) {
            if (!certain[i] && unflushed == Unflushed.LOST) continue;
            boolean whole = certain[i] || unflushed == Unflushed.KEPT;
            switch (history.get(i)) {
                case Write(_, var offset, var bytes) -> {
                    if (whole) image.write(offset, bytes, 0, bytes.length);
                    else survive(image, offset, bytes, random, tearing);
                }
                case Discard(_, var extent) -> {
                    if (whole || random.nextBoolean())
                        image.zero(extent.start() * blockBytes, extent.count() * blockBytes);
                }
                case Flush _ -> { }
            }
        }
        return new SimulatedDevice(name, blockBytes, blocks, new Recording(), image);
    }

    // From the end to the start: an event is certain when the first flush after it succeeded. A failed one makes all
    // before it uncertain, back to the flush before.
    private boolean[] certain(long at) {
        var certain = new boolean[history.size()];
        boolean flushed = false;
        for (int i = history.size() - 1; i >= 0; i--) {
            var event = history.get(i);
            if (event.at() >= at) continue;
            if (event instanceof Flush flush) flushed = flush.succeeded();
            certain[i] = flushed;
        }
        return certain;
    }

    private static void survive(Image image, long offset, byte[] bytes, SplittableRandom random, Tearing tearing) {
        if (tearing == Tearing.NONE) {
            if (random.nextBoolean()) image.write(offset, bytes, 0, bytes.length);
            return;
        }
        // One third each: whole, nothing, torn. A torn write keeps its first sectors, or any of them.
        int fate = random.nextInt(3);
        if (fate == 0) return;
        boolean prefix = random.nextBoolean();
        int sectors = (bytes.length + tearing.bytes - 1) / tearing.bytes;
        int kept = fate == 1 || !prefix ? sectors : random.nextInt(sectors + 1);
        for (int sector = 0; sector < kept; sector++) {
            if (fate == 2 && !prefix && random.nextBoolean()) continue;
            int start = sector * tearing.bytes;
            image.write(offset + start, bytes, start, Math.min(tearing.bytes, bytes.length - start));
        }
    }

    @Override
    public String toString() {
        return "SimulatedDevice[%s, %d blocks of %d]".formatted(name, blocks, blockBytes);
    }
}
