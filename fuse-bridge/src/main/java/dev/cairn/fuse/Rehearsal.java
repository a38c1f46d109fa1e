package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.ENTRY_BYTES;
import static dev.cairn.fuse.FuseProtocol.O_DSYNC;
import static dev.cairn.fuse.FuseProtocol.READDIR;
import static dev.cairn.fuse.FuseProtocol.READDIRPLUS;
import static dev.cairn.fuse.RehearsedCalls.BLOCK;
import static dev.cairn.fuse.RehearsedCalls.name;

import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.FileSystem;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Two clients' work on a file system that nobody has mounted: the requests that the kernel makes of the usual calls, answered
/// by a session as any other. For a JVM to compile what it will need, before somebody waits for it. Belongs to one thread.
public final class Rehearsal implements AutoCloseable {
    private static final int CLIENTS = 2, IO_THREADS = 4;
    /// Of a day: as much as lasts a third of a second once all is compiled, without fsyncs.
    private static final int FILES = 200, LISTED = 8, CHUNK = 128 << 10, CHUNKS = 32, RANDOM = 200, DIRECT = 40, RARE = 2;
    private static final long ENDED_WITHIN_SECONDS = 60;
    private static final Duration ANSWERED_WITHIN = Duration.ofSeconds(30);

    /// Called often, between requests: may wait, and says whether to go on.
    public interface Pace {
        boolean mayGoOn() throws InterruptedException;
    }

    private final StandInKernel kernel;
    private final FuseSession session;
    private final RehearsedCalls calls;
    private final int synced;

    private Rehearsal(StandInKernel kernel, FuseSession session, RehearsedCalls calls, int synced) {
        this.synced = synced;
        this.kernel = kernel;
        this.session = session;
        this.calls = calls;
    }

    /// Of a file system that has its root directory.
    ///
    /// @param synced files that each client fsyncs in a day
    public static Rehearsal begin(FileSystem fileSystem, DataIo dataIo, Submitter submitter, MeterRegistry meters, long fsid, long rid, int synced,
            Pace pace) throws IOException {
        var kernel = new StandInKernel(CLIENTS, ANSWERED_WITHIN);
        try {
            var settings = new FuseSession.Settings(kernel.mount().point(), MountOptions.of("rehearsal"), CachePolicy.singleMount(),
                    Transport.DEV_FUSE, CpuLatency.OFF, CLIENTS, IO_THREADS, fsid, rid);
            var session = FuseSession.on(kernel.mount(), null, settings, fileSystem, dataIo, submitter, meters, _ -> {});
            kernel.greeted();
            return new Rehearsal(kernel, session, new RehearsedCalls(kernel, Math.max(FILES, synced), pace), synced);
        } catch (IOException | RuntimeException e) {
            kernel.close();
            throw e;
        }
    }

    /// One day of work; everything that it makes is gone at its end.
    ///
    /// @return false when the pace ended it
    public boolean day() throws IOException {
        try {
            calls.makeDirectories();
            emptyFiles();
            smallFiles();
            directories();
            syncedFiles();
            allAtOnce();
            rareCalls();
            largeFile();
            calls.removeDirectories();
            return true;
        } catch (RehearsedCalls.Enough _) {
            return false;
        }
    }

    private void emptyFiles() throws IOException {
        for (int i = 0; i < FILES; i++) calls.create(i);
        for (int i = 0; i < FILES; i++) calls.lookup(name("file", i));
        calls.list(READDIRPLUS, ENTRY_BYTES);
        calls.list(READDIR, 0);
        for (int i = 0; i < FILES; i++) calls.setxattr(i);
        for (int i = 0; i < FILES; i++) calls.rename("file", i, "else", i);
        // Over another one, which is gone then; to a longer name; and to a shorter one.
        for (int i = 0; i < FILES; i += 8) {
            calls.rename("else", i, "else", i + 1);
            calls.forget(i + 1);
            calls.renumber(i, i + 1);
        }
        for (int i = 1; i < FILES; i += 8) calls.rename("else", i, "elsewhere", i);
        for (int i = 1; i < FILES; i += 8) calls.rename("elsewhere", i, "x", i);
        for (int i = 0; i < FILES; i++)
            if (i % 8 > 0) calls.unlink(i % 8 == 1 ? "x" : "else", i);
    }

    private void smallFiles() throws IOException {
        for (int i = 0; i < FILES; i++) {
            calls.create(i);
            calls.write(i, 0, BLOCK);
        }
        for (int i = 0; i < FILES; i++) {
            calls.lookup(name("file", i));
            calls.read(i, 0, BLOCK);
        }
        // Commits too large for the journal, and what they free is in pieces.
        calls.fsync(1);
        for (int i = 0; i < LISTED; i++) calls.list(READDIRPLUS, ENTRY_BYTES);
        for (int i = 0; i < FILES; i += 2) calls.unlink("file", i);
        calls.fsync(1);
        for (int i = 1; i < FILES; i += 2) calls.unlink("file", i);
    }

    private void directories() throws IOException {
        for (int i = 0; i < FILES; i++) calls.mkdir(i);
        for (int i = 0; i < FILES; i++) calls.rmdir(i);
    }

    private void syncedFiles() throws IOException {
        for (int i = 0; i < synced; i++) {
            calls.create(i);
            calls.write(i, 0, BLOCK);
            calls.fsync(i);
        }
        for (int i = 0; i < synced; i++) calls.unlink("file", i);
    }

    /// Calls among others, not in series.
    private void allAtOnce() throws IOException {
        for (int i = 0; i < FILES; i++) {
            calls.create(i);
            calls.write(i, 0, BLOCK);
            if (i % 2 == 0) calls.write(i, BLOCK, 100);
            calls.getattr(i);
            if (i % 4 == 0) calls.linkAndUnlink(name("link", i), name("file", i));
            if (i % 8 == 0) calls.chmod(i);
            if (i % 8 == 1) calls.notServed(i);
            calls.rename("file", i, "moved", i);
            calls.read(i, 0, BLOCK);
        }
        for (int i = 0; i < FILES; i++) calls.unlink("moved", i);
    }

    private void rareCalls() throws IOException {
        for (int i = 0; i < RARE; i++) {
            calls.create(i);
            calls.write(i, 0, 2 * BLOCK);
            calls.rare(i);
            calls.unlink("file", i);
        }
    }

    private void largeFile() throws IOException {
        calls.create(0);
        for (int i = 0; i < CHUNKS; i++) calls.write(0, (long) i * CHUNK, CHUNK);
        for (int i = 0; i < CHUNKS; i++) calls.read(0, (long) i * CHUNK, CHUNK);
        // In no order, and the same in every round.
        for (int i = 0; i < RANDOM; i++) calls.write(0, i * 7919L % (CHUNKS * CHUNK / BLOCK) * BLOCK, BLOCK);
        for (int i = 0; i < RANDOM; i++) calls.read(0, i * 7919L % (CHUNKS * CHUNK / BLOCK) * BLOCK, BLOCK);
        for (int i = 0; i < DIRECT; i++) calls.direct(0, i * 7919L % (CHUNKS * CHUNK / BLOCK) * BLOCK, BLOCK, i % 8 == 0 ? O_DSYNC : 0);
        calls.unlink("file", 0);
    }

    /// Waits until the session has ended: nothing is submitted any more then.
    @Override
    public void close() throws IOException {
        kernel.close();
        try {
            session.ended().get(ENDED_WITHIN_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException("the session of a rehearsal does not end", e);
        }
    }
}
