package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Duration;

/// The kernel's side of a session without a mount: a socket in place of /dev/fuse. Several clients call at the same time and
/// wait for each other: each round sends one request of every client and takes all replies. Belongs to one thread.
final class StandInKernel implements AutoCloseable {
    /// As much payload as a socket takes without being asked for more.
    private static final int MESSAGE_BYTES_MAX = IN_HEADER_BYTES + IO_BYTES + (128 << 10);

    private final Arena arena = Arena.ofShared();
    private final MemorySegment errno = Linux.errnoMemory(arena);
    private final MemorySegment incoming = arena.allocate(MESSAGE_BYTES_MAX, 8);
    private final Client[] clients;
    private final int socket, sessionSocket;
    private final Duration answeredWithin;
    private boolean closed;
    /// So far. A request's unique number is made of this and its client's number, so that the reply says whose it is.
    private long calls;

    /// One caller: what it asks, put together in the order of the message, and what it was answered.
    final class Client {
        final int number;
        private final MemorySegment request = arena.allocate(MESSAGE_BYTES_MAX, 8), reply = arena.allocate(MESSAGE_BYTES_MAX, 8);
        /// The arguments, to be written before a call; the name or payload after them as well.
        final MemorySegment arguments = request.asSlice(IN_HEADER_BYTES);
        private int bytes;
        private long node;

        private Client(int number) {
            this.number = number;
        }

        /// Of a request that has `fixed` bytes of arguments before its names: zeros, for the caller to overwrite.
        Client ask(long node, int fixed) {
            this.node = node;
            arguments.asSlice(0, fixed).fill((byte) 0);
            bytes = fixed;
            return this;
        }

        Client name(byte[] name) {
            MemorySegment.copy(name, 0, arguments, ValueLayout.JAVA_BYTE, bytes, name.length);
            arguments.set(ValueLayout.JAVA_BYTE, bytes + name.length, (byte) 0);
            bytes += name.length + 1;
            return this;
        }

        Client u32(int at, int value) {
            arguments.set(U32, at, value);
            return this;
        }

        Client u64(int at, long value) {
            arguments.set(U64, at, value);
            return this;
        }

        /// So many bytes follow, whatever they are.
        Client payload(int count) {
            bytes += count;
            return this;
        }

        /// 0, or the errno of the last reply, positive.
        int error() {
            return -reply.get(U32, OUT_ERROR);
        }

        int bodyBytes() {
            return reply.get(U32, OUT_LEN) - OUT_HEADER_BYTES;
        }

        long answerU64(int at) {
            return reply.get(U64, OUT_HEADER_BYTES + at);
        }

        int answerU32(int at) {
            return reply.get(U32, OUT_HEADER_BYTES + at);
        }
    }

    /// Sends INIT; the session is to be started on [#mount] next.
    ///
    /// @param answeredWithin calls fail when they have not been answered for so long: what answers them may be stuck
    StandInKernel(int count, Duration answeredWithin) throws IOException {
        this.answeredWithin = answeredWithin;
        int[] pair = MountCalls.socketPair(MountCalls.SOCK_SEQPACKET);
        socket = pair[0];
        sessionSocket = pair[1];
        try {
            MountCalls.receiveWithin(socket, answeredWithin);
        } catch (IOException e) {
            Linux.close(sessionSocket);
            close();
            throw e;
        }
        clients = new Client[count];
        for (int i = 0; i < count; i++) clients[i] = new Client(i);
        var first = clients[0].ask(0, INIT_OUT_BYTES);
        first.u32(INIT_IN_MAJOR, MAJOR).u32(INIT_IN_MINOR, MINOR_NEWEST).u32(INIT_IN_FLAGS, -1);
        send(first, INIT);
    }

    /// Its descriptor is closed by the session. Nothing in the file system has this name.
    FuseMount mount() {
        return FuseMount.standIn(Path.of("/proc/self/stand-in"), sessionSocket);
    }

    /// The session has begun.
    void greeted() throws IOException {
        receive();
    }

    Client[] clients() {
        return clients;
    }

    /// Sends what every client has put together, and takes their replies.
    void call(int opcode) throws IOException {
        for (var client : clients) send(client, opcode);
        for (int i = 0; i < clients.length; i++) receive();
    }

    /// Nobody answers this one.
    void tell(int opcode) throws IOException {
        for (var client : clients) send(client, opcode);
    }

    private void send(Client client, int opcode) throws IOException {
        var request = client.request;
        int bytes = IN_HEADER_BYTES + client.bytes;
        request.set(U32, IN_LEN, bytes);
        request.set(U32, IN_OPCODE, opcode);
        request.set(U64, IN_UNIQUE, ++calls * clients.length + client.number);
        request.set(U64, IN_NODE, client.node);
        request.set(U32, IN_PID, client.number + 1);
        check("write", Linux.write(errno, socket, request, bytes));
    }

    private void receive() throws IOException {
        for (;;) {
            long bytes = Linux.read(errno, socket, incoming, incoming.byteSize());
            if (bytes == -Linux.EINTR) continue;
            if (bytes == -Linux.EAGAIN) throw new IOException("the session has not answered within " + answeredWithin.toMillis() + " ms");
            check("read", bytes);
            if (bytes == 0) throw new IOException("the session has ended");
            long unique = incoming.get(U64, OUT_UNIQUE);
            if (unique == 0) continue;      // a notification
            MemorySegment.copy(incoming, 0, clients[(int) (unique % clients.length)].reply, 0, bytes);
            return;
        }
    }

    private static long check(String what, long result) throws IOException {
        if (result < 0) throw new IOException(what + " to the session: " + Linux.describe((int) -result));
        return result;
    }

    /// The session sees the end of its connection.
    @Override
    public void close() {
        if (closed) return;
        closed = true;
        Linux.close(socket);
        arena.close();
    }
}
