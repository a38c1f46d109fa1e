package dev.cairn.block;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/// A file or block device of this machine, through the page cache. It is locked while open: a second node, or mkfs,
/// finds it in use.
public final class LocalDevice implements BlockDevice {
    /// How a device is opened.
    public enum Mode {
        /// For one process alone.
        READ_WRITE,
        /// Shared with other readers; every write fails.
        READ_ONLY
    }

    /// What the device could not do since it was opened: how often, and the last time in words, by `System.nanoTime`.
    public record Failures(long count, String last, long lastNanos) {
        private static final Failures NONE = new Failures(0, "", 0);
    }

    @FunctionalInterface
    private interface Work {
        boolean run() throws DeviceException;
    }

    private final DeviceFile file;
    private final int blockBytes;
    private volatile long blocks;
    private volatile Failures failures = Failures.NONE;

    LocalDevice(DeviceFile file, int blockBytes, long blocks) {
        if (blockBytes < 512 || Integer.bitCount(blockBytes) != 1)
            throw new IllegalArgumentException("block of " + blockBytes + " bytes");
        if (blocks < 0 || blocks > Long.MAX_VALUE / blockBytes)
            throw new IllegalArgumentException("device of " + blocks + " blocks");
        this.file = file;
        this.blockBytes = blockBytes;
        this.blocks = blocks;
    }

    /// Opens a device in its whole length, without looking at labels; a volume's pair is opened by [VolumeDevices].
    ///
    /// @throws DeviceInUseException when another process holds it
    public static LocalDevice open(Path path, Mode mode, int blockBytes) throws DeviceException {
        var file = DeviceFile.open(path, mode);
        return new LocalDevice(file, blockBytes, file.bytes() / blockBytes);
    }

    @Override
    public String name() {
        return file.name();
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public long blocks() {
        return blocks;
    }

    /// How many blocks it could have now, whatever the volume uses of it.
    public long capacityBlocks() throws DeviceException {
        return file.bytesNow() / blockBytes;
    }

    /// The volume uses so many from now on. Never fewer: somebody may be writing there.
    void grow(long newBlocks) {
        if (newBlocks < blocks) throw new IllegalArgumentException("%s: from %d to %d blocks".formatted(name(), blocks, newBlocks));
        blocks = newBlocks;
    }

    @Override
    public void read(long byteOffset, MemorySegment into) throws DeviceException {
        check("read", byteOffset, into);
        counted(() -> {
            file.read(byteOffset, into, blockBytes);
            return true;
        });
    }

    @Override
    public boolean readWithoutWaiting(long byteOffset, MemorySegment into) throws DeviceException {
        check("read", byteOffset, into);
        return counted(() -> file.readWithoutWaiting(byteOffset, into, blockBytes));
    }

    @Override
    public boolean readsToPipes() {
        return file.readsToPipes();
    }

    @Override
    public boolean isCached(long byteOffset, long bytes) throws DeviceException {
        check("read", byteOffset, bytes);
        return file.isCached(byteOffset, bytes);
    }

    @Override
    public boolean readToPipe(long byteOffset, long bytes, int pipe) throws DeviceException {
        check("read", byteOffset, bytes);
        return file.readToPipe(byteOffset, bytes, pipe);
    }

    @Override
    public void write(long byteOffset, MemorySegment from) throws DeviceException {
        check("write", byteOffset, from);
        counted(() -> {
            file.write(byteOffset, from, blockBytes);
            return true;
        });
    }

    /// {@inheritDoc} After one failure every later flush fails too: what was lost cannot be told any more.
    @Override
    public void flush() throws DeviceException {
        counted(() -> {
            file.flush();
            return true;
        });
    }

    @Override
    public void startWriteBack() throws DeviceException {
        counted(() -> {
            file.startWriteBack();
            return true;
        });
    }

    @Override
    public void discard(Extent extent) throws DeviceException {
        if (extent.end() > blocks) throw beyond("discard", extent.start(), extent.count() * blockBytes);
        counted(() -> {
            file.discard(extent.start() * blockBytes, extent.count() * blockBytes, blockBytes);
            return true;
        });
    }

    /// {@inheritDoc} A disk has its own way with large ones, and a command for each costs it more than their sizes.
    @Override
    public long discardBytesAtOnce() {
        return file.isBlockDevice() ? Long.MAX_VALUE : BlockDevice.super.discardBytesAtOnce();
    }

    public Failures failures() {
        return failures;
    }

    private boolean counted(Work work) throws DeviceException {
        try {
            return work.run();
        } catch (DeviceException e) {
            synchronized (this) {
                failures = new Failures(failures.count + 1, e.getMessage(), System.nanoTime());
            }
            throw e;
        }
    }

    private void check(String what, long byteOffset, MemorySegment buffer) throws DeviceException {
        if (!buffer.isNative())
            throw new IllegalArgumentException("a device reads and writes native memory only, not the heap's");
        check(what, byteOffset, buffer.byteSize());
    }

    private void check(String what, long byteOffset, long bytes) throws DeviceException {
        if (byteOffset < 0 || byteOffset > blocks * blockBytes - bytes)
            throw beyond(what, Math.floorDiv(byteOffset, (long) blockBytes), bytes);
    }

    private DeviceException beyond(String what, long block, long bytes) {
        return new DeviceException("%s: %s of block %d (%d bytes): the volume uses only the first %d blocks"
                .formatted(name(), what, block, bytes, blocks));
    }

    /// Gives the lock back as well. A call that is still running ends first; a later one fails.
    @Override
    public void close() {
        file.close();
    }

    @Override
    public String toString() {
        return "LocalDevice[%s, %d blocks of %d]".formatted(name(), blocks, blockBytes);
    }
}
