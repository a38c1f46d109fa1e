package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.filesystem.Inode;
import dev.cairn.transaction.Errno;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The bridge over a socket instead of /dev/fuse: the test is the kernel, a strange one at times.
@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class ProtocolTest {
    private static final int ROOT = 1;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment errno = Linux.errnoMemory(arena), buffer = arena.allocate(2 << 20, 8);
    private final MemoryVolume volume = new MemoryVolume(64 << 20);
    private int kernel;
    private FuseSession session;
    private long unique = 100;

    @BeforeEach
    void connect() throws IOException {
        int[] pair = MountCalls.socketPair(MountCalls.SOCK_SEQPACKET);
        kernel = pair[0];
        buffer.fill((byte) 0);
        buffer.set(U32, IN_HEADER_BYTES + INIT_IN_MAJOR, 7);
        buffer.set(U32, IN_HEADER_BYTES + INIT_IN_MINOR, 45);
        buffer.set(U32, IN_HEADER_BYTES + INIT_IN_FLAGS, -1);
        send(INIT, 0, 64);
        var settings = new FuseSession.Settings(Path.of("/nowhere"), MountOptions.of("test"), CachePolicy.singleMount(), Transport.DEV_FUSE, CpuLatency.OFF, 1, 2,
                1, 2);
        session = FuseSession.on(FuseMount.standIn(Path.of("/nowhere"), pair[1]), null, settings, volume.fileSystem, volume.dataIo,
                volume, new SimpleMeterRegistry(), end -> {});
        assertThat(receive()).isEqualTo(OUT_HEADER_BYTES + INIT_OUT_BYTES);
    }

    @AfterEach
    void disconnect() throws Exception {
        Linux.close(kernel);
        session.ended().get(20, TimeUnit.SECONDS);
        volume.close();
        arena.close();
    }

    /// Sends what lies in the buffer, its header filled in.
    private void send(int opcode, long node, int arguments) {
        buffer.set(U32, IN_LEN, IN_HEADER_BYTES + arguments);
        buffer.set(U32, IN_OPCODE, opcode);
        buffer.set(U64, IN_UNIQUE, ++unique);
        buffer.set(U64, IN_NODE, node);
        buffer.set(U64, IN_UID, 0);
        buffer.set(U64, IN_PID, 0);
        assertThat(Linux.write(errno, kernel, buffer, IN_HEADER_BYTES + arguments)).isEqualTo(IN_HEADER_BYTES + arguments);
    }

    /// The reply; the kernel is also told, without being asked, what it must not go on remembering.
    private long receive() {
        long n;
        do n = Linux.read(errno, kernel, buffer, buffer.byteSize());
        while (n >= OUT_HEADER_BYTES && buffer.get(U64, OUT_UNIQUE) == 0);
        assertThat(n).isEqualTo(buffer.get(U32, OUT_LEN));
        assertThat(buffer.get(U64, OUT_UNIQUE)).isEqualTo(unique);
        return n;
    }

    /// @return the reply's errno, 0 or positive
    private int call(int opcode, long node, int arguments) {
        send(opcode, node, arguments);
        receive();
        return -buffer.get(U32, OUT_ERROR);
    }

    private int argumentName(int at, String name) {
        var bytes = name.getBytes(StandardCharsets.UTF_8);
        MemorySegment.copy(bytes, 0, buffer, ValueLayout.JAVA_BYTE, IN_HEADER_BYTES + at, bytes.length);
        buffer.set(ValueLayout.JAVA_BYTE, IN_HEADER_BYTES + at + bytes.length, (byte) 0);
        return at + bytes.length + 1;
    }

    private long create(String name) {
        buffer.asSlice(0, 200).fill((byte) 0);
        buffer.set(U32, IN_HEADER_BYTES + CREATE_MODE, 0100644);
        assertThat(call(CREATE, ROOT, argumentName(CREATE_BYTES, name))).isZero();
        assertThat(buffer.get(U32, OUT_LEN)).isEqualTo(OUT_HEADER_BYTES + ENTRY_BYTES + OPEN_OUT_BYTES);
        return buffer.get(U64, OUT_HEADER_BYTES + ENTRY_NODE);
    }

    @Test
    void a_created_file_is_written_and_read() {
        long ino = create("file");
        assertThat(session.known.known(ino)).isTrue();
        assertThat(buffer.get(U32, OUT_HEADER_BYTES + ENTRY_ATTR + ATTR_MODE)).isEqualTo(0100644);
        assertThat(buffer.get(U64, OUT_HEADER_BYTES + ENTRY_VALID)).isEqualTo(1_000_000);

        buffer.asSlice(0, 200).fill((byte) 0);
        buffer.set(U64, IN_HEADER_BYTES + IO_OFFSET, 10);
        buffer.set(U32, IN_HEADER_BYTES + IO_SIZE, 3);
        for (int i = 0; i < 3; i++) buffer.set(ValueLayout.JAVA_BYTE, IN_HEADER_BYTES + IO_BYTES + i, (byte) (i + 1));
        assertThat(call(WRITE, ino, IO_BYTES + 3)).isZero();
        assertThat(buffer.get(U64, OUT_HEADER_BYTES)).isEqualTo(3);

        buffer.asSlice(0, 200).fill((byte) 0);
        buffer.set(U32, IN_HEADER_BYTES + IO_SIZE, 100);
        assertThat(call(READ, ino, IO_BYTES)).isZero();
        assertThat(buffer.get(U32, OUT_LEN)).isEqualTo(OUT_HEADER_BYTES + 13);
        assertThat(buffer.asSlice(OUT_HEADER_BYTES, 13).toArray(ValueLayout.JAVA_BYTE))
                .isEqualTo(new byte[] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3});
    }

    @Test
    void a_missing_name_is_remembered_as_such() {
        assertThat(call(LOOKUP, ROOT, argumentName(0, "missing"))).isZero();
        assertThat(buffer.get(U64, OUT_HEADER_BYTES + ENTRY_NODE)).isZero();
        assertThat(buffer.get(U64, OUT_HEADER_BYTES + ENTRY_VALID)).isEqualTo(1_000_000);
    }

    @Test
    void names_in_listings_are_padded_and_bounded() {
        create("a");
        create("a longer name");
        buffer.asSlice(0, 200).fill((byte) 0);
        buffer.set(U32, IN_HEADER_BYTES + IO_SIZE, 32 + 32 + 32);      // `.`, `..` and "a"
        assertThat(call(READDIR, ROOT, IO_BYTES)).isZero();
        assertThat(buffer.get(U32, OUT_LEN)).isEqualTo(OUT_HEADER_BYTES + 96);
        long last = OUT_HEADER_BYTES + 64;
        assertThat(buffer.get(U32, last + DIRENT_NAME_LENGTH)).isEqualTo(1);
        assertThat(buffer.get(U32, last + DIRENT_TYPE)).isEqualTo(8);
        assertThat(buffer.get(U64, last + DIRENT_NAME)).isEqualTo('a');
        long cookie = buffer.get(U64, last + DIRENT_OFF);
        buffer.asSlice(0, 200).fill((byte) 0);
        buffer.set(U64, IN_HEADER_BYTES + IO_OFFSET, cookie);
        buffer.set(U32, IN_HEADER_BYTES + IO_SIZE, 4096);
        assertThat(call(READDIRPLUS, ROOT, IO_BYTES)).isZero();
        assertThat(buffer.get(U32, OUT_LEN)).isEqualTo(OUT_HEADER_BYTES + ENTRY_BYTES + 40);
        assertThat(session.known.size()).isEqualTo(2);
    }

    @Test
    void open_flush_and_what_is_not_served_answer_ENOSYS() {
        for (int opcode : new int[] {OPEN, OPENDIR, FLUSH, ACCESS, BMAP, POLL, GETLK, SETLK, SETLKW,
            SETUPMAPPING, REMOVEMAPPING, INIT, 4711, 0, -1}) {
            buffer.asSlice(0, 200).fill((byte) 0);
            assertThat(call(opcode, ROOT, 64)).as(FuseProtocol.name(opcode)).isEqualTo(38);
        }
        buffer.asSlice(0, 200).fill((byte) 0);
        assertThat(call(RELEASE, ROOT, 24)).isZero();
        assertThat(call(DESTROY, 0, 0)).isZero();
    }

    @Test
    void one_way_requests_are_not_answered_and_interrupts_change_nothing() {
        long ino = create("file");
        buffer.asSlice(0, 200).fill((byte) 0);
        send(INTERRUPT, 0, 8);
        buffer.set(U64, IN_HEADER_BYTES + FORGET_COUNT, 1);
        send(FORGET, ino, 8);
        assertThat(call(GETATTR, ROOT, 16)).isZero();          // the reply is this one's
        assertThat(session.known.known(ino)).isFalse();
    }

    @Test
    void malformed_requests_get_an_error() {
        buffer.asSlice(0, 200).fill((byte) 'x');
        assertThat(call(LOOKUP, ROOT, 5)).as("a name without an end").isEqualTo(22);
        assertThat(call(CREATE, ROOT, 3)).as("too short").isEqualTo(22);
        buffer.asSlice(0, 200).fill((byte) 0);
        buffer.set(U32, IN_HEADER_BYTES + IO_SIZE, 1 << 20);
        assertThat(call(WRITE, ROOT, IO_BYTES + 10)).as("less payload than said").isEqualTo(5);
        assertThat(call(READ, ROOT, 10)).as("too short").isEqualTo(5);
    }

    /// Whatever comes: one reply for each request that wants one, no crash, no hang.
    @Test
    void garbage_is_answered() {
        var random = new SplittableRandom(42);
        for (int i = 0; i < 3000; i++) {
            int opcode = random.nextInt(55);
            if (FuseProtocol.isOneWay(opcode)) continue;
            int arguments = random.nextInt(200);
            for (int at = 0; at < arguments; at++)
                buffer.set(ValueLayout.JAVA_BYTE, IN_HEADER_BYTES + at,
                        (byte) (random.nextInt(3) == 0 ? random.nextInt(256) : 0));
            // What does not fit the socket could not be received.
            buffer.set(U32, IN_HEADER_BYTES + IO_SIZE, buffer.get(U32, IN_HEADER_BYTES + IO_SIZE) & 0xffff);
            int error = call(opcode, random.nextInt(4), arguments);
            assertThat(error).isBetween(0, 200);
        }
        assertThat(call(GETATTR, ROOT, 16)).isZero();
    }

    @Test
    void struct_sizes_are_those_of_linux_fuse_h() {
        var out = arena.allocate(1024, 8);
        var inode = volume.calling(tx -> volume.fileSystem.getattr(tx, 1));
        var encoder = new ReplyEncoder(CachePolicy.singleMount());
        out.fill((byte) 0x55);
        assertThat(encoder.entry(out, 0, inode)).isEqualTo(128);
        assertThat(out.get(U64, 128)).as("nothing behind it").isEqualTo(0x5555555555555555L);
        assertThat(out.get(U32, ENTRY_ATTR + ATTR_MODE) & Inode.S_IFMT).isEqualTo(Inode.S_IFDIR);
        assertThat(encoder.attributesReply(out, 0, inode)).isEqualTo(104);
        assertThat(encoder.statxReply(out, 0, inode)).isEqualTo(288);
        assertThat(ReplyEncoder.statfs(out, 0, volume.space())).isEqualTo(80);
        assertThat(ReplyEncoder.dirent(out, 0, 1, 4, 2, new byte[8])).isEqualTo(32);
        assertThat(ReplyEncoder.dirent(out, 0, 1, 4, 2, new byte[9])).isEqualTo(40);
        assertThat(AdminIoctl.COMMAND).isEqualTo(0xE000CA01);
    }

    @Test
    void fusermount_is_asked_for_by_name_when_it_is_missing() {
        assertThatThrownBy(() -> FuseMount.findFusermount("/nowhere:/neither")).isInstanceOf(IOException.class)
                .hasMessageContaining("install the package fuse3");
        assertThat(Errno.ENOSYS.number()).isEqualTo(38);
    }
}
