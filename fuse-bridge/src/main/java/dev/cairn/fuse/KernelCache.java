package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Tells the kernel to forget what it has cached and would not notice by itself.
final class KernelCache {
    private static final Logger log = LoggerFactory.getLogger(KernelCache.class);

    private final int fd;
    /// A direct write tells the kernel something, and there are many.
    private final ThreadLocal<Notice> notices = ThreadLocal.withInitial(Notice::new);

    /// Memory for one notice, of one thread.
    private static final class Notice {
        final MemorySegment out = Arena.ofAuto().allocate(OUT_HEADER_BYTES + NOTIFY_INVAL_INODE_BYTES, 8);
        final MemorySegment errno = Linux.errnoMemory(Arena.ofAuto());
    }

    KernelCache(int fd) {
        this.fd = fd;
    }

    /// A directory has another parent. The kernel keeps a listing for as long as the directory's mtime stands, and `..` is
    /// part of it; so the listing goes. Waits for a reader who is just being given the cached listing, so call it on an I/O
    /// thread: what that reader writes to may itself be a mapped file of this mount, which the thread of a ring has to serve.
    void parentChanged(long dir) {
        int errno = invalidate(dir, 0);
        if (errno != 0) log.error("directory {} was moved; its cached `..` stays wrong until it changes or is forgotten: {}", dir,
                Linux.describe(errno));
    }

    /// Attributes are not what the kernel was told, and no reply says so. Waits for nobody.
    void attributesChanged(long ino) {
        int errno = invalidate(ino, -1);
        if (errno != 0) log.error("attributes of inode {} have changed; what the kernel has cached stays wrong until it asks again: {}",
                ino, Linux.describe(errno));
    }

    /// The same, and what lies in a range. Waits for whoever reads there, and for what was written there by a mapping to be
    /// written: so only from a thread that neither serves requests nor is in the way at a file's gate.
    void contentsChanged(long ino, long offset, long length) {
        int errno = invalidate(ino, offset, length);
        if (errno != 0) log.error("{} bytes at {} of inode {} have changed; what the kernel has cached stays wrong until it is dropped: {}",
                length, offset, ino, Linux.describe(errno));
    }

    private int invalidate(long ino, long offset) {
        return invalidate(ino, offset, 0);
    }

    /// @param offset from where on cached pages go as well; negative: attributes alone
    /// @param length how much of them; 0: to the end
    /// @return an errno, or 0
    private int invalidate(long ino, long offset, long length) {
        var notice = notices.get();
        var out = notice.out;
        out.set(U32, OUT_LEN, (int) out.byteSize());
        out.set(U32, OUT_ERROR, NOTIFY_INVAL_INODE);
        out.set(U64, OUT_UNIQUE, 0);
        out.set(U64, OUT_HEADER_BYTES + NOTIFY_INVAL_INODE_NODE, ino);
        out.set(U64, OUT_HEADER_BYTES + NOTIFY_INVAL_INODE_OFFSET, offset);
        out.set(U64, OUT_HEADER_BYTES + NOTIFY_INVAL_INODE_LENGTH, length);
        long result = Linux.write(notice.errno, fd, out, out.byteSize());
        // ENOENT: the kernel does not know it.
        boolean told = result >= 0 || result == -Linux.ENOENT || result == -Linux.ENODEV || result == -Linux.ECONNABORTED;
        return told ? 0 : (int) -result;
    }
}
