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
/// What happens in between is [FuseRequest]'s.
abstract class RequestSlot extends Operation implements DirectorySink {
    private static final Logger log = LoggerFactory.getLogger(FuseRequest.class);

    /// The request lies so that the payload of a WRITE, after its header and fuse_write_in, begins at a page.
    private static final int PAYLOAD_AT = 4096, IN_AT = PAYLOAD_AT - IN_HEADER_BYTES - IO_BYTES,
            ARGUMENTS_AT = IN_AT + IN_HEADER_BYTES;
    private static final int IN_BYTES = PAYLOAD_AT + InitNegotiation.IO_BYTES_MAX + 4096;
    /// Every reply but that to READ, whose data lies where the payload of a WRITE would.
    static final int BODY_BYTES_MAX = 65_536;
    private static final int BODY_AT = OUT_HEADER_BYTES;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment errno = Linux.errnoMemory(arena);
    private final MemorySegment vectors = arena.allocate(32, 8);
    final MemorySegment in = Linux.map(arena, IN_BYTES);
    private final MemorySegment readInto = in.asSlice(IN_AT);
    final MemorySegment payload = in.asSlice(PAYLOAD_AT, InitNegotiation.IO_BYTES_MAX);
    final MemorySegment out = Linux.map(arena, BODY_AT + BODY_BYTES_MAX);
    private final ReplyEncoder encoder;
    private final FuseMetrics metrics;

    private long unique;
    int opcode, uid, gid;
    long node;
    /// Arguments are at `in` from [#ARGUMENTS_AT] to here.
    private long end;

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
        return Linux.read(errno, fd, readInto, IN_BYTES - IN_AT);
    }

    /// Of a request of at least a header.
    ///
    /// @return whether its lengths agree with each other
    boolean readHeader(long bytes) {
        opcode = in.get(U32, IN_AT + IN_OPCODE);
        unique = in.get(U64, IN_AT + IN_UNIQUE);
        node = in.get(U64, IN_AT + IN_NODE);
        uid = in.get(U32, IN_AT + IN_UID);
        gid = in.get(U32, IN_AT + IN_GID);
        end = IN_AT + bytes - 8L * Short.toUnsignedInt(in.get(U16, IN_AT + IN_EXTENSIONS));
        return in.get(U32, IN_AT + IN_LEN) == bytes && end >= ARGUMENTS_AT;
    }

    long argumentBytes() {
        return end - ARGUMENTS_AT;
    }

    boolean has(int bytes) {
        return end - ARGUMENTS_AT >= bytes;
    }

    /// Arguments of at least this many bytes, or the call fails.
    void need(int bytes) {
        if (!has(bytes)) throw protocolError();
    }

    int argU32(long at) {
        return in.get(U32, ARGUMENTS_AT + at);
    }

    long argU64(long at) {
        return in.get(U64, ARGUMENTS_AT + at);
    }

    /// The NUL-terminated name at `at` of the arguments.
    byte[] name(int at) {
        int length = nameLength(in, ARGUMENTS_AT + at, end);
        if (length < 0) throw protocolError();
        return bytes(at, length);
    }

    byte[] bytes(int at, int length) {
        if (length < 0 || !has(at) || end - ARGUMENTS_AT - at < length) throw protocolError();
        var bytes = new byte[length];
        MemorySegment.copy(in, ValueLayout.JAVA_BYTE, ARGUMENTS_AT + at, bytes, 0, length);
        return bytes;
    }

    private Errno.Failure protocolError() {
        metrics.malformed();
        log.warn("malformed {} request for inode {}: {} bytes of arguments", FuseProtocol.name(opcode), node,
                end - ARGUMENTS_AT);
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

    int openReply(long at) {
        out.set(U64, BODY_AT + at, 0);
        out.set(U64, BODY_AT + at + OPEN_OUT_FLAGS, FOPEN_KEEP_CACHE);
        return OPEN_OUT_BYTES;
    }

    long argumentsAt() {
        return ARGUMENTS_AT;
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
    long sendBody(int fd, Errno with) {
        return Linux.write(errno, fd, out, header(with, bodyBytes));
    }

    /// The first bytes of [#payload], from where they are.
    long sendPayload(int fd, long bytes) {
        header(null, bytes);
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
