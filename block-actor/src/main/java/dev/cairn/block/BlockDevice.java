package dev.cairn.block;

import java.lang.foreign.MemorySegment;

/// One device as the rest of Cairn sees it: bytes at offsets, with a volatile cache in front. A write is acknowledged
/// early; [#flush] makes all earlier writes durable (the hardware's cache included). Safe for many threads at once;
/// every call may block on the disk, so call it from an I/O thread or a FUSE reader, never from a dispatcher.
///
/// Buffers are native memory owned by the caller; they may be reused when the call returns.
public interface BlockDevice extends AutoCloseable {
    /// For messages and logs: the path as the user gave it.
    String name();

    /// 65 536 for a metadata device, 4 096 for a data device.
    int blockBytes();

    /// How many blocks the volume uses of this device (label area included).
    long blocks();

    /// Fills the whole of `into` from `byteOffset`. @throws DeviceException when the device fails or is too short
    void read(long byteOffset, MemorySegment into) throws DeviceException;

    /// As [#read], but only if that needs no waiting for the disk (the page cache has it all).
    /// @return false when it would wait, or cannot tell; `into` is undefined then
    boolean readWithoutWaiting(long byteOffset, MemorySegment into) throws DeviceException;

    /// Whether [#readToPipe] can be of use. Not of a device that has to look at what is read.
    default boolean readsToPipes() {
        return false;
    }

    /// Whether [#readToPipe] of this stretch would hardly wait for the disk: the page cache has all of it, or nearly.
    default boolean isCached(long byteOffset, long bytes) throws DeviceException {
        return false;
    }

    /// Puts this stretch into a pipe as pages of the page cache, without a copy: what is written to the device before they are
    /// taken from the pipe may be in them. Waits for the disk, and never for room in the pipe.
    ///
    /// @param pipe descriptor of its write end
    /// @return false when not all of it has been put there; [#read] tells the reason
    default boolean readToPipe(long byteOffset, long bytes, int pipe) throws DeviceException {
        return false;
    }

    void write(long byteOffset, MemorySegment from) throws DeviceException;

    /// As [#write], to blocks that nobody refers to yet. For those who keep account of writes: what becomes of the blocks,
    /// and whether they have to be durable, is said later. A device makes no difference.
    default void writeFresh(long byteOffset, MemorySegment from) throws DeviceException {
        write(byteOffset, from);
    }

    void flush() throws DeviceException;

    /// Has earlier writes begin their way from a cache of this machine to the device, so that a later flush finds less to do.
    /// A hint: nothing is promised of them, and what fails is told by that flush, too.
    default void startWriteBack() throws DeviceException {}

    /// Gives the blocks' space back to the device (hole punch or discard). A hint: they read as anything afterwards.
    void discard(Extent blocks) throws DeviceException;

    /// What is best discarded at once: while a file is being punched nobody can write to it.
    default long discardBytesAtOnce() {
        return 1 << 20;
    }

    @Override
    void close();
}
