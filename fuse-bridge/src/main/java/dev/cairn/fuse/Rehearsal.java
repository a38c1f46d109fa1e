package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.fuse.StandInKernel.Client;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/// Two clients' work on a file system that nobody has mounted: the requests that the kernel makes of the usual calls, answered
/// by a session as any other. For a JVM to compile what it will need, before somebody waits for it. Belongs to one thread.
public final class Rehearsal implements AutoCloseable {
    private static final int CLIENTS = 2, IO_THREADS = 4;
    /// Of a day: as much as lasts a third of a second once all is compiled.
    private static final int FILES = 200, LISTED = 8, SYNCED = 50, BLOCK = 4096, CHUNK = 128 << 10, CHUNKS = 32, RANDOM = 200;
    /// Calls between two looks at the pace.
    private static final int BREATH = 100;
    private static final int DIRECTORY = 040755, FILE = 0100644, PRIVATE = 0100600, O_CREAT = 0100, O_WRONLY = 1, O_EXCL = 0200;
    private static final long ENDED_WITHIN_SECONDS = 60;
    private static final byte[] ATTRIBUTE = "user.kind".getBytes(StandardCharsets.US_ASCII),
            CAPABILITY = "security.capability".getBytes(StandardCharsets.US_ASCII), VALUE = {1, 2, 3};

    /// Called often, between requests: may wait, and says whether to go on.
    public interface Pace {
        boolean mayGoOn() throws InterruptedException;
    }

    /// The pace said no.
    private static final class Enough extends IOException {
        private static final long serialVersionUID = 1;

        Enough() {
            super("the pace said no");
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
            var settings = new FuseSession.Settings(kernel.mount().point(), MountOptions.of("rehearsal"), CachePolicy.singleMount(),
                    Transport.DEV_FUSE, CLIENTS, IO_THREADS, fsid, rid);
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
            ok(MKDIR, client -> client.ask(ROOT_NODE, MKDIR_BYTES).u32(MKDIR_MODE, DIRECTORY).name(name("client", client.number)));
            for (var client : clients) directories[client.number] = client.answerU64(ENTRY_NODE);
            emptyFiles();
            smallFiles();
            directories();
            syncedFiles();
            allAtOnce();
            largeFile();
            ok(RMDIR, client -> client.ask(ROOT_NODE, 0).name(name("client", client.number)));
            forget(directories);
            return true;
        } catch (Enough _) {
            return false;
        }
    }

    private void emptyFiles() throws IOException {
        for (int i = 0; i < FILES; i++) create(i);
        for (int i = 0; i < FILES; i++) lookup(name("file", i));
        list(READDIRPLUS, ENTRY_BYTES);
        list(READDIR, 0);
        for (int i = 0; i < FILES; i++) setxattr(i);
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

    private void smallFiles() throws IOException {
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

    private void directories() throws IOException {
        for (int i = 0; i < FILES; i++) mkdir(i);
        for (int i = 0; i < FILES; i++) rmdir(i);
    }

    private void syncedFiles() throws IOException {
        for (int i = 0; i < SYNCED; i++) {
            create(i);
            write(i, 0, BLOCK);
            fsync(i);
        }
        for (int i = 0; i < SYNCED; i++) unlink("file", i);
    }

    /// Calls among others, not in series.
    private void allAtOnce() throws IOException {
        for (int i = 0; i < FILES; i++) {
            create(i);
            write(i, 0, BLOCK);
            if (i % 2 == 0) write(i, BLOCK, 100);
            getattr(i);
            if (i % 4 == 0) linkAndUnlink(name("link", i), name("file", i));
            if (i % 8 == 0) chmod(i);
            if (i % 8 == 1) notServed(i);
            rename("file", i, "moved", i);
            read(i, 0, BLOCK);
        }
        for (int i = 0; i < FILES; i++) unlink("moved", i);
    }

    private void linkAndUnlink(byte[] link, byte[] to) throws IOException {
        var links = new long[CLIENTS];
        ok(SYMLINK, client -> client.ask(directories[client.number], 0).name(link).name(to));
        for (var client : clients) links[client.number] = client.answerU64(ENTRY_NODE);
        ok(UNLINK, client -> client.ask(directories[client.number], 0).name(link));
        forget(links);
    }

    /// What the kernel asks once in the life of a mount, to hear that it need not ask.
    private void notServed(int i) throws IOException {
        for (int opcode : new int[] {OPEN, FLUSH, OPENDIR}) call(opcode, client -> client.ask(nodes[client.number][i], FLUSH_BYTES));
    }

    private void largeFile() throws IOException {
        create(0);
        for (int i = 0; i < CHUNKS; i++) write(0, (long) i * CHUNK, CHUNK);
        for (int i = 0; i < CHUNKS; i++) read(0, (long) i * CHUNK, CHUNK);
        // In no order, and the same in every round.
        for (int i = 0; i < RANDOM; i++) write(0, i * 7919L % (CHUNKS * CHUNK / BLOCK) * BLOCK, BLOCK);
        for (int i = 0; i < RANDOM; i++) read(0, i * 7919L % (CHUNKS * CHUNK / BLOCK) * BLOCK, BLOCK);
        unlink("file", 0);
    }

    // ---- what the kernel makes of a call

    private void create(int i) throws IOException {
        lookup(name("file", i));
        ok(CREATE, client -> client.ask(directories[client.number], CREATE_BYTES).u32(CREATE_FLAGS, O_CREAT | O_WRONLY | O_EXCL)
                .u32(CREATE_MODE, FILE).name(name("file", i)));
        for (var client : clients) nodes[client.number][i] = client.answerU64(ENTRY_NODE);
    }

    private void mkdir(int i) throws IOException {
        lookup(name("dir", i));
        ok(MKDIR, client -> client.ask(directories[client.number], MKDIR_BYTES).u32(MKDIR_MODE, DIRECTORY).name(name("dir", i)));
        for (var client : clients) nodes[client.number][i] = client.answerU64(ENTRY_NODE);
    }

    private void rmdir(int i) throws IOException {
        ok(RMDIR, client -> client.ask(directories[client.number], 0).name(name("dir", i)));
        forget(i);
    }

    private void getattr(int i) throws IOException {
        ok(GETATTR, client -> client.ask(nodes[client.number][i], GETATTR_BYTES));
    }

    private void chmod(int i) throws IOException {
        ok(SETATTR, client -> client.ask(nodes[client.number][i], SETATTR_BYTES).u32(SETATTR_VALID, FATTR_MODE).u32(SETATTR_MODE, PRIVATE));
    }

    private void setxattr(int i) throws IOException {
        ok(SETXATTR, client -> client.ask(nodes[client.number][i], SETXATTR_BYTES).u32(SETXATTR_SIZE, VALUE.length)
                .name(ATTRIBUTE).payload(VALUE.length));
    }

    private void fsync(int i) throws IOException {
        ok(FSYNC, client -> client.ask(nodes[client.number][i], FSYNC_BYTES));
    }

    private void write(int i, long offset, int bytes) throws IOException {
        // There is none, which is an error.
        if (offset == 0) call(GETXATTR, client -> client.ask(nodes[client.number][i], GETXATTR_BYTES).name(CAPABILITY));
        ok(WRITE, client -> client.ask(nodes[client.number][i], IO_BYTES).u64(IO_OFFSET, offset).u32(IO_SIZE, bytes).payload(bytes));
    }

    private void read(int i, long offset, int bytes) throws IOException {
        ok(READ, client -> client.ask(nodes[client.number][i], IO_BYTES).u64(IO_OFFSET, offset).u32(IO_SIZE, bytes));
    }

    private void rename(String from, int i, String to, int j) throws IOException {
        lookup(name(to, j));
        ok(RENAME, client -> client.ask(directories[client.number], RENAME_BYTES).u64(RENAME_NEW_DIR, directories[client.number])
                .name(name(from, i)).name(name(to, j)));
    }

    private void lookup(byte[] name) throws IOException {
        ok(LOOKUP, client -> client.ask(directories[client.number], 0).name(name));
    }

    private void list(int opcode, int entryBytes) throws IOException {
        var next = new long[CLIENTS];
        do {
            ok(opcode, client -> client.ask(directories[client.number], IO_BYTES).u64(IO_OFFSET, next[client.number]).u32(IO_SIZE, BLOCK));
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

    private void unlink(String prefix, int i) throws IOException {
        ok(UNLINK, client -> client.ask(directories[client.number], 0).name(name(prefix, i)));
        forget(i);
    }

    private void forget(int i) throws IOException {
        forget(new long[] {nodes[0][i], nodes[1][i]});
    }

    private void forget(long[] each) throws IOException {
        for (var client : clients) client.ask(each[client.number], FORGET_BYTES).u64(FORGET_COUNT, Integer.MAX_VALUE);
        kernel.tell(FORGET);
    }

    /// Every client asks, and is answered without an error.
    private void ok(int opcode, Consumer<Client> ask) throws IOException {
        call(opcode, ask);
        for (var client : clients)
            if (client.error() != 0)
                throw new IOException("a rehearsed %s was answered with errno %d".formatted(FuseProtocol.name(opcode), client.error()));
    }

    private void call(int opcode, Consumer<Client> ask) throws IOException {
        if (--untilBreath == 0) {
            untilBreath = BREATH;
            breathe();
        }
        for (var client : clients) ask.accept(client);
        kernel.call(opcode);
    }

    private void breathe() throws IOException {
        try {
            if (!pace.mayGoOn()) throw new Enough();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
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
