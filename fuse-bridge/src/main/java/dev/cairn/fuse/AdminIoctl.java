package dev.cairn.fuse;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.cairn.proto.AdminReply;
import dev.cairn.proto.AdminRequest;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;

/// The way from the command line to a mounted volume: an ioctl on any file or directory of it, so that whoever can open
/// the mount point needs no address, no port and no secret, and the kernel says who is asking.
///
/// The buffer holds a big-endian u32 length and then an [AdminRequest]; the reply comes back the same way.
public final class AdminIoctl {
    /// Both ways. FUSE lets pass what the number itself says, at most 16 383 bytes.
    static final int BUFFER_BYTES = 8192;
    static final int MESSAGE_BYTES_MAX = BUFFER_BYTES - 4;
    /// `_IOWR(0xCA, 1, char[8192])`
    static final int COMMAND = 3 << 30 | BUFFER_BYTES << 16 | 0xCA << 8 | 1;
    static final int PROTOCOL = 1;

    private static final ValueLayout.OfInt LENGTH = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private AdminIoctl() {}

    /// Asks the volume that `path` lies on. An error that the volume answers is in the reply, not an exception.
    ///
    /// @throws IOException when `path` cannot be opened, or is not on a Cairn mount
    public static AdminReply call(Path path, AdminRequest request) throws IOException {
        int fd = Linux.open(path.toString(), Linux.O_RDONLY | Linux.O_CLOEXEC);
        if (fd < 0) throw new IOException("cannot open " + path + ": " + Linux.describe(-fd));
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(BUFFER_BYTES);
            var asked = request.toBuilder().setProtocol(PROTOCOL).build();
            if (write(asked.toByteArray(), buffer, 0) < 0) throw new IOException("the request is too large");
            int r = Linux.ioctl(fd, Integer.toUnsignedLong(COMMAND), buffer);
            if (r < 0) throw new IOException(path + ": " + Linux.describe(-r));
            var message = read(buffer, 0, BUFFER_BYTES);
            if (message == null) throw new IOException(path + " answered with a malformed message");
            return AdminReply.parseFrom(message);
        } catch (InvalidProtocolBufferException e) {
            throw new IOException(path + " answered with a malformed message: " + e.getMessage(), e);
        } finally {
            Linux.close(fd);
        }
    }

    /// @return the bytes written, or -1 when the message does not fit
    static int write(byte[] message, MemorySegment into, long at) {
        if (message.length > MESSAGE_BYTES_MAX) return -1;
        into.set(LENGTH, at, message.length);
        MemorySegment.copy(message, 0, into, ValueLayout.JAVA_BYTE, at + 4, message.length);
        return 4 + message.length;
    }

    /// @return the message, or null when its length is not plausible
    static byte[] read(MemorySegment from, long at, long bytes) {
        if (bytes < 4) return null;
        int length = from.get(LENGTH, at);
        if (length < 0 || length > bytes - 4) return null;
        return from.asSlice(at + 4, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /// Bytes that one more extent takes at the most: three varints, two flags, tag and length.
    static final int EXTENT_ROW_BYTES_MAX = 3 * (1 + CodedOutputStream.computeUInt64SizeNoTag(-1)) + 2 * 2 + 2;

    /// Bytes that one more row of a walk takes at the most: two varints of up to 10 bytes, their tags, tag and length.
    static final int WALK_ROW_BYTES_MAX = 2 * (1 + CodedOutputStream.computeUInt64SizeNoTag(-1)) + 2;
}
