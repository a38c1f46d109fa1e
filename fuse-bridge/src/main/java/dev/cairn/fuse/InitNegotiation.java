package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/// What the first request (INIT) of a connection settles: the minor version that both sides speak, and the capabilities.
///
/// @param minor        the smaller of both sides'
/// @param flags        the capabilities in use: those wanted that the kernel offers
/// @param maxReadahead as the kernel offers, at most 1 MiB
record InitNegotiation(int minor, long flags, int maxReadahead) {
    /// Bytes of one READ or WRITE, and the pages that hold them. 256 pages is the kernel's default limit.
    static final int IO_BYTES_MAX = 1 << 20;
    static final int PAGES_MAX = IO_BYTES_MAX / 4096;
    /// Bytes of one READ: a mount option, not a part of INIT. With its header it fits into a pipe ([ReplyPipe]), and readahead
    /// has two of them under way where it would have one.
    static final int READ_BYTES_MAX = 512 << 10;
    /// Requests that the kernel sends without a waiting caller (readahead); more than a disk's queue gains nothing.
    private static final int BACKGROUND_MAX = 64;

    /// The capabilities every mount asks for. Not asked for, on purpose:
    ///
    /// * READDIRPLUS_AUTO: who lists first and asks then (find -printf, du) would cost one LOOKUP for each file, eight times
    ///   as long as the whole with READDIRPLUS; a plain listing saves at the most a third by it.
    /// * WRITEBACK_CACHE: the kernel would own size and mtime; remote appends stay invisible, and write errors come late.
    /// * ATOMIC_O_TRUNC: needs OPEN, which NO_OPEN removes; truncation arrives as SETATTR.
    /// * POSIX_LOCKS, FLOCK_LOCKS: without FLUSH and RELEASE nobody would say when they go; the kernel keeps them locally.
    /// * SPLICE_*: they say what libfuse may do, and change nothing in the kernel; replies to READ do come through pipes.
    /// * SECURITY_CTX, SUBMOUNTS, DAX, PASSTHROUGH: nothing here uses them.
    private static final long WANTED =
            ASYNC_READ                  // several READs of one file at a time
            | BIG_WRITES | MAX_PAGES    // 1 MiB per WRITE
            | EXPORT_SUPPORT            // name_to_handle_at and NFS: LOOKUP of "." by inode number
            | DO_READDIRPLUS            // attributes with every listing
            | ASYNC_DIO
            | NO_OPENDIR_SUPPORT        // no OPENDIR, no RELEASEDIR, and the listing is cached
            | PARALLEL_DIROPS           // lookups in one directory at the same time
            | ABORT_ERROR               // tells an abort from an unmount
            | CACHE_SYMLINKS            // targets never change
            | HANDLE_KILLPRIV_V2        // suid and sgid cleared with the write, and no GETXATTR before each write
            | SETXATTR_EXT              // the wider struct, which says when an ACL clears sgid
            | INIT_EXT;

    /// @param posixAcl whether the file system stores ACLs and applies default ACLs itself; the umask is then its
    ///                 business too (DONT_MASK), because a default ACL replaces it
    /// @param parallelDirectWrites the kernel is told which files it may write so when it opens them. Otherwise there is no
    ///                 OPEN and no RELEASE, and the page cache is kept across opens (NO_OPEN)
    /// @param rings    whether requests are to come by rings: the kernel then waits with all requests until they are registered
    static InitNegotiation of(MemorySegment in, long at, long bytes, CachePolicy cache, boolean posixAcl,
            boolean parallelDirectWrites, boolean rings)
            throws IOException {
        if (bytes < INIT_IN_BYTES_MIN) throw new IOException("INIT of " + bytes + " bytes");
        int major = in.get(U32, at + INIT_IN_MAJOR), minor = in.get(U32, at + INIT_IN_MINOR);
        if (major != MAJOR || minor < MINOR_OLDEST)
            throw new IOException("the kernel speaks FUSE %d.%d; Cairn needs at least %d.%d (Linux 5.4)"
                    .formatted(major, minor, MAJOR, MINOR_OLDEST));
        long offered = Integer.toUnsignedLong(in.get(U32, at + INIT_IN_FLAGS));
        if ((offered & INIT_EXT) != 0 && bytes >= INIT_IN_BYTES_WITH_FLAGS2)
            offered |= Integer.toUnsignedLong(in.get(U32, at + INIT_IN_FLAGS2)) << 32;
        long opens = parallelDirectWrites ? DIRECT_IO_ALLOW_MMAP : NO_OPEN_SUPPORT;
        long wanted = WANTED | opens | (cache.noticeRemoteChanges() ? AUTO_INVAL_DATA : EXPLICIT_INVAL_DATA)
                | (posixAcl ? POSIX_ACL | DONT_MASK : 0) | (rings ? OVER_IO_URING : 0);
        int readahead = in.get(U32, at + INIT_IN_MAX_READAHEAD);
        return new InitNegotiation(Math.min(minor, MINOR_NEWEST), wanted & offered,
                readahead < 0 || readahead > IO_BYTES_MAX ? IO_BYTES_MAX : readahead);
    }

    boolean has(long flag) {
        return (flags & flag) != 0;
    }

    /// Without zero-message open, OPEN has to be answered.
    boolean zeroMessageOpen() {
        return has(NO_OPEN_SUPPORT);
    }

    boolean zeroMessageOpendir() {
        return has(NO_OPENDIR_SUPPORT);
    }

    /// @return the reply's length
    int write(MemorySegment out, long at) {
        out.asSlice(at, INIT_OUT_BYTES).fill((byte) 0);
        out.set(U32, at + INIT_OUT_MAJOR, MAJOR);
        out.set(U32, at + INIT_OUT_MINOR, minor);
        out.set(U32, at + INIT_OUT_MAX_READAHEAD, maxReadahead);
        out.set(U32, at + INIT_OUT_FLAGS, (int) flags);
        out.set(U32, at + INIT_OUT_FLAGS2, (int) (flags >>> 32));
        out.set(U16, at + INIT_OUT_MAX_BACKGROUND, (short) BACKGROUND_MAX);
        out.set(U16, at + INIT_OUT_CONGESTION, (short) (BACKGROUND_MAX * 3 / 4));
        out.set(U32, at + INIT_OUT_MAX_WRITE, IO_BYTES_MAX);
        out.set(U32, at + INIT_OUT_TIME_GRAN, 1);
        out.set(U16, at + INIT_OUT_MAX_PAGES, (short) PAGES_MAX);
        return INIT_OUT_BYTES;
    }
}
