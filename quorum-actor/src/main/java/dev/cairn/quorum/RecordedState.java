package dev.cairn.quorum;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerSnapshot;
import dev.cairn.quorum.journal.JournalException;
import dev.cairn.quorum.journal.JournalPeer;
import dev.cairn.quorum.journal.RatisJournal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// The server's state of a volume that is not running, read from a slot's journal. The journal is read in a copy, since
/// opening one writes: not a byte of the directory itself changes.
public final class RecordedState {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    /// @param journalDirectory of a volume with one slot
    /// @return null when the journal holds nothing of the volume
    public static ServerState read(Path journalDirectory, long fsid, QuorumSlot slot) throws IOException {
        if (!Files.isDirectory(journalDirectory)) return null;
        var copy = Files.createTempDirectory("cairn-journal-");
        try {
            copy(journalDirectory, copy);
            var settings = new RatisJournal.Settings(copy, fsid, slot.number(),
                    List.of(new JournalPeer(slot.number(), slot.address(), slot.journalPort())), TIMEOUT);
            try (var journal = RatisJournal.open(settings)) {
                journal.ready().get(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
                return replay(journal.recorded(ServerTerm.persistenceId(fsid)).get(TIMEOUT.toSeconds(), TimeUnit.SECONDS));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException | TimeoutException e) {
            throw new JournalException("the journal in %s cannot be read: %s".formatted(journalDirectory, e.getMessage()), e);
        } finally {
            FileTree.delete(copy);
        }
    }

    private static ServerState replay(RatisJournal.Recorded recorded) throws IOException {
        try {
            var state = recorded.snapshot() == null ? new ServerState()
                    : ServerState.restore(ServerSnapshot.parseFrom(recorded.snapshot()));
            for (var event : recorded.events()) state.apply(ServerEvent.parseFrom(event));
            return state.initialized() ? state : null;
        } catch (InvalidProtocolBufferException e) {
            throw new IOException("an event of the journal cannot be parsed", e);
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        try (var all = Files.walk(from)) {
            for (var path : all.toList()) {
                var target = to.resolve(from.relativize(path).toString());
                if (Files.isDirectory(path)) Files.createDirectories(target);
                else if (Files.isRegularFile(path)) Files.copy(path, target);
            }
        }
    }

    private RecordedState() {}
}
