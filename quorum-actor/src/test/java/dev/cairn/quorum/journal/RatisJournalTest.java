package dev.cairn.quorum.journal;

import static dev.cairn.quorum.journal.Journals.ID;
import static dev.cairn.quorum.journal.Journals.append;
import static dev.cairn.quorum.journal.Journals.claim;
import static dev.cairn.quorum.journal.Journals.open;
import static dev.cairn.quorum.journal.Journals.snapshot;
import static dev.cairn.quorum.journal.Journals.submit;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.proto.JournalReply.Outcome;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A real Raft peer on a real directory: what is acknowledged is there after a restart, and damage has a name.
class RatisJournalTest {
    @TempDir
    Path directory;

    private void fill(int entries) throws Exception {
        try (var journal = open(directory)) {
            long epoch = claim(journal).getEpoch();
            long highest = journal.state().highestSequenceNr(ID);
            for (int i = 1; i <= entries; i++)
                assertThat(submit(journal, append(epoch, highest + i, 1, 100)).getOutcome()).isEqualTo(Outcome.DONE);
        }
    }

    private static void flip(Path file, long at) throws Exception {
        try (var channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            var one = ByteBuffer.allocate(1);
            channel.read(one, at);
            one.put(0, (byte) (one.get(0) ^ 0x55)).rewind();
            channel.write(one, at);
        }
    }

    @Test
    void events_are_there_after_a_restart_and_the_older_writer_is_refused() throws Exception {
        fill(5);
        try (var journal = open(directory)) {
            var reply = claim(journal);
            assertThat(reply.getEpoch()).isEqualTo(2);
            assertThat(reply.getHighestSequenceNr()).isEqualTo(5);
            assertThat(journal.state().events(ID, 1, 100)).hasSize(5);
            assertThat(submit(journal, append(1, 6, 1, 10)).getOutcome()).isEqualTo(Outcome.STALE_EPOCH);
            assertThat(submit(journal, append(2, 7, 1, 10)).getOutcome()).isEqualTo(Outcome.GAP);
            assertThat(submit(journal, append(2, 6, 2, 10)).getOutcome()).isEqualTo(Outcome.DONE);
            assertThat(submit(journal, append(2, 6, 2, 10)).getOutcome()).as("an exact resend").isEqualTo(Outcome.DONE);
            assertThat(submit(journal, append(2, 6, 2, 11)).getOutcome()).isEqualTo(Outcome.CONFLICT);
            assertThat(journal.state().highestSequenceNr(ID)).isEqualTo(7);
        }
    }

    @Test
    void a_snapshot_in_parts_counts_when_it_is_whole_and_drops_the_events_it_covers() throws Exception {
        fill(10);
        try (var journal = open(directory)) {
            claim(journal);
            submit(journal, snapshot(8, 0, 2, 1000));
            assertThat(journal.state().events(ID, 1, 100)).hasSize(10);
            submit(journal, snapshot(8, 1, 2, 500));
            assertThat(journal.state().events(ID, 1, 100)).hasSize(2);
            assertThat(submit(journal, snapshot(9, 1, 2, 5)).getOutcome()).isEqualTo(Outcome.GAP);
        }
        try (var journal = open(directory)) {
            claim(journal);
            assertThat(journal.state().image().getStreams(0).getSnapshots(0).getBytes().size()).isEqualTo(1500);
            assertThat(journal.state().highestSequenceNr(ID)).isEqualTo(10);
        }
    }

    @Test
    void the_directory_stays_small_however_much_is_written() throws Exception {
        try (var journal = open(directory)) {
            long epoch = claim(journal).getEpoch();
            long next = 1;
            for (int round = 0; round < 25; round++) {
                var appends = new CompletableFuture<?>[20];
                for (int i = 0; i < appends.length; i++, next += 2)
                    appends[i] = journal.submit(append(epoch, next, 2, 50_000));
                CompletableFuture.allOf(appends).join();
                submit(journal, snapshot(next - 2, 0, 1, 200_000));
            }
            org.awaitility.Awaitility.await().untilAsserted(() -> assertThat(Journals.bytesIn(directory))
                    .as("50 MB were written").isLessThan(24L << 20));
        }
        try (var journal = open(directory)) {
            assertThat(claim(journal).getHighestSequenceNr()).isEqualTo(1000);
            assertThat(journal.state().events(ID, 1, 10_000)).hasSize(1);
        }
    }

    @Test
    void a_torn_last_write_is_cut_off() throws Exception {
        fill(5);
        var segment = Journals.openSegment(directory);
        try (var file = FileChannel.open(segment, StandardOpenOption.WRITE)) {
            var torn = ByteBuffer.allocate(70).put(0, (byte) 100).put(1, (byte) 8).put(2, (byte) 1);
            file.write(torn, Files.size(segment));
        }
        try (var journal = open(directory)) {
            assertThat(claim(journal).getHighestSequenceNr()).isEqualTo(5);
        }
        fill(3);
        try (var journal = open(directory)) {
            assertThat(claim(journal).getHighestSequenceNr()).isEqualTo(8);
        }
    }

    @Test
    void a_damaged_entry_is_an_error_that_names_file_and_position() throws Exception {
        fill(50);
        var segment = Journals.openSegment(directory);
        flip(segment, Files.size(segment) / 2);
        assertThatThrownBy(() -> open(directory)).isInstanceOf(JournalException.class)
                .hasMessageContaining(segment.toString()).hasMessageContaining("damaged at byte");
    }

    @Test
    void a_log_that_lost_its_acknowledged_end_is_an_error() throws Exception {
        fill(50);
        var segment = Journals.openSegment(directory);
        try (var file = FileChannel.open(segment, StandardOpenOption.WRITE)) {
            file.truncate(Files.size(segment) - 200);
        }
        assertThatThrownBy(() -> open(directory)).isInstanceOf(JournalException.class)
                .hasMessageContaining(segment.toString());
    }

    @Test
    void a_missing_log_is_an_error() throws Exception {
        fill(5);
        // The image that a clean stop writes holds the same events: alone, neither would be missed.
        Files.delete(Journals.openSegment(directory));
        Files.delete(Journals.find(directory, "snapshot."));
        assertThatThrownBy(() -> open(directory)).isInstanceOf(JournalException.class).hasMessageContaining("acknowledged");
    }

    @Test
    void a_damaged_image_is_an_error_that_names_it() throws Exception {
        try (var journal = open(directory)) {
            long epoch = claim(journal).getEpoch();
            for (int i = 0; i < 10; i++) submit(journal, append(epoch, 1 + i, 1, 1_000_000));
            org.awaitility.Awaitility.await().untilAsserted(() -> Journals.find(directory, "snapshot."));
        }
        var image = Journals.find(directory, "snapshot.");
        flip(image, 100);
        assertThatThrownBy(() -> open(directory)).isInstanceOf(JournalException.class).hasMessageContaining(image.toString());
    }

    @Test
    void every_byte_of_a_log_is_checked() throws Exception {
        fill(3);
        var segment = Journals.openSegment(directory);
        var whole = Files.readAllBytes(segment);
        var acknowledged = new AcknowledgedIndex(Journals.find(directory, "acknowledged"));
        var group = segment.getParent().getParent();
        long index = acknowledged.read();
        acknowledged.close();
        int end = whole.length;
        while (whole[end - 1] == 0) end--;
        for (int at = 0; at < end; at++) {
            Files.write(segment, whole);
            flip(segment, at);
            assertThatThrownBy(() -> JournalCheck.check(group, index)).as("byte %d", at)
                    .isInstanceOf(JournalException.class).hasMessageContaining(segment.toString());
        }
        Files.write(segment, whole);
        JournalCheck.check(group, index);
    }
}
