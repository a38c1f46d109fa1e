package dev.cairn.quorum.journal;

import static dev.cairn.quorum.journal.Journals.ID;
import static dev.cairn.quorum.journal.Journals.append;
import static dev.cairn.quorum.journal.Journals.claim;
import static dev.cairn.quorum.journal.Journals.open;
import static dev.cairn.quorum.journal.Journals.snapshot;
import static dev.cairn.quorum.journal.Journals.submit;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.cairn.proto.DataPatch;
import dev.cairn.proto.JournalCarried;
import dev.cairn.proto.JournalEntry;
import dev.cairn.proto.JournalReply.Outcome;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is acknowledged out of the front log is in the journal after a crash at any moment, once and in order; damage to it
/// has a name.
class FrontLogTest {
    @TempDir
    Path temporary;
    private int crashes;

    /// The files as a killed process leaves them: the journal may be handing on meanwhile, so what it writes last is copied
    /// first.
    private Path crash(Path directory) throws IOException {
        var copy = temporary.resolve("crash" + ++crashes);
        try (var all = Files.walk(directory)) {
            for (var path : all.sorted().toList()) {
                if (Files.isDirectory(path)) Files.createDirectories(copy.resolve(directory.relativize(path).toString()));
                else Files.copy(path, copy.resolve(directory.relativize(path).toString()));
            }
        }
        return copy;
    }

    private static void flip(Path path, long at) throws IOException {
        try (var file = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            var one = ByteBuffer.allocate(1);
            file.read(one, at);
            file.write(one.put(0, (byte) (one.get(0) ^ 0x55)).rewind(), at);
        }
    }

    @Test
    void what_only_the_front_log_has_is_there_after_a_crash() throws Exception {
        Path crashed;
        try (var journal = open(temporary.resolve("journal"))) {
            long epoch = claim(journal).getEpoch();
            for (int i = 1; i <= 5; i++)
                assertThat(submit(journal, append(epoch, i, 1, 100)).getOutcome()).isEqualTo(Outcome.DONE);
            crashed = crash(temporary.resolve("journal"));
        }
        for (int round = 1; round <= 2; round++) {
            try (var journal = open(crashed)) {
                var claim = claim(journal);
                assertThat(claim.getHighestSequenceNr()).isEqualTo(4 + round);
                assertThat(journal.state().events(ID, 1, 10)).hasSize(4 + round);
                submit(journal, append(claim.getEpoch(), 5 + round, 1, 100));
                crashed = crash(crashed);
            }
        }
    }

    @Test
    void every_byte_of_it_is_checked() throws Exception {
        var crashed = Files.createDirectory(temporary.resolve("log"));
        try (var log = new FrontLog(crashed)) {
            for (int i = 1; i <= 2; i++) log.append(append(1, i, 1, 50), 0);
        }
        long end = 2L * (28 + append(1, 1, 1, 50).getSerializedSize());
        var file = crashed.resolve("front-0");
        for (int at = 0; at < end; at++) {
            flip(file, at);
            assertThatThrownBy(() -> new FrontLog(file.getParent()).close()).as("byte %d", at)
                    .isInstanceOf(JournalException.class).hasMessageContaining(file.toString())
                    .hasMessageContaining(at == 3 ? "version" : "damaged");
            flip(file, at);
        }
        flip(file, end);
        new FrontLog(crashed).close();
        Files.delete(file);
        assertThatThrownBy(() -> open(crashed)).isInstanceOf(JournalException.class).hasMessageContaining(file.toString());
    }

    @Test
    void refusals_and_snapshots_are_those_of_the_journal() throws Exception {
        try (var journal = open(temporary.resolve("journal"))) {
            long old = claim(journal).getEpoch();
            submit(journal, append(old, 1, 1, 10));
            long epoch = claim(journal).getEpoch();
            assertThat(submit(journal, append(old, 2, 1, 10)).getOutcome()).isEqualTo(Outcome.STALE_EPOCH);
            assertThat(submit(journal, append(epoch, 3, 1, 10)).getOutcome()).isEqualTo(Outcome.GAP);
            for (int i = 2; i <= 6; i++) submit(journal, append(epoch, i, 1, 10));
            assertThat(submit(journal, append(epoch, 7, 1, 1 << 20)).getOutcome()).as("too large for it").isEqualTo(Outcome.DONE);
            submit(journal, append(epoch, 8, 1, 10));
            submit(journal, snapshot(8, 0, 1, 100));
            assertThat(journal.state().events(ID, 1, 10)).isEmpty();
            assertThat(submit(journal, append(epoch, 8, 1, 10)).getOutcome()).as("covered by a snapshot").isEqualTo(Outcome.CONFLICT);
            assertThat(submit(journal, append(epoch, 9, 1, 10)).getOutcome()).isEqualTo(Outcome.DONE);
        }
        try (var journal = open(temporary.resolve("journal"))) {
            assertThat(claim(journal).getHighestSequenceNr()).isEqualTo(9);
        }
    }

    @Test
    void more_than_fits_waits_until_it_has_been_handed_on() throws Exception {
        try (var journal = open(temporary.resolve("journal"))) {
            long epoch = claim(journal).getEpoch();
            for (int i = 1; i <= 120; i++)
                assertThat(submit(journal, append(epoch, i, 1, 100_000)).getOutcome()).isEqualTo(Outcome.DONE);
        }
        try (var journal = open(temporary.resolve("journal"))) {
            assertThat(claim(journal).getHighestSequenceNr()).isEqualTo(120);
            assertThat(journal.state().events(ID, 1, 200)).hasSize(120);
        }
    }

    /// A data device that remembers what the journal does to it.
    private static final class Device implements CarriedData.Device {
        final Map<Long, String> blocks = new HashMap<>();
        final AtomicInteger flushes = new AtomicInteger();
        volatile boolean failing;
        final CountDownLatch flushing = new CountDownLatch(1);
        /// Null: flushes take no time.
        volatile CountDownLatch gate;

        @Override
        public void write(long byteOffset, byte[] bytes) {
            blocks.put(byteOffset, new String(bytes, StandardCharsets.US_ASCII));
        }

        @Override
        public void flush() {
            if (failing) throw new UncheckedIOException(new IOException("/dev/x: flush: input/output error (EIO)"));
            flushes.incrementAndGet();
            flushing.countDown();
            var closed = gate;
            try {
                if (closed != null) closed.await();
            } catch (InterruptedException e) {
                throw new UncheckedIOException(new IOException(e));
            }
        }
    }

    private static RatisJournal openWith(Path directory, Device device) {
        return RatisJournal.open(new RatisJournal.Settings(directory, Journals.FSID, 0,
                List.of(new JournalPeer(0, "127.0.0.1", 0)), Duration.ofSeconds(5), device));
    }

    private static JournalEntry carrying(JournalEntry entry, boolean flushed, boolean flushFirst, Map<Long, String> data) {
        var carried = JournalCarried.newBuilder().setFlushed(flushed).setFlushFirst(flushFirst);
        data.forEach((at, bytes) -> carried.addData(DataPatch.newBuilder().setByteOffset(at).setBytes(ByteString.copyFromUtf8(bytes))));
        return entry.toBuilder().setAppend(entry.getAppend().toBuilder().addCarried(carried)).build();
    }

    @Test
    void carried_data_is_written_again_unless_it_has_been_flushed_since() throws Exception {
        Path crashed;
        var before = new Device();
        try (var journal = openWith(temporary.resolve("journal"), before)) {
            long epoch = claim(journal).getEpoch();
            submit(journal, carrying(append(epoch, 1, 1, 10), false, false, Map.of(0L, "old", 8L, "mine")));
            submit(journal, carrying(append(epoch, 2, 1, 10), true, false, Map.of()));
            submit(journal, carrying(append(epoch, 3, 1, 10), false, false, Map.of(16L, "before a mount came")));
            assertThat(before.flushes.get()).isZero();
            submit(journal, carrying(append(epoch, 4, 1, 10), false, true, Map.of()));
            assertThat(before.flushes.get()).isEqualTo(1);
            submit(journal, carrying(append(epoch, 5, 1, 10), false, true, Map.of(24L, "of several mounts")));
            assertThat(before.flushes.get()).isEqualTo(2);
            submit(journal, carrying(append(epoch, 6, 1, 10), false, false, Map.of(0L, "newer")));
            submit(journal, carrying(append(epoch, 7, 1, 10), false, false, Map.of(0L, "newest")));
            // Handed on or not, the data is needed.
            journal.caughtUp(ID).join();
            crashed = crash(temporary.resolve("journal"));
        }
        var device = new Device();
        try (var journal = openWith(crashed, device)) {
            assertThat(claim(journal).getHighestSequenceNr()).isEqualTo(7);
            assertThat(device.blocks).isEqualTo(Map.of(0L, "newest"));
            assertThat(device.flushes.get()).isEqualTo(1);
            assertThat(journal.state().image().toString()).as("no business of Ratis' log").doesNotContain("newest");
        }
        var untouched = new Device();
        try (var journal = openWith(crashed, untouched)) {
            claim(journal);
            assertThat(untouched.blocks).as("after a clean end").isEmpty();
        }
    }

    @Test
    void a_data_device_that_fails_is_named_and_gets_its_data_again_when_it_is_well() throws Exception {
        var device = new Device();
        try (var journal = openWith(temporary.resolve("journal"), device)) {
            long epoch = claim(journal).getEpoch();
            submit(journal, carrying(append(epoch, 1, 1, 10), false, false, Map.of(0L, "carried")));
            device.failing = true;
            assertThatThrownBy(() -> submit(journal, carrying(append(epoch, 2, 1, 10), false, true, Map.of())))
                    .hasStackTraceContaining("cannot be made durable on its device").hasStackTraceContaining("/dev/x: flush")
                    .hasStackTraceContaining("stop and start the node");
            assertThat(journal.trouble().orElseThrow()).contains("/dev/x: flush", "stop and start the node");
            assertThatThrownBy(() -> claim(journal)).hasStackTraceContaining("/dev/x: flush");
            device.failing = false;
            device.blocks.clear();
            assertThat(claim(journal).getHighestSequenceNr()).isEqualTo(1);
            assertThat(device.blocks).isEqualTo(Map.of(0L, "carried"));
        }
    }

    @Test
    void data_is_flushed_before_its_record_is_overwritten() throws Exception {
        var device = new Device();
        try (var journal = openWith(temporary.resolve("journal"), device)) {
            long epoch = claim(journal).getEpoch();
            var bytes = "x".repeat(100_000);
            for (int i = 1; i <= 60; i++)
                submit(journal, carrying(append(epoch, i, 1, 10), false, false, Map.of((long) i * 4096, bytes)));
            assertThat(device.flushes.get()).isBetween(1, 12);
        }
        var another = new Device();
        try (var journal = openWith(temporary.resolve("another"), another)) {
            long epoch = claim(journal).getEpoch();
            assertThat(submit(journal, carrying(append(epoch, 1, 1, 1 << 20), false, false, Map.of(0L, "small"))).getOutcome())
                    .as("events too large for the front log").isEqualTo(Outcome.DONE);
            assertThat(another.flushes.get()).isEqualTo(1);
        }
    }

    @Test
    void the_data_device_is_flushed_while_appends_go_on() throws Exception {
        var device = new Device();
        Path crashed;
        try (var journal = openWith(temporary.resolve("journal"), device)) {
            long epoch = claim(journal).getEpoch();
            var bytes = "x".repeat(100_000);
            device.gate = new CountDownLatch(1);
            int n = 0;
            while (++n <= 15) submit(journal, carrying(append(epoch, n, 1, 10), false, false, Map.of((long) n, bytes)));
            assertThat(device.flushing.await(30, TimeUnit.SECONDS)).isTrue();
            submit(journal, carrying(append(epoch, n++, 1, 10), false, false, Map.of(99L, "while it is being flushed")));
            device.gate.countDown();
            // Without an append that has to wait for a flush of its own: each begins when the one before has ended.
            for (int flushes = 2; flushes <= 4; flushes++)
                for (int more = 0; more < 12; more++, n++)
                    submit(journal, carrying(append(epoch, n, 1, 10), false, false, Map.of((long) n, bytes)));
            submit(journal, carrying(append(epoch, n, 1, 10), false, false, Map.of(100L, "the last")));
            crashed = crash(temporary.resolve("journal"));
        }
        var recovered = new Device();
        try (var journal = openWith(crashed, recovered)) {
            claim(journal);
            assertThat(recovered.blocks).containsEntry(100L, "the last");
            assertThat(recovered.blocks).as("long on the medium, and overwritten in the log").doesNotContainKey(1L);
        }
    }

    @Test
    void random_histories_come_back_whole() throws Exception {
        long seed = Long.getLong("cairn.seed", System.nanoTime());
        var random = new SplittableRandom(seed);
        var directory = Files.createDirectory(temporary.resolve("random"));
        var log = new FrontLog(directory);
        var sizes = new ArrayList<Integer>();
        long handedOn = 0;
        for (int step = 0; step < 1500; step++) {
            int size = random.nextInt(random.nextInt(8) == 0 ? 60_000 : 2_000);
            long number = log.append(append(1, sizes.size() + 1, 1, size), handedOn);
            if (number != 0) sizes.add(size);
            assertThat(number).as("seed %d, step %d", seed, step).isIn(0L, (long) sizes.size());
            if (number == 0 || random.nextInt(20) == 0) handedOn = random.nextLong(handedOn, sizes.size() + 1);
            if (random.nextInt(60) != 0) continue;
            log.close();
            log = new FrontLog(directory);
            var found = log.takeFound();
            assertThat(log.last()).as("seed %d, step %d", seed, step).isEqualTo(sizes.size());
            for (int i = 0; i < found.size(); i++) {
                long at = sizes.size() - found.size() + i + 1;
                var event = found.get(i).entry().getAppend().getEvents(0);
                assertThat(event.getSequenceNr()).isEqualTo(at);
                assertThat(event.getObject().getBytes().size()).isEqualTo(sizes.get((int) at - 1));
            }
            assertThat(sizes.size() - found.size()).as("seed %d, step %d", seed, step).isLessThanOrEqualTo((int) handedOn);
        }
        log.close();
    }
}
