package dev.cairn.quorum.journal;

import com.google.protobuf.ByteString;
import dev.cairn.proto.JournalAppend;
import dev.cairn.proto.JournalClaim;
import dev.cairn.proto.JournalEntry;
import dev.cairn.proto.JournalEvent;
import dev.cairn.proto.JournalReply;
import dev.cairn.proto.JournalSaveSnapshot;
import dev.cairn.proto.PersistedObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// What the tests of this package do with journals.
final class Journals {
    static final String ID = "server|1";
    static final long FSID = 0x5eed;

    private Journals() {}

    static RatisJournal open(Path directory) {
        return RatisJournal.open(new RatisJournal.Settings(directory, FSID, 0, List.of(new JournalPeer(0, "127.0.0.1", 0)),
                Duration.ofSeconds(5)));
    }

    static JournalEntry claim() {
        return JournalEntry.newBuilder().setPersistenceId(ID).setClaim(JournalClaim.getDefaultInstance()).build();
    }

    static JournalEntry append(long epoch, long first, int count, int bytes) {
        var append = JournalAppend.newBuilder().setEpoch(epoch);
        for (int i = 0; i < count; i++) append.addEvents(JournalEvent.newBuilder().setSequenceNr(first + i)
                .setObject(PersistedObject.newBuilder().setSerializerId(1).setBytes(filled(bytes, (int) (first + i)))));
        return JournalEntry.newBuilder().setPersistenceId(ID).setAppend(append).build();
    }

    static JournalEntry snapshot(long sequenceNr, int part, int parts, int bytes) {
        return JournalEntry.newBuilder().setPersistenceId(ID).setSaveSnapshot(JournalSaveSnapshot.newBuilder()
                .setSequenceNr(sequenceNr).setTimestamp(1).setPart(part).setParts(parts).setBytes(filled(bytes, part)))
                .build();
    }

    static ByteString filled(int bytes, int with) {
        var array = new byte[bytes];
        java.util.Arrays.fill(array, (byte) (with | 1));
        return ByteString.copyFrom(array);
    }

    static JournalReply submit(RatisJournal journal, JournalEntry entry) throws Exception {
        return journal.submit(entry).get(10, TimeUnit.SECONDS);
    }

    static JournalReply claim(RatisJournal journal) throws Exception {
        return journal.claim(claim()).get(10, TimeUnit.SECONDS);
    }

    static Path openSegment(Path directory) throws IOException {
        return find(directory, "log_inprogress_");
    }

    static Path find(Path directory, String prefix) throws IOException {
        try (var files = Files.walk(directory)) {
            return files.filter(file -> file.getFileName().toString().startsWith(prefix)).sorted().findFirst().orElseThrow();
        }
    }

    static long bytesIn(Path directory) throws IOException {
        try (var files = Files.walk(directory)) {
            return files.filter(Files::isRegularFile).mapToLong(file -> file.toFile().length()).sum();
        }
    }
}
