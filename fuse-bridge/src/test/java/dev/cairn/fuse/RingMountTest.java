package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// All that [FuseMountTest] asks of a mount, of one whose requests travel by rings; and what is the rings' own.
final class RingMountTest extends FuseMountTest {
    @Override
    FuseSession start(FuseSession.Settings settings) throws IOException {
        return RingSwitch.on(() -> super.start(settings.transport(Transport.IO_URING)));
    }

    @Test
    void the_session_says_so_and_ends_every_thread_of_its_own() throws Exception {
        assertThat(session.transport()).isEqualTo(Transport.IO_URING);
        assertThat(registry.get("cairn_fuse_transport").tag("transport", "io-uring").gauge().value()).isEqualTo(1);
        assertThat(threads()).contains("cairn-fuse-ring-0", "cairn-fuse-reader-0", "cairn-fuse-pins");
        Files.writeString(at.resolve("file"), "content");
        assertThat(session.stop(Duration.ofSeconds(20))).isTrue();
        org.awaitility.Awaitility.await().untilAsserted(() -> assertThat(threads()).isEmpty());
    }

    /// Each queue has 16 entries; what waits in one of them for long must not stop the others, nor lose an answer.
    @Test
    void requests_beyond_the_entries_of_a_queue_wait_their_turn() throws Exception {
        volume.slowReads = true;
        var file = Files.write(at.resolve("file"), new byte[1 << 20]);
        var threads = new java.util.ArrayList<Thread>();
        var failures = new java.util.concurrent.ConcurrentLinkedQueue<Throwable>();
        session.stop(Duration.ofSeconds(20));
        session = start();
        for (int t = 0; t < 48; t++) {
            int from = t;
            threads.add(Thread.ofPlatform().start(() -> {
                try {
                    for (int i = 0; i < 20; i++) {
                        Files.writeString(at.resolve("own " + from), "x".repeat(i + 1));
                        assertThat(Files.readAllBytes(file)).hasSize(1 << 20);
                    }
                } catch (Throwable e) {
                    failures.add(e);
                }
            }));
        }
        for (var thread : threads) thread.join();
        assertThat(failures).isEmpty();
        volume.slowReads = false;
    }

    @Test
    void mounting_again_and_again_leaves_no_descriptor_behind() throws Exception {
        assertThat(session.stop(Duration.ofSeconds(20))).isTrue();
        int before = java.util.Objects.requireNonNull(new java.io.File("/proc/self/fd").list()).length;
        for (int i = 0; i < 3; i++) {
            session = start();
            Files.writeString(at.resolve("file " + i), "content");
            assertThat(session.stop(Duration.ofSeconds(20))).isTrue();
        }
        org.awaitility.Awaitility.await().untilAsserted(
                () -> assertThat(new java.io.File("/proc/self/fd").list()).hasSizeLessThanOrEqualTo(before));
    }

    @Test
    void rings_that_are_switched_off_are_refused_with_the_way_to_switch_them_on() {
        assumeFalse(Transport.ringsSwitchedOn(), "the machine has rings switched on");
        assertThatThrownBy(Transport.IO_URING::chosen).isInstanceOf(IOException.class)
                .hasMessageContaining("echo Y > /sys/module/fuse/parameters/enable_uring");
    }

    @Test
    void lists_of_cpus_are_read_and_large_machines_get_fewer_entries_each() {
        assertThat(Rings.cpus("0-3,8,10-11\n")).isEqualTo(new TreeSet<>(List.of(0, 1, 2, 3, 8, 10, 11)));
        assertThat(Rings.cpus("\n")).isEmpty();
        assertThat(List.of(Rings.depth(1), Rings.depth(8), Rings.depth(16), Rings.depth(512))).containsExactly(16, 16, 8, 2);
    }

    /// Lengths that do not agree, sizes beyond the memory, opcodes that nobody knows: each is answered, once, or has no reply.
    @Test
    void whatever_lies_in_a_ring_entry_is_answered_once_or_not_at_all() {
        var random = new SplittableRandom(7);
        var request = new FuseRequest(session);
        var answers = new AtomicInteger();
        var ended = new java.util.concurrent.Semaphore(0);
        request.line = new ReplyLine() {
            @Override
            public long send(RequestSlot slot, int bytes) {
                answers.incrementAndGet();
                assertThat(bytes).isBetween(OUT_HEADER_BYTES, OUT_HEADER_BYTES + RequestSlot.BODY_BYTES_MAX);
                return bytes;
            }

            @Override
            public long sendPayload(RequestSlot slot, long bytes) {
                answers.incrementAndGet();
                assertThat(bytes).isBetween(0L, (long) InitNegotiation.IO_BYTES_MAX);
                return bytes;
            }

            @Override
            public void ended(FuseRequest it) {
                ended.release();
            }
        };
        var header = request.ringHeader();
        for (int i = 0; i < 5_000; i++) {
            for (long at = 0; at < RING_HEADER_BYTES; at += 4) header.set(U32, at, random.nextInt(3) == 0 ? random.nextInt() : random.nextInt(64));
            int payload = random.nextInt(4) == 0 ? random.nextInt() : random.nextInt(4096);
            int total = random.nextInt(4) == 0 ? random.nextInt() : IN_HEADER_BYTES + random.nextInt(RING_ARGUMENTS_BYTES_MAX + 8) + payload;
            int opcode = random.nextInt(OPCODES + 5);
            header.set(U32, IN_LEN, total);
            header.set(U32, IN_OPCODE, opcode);
            header.set(U64, IN_NODE, random.nextInt(4));
            header.set(U16, IN_EXTENSIONS, (short) (random.nextInt(4) == 0 ? random.nextInt() : 0));
            header.set(U32, RING_PAYLOAD_BYTES, payload);
            answers.set(0);
            long bytes = request.takeFromRing(header);
            assertThat(bytes == 0 || bytes >= IN_HEADER_BYTES).isTrue();
            if (!request.begin(bytes)) ended.acquireUninterruptibly();
            assertThat(answers.get()).as("opcode %d", opcode).isEqualTo(bytes == 0 || FuseProtocol.isOneWay(opcode) ? 0 : 1);
        }
        request.close();
    }

    private static List<String> threads() {
        return Thread.getAllStackTraces().keySet().stream().map(Thread::getName)
                .filter(name -> name.startsWith("cairn-fuse-ring") || name.startsWith("cairn-fuse-reader")
                        || name.startsWith("cairn-fuse-pins")).toList();
    }
}
