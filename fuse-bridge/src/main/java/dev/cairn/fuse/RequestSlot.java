package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.filesystem.DirectorySink;
import dev.cairn.filesystem.Inode;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Operation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.agrona.collections.LongArrayList;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The memory of one request: where its bytes are read, what they say, and where its reply is put together and sent from.
/// What happens in between is [FuseRequest]'s. The memory is allocated once, and touched as far as requests need it.
///
///     in:   … | header, arguments | payload, page-aligned |        out:  header, body
///
/// The payload is what a WRITE brings, a copy passes through, a READ is answered with; by a ring it is also where the
/// kernel takes every reply's body from, which is put there last: until then an operation may be repeated and needs
/// its arguments.
abstract class RequestSlot extends Operation implements DirectorySink {
    private static final Logger log = LoggerFactory.getLogger(FuseRequest.class);

    /// The request lies so that the payload of a WRITE, after its header and fuse_write_in, begins at a page.
    private static final int PAYLOAD_AT = 4096, IN_AT = PAYLOAD_AT - IN_HEADER_BYTES - IO_BYTES;
    private static final int IN_BYTES = PAYLOAD_AT + InitNegotiation.IO_BYTES_MAX + 4096;
    /// Every reply but that to READ, whose data lies where the payload of a WRITE would.
    static final int BODY_BYTES_MAX = 65_536;
    private static final int BODY_AT = OUT_HEADER_BYTES;
    /// Data of which copying takes as long as everything else about a request.
    private static final int LARGE_BYTES = 64 << 10;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment errno = Linux.errnoMemory(arena);
    private final MemorySegment vectors = arena.allocate(32, 8);
    final MemorySegment in = Linux.map(arena, IN_BYTES);
    private final MemorySegment readInto = in.asSlice(IN_AT);
    final MemorySegment payload = in.asSlice(PAYLOAD_AT, InitNegotiation.IO_BYTES_MAX);
    final MemorySegment out = Linux.map(arena, BODY_AT + BODY_BYTES_MAX);
    private final ReplyEncoder encoder;
    private final FuseMetrics metrics;

    /// Where the request came from.
    ReplyLine line;

    private long unique;
    int opcode, uid, gid, pid;
    long node;
    /// The header is at `in` from here; arguments are after it, to the end.
    private long inAt = IN_AT;
    private long argumentsAt, end;

    int bodyBytes;
    /// What the reply makes the kernel know.
    long given;
    final LongArrayList givenByReaddir = new LongArrayList();

    // The directory listing being written; see [#entry].
    private boolean readdirPlus;
    private int readdirBytesMax;

    RequestSlot(ReplyEncoder encoder, FuseMetrics metrics) {
        this.encoder = encoder;
        this.metrics = metrics;
    }

    void close() {
        arena.close();
    }

    // ---- reading

    /// @return the request's bytes, or minus errno
    long read(int fd) {
        inAt = IN_AT;
        return Linux.read(errno, fd, readInto, IN_BYTES - IN_AT);
    }

    /// Whether what has just been read is a request that somebody waits for, and not for a large piece of data.
    boolean isQuick(long bytes) {
        if (bytes < IN_HEADER_BYTES || bytes >= IN_HEADER_BYTES + LARGE_BYTES) return false;
        int opcode = in.get(U32, inAt + IN_OPCODE);
        boolean isLarge = opcode == READ && bytes >= IN_HEADER_BYTES + IO_BYTES
                && Integer.compareUnsigned(in.get(U32, inAt + IN_HEADER_BYTES + IO_SIZE), LARGE_BYTES) >= 0;
        return !isLarge && !FuseProtocol.isOneWay(opcode);
    }

    /// The thread that made the request that has just been read and has a header, in the mount's PID namespace; 0: one of another.
    int caller() {
        return in.get(U32, inAt + IN_PID);
    }

    /// Memory for the parts of a request that a ring keeps apart.
    MemorySegment ringHeader() {
        return arena.allocate(RING_HEADER_BYTES, 64);
    }

    /// Where the kernel finds both parts of an entry.
    MemorySegment ringVectors(MemorySegment header) {
        vectors.set(U64, 0, header.address());
        vectors.set(U64, 8, RING_HEADER_BYTES);
        vectors.set(U64, 16, payload.address());
        vectors.set(U64, 24, InitNegotiation.IO_BYTES_MAX);
        return vectors;
    }

    /// A ring leaves the header and the fixed arguments in one place and the rest in the payload: puts the former before the
    /// latter, as a read from /dev/fuse would have them.
    ///
    /// @return the request's bytes; less than a header when the lengths are not possible
    long takeFromRing(MemorySegment header) {
        long bytes = Integer.toUnsignedLong(header.get(U32, RING_HEADER + IN_LEN));
        long rest = Integer.toUnsignedLong(header.get(U32, RING_PAYLOAD_BYTES));
        long fixed = bytes - IN_HEADER_BYTES - rest;
        if (rest > InitNegotiation.IO_BYTES_MAX || fixed < 0 || fixed > RING_ARGUMENTS_BYTES_MAX) return 0;
        inAt = PAYLOAD_AT - fixed - IN_HEADER_BYTES;
        MemorySegment.copy(header, RING_HEADER, in, inAt, IN_HEADER_BYTES);
        MemorySegment.copy(header, RING_ARGUMENTS, in, inAt + IN_HEADER_BYTES, fixed);
        return bytes;
    }

    /// Of a request of at least a header.
    ///
    /// @return whether its lengths agree with each other
    boolean readHeader(long bytes) {
        opcode = in.get(U32, inAt + IN_OPCODE);
        unique = in.get(U64, inAt + IN_UNIQUE);
        node = in.get(U64, inAt + IN_NODE);
        uid = in.get(U32, inAt + IN_UID);
        gid = in.get(U32, inAt + IN_GID);
        pid = in.get(U32, inAt + IN_PID);
        argumentsAt = inAt + IN_HEADER_BYTES;
        end = inAt + bytes - 8L * Short.toUnsignedInt(in.get(U16, inAt + IN_EXTENSIONS));
        return in.get(U32, inAt + IN_LEN) == bytes && end >= argumentsAt;
    }

    long argumentBytes() {
        return end - argumentsAt;
    }

    boolean has(int bytes) {
        return end - argumentsAt >= bytes;
    }

    /// Arguments of at least this many bytes, or the call fails.
    void need(int bytes) {
        if (!has(bytes)) throw protocolError();
    }

    int argU32(long at) {
        return in.get(U32, argumentsAt + at);
    }

    long argU64(long at) {
        return in.get(U64, argumentsAt + at);
    }

    /// The NUL-terminated name at `at` of the arguments.
    byte[] name(int at) {
        int length = nameLength(in, argumentsAt + at, end);
        if (length < 0) throw protocolError();
        return bytes(at, length);
    }

    byte[] bytes(int at, int length) {
        if (length < 0 || !has(at) || end - argumentsAt - at < length) throw protocolError();
        var bytes = new byte[length];
        MemorySegment.copy(in, ValueLayout.JAVA_BYTE, argumentsAt + at, bytes, 0, length);
        return bytes;
    }

    private Errno.Failure protocolError() {
        metrics.malformed();
        log.warn("malformed {} request for inode {}: {} bytes of arguments", FuseProtocol.name(opcode), node,
                end - argumentsAt);
        return Errno.EINVAL.failure();
    }

    void entryReply(Inode inode) {
        given = inode.ino;
        bodyBytes = encoder.entry(out, BODY_AT, inode);
    }

    void attributesReply(Inode inode) {
        bodyBytes = encoder.attributesReply(out, BODY_AT, inode);
    }

    void bytesReply(byte[] bytes) {
        MemorySegment.copy(bytes, 0, out, ValueLayout.JAVA_BYTE, BODY_AT, bytes.length);
        bodyBytes = bytes.length;
    }

    /// @param openedAs flags that are FOPEN_…
    int openReply(long at, int openedAs) {
        out.set(U64, BODY_AT + at, 0);
        out.set(U64, BODY_AT + at + OPEN_OUT_FLAGS, openedAs);
        return OPEN_OUT_BYTES;
    }

    long argumentsAt() {
        return argumentsAt;
    }

    long bodyAt() {
        return BODY_AT;
    }

    void beginListing(boolean plus, int bytesMax) {
        readdirPlus = plus;
        readdirBytesMax = Math.min(bytesMax, BODY_BYTES_MAX);
        bodyBytes = 0;
    }

    @Override
    public boolean entry(long ino, int type, long cookie, byte[] name, Inode inode) {
        int bytes = direntBytes(name.length) + (readdirPlus ? ENTRY_BYTES : 0);
        if (bodyBytes + bytes > readdirBytesMax) return false;
        long at = BODY_AT + bodyBytes;
        if (readdirPlus) {
            if (inode == null) at += encoder.noEntry(out, at);
            else {
                at += encoder.entry(out, at, inode);
                givenByReaddir.addLong(inode.ino);
            }
        }
        ReplyEncoder.dirent(out, at, ino, type, cookie, name);
        bodyBytes += bytes;
        return true;
    }

    void giveNothing() {
        given = 0;
        givenByReaddir.clear();
    }

    // ---- sending; each answers what the kernel says: bytes, or minus errno

    /// An error, or the body as it stands.
    long sendBody(Errno with) {
        return line.send(this, header(with, bodyBytes));
    }

    /// The first bytes of [#payload], from where they are.
    long sendPayload(long bytes) {
        header(null, bytes);
        return line.sendPayload(this, bytes);
    }

    /// The header of a reply with so many bytes, which are to follow it in the pipe.
    ///
    /// @return false when it is not in the pipe
    boolean beginPipe(ReplyPipe pipe, long bytes) {
        header(null, bytes);
        return pipe.begin(out);
    }

    /// The header and the bytes that are in the pipe.
    long sendPipe(ReplyPipe pipe, long bytes) {
        return line.sendPipe(this, pipe, bytes);
    }

    /// Whether this errno says that nobody waits for the reply any more: interrupted, or the connection has ended.
    static boolean isGone(long errno) {
        return errno == Linux.ENOENT || errno == Linux.ENODEV || errno == Linux.ECONNABORTED;
    }

    /// What is in the pipe, in one piece.
    long writePipeTo(int fd, ReplyPipe pipe, long bytes) {
        long taken = pipe.take(out, payload, bytes);
        return taken < 0 ? taken : writePayloadTo(fd, bytes);
    }

    long writeTo(int fd, int bytes) {
        return Linux.write(errno, fd, out, bytes);
    }

    long writePayloadTo(int fd, long bytes) {
        vectors.set(U64, 0, out.address());
        vectors.set(U64, 8, OUT_HEADER_BYTES);
        vectors.set(U64, 16, payload.address());
        vectors.set(U64, 24, bytes);
        return Linux.writev(errno, fd, vectors, bytes == 0 ? 1 : 2);
    }

    private int header(Errno with, long body) {
        int bytes = OUT_HEADER_BYTES + (with == null ? (int) body : 0);
        out.set(U32, OUT_LEN, bytes);
        out.set(U32, OUT_ERROR, with == null ? 0 : -with.number());
        out.set(U64, OUT_UNIQUE, unique);
        return bytes;
    }
}
