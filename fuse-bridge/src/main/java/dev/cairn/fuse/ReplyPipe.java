package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.OUT_HEADER_BYTES;
import static dev.cairn.fuse.Linux.call;
import static dev.cairn.fuse.Linux.errno;
import static dev.cairn.fuse.Linux.errnoMemory;
import static dev.cairn.fuse.Linux.result;
import static dev.cairn.fuse.Linux.unexpected;
import static dev.cairn.fuse.Linux.variadic;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// A pipe through which the reply to a READ goes to the kernel: the header is written into it, pages of the data device's
/// cache are spliced behind it, and all of it is spliced into /dev/fuse, which copies the pages once. A reply from memory
/// takes two copies.
///
///     empty -> begin(header) -> (pages) -> sendTo(/dev/fuse) -> empty;     anything else: close
///
/// For one thread at a time. Its calls are bound when the first one is opened.
final class ReplyPipe implements AutoCloseable {
    /// Less than this, and less from each place of the device, is copied sooner than the calls are made.
    private static final int BYTES_MIN = 64 << 10, BYTES_OF_PLACE_MIN = 16 << 10;

    /// What an ordinary user may have, by default: /proc/sys/fs/pipe-max-size.
    private static final int PIPE_BYTES = 1 << 20;
    private static final int F_SETPIPE_SZ = 1031, SPLICE_F_NONBLOCK = 2;
    private static final MethodHandle FCNTL = variadic("fcntl", 2, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle SPLICE =
            call("splice", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT);
    private static final int PAGE_BYTES = pageBytes();

    private final Arena arena;
    private final MemorySegment errno;
    private final int readEnd, writeEnd, pages;

    private ReplyPipe(Arena arena, MemorySegment errno, int readEnd, int writeEnd, int pages) {
        this.arena = arena;
        this.errno = errno;
        this.readEnd = readEnd;
        this.writeEnd = writeEnd;
        this.pages = pages;
    }

    /// @throws IOException when the system gives no pipe, or none of this size
    static ReplyPipe open() throws IOException {
        var ends = MountCalls.pipe();
        var arena = Arena.ofShared();
        ReplyPipe opened = null;
        try {
            var errno = errnoMemory(arena);
            int bytes = result((int) FCNTL.invokeExact(errno, ends[1], F_SETPIPE_SZ, PIPE_BYTES), errno);
            if (bytes < 0) throw new IOException("a pipe of %d bytes: %s".formatted(PIPE_BYTES, Linux.describe(-bytes)));
            opened = new ReplyPipe(arena, errno, ends[0], ends[1], bytes / PAGE_BYTES);
            return opened;
        } catch (IOException e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        } finally {
            if (opened == null) {
                Linux.close(ends[0]);
                Linux.close(ends[1]);
                arena.close();
            }
        }
    }

    static boolean isWorthIt(long bytes, int places) {
        return bytes >= BYTES_MIN && bytes >= (long) places * BYTES_OF_PLACE_MIN;
    }

    /// Whether a reply of so many bytes from so many places of the device fits: each takes whole pages, the header one.
    boolean holds(long bytes, int places) {
        return bytes / PAGE_BYTES + 2L * places + 1 <= pages;
    }

    /// Where the pages are to be put.
    int writeEnd() {
        return writeEnd;
    }

    /// @return false when the header, the first bytes of `out`, is not in the pipe
    boolean begin(MemorySegment out) {
        return Linux.write(errno, writeEnd, out, OUT_HEADER_BYTES) == OUT_HEADER_BYTES;
    }

    /// Sends the header and so many bytes behind it.
    ///
    /// @return what the kernel says: bytes, or minus errno
    long sendTo(int fuse, long bytes) {
        try {
            long n = (long) SPLICE.invokeExact(errno, readEnd, MemorySegment.NULL, fuse, MemorySegment.NULL, OUT_HEADER_BYTES + bytes,
                    SPLICE_F_NONBLOCK);
            return n >= 0 ? n : -errno(errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Takes the header and so many bytes behind it out again.
    ///
    /// @return minus errno when that fails, and the pipe is of no more use
    long take(MemorySegment header, MemorySegment payload, long bytes) {
        long n = Linux.read(errno, readEnd, header, OUT_HEADER_BYTES);
        for (long at = 0; n > 0 && at < bytes; at += Math.max(n, 0)) n = Linux.read(errno, readEnd, payload.asSlice(at), bytes - at);
        return n == 0 ? -Linux.EINVAL : n;
    }

    /// With whatever is in it.
    @Override
    public void close() {
        Linux.close(readEnd);
        Linux.close(writeEnd);
        arena.close();
    }

    private static int pageBytes() {
        try {
            return (int) Linux.plain("getpagesize").invokeExact();
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }
}
