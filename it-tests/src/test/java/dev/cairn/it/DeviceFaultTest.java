package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.block.Extent;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Operation;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Devices that fail do no harm beyond what they hold: an error that is told, no hang, nothing readable lost.
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class DeviceFaultTest {
    private static final long ROOT = FileSystem.ROOT_INO;

    // Large enough that the commit is written as a run on the device.
    private static void fill(SimulatedVolume volume, long dir, String prefix) {
        for (int n = 0; n < 300; n++) volume.create(dir, prefix + n);
        volume.commit();
    }

    @Test
    void a_damaged_block_of_a_run_is_an_error_for_those_who_need_it_and_for_nobody_else() {
        try (var volume = SimulatedVolume.fresh(8192, 16384)) {
            // Many blocks, of which one with nothing but the root's entries will be hit.
            for (int n = 0; n < 5_000; n++) volume.create(ROOT, "old" + n);
            volume.commit();
            var run = volume.journal.stream().map(SimulatedVolume.Journalled::event)
                    .filter(event -> event.hasLogRecorded() && event.getLogRecorded().getRun().getExtentsCount() > 0)
                    .map(event -> event.getLogRecorded().getRun())
                    .max(Comparator.comparingInt(RunRef::getDataBlocks)).orElseThrow();
            assertThat(run.getDataBlocks()).isGreaterThan(2);
            long dir = volume.mkdir(ROOT, "dir");
            fill(volume, dir, "new");
            var metadata = volume.metadata.restart();
            metadata.corrupt(run.getExtents(0).getStart() * 65536 + 1000, 0x10);
            try (var again = SimulatedVolume.after(metadata, volume.data.restart(), volume.journalAt(Long.MAX_VALUE))) {
                int damaged = 0;
                for (int n = 0; n < 5_000; n++)
                    if (!readable(again, "old" + n)) damaged++;
                assertThat(damaged).isBetween(1, 2_500);
                assertThat(again.list(dir)).hasSize(300);
                assertThat(again.mount.status().serving()).isTrue();
            }
        }
    }

    private static boolean readable(SimulatedVolume volume, String name) {
        try {
            volume.run(dev.cairn.transaction.Operation.Hold.READ, tx -> volume.files.lookup(tx, ROOT, name.getBytes()));
            return true;
        } catch (Errno.Failure failure) {
            assertThat(failure.errno()).isEqualTo(Errno.EIO);
            return false;
        }
    }

    @Test
    void a_commit_that_cannot_be_written_tells_fsync_and_passes_when_the_device_is_well_again() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            volume.commit();
            volume.metadata.failWrites(new Extent(0, 1024));
            for (int n = 0; n < 300; n++) volume.create(ROOT, "f" + n);
            assertThatThrownBy(volume::commit).isSameAs(Errno.EIO.failure());
            assertThat(volume.list(ROOT)).hasSize(300);
            Awaitility.await().until(() -> volume.mount.status().commitFailure() != null);
            volume.metadata.heal();
            Awaitility.await().atMost(Duration.ofSeconds(10)).until(() -> volume.mount.status().commitFailure() == null);
            volume.commit();
            try (var again = SimulatedVolume.after(volume.metadata.restart(), volume.data.restart(), volume.journalAt(Long.MAX_VALUE))) {
                assertThat(again.list(ROOT)).hasSize(300);
            }
        }
    }

    @Test
    void file_data_that_a_flush_has_lost_is_never_acknowledged_later() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            long ino = volume.create(ROOT, "kept");
            volume.write(ino, 0, "kept".getBytes());
            volume.commit();
            volume.data.failFlushes();
            long lost = volume.create(ROOT, "lost");
            // More than a commit carries into the journal: it has to flush.
            volume.write(lost, 0, new byte[100_000]);
            assertThatThrownBy(volume::commit).isSameAs(Errno.EIO.failure());
            volume.data.heal();
            // The next flush would succeed and mean nothing: this mount promises nothing any more, and says so.
            assertThatThrownBy(volume::commit).isSameAs(Errno.EIO.failure());
            Awaitility.await().until(() -> volume.mount.status().failure() != null);
            assertThat(volume.mount.status().failure()).contains("lost in a flush");
            try (var again = SimulatedVolume.after(volume.metadata.restart(), volume.data.restart(), volume.journalAt(Long.MAX_VALUE))) {
                assertThat(again.list(ROOT).keySet()).isEqualTo(java.util.Set.of("kept"));
                assertThat(again.read(again.list(ROOT).get("kept"))).isEqualTo("kept".getBytes());
            }
        }
    }

    @Test
    void an_fsync_does_not_flush_what_came_and_went() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            volume.commit();
            int flushes = volume.data.flushes();
            for (int n = 0; n < 20; n++) {
                long gone = volume.create(ROOT, "gone");
                volume.write(gone, 0, new byte[200_000]);
                volume.unlink(ROOT, "gone");
            }
            var kept = "kept".repeat(3000).getBytes();
            volume.write(volume.create(ROOT, "kept"), 0, kept);
            volume.commit();
            assertThat(volume.data.flushes()).isEqualTo(flushes);
            long instant = volume.metadata.recording().now();
            try (var again = SimulatedVolume.after(volume.metadata.flushedOnly(instant), volume.data.flushedOnly(instant), volume.journalAt(instant))) {
                assertThat(again.read(again.list(ROOT).get("kept"))).isEqualTo(kept);
            }
        }
    }

    @Test
    void an_fsync_does_not_flush_for_blocks_that_were_only_allocated() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            volume.commit();
            int flushes = volume.data.flushes();
            long ino = volume.create(ROOT, "log");
            volume.run(Operation.Hold.ALLOCATE, tx -> volume.files.fallocate(tx, ino, 0, 0, 1 << 20, volume.now()));
            volume.write(ino, 0, "entry".repeat(100).getBytes());
            volume.commit();
            assertThat(volume.data.flushes()).isEqualTo(flushes);
            long instant = volume.metadata.recording().now();
            try (var again = SimulatedVolume.after(volume.metadata.flushedOnly(instant), volume.data.flushedOnly(instant), volume.journalAt(instant))) {
                assertThat(again.read(ino)).startsWith("entry".repeat(100).getBytes()).hasSize(1 << 20).endsWith(new byte[1 << 19]);
            }
        }
    }

    @Test
    void overwritten_in_place_is_as_safe_as_new_in_one_commit_with_it() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            long ino = volume.create(ROOT, "file");
            var bytes = new byte[20_000];
            Arrays.fill(bytes, (byte) 'a');
            volume.write(ino, 0, bytes);
            volume.commit();
            // In the same block: some of what the commit before brought, and some that is new; and behind the end.
            volume.write(ino, 19_000, "b".repeat(2_000).getBytes());
            volume.write(ino, 5_000, "c".repeat(100).getBytes());
            volume.write(ino, 40_000, "d".getBytes());
            var expected = volume.read(ino);
            volume.commit();
            long instant = volume.metadata.recording().now();
            try (var again = SimulatedVolume.after(volume.metadata.flushedOnly(instant), volume.data.flushedOnly(instant), volume.journalAt(instant))) {
                assertThat(again.read(ino)).isEqualTo(expected);
            }
        }
    }

    /// The flush succeeds, the run beside it does not: what the journal has of the time before must not come back over it.
    @Test
    void what_an_earlier_commit_carried_does_not_come_back_after_a_commit_that_took_two_tries() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            long ino = volume.create(ROOT, "file");
            volume.write(ino, 0, new byte[100_000]);
            volume.commit();
            volume.write(ino, 0, "carried".getBytes());
            volume.commit();
            var expected = new byte[100_000];
            Arrays.fill(expected, (byte) 'n');
            volume.write(ino, 0, expected);
            for (int n = 0; n < 300; n++) volume.create(ROOT, "f" + n);
            volume.metadata.failWrites(new Extent(0, 1024));
            assertThatThrownBy(volume::commit).isSameAs(Errno.EIO.failure());
            Awaitility.await().until(() -> volume.mount.status().commitFailure() != null);
            volume.metadata.heal();
            Awaitility.await().atMost(Duration.ofSeconds(10)).until(() -> volume.mount.status().commitFailure() == null);
            volume.commit();
            long instant = volume.metadata.recording().now();
            try (var again = SimulatedVolume.after(volume.metadata.flushedOnly(instant), volume.data.flushedOnly(instant), volume.journalAt(instant))) {
                assertThat(again.list(ROOT)).hasSize(301);
                assertThat(Arrays.mismatch(again.read(ino), expected)).isEqualTo(-1);
            }
        }
    }

    @Test
    void small_file_data_is_safe_in_the_journal_when_a_later_flush_loses_it() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            long ino = volume.create(ROOT, "small");
            volume.write(ino, 0, "small".getBytes());
            volume.data.failFlushes();
            volume.commit();
            volume.write(volume.create(ROOT, "large"), 0, new byte[100_000]);
            assertThatThrownBy(volume::commit).isSameAs(Errno.EIO.failure());
            volume.data.heal();
            var lost = volume.data.flushedOnly(volume.data.recording().now());
            try (var again = SimulatedVolume.after(volume.metadata.restart(), lost, volume.journalAt(Long.MAX_VALUE))) {
                assertThat(again.list(ROOT).keySet()).isEqualTo(java.util.Set.of("small"));
                assertThat(again.read(again.list(ROOT).get("small"))).isEqualTo("small".getBytes());
            }
        }
    }

    @Test
    void a_broken_invariant_stops_the_mount_answers_everybody_and_commits_nothing_of_it() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            volume.create(ROOT, "kept");
            volume.commit();
            volume.create(ROOT, "lost");
            assertThatThrownBy(() -> volume.run(dev.cairn.transaction.Operation.Hold.MODIFY, tx -> {
                tx.freeData(new Extent(1000, 1));
                tx.freeData(new Extent(1000, 1));
                return null;
            })).isSameAs(Errno.EIO.failure());
            assertThatThrownBy(() -> volume.list(ROOT)).isSameAs(Errno.EIO.failure());
            assertThatThrownBy(volume::commit).isSameAs(Errno.EIO.failure());
            Awaitility.await().until(() -> volume.mount.status().failure() != null);
            assertThat(volume.mount.status().failure()).contains("invariant").contains("mount again");
            try (var again = SimulatedVolume.after(volume.metadata.restart(), volume.data.restart(), volume.journalAt(Long.MAX_VALUE))) {
                assertThat(again.list(ROOT).keySet()).isEqualTo(java.util.Set.of("kept"));
            }
        }
    }

    @Test
    void freed_blocks_are_counted_back_to_the_last_one() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            volume.commit();
            long free = dataFree(volume);
            for (int n = 0; n < 50; n++) volume.write(volume.create(ROOT, "f" + n), 0, new byte[100_000]);
            volume.commit();
            assertThat(dataFree(volume)).isEqualTo(free - 50 * 25);
            for (var name : List.copyOf(volume.list(ROOT).keySet())) volume.unlink(ROOT, name);
            volume.commit();
            assertThat(dataFree(volume)).isEqualTo(free);
        }
    }

    private static long dataFree(SimulatedVolume volume) {
        return volume.run(dev.cairn.transaction.Operation.Hold.READ, tx -> tx.space().getData().getFree());
    }
}
