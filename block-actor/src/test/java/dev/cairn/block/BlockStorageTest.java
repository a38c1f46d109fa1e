package dev.cairn.block;

import dev.cairn.block.BlockStorage.Caller;
import dev.cairn.block.BlockStorage.Command;
import dev.cairn.block.BlockStorage.Done;
import dev.cairn.block.BlockStorage.Failed;
import dev.cairn.block.BlockStorage.Refused;
import dev.cairn.block.BlockStorage.Reply;
import dev.cairn.block.simulated.SimulatedDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.testkit.typed.javadsl.TestProbe;
import org.apache.pekko.actor.typed.ActorRef;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class BlockStorageTest {
    private static final ActorTestKit KIT = ActorTestKit.create();
    private static final Caller MOUNT = new Caller(0xabc, 1);

    private final SimulatedDevice device = SimulatedDevice.create("sim", 4096, 1024);
    private final Arena arena = Arena.ofAuto();
    private final TestProbe<Reply> probe = KIT.createTestProbe(Reply.class);

    /// I/O runs when the test says so.
    private final BlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
    private ActorRef<Command> storage;

    @BeforeEach
    void start() {
        storage = spawn(work::add);
    }

    private ActorRef<Command> spawn(Executor executor) {
        return KIT.spawn(BlockStorage.create(device, executor, new DiscardPace()));
    }

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    private void runOne() throws InterruptedException {
        var next = work.poll(3, java.util.concurrent.TimeUnit.SECONDS);
        assertThat(next).as("I/O that the actor started").isNotNull();
        next.run();
    }

    private MemorySegment block(int value) {
        var segment = arena.allocate(4096);
        segment.fill((byte) value);
        return segment;
    }

    private void write(Caller caller, long block, int value, TestProbe<Reply> to) {
        storage.tell(new BlockStorage.Write(caller, new Extent(block, 1), block(value), to.ref()));
    }

    @Test
    void what_is_written_is_read() throws Exception {
        write(MOUNT, 100, 5, probe);
        runOne();
        probe.expectMessageClass(Done.class);
        var back = arena.allocate(4096);
        storage.tell(new BlockStorage.Read(MOUNT, new Extent(100, 1), back, probe.ref()));
        runOne();
        probe.expectMessageClass(Done.class);
        assertThat(back.get(ValueLayout.JAVA_BYTE, 77)).isEqualTo((byte) 5);
    }

    @Test
    void flushes_asked_while_one_runs_share_the_next() throws Exception {
        for (int i = 0; i < 10; i++) storage.tell(new BlockStorage.Flush(probe.ref()));
        runOne();
        probe.expectMessageClass(Done.class);
        probe.expectNoMessage();
        runOne();
        for (int i = 0; i < 9; i++) probe.expectMessageClass(Done.class);
        assertThat(device.flushes()).isEqualTo(2);
        assertThat(work).isEmpty();
    }

    @Test
    void a_device_error_is_an_answer_and_the_actor_goes_on() throws Exception {
        device.failWrites(new Extent(100, 1));
        write(MOUNT, 100, 1, probe);
        runOne();
        assertThat(probe.expectMessageClass(Failed.class).why()).contains("sim").contains("block 100").contains("EIO");
        device.failFlushes();
        storage.tell(new BlockStorage.Flush(probe.ref()));
        runOne();
        assertThat(probe.expectMessageClass(Failed.class).why()).contains("sim: flush");
        device.heal();
        storage.tell(new BlockStorage.Flush(probe.ref()));
        runOne();
        probe.expectMessageClass(Done.class);
    }

    @Test
    void an_executor_that_refuses_is_an_answer() {
        storage = spawn(_ -> {
            throw new java.util.concurrent.RejectedExecutionException("full");
        });
        storage.tell(new BlockStorage.Flush(probe.ref()));
        assertThat(probe.expectMessageClass(Failed.class).why()).contains("full");
    }

    @Test
    void a_fence_holds_when_what_was_let_in_has_ended() throws Exception {
        var writer = KIT.createTestProbe(Reply.class);
        write(MOUNT, 100, 1, writer);
        storage.tell(new BlockStorage.Fence(MOUNT.rid(), 1, probe.ref()));
        write(MOUNT, 101, 1, writer);
        assertThat(writer.expectMessageClass(Refused.class).why()).contains("fenced");
        probe.expectNoMessage();
        runOne();
        writer.expectMessageClass(Done.class);
        probe.expectMessageClass(Done.class);
        write(new Caller(MOUNT.rid(), 2), 101, 1, writer);
        write(new Caller(0xdef, 1), 102, 1, writer);
        runOne();
        runOne();
        writer.expectMessageClass(Done.class);
        writer.expectMessageClass(Done.class);
    }

    @Test
    void a_discard_never_takes_what_was_written_after_it_was_asked() throws Exception {
        write(MOUNT, 200, 1, probe);                        // keeps the discards waiting
        storage.tell(new BlockStorage.Discard(List.of(new Extent(100, 3)), probe.ref()));
        write(MOUNT, 101, 9, probe);
        runOne();
        runOne();
        probe.expectMessageClass(Done.class);
        probe.expectMessageClass(Done.class);
        write(MOUNT, 102, 8, probe);                        // meets the running batch, so it waits for it
        var discard = work.poll(3, java.util.concurrent.TimeUnit.SECONDS);
        assertThat(discard).isNotNull();
        discard.run();
        probe.expectMessageClass(Done.class);
        runOne();
        probe.expectMessageClass(Done.class);
        var back = arena.allocate(3 * 4096);
        device.read(100 * 4096, back);
        assertThat(back.get(ValueLayout.JAVA_BYTE, 4096)).isEqualTo((byte) 9);
        assertThat(back.get(ValueLayout.JAVA_BYTE, 8192)).isEqualTo((byte) 8);
    }

    @Test
    void a_large_extent_is_discarded_in_pieces_so_that_writes_get_their_turn_between() throws Exception {
        storage.tell(new BlockStorage.Discard(List.of(new Extent(100, 600)), probe.ref()));
        runOne();
        probe.expectMessageClass(Done.class);
        assertThat(device.history().stream().map(event -> ((SimulatedDevice.Discard) event).extent()))
                .containsExactly(new Extent(100, 256), new Extent(356, 256), new Extent(612, 88));
    }

    @Test
    void blocks_that_somebody_waits_for_come_back_at_once_and_undone() throws Exception {
        var needed = KIT.createTestProbe(Reply.class);
        storage.tell(new BlockStorage.Discard(List.of(new Extent(100, 3)), probe.ref()));
        storage.tell(new BlockStorage.Discard(List.of(new Extent(200, 3)), needed.ref()));
        storage.tell(new BlockStorage.ForgoDiscard());
        needed.expectMessageClass(Done.class);
        runOne();
        probe.expectMessageClass(Done.class);
        assertThat(device.history()).hasSize(1);
    }

    /// History that goes wrong otherwise: a mount says farewell, another gets its blocks and writes, and then they are wiped.
    @Test
    void when_discards_have_been_ended_none_comes_after() throws Exception {
        var ended = KIT.createTestProbe(Reply.class);
        storage.tell(new BlockStorage.Discard(List.of(new Extent(100, 3)), probe.ref()));
        storage.tell(new BlockStorage.Discard(List.of(new Extent(200, 3)), probe.ref()));
        storage.tell(new BlockStorage.EndDiscards(ended.ref()));
        probe.expectMessageClass(Done.class);
        ended.expectNoMessage();
        runOne();
        probe.expectMessageClass(Done.class);
        ended.expectMessageClass(Done.class);
        assertThat(work).isEmpty();
        assertThat(device.history()).hasSize(1);
        storage.tell(new BlockStorage.EndDiscards(ended.ref()));
        ended.expectMessageClass(Done.class);
    }

    @Test
    void requests_that_do_not_fit_the_device_are_refused() {
        storage.tell(new BlockStorage.Read(MOUNT, new Extent(1023, 2), arena.allocate(8192), probe.ref()));
        assertThat(probe.expectMessageClass(Refused.class).why()).contains("1024 blocks");
        storage.tell(new BlockStorage.Read(MOUNT, new Extent(1, 1), MemorySegment.ofArray(new byte[4096]),
                probe.ref()));
        assertThat(probe.expectMessageClass(Refused.class).why()).contains("heap");
    }

    @Test
    void closing_waits_for_what_runs() throws Exception {
        write(MOUNT, 100, 1, probe);
        var closer = KIT.createTestProbe(Reply.class);
        storage.tell(new BlockStorage.Close(closer.ref()));
        write(MOUNT, 101, 1, probe);
        assertThat(probe.expectMessageClass(Refused.class).why()).contains("closed");
        closer.expectNoMessage();
        runOne();
        probe.expectMessageClass(Done.class);
        closer.expectMessageClass(Done.class);
        closer.expectTerminated(storage);
        org.assertj.core.api.Assertions.assertThatThrownBy(() -> device.flush()).hasMessageContaining("closed");
    }
}
