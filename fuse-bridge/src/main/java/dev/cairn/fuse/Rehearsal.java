package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.fuse.StandInKernel.Client;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Two clients' work on a file system that nobody has mounted: the requests that the kernel makes of the usual calls, answered
/// by a session as any other. For a JVM to compile what it will need, before somebody waits for it. Belongs to one thread.
public final class Rehearsal implements AutoCloseable {
    private static final int CLIENTS = 2, FILES = 200, LISTED = 8, SYNCED = 50, BLOCK = 4096, CHUNK = 128 << 10, CHUNKS = 32, RANDOM = 200, BREATH = 100;
    private static final int DIRECTORY = 040755, FILE = 0100644, O_CREAT = 0100, O_WRONLY = 1, O_EXCL = 0200;
    private static final long ENDED_WITHIN_SECONDS = 60;
    private static final byte[] ATTRIBUTE = "user.kind".getBytes(StandardCharsets.US_ASCII),
            CAPABILITY = "security.capability".getBytes(StandardCharsets.US_ASCII), VALUE = {1, 2, 3};

    /// Called often, between requests: may wait, and says whether to go on.
    public interface Pace {
        boolean mayGoOn() throws InterruptedException;
    }

    /// The pace said no.
    private static final class Enough extends Exception {
        private static final long serialVersionUID = 1;

        Enough() {
            super(null, null, false, false);
        }
    }

    private final StandInKernel kernel;
    private final FuseSession session;
    private final Pace pace;
    private final Client[] clients;
    private final long[] directories = new long[CLIENTS];
    private final long[][] nodes = new long[CLIENTS][FILES];
    private int untilBreath = BREATH;

    private Rehearsal(StandInKernel kernel, FuseSession session, Pace pace) {
        this.kernel = kernel;
        this.session = session;
        this.pace = pace;
        clients = kernel.clients();
    }

    /// Of a file system that has its root directory.
    public static Rehearsal begin(FileSystem fileSystem, DataIo dataIo, Submitter submitter, MeterRegistry meters, long fsid, long rid, Pace pace)
            throws IOException {
        var kernel = new StandInKernel(CLIENTS);
        try {
            var settings = FuseSession.Settings.of(Path.of("/"), "rehearsal", fsid, rid).transport(Transport.DEV_FUSE);
            var session = FuseSession.on(kernel.mount(), null, settings, fileSystem, dataIo, submitter, meters, _ -> {});
            kernel.greeted();
            return new Rehearsal(kernel, session, pace);
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
            for (var client : clients) client.ask(ROOT_NODE, MKDIR_BYTES).u32(MKDIR_MODE, DIRECTORY).name(name("client", client.number));
            kernel.call(MKDIR);
            for (var client : clients) directories[client.number] = expected(client).answerU64(ENTRY_NODE);
            emptyFiles();
            smallFiles();
            directories();
            syncedFiles();
            allAtOnce();
            largeFile();
            for (var client : clients) client.ask(ROOT_NODE, 0).name(name("client", client.number));
            ok(RMDIR);
            forget(directories);
            return true;
        } catch (Enough _) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private void emptyFiles() throws IOException, Enough, InterruptedException {
        for (int i = 0; i < FILES; i++) create(i);
        for (int i = 0; i < FILES; i++) lookup(name("file", i));
        list(READDIRPLUS, ENTRY_BYTES);
        list(READDIR, 0);
        for (int i = 0; i < FILES; i++) {
            for (var client : clients) {
                client.ask(nodes[client.number][i], SETXATTR_BYTES).u32(SETXATTR_SIZE, VALUE.length).name(ATTRIBUTE).payload(VALUE.length);
            }
            ok(SETXATTR);
        }
        for (int i = 0; i < FILES; i++) rename("file", i, "else", i);
        // Over another one, which is gone then; to a longer name; and to a shorter one.
        for (int i = 0; i < FILES; i += 8) {
            rename("else", i, "else", i + 1);
            forget(i + 1);
            for (var each : nodes) each[i + 1] = each[i];
        }
        for (int i = 1; i < FILES; i += 8) rename("else", i, "elsewhere", i);
        for (int i = 1; i < FILES; i += 8) rename("elsewhere", i, "x", i);
        for (int i = 0; i < FILES; i++)
            if (i % 8 > 0) unlink(i % 8 == 1 ? "x" : "else", i);
    }

    private void smallFiles() throws IOException, Enough, InterruptedException {
        for (int i = 0; i < FILES; i++) {
            create(i);
            write(i, 0, BLOCK);
        }
        for (int i = 0; i < FILES; i++) {
            lookup(name("file", i));
            read(i, 0, BLOCK);
        }
        for (int i = 0; i < LISTED; i++) list(READDIRPLUS, ENTRY_BYTES);
        for (int i = 0; i < FILES; i++) unlink("file", i);
    }

    private void directories() throws IOException, Enough, InterruptedException {
        for (int i = 0; i < FILES; i++) {
            lookup(name("dir", i));
            for (var client : clients) client.ask(directories[client.number], MKDIR_BYTES).u32(MKDIR_MODE, DIRECTORY).name(name("dir", i));
            ok(MKDIR);
            for (var client : clients) nodes[client.number][i] = client.answerU64(ENTRY_NODE);
        }
        for (int i = 0; i < FILES; i++) {
            for (var client : clients) client.ask(directories[client.number], 0).name(name("dir", i));
            ok(RMDIR);
            forget(i);
        }
    }

    private void syncedFiles() throws IOException, Enough, InterruptedException {
        for (int i = 0; i < SYNCED; i++) {
            create(i);
            write(i, 0, BLOCK);
            for (var client : clients) client.ask(nodes[client.number][i], FSYNC_BYTES);
            ok(FSYNC);
        }
        for (int i = 0; i < SYNCED; i++) unlink("file", i);
    }

    /// Calls among others, not in series.
    private void allAtOnce() throws IOException, Enough, InterruptedException {
        for (int i = 0; i < FILES; i++) {
            create(i);
            write(i, 0, BLOCK);
            if (i % 2 == 0) write(i, BLOCK, 100);
            for (var client : clients) client.ask(nodes[client.number][i], GETATTR_BYTES);
            ok(GETATTR);
            if (i % 4 == 0) linkAndUnlink(name("link", i), name("file", i));
            if (i % 8 == 0) chmod(i);
            if (i % 8 == 1) notServed(i);
            rename("file", i, "moved", i);
            read(i, 0, BLOCK);
        }
        for (int i = 0; i < FILES; i++) unlink("moved", i);
    }

    private void linkAndUnlink(byte[] link, byte[] to) throws IOException, Enough, InterruptedException {
        var links = new long[CLIENTS];
        for (var client : clients) client.ask(directories[client.number], 0).name(link).name(to);
        ok(SYMLINK);
        for (var client : clients) links[client.number] = client.answerU64(ENTRY_NODE);
        for (var client : clients) client.ask(directories[client.number], 0).name(link);
        ok(UNLINK);
        forget(links);
    }

    /// What the kernel asks once in the life of a mount, to hear that it need not ask.
    private void notServed(int i) throws IOException, Enough, InterruptedException {
        for (int opcode : new int[] {OPEN, FLUSH, OPENDIR}) {
            for (var client : clients) client.ask(nodes[client.number][i], FLUSH_BYTES);
            call(opcode);
        }
    }

    private void chmod(int i) throws IOException, Enough, InterruptedException {
        for (var client : clients) client.ask(nodes[client.number][i], SETATTR_BYTES).u32(SETATTR_VALID, FATTR_MODE).u32(SETATTR_MODE, 0100600);
        ok(SETATTR);
    }

    private void largeFile() throws IOException, Enough, InterruptedException {
        create(0);
        for (int i = 0; i < CHUNKS; i++) write(0, (long) i * CHUNK, CHUNK);
        for (int i = 0; i < CHUNKS; i++) read(0, (long) i * CHUNK, CHUNK);
        // In no order, and the same in every round.
        for (int i = 0; i < RANDOM; i++) write(0, i * 7919L % (CHUNKS * CHUNK / BLOCK) * BLOCK, BLOCK);
        for (int i = 0; i < RANDOM; i++) read(0, i * 7919L % (CHUNKS * CHUNK / BLOCK) * BLOCK, BLOCK);
        unlink("file", 0);
    }

    // ---- what the kernel makes of a call

    private void create(int i) throws IOException, Enough, InterruptedException {
        lookup(name("file", i));
        for (var client : clients) {
            client.ask(directories[client.number], CREATE_BYTES).u32(CREATE_FLAGS, O_CREAT | O_WRONLY | O_EXCL).u32(CREATE_MODE, FILE)
                    .name(name("file", i));
        }
        ok(CREATE);
        for (var client : clients) nodes[client.number][i] = client.answerU64(ENTRY_NODE);
    }

    private void write(int i, long offset, int bytes) throws IOException, Enough, InterruptedException {
        if (offset == 0) {
            for (var client : clients) client.ask(nodes[client.number][i], GETXATTR_BYTES).name(CAPABILITY);
            call(GETXATTR);     // there is none
        }
        for (var client : clients)
            client.ask(nodes[client.number][i], IO_BYTES).u64(IO_OFFSET, offset).u32(IO_SIZE, bytes).payload(bytes);
        ok(WRITE);
    }

    private void read(int i, long offset, int bytes) throws IOException, Enough, InterruptedException {
        for (var client : clients) client.ask(nodes[client.number][i], IO_BYTES).u64(IO_OFFSET, offset).u32(IO_SIZE, bytes);
        ok(READ);
    }

    private void rename(String from, int i, String to, int j) throws IOException, Enough, InterruptedException {
        lookup(name(to, j));
        for (var client : clients) {
            client.ask(directories[client.number], RENAME_BYTES).u64(RENAME_NEW_DIR, directories[client.number]).name(name(from, i)).name(name(to, j));
        }
        ok(RENAME);
    }

    private void lookup(byte[] name) throws IOException, Enough, InterruptedException {
        for (var client : clients) client.ask(directories[client.number], 0).name(name);
        ok(LOOKUP);
    }

    private void list(int opcode, int entryBytes) throws IOException, Enough, InterruptedException {
        var next = new long[CLIENTS];
        do {
            for (var client : clients) client.ask(directories[client.number], IO_BYTES).u64(IO_OFFSET, next[client.number]).u32(IO_SIZE, BLOCK);
            ok(opcode);
            for (var client : clients) next[client.number] = lastCookie(client, entryBytes, next[client.number]);
        } while (clients[0].bodyBytes() > 0);
    }

    private static long lastCookie(Client client, int entryBytes, long before) {
        long cookie = before;
        for (int at = 0; at < client.bodyBytes(); ) {
            cookie = client.answerU64(at + entryBytes + DIRENT_OFF);
            at += entryBytes + direntBytes(client.answerU32(at + entryBytes + DIRENT_NAME_LENGTH));
        }
        return cookie;
    }

    private void unlink(String prefix, int i) throws IOException, Enough, InterruptedException {
        for (var client : clients) client.ask(directories[client.number], 0).name(name(prefix, i));
        ok(UNLINK);
        forget(i);
    }

    private void forget(int i) throws IOException {
        for (var client : clients) client.ask(nodes[client.number][i], FORGET_BYTES).u64(FORGET_COUNT, Integer.MAX_VALUE);
        kernel.tell(FORGET);
    }

    private void forget(long[] each) throws IOException {
        for (var client : clients) client.ask(each[client.number], FORGET_BYTES).u64(FORGET_COUNT, Integer.MAX_VALUE);
        kernel.tell(FORGET);
    }

    private void ok(int opcode) throws IOException, Enough, InterruptedException {
        call(opcode);
        for (var client : clients) expected(client);
    }

    private void call(int opcode) throws IOException, Enough, InterruptedException {
        if (--untilBreath == 0) {
            untilBreath = BREATH;
            if (!pace.mayGoOn()) throw new Enough();
        }
        kernel.call(opcode);
    }

    private static Client expected(Client client) throws IOException {
        if (client.error() != 0) throw new IOException("a rehearsed request was answered with errno " + client.error());
        return client;
    }

    private static byte[] name(String prefix, int number) {
        return (prefix + number).getBytes(StandardCharsets.US_ASCII);
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
