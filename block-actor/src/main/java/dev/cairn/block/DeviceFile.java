package dev.cairn.block;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// An open file or block device: bytes at offsets, errors in words. Knows nothing of blocks in use or labels; that is
/// [LocalDevice]. Safe for many threads.
final class DeviceFile implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceFile.class);

    private final String name;
    private final int fd;
    private final Libc.Stat stat;
    private final long bytes;

    // Calls inside, plus CLOSED once close() was called. Whoever brings it to CLOSED exactly closes the descriptor:
    // closed under a running call, its number could be given to another file, and the call's bytes with it.
    private static final int CLOSED = Integer.MIN_VALUE;
    private final AtomicInteger users = new AtomicInteger();
    private final AtomicBoolean released = new AtomicBoolean();

    // Linux reports a failed writeback once and then calls the lost pages clean; a second fdatasync would succeed with
    // the writes gone. So one failed flush fails all later ones, until the device is opened again and what is on it is
    // read afresh.
    private volatile String flushFailed;
    private volatile boolean discardUnsupported;
    private volatile boolean pipesUnsupported;

    private DeviceFile(String name, int fd, Libc.Stat stat, long bytes) {
        this.name = name;
        this.fd = fd;
        this.stat = stat;
        this.bytes = bytes;
    }

    /// Opens and locks, or says in words why not.
    static DeviceFile open(Path path, LocalDevice.Mode mode) throws DeviceException {
        var name = path.toString();
        var before = Libc.stat(name);
        if (before.errno() != 0) throw new DeviceException(name + ": " + Libc.reason(before.errno()));
        if (before.stat().isDirectory())
            throw new DeviceException(name + ": is a directory; a device is a file or a block device");
        if (!before.stat().isFile() && !before.stat().isBlockDevice())
            throw new DeviceException(name + ": is neither a file nor a block device");
        boolean writable = mode == LocalDevice.Mode.READ_WRITE;
        int flags = (writable ? Libc.O_RDWR : Libc.O_RDONLY) | Libc.O_CLOEXEC;
        // O_EXCL without O_CREAT has the kernel refuse a block device that is mounted, swapped to, or in a RAID or LVM.
        if (before.stat().isBlockDevice() && writable) flags |= Libc.O_EXCL;
        int fd = Libc.open(name, flags);
        if (fd == -Libc.EBUSY) throw new DeviceInUseException(name
                + ": is in use: mounted, used for swapping, part of a RAID or volume group, or open in a Cairn node");
        if (fd < 0) throw new DeviceException(name + ": cannot be opened for "
                + (writable ? "writing: " : "reading: ") + Libc.reason(-fd));
        try {
            return locked(name, fd, writable);
        } catch (DeviceException | RuntimeException | Error e) {
            Libc.close(fd);
            throw e;
        }
    }

    private static DeviceFile locked(String name, int fd, boolean writable) throws DeviceException {
        var after = Libc.stat(fd);
        if (after.errno() != 0) throw new DeviceException(name + ": " + Libc.reason(after.errno()));
        int lock = Libc.flock(fd, (writable ? Libc.LOCK_EX : Libc.LOCK_SH) | Libc.LOCK_NB);
        if (lock == -Libc.EAGAIN) throw new DeviceInUseException(name
                + ": is in use by another process, probably a Cairn node or mkfs; stop it first");
        if (lock < 0) throw new DeviceException(name + ": cannot be locked: " + Libc.reason(-lock));
        if (writable) hearOfEarlierWrites(name, fd);
        return new DeviceFile(name, fd, after.stat(), size(name, fd));
    }

    // Linux tells a failed writeback that nobody has heard of yet to whoever opened the file since. Taken for a failure of
    // this opening's own writes it would end a node that has just been restarted because of it. Nothing that was promised
    // is lost with those writes: a promise is made after a flush that went well, or can be kept without the device.
    private static void hearOfEarlierWrites(String name, int fd) {
        int answer = Libc.fdatasync(fd);
        if (answer != 0) LOG.warn("{}: writes before it was opened were lost, none of them acknowledged: {}", name, Libc.reason(-answer));
    }

    String name() {
        return name;
    }

    /// As it was when opened.
    long bytes() {
        return bytes;
    }

    /// As it is now: files and volumes grow while they are open.
    long bytesNow() throws DeviceException {
        enter();
        try {
            return size(name, fd);
        } finally {
            leave();
        }
    }

    private static long size(String name, int fd) throws DeviceException {
        var now = Libc.stat(fd);
        long bytes = now.errno() != 0 ? -now.errno() : now.stat().isBlockDevice() ? Libc.blockDeviceBytes(fd) : now.stat().bytes();
        if (bytes < 0) throw new DeviceException(name + ": size unknown: " + Libc.reason((int) -bytes));
        return bytes;
    }

    Libc.Stat stat() {
        return stat;
    }

    void read(long offset, MemorySegment into, int blockBytes) throws DeviceException {
        long wanted = into.byteSize();
        enter();
        try {
            for (long done = 0; done < wanted; ) {
                long count = Libc.pread(fd, done == 0 ? into : into.asSlice(done), wanted - done, offset + done);
                if (count < 0) throw failed("read", offset + done, wanted - done, blockBytes, (int) -count);
                if (count == 0) throw new DeviceException("%s: read of block %d (%d bytes at %d): device ends at %d"
                        .formatted(name, offset / blockBytes, wanted, offset, offset + done));
                done += count;
            }
        } finally {
            leave();
        }
    }

    boolean readWithoutWaiting(long offset, MemorySegment into, int blockBytes) throws DeviceException {
        enter();
        try {
            long count = Libc.preadNoWait(fd, into, into.byteSize(), offset);
            if (count == into.byteSize()) return true;
            // A short answer is the part in the cache, or the end of a file: the waiting read tells them apart.
            if (count >= 0 || count == -Libc.EAGAIN || count == -Libc.EOPNOTSUPP || count == -Libc.ENOSYS
                    || count == -Libc.EINVAL) return false;
            throw failed("read", offset, into.byteSize(), blockBytes, (int) -count);
        } finally {
            leave();
        }
    }

    // Pages that are being read count as being there: first and last tell whether the disk has begun and ended. It may have
    // missed one in between, for which the caller then waits.
    boolean isCached(long offset, long length) throws DeviceException {
        enter();
        try {
            return Libc.hasPages(fd, offset, length) == 1 && Libc.probeNoWait(fd, offset + length - 1) == 1
                    && Libc.probeNoWait(fd, offset) == 1;
        } finally {
            leave();
        }
    }

    boolean readsToPipes() {
        return !pipesUnsupported;
    }

    // Why a stretch cannot be read is not told: the read that comes instead fails for the same reason.
    boolean readToPipe(long offset, long length, int pipe) throws DeviceException {
        enter();
        try {
            for (long done = 0; done < length; ) {
                long count = Libc.spliceToPipe(fd, offset + done, pipe, length - done);
                if (count == -Libc.EINVAL || count == -Libc.ENOSYS || count == -Libc.EPERM || count == -Libc.EOPNOTSUPP) {
                    pipesUnsupported = true;
                    LOG.info("{}: cannot be read into pipes ({}); large reads are copied once more", name, Libc.reason((int) -count));
                }
                if (count <= 0) return false;
                done += count;
            }
            return true;
        } finally {
            leave();
        }
    }

    void write(long offset, MemorySegment from, int blockBytes) throws DeviceException {
        long wanted = from.byteSize();
        enter();
        try {
            for (long done = 0; done < wanted; ) {
                long count = Libc.pwrite(fd, done == 0 ? from : from.asSlice(done), wanted - done, offset + done);
                if (count < 0) throw failed("write", offset + done, wanted - done, blockBytes, (int) -count);
                if (count == 0) throw new DeviceException("%s: write of block %d (%d bytes at %d): device ends at %d"
                        .formatted(name, offset / blockBytes, wanted, offset, offset + done));
                done += count;
            }
        } finally {
            leave();
        }
    }

    void flush() throws DeviceException {
        enter();
        try {
            var earlier = flushFailed;
            if (earlier != null) throw new DeviceException(name + ": an earlier flush failed (" + earlier
                    + "), so writes before it may be lost; nothing is promised until the device is opened again");
            int answer = Libc.fdatasync(fd);
            if (answer == 0) return;
            flushFailed = Libc.reason(-answer);
            throw new DeviceException(name + ": flush: " + Libc.reason(-answer));
        } finally {
            leave();
        }
    }

    // An error of the writing itself is told by the next fdatasync as well.
    void startWriteBack() throws DeviceException {
        enter();
        try {
            int answer = Libc.startWriteBack(fd);
            if (answer != 0) throw new DeviceException(name + ": write-back: " + Libc.reason(-answer));
        } finally {
            leave();
        }
    }

    boolean isBlockDevice() {
        return stat.isBlockDevice();
    }

    void discard(long offset, long length, int blockBytes) throws DeviceException {
        if (discardUnsupported) return;
        enter();
        try {
            int answer = stat.isBlockDevice() ? Libc.discard(fd, offset, length) : Libc.punchHole(fd, offset, length);
            if (answer == 0) return;
            if (answer == -Libc.EOPNOTSUPP || answer == -Libc.ENOSYS || answer == -Libc.ENOTTY) {
                discardUnsupported = true;
                LOG.info("{}: has no discard; freed blocks keep their space on the device until they are used again",
                        name);
                return;
            }
            throw failed("discard", offset, length, blockBytes, -answer);
        } finally {
            leave();
        }
    }

    private DeviceException failed(String what, long offset, long length, int blockBytes, int errno) {
        return new DeviceException("%s: %s of block %d (%d bytes at %d): %s"
                .formatted(name, what, offset / blockBytes, length, offset, Libc.reason(errno)));
    }

    private void enter() throws DeviceException {
        if (users.getAndIncrement() < 0) {
            leave();
            throw new DeviceException(name + ": is closed");
        }
    }

    private void leave() {
        if (users.decrementAndGet() == CLOSED) release();
    }

    @Override
    public void close() {
        while (true) {
            int now = users.get();
            if (now < 0) return;
            if (!users.compareAndSet(now, now | CLOSED)) continue;
            if (now == 0) release();
            return;
        }
    }

    // A call that comes too late enters and leaves once more and finds CLOSED again: the descriptor goes only once.
    private void release() {
        if (released.getAndSet(true)) return;
        int answer = Libc.close(fd);
        if (answer < 0) LOG.warn("{}: close: {}", name, Libc.reason(-answer));
    }
}
