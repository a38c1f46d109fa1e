package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;

import dev.cairn.fuse.StandInKernel.Client;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/// What the kernel makes of a call: the requests of a [Rehearsal], by every client at the same time, each in a directory of its
/// own. Belongs to one thread.
final class RehearsedCalls {
    static final int BLOCK = 4096;
    /// Calls between two looks at the pace.
    private static final int BREATH = 100;
    private static final int DIRECTORY = 040755, FILE = 0100644, PRIVATE = 0100600, FIFO = 010600, O_CREAT = 0100, O_WRONLY = 1,
            O_EXCL = 0200, PUNCH_HOLE_KEEP_SIZE = 3, NOREPLACE = 1, WHITEOUT = 4, TCGETS = 0x5401;
    private static final byte[] ATTRIBUTE = "user.kind".getBytes(StandardCharsets.US_ASCII),
            CAPABILITY = "security.capability".getBytes(StandardCharsets.US_ASCII), VALUE = {1, 2, 3};

    /// The pace said no.
    static final class Enough extends IOException {
        private static final long serialVersionUID = 1;

        Enough() {
            super("the pace said no");
        }
    }

    private final StandInKernel kernel;
    private final Rehearsal.Pace pace;
    private final Client[] clients;
    private final long[] directories;
    private final long[][] nodes;
    private int untilBreath = BREATH;

    RehearsedCalls(StandInKernel kernel, int files, Rehearsal.Pace pace) {
        this.kernel = kernel;
        this.pace = pace;
        clients = kernel.clients();
        directories = new long[clients.length];
        nodes = new long[clients.length][files];
    }

    void makeDirectories() throws IOException {
        ok(MKDIR, client -> client.ask(ROOT_NODE, MKDIR_BYTES).u32(MKDIR_MODE, DIRECTORY).name(name("client", client.number)));
        for (var client : clients) directories[client.number] = client.answerU64(ENTRY_NODE);
    }

    void removeDirectories() throws IOException {
        ok(RMDIR, client -> client.ask(ROOT_NODE, 0).name(name("client", client.number)));
        forget(directories);
    }

    /// The file that was `i` is `j` from now on.
    void renumber(int i, int j) {
        for (var each : nodes) each[j] = each[i];
    }

    void linkAndUnlink(byte[] link, byte[] to) throws IOException {
        var links = new long[clients.length];
        ok(SYMLINK, client -> client.ask(directories[client.number], 0).name(link).name(to));
        for (var client : clients) links[client.number] = client.answerU64(ENTRY_NODE);
        ok(READLINK, client -> client.ask(links[client.number], 0));
        ok(UNLINK, client -> client.ask(directories[client.number], 0).name(link));
        forget(links);
    }

    /// What the kernel asks once in the life of a mount, to hear that it need not ask.
    void notServed(int i) throws IOException {
        for (int opcode : new int[] {OPEN, FLUSH, OPENDIR}) call(opcode, client -> client.ask(nodes[client.number][i], FLUSH_BYTES));
    }

    void create(int i) throws IOException {
        lookup(name("file", i));
        ok(CREATE, client -> client.ask(directories[client.number], CREATE_BYTES).u32(CREATE_FLAGS, O_CREAT | O_WRONLY | O_EXCL)
                .u32(CREATE_MODE, FILE).name(name("file", i)));
        for (var client : clients) nodes[client.number][i] = client.answerU64(ENTRY_NODE);
    }

    void mkdir(int i) throws IOException {
        lookup(name("dir", i));
        ok(MKDIR, client -> client.ask(directories[client.number], MKDIR_BYTES).u32(MKDIR_MODE, DIRECTORY).name(name("dir", i)));
        for (var client : clients) nodes[client.number][i] = client.answerU64(ENTRY_NODE);
    }

    void rmdir(int i) throws IOException {
        ok(RMDIR, client -> client.ask(directories[client.number], 0).name(name("dir", i)));
        forget(i);
    }

    void getattr(int i) throws IOException {
        ok(GETATTR, client -> client.ask(nodes[client.number][i], GETATTR_BYTES));
    }

    void chmod(int i) throws IOException {
        ok(SETATTR, client -> client.ask(nodes[client.number][i], SETATTR_BYTES).u32(SETATTR_VALID, FATTR_MODE).u32(SETATTR_MODE, PRIVATE));
    }

    void setxattr(int i) throws IOException {
        ok(SETXATTR, client -> client.ask(nodes[client.number][i], SETXATTR_BYTES).u32(SETXATTR_SIZE, VALUE.length)
                .name(ATTRIBUTE).payload(VALUE.length));
    }

    void fsync(int i) throws IOException {
        ok(FSYNC, client -> client.ask(nodes[client.number][i], FSYNC_BYTES));
    }

    void write(int i, long offset, int bytes) throws IOException {
        // There is none, which is an error.
        if (offset == 0) call(GETXATTR, client -> client.ask(nodes[client.number][i], GETXATTR_BYTES).name(CAPABILITY));
        ok(WRITE, client -> client.ask(nodes[client.number][i], IO_BYTES).u64(IO_OFFSET, offset).u32(IO_SIZE, bytes).payload(bytes));
    }

    void read(int i, long offset, int bytes) throws IOException {
        ok(READ, client -> client.ask(nodes[client.number][i], IO_BYTES).u64(IO_OFFSET, offset).u32(IO_SIZE, bytes));
    }

    /// Past the kernel's cache.
    void direct(int i, long offset, int bytes, int openFlags) throws IOException {
        ok(WRITE, client -> client.ask(nodes[client.number][i], IO_BYTES).u64(IO_OFFSET, offset).u32(IO_SIZE, bytes)
                .u32(IO_FLAGS, IO_LOCK_OWNER).u32(IO_OPEN_FLAGS, openFlags).payload(bytes));
        ok(READ, client -> client.ask(nodes[client.number][i], IO_BYTES).u64(IO_OFFSET, offset).u32(IO_SIZE, bytes)
                .u32(IO_FLAGS, IO_LOCK_OWNER).u32(IO_OPEN_FLAGS, openFlags));
    }

    void rename(String from, int i, String to, int j) throws IOException {
        lookup(name(to, j));
        ok(RENAME, client -> client.ask(directories[client.number], RENAME_BYTES).u64(RENAME_NEW_DIR, directories[client.number])
                .name(name(from, i)).name(name(to, j)));
    }

    void lookup(byte[] name) throws IOException {
        ok(LOOKUP, client -> client.ask(directories[client.number], 0).name(name));
    }

    void list(int opcode, int entryBytes) throws IOException {
        var next = new long[clients.length];
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

    void unlink(String prefix, int i) throws IOException {
        ok(UNLINK, client -> client.ask(directories[client.number], 0).name(name(prefix, i)));
        forget(i);
    }

    void forget(int i) throws IOException {
        var each = new long[clients.length];
        for (var client : clients) each[client.number] = nodes[client.number][i];
        forget(each);
    }

    private void forget(long[] each) throws IOException {
        for (var client : clients) client.ask(each[client.number], FORGET_BYTES).u64(FORGET_COUNT, Integer.MAX_VALUE);
        kernel.tell(FORGET);
    }

    /// Calls that are rare, but the first of which would otherwise make the code for all of them worthless: a way never seen is
    /// compiled to nothing.
    void rare(int i) throws IOException {
        ok(STATX, client -> client.ask(nodes[client.number][i], STATX_IN_BYTES));
        ok(STATFS, client -> client.ask(ROOT_NODE, 0));
        call(IOCTL, client -> client.ask(nodes[client.number][i], IOCTL_BYTES).u32(IOCTL_COMMAND, TCGETS));
        for (int valid : new int[] {FATTR_UID | FATTR_GID, FATTR_ATIME | FATTR_MTIME, FATTR_ATIME_NOW | FATTR_MTIME_NOW, 0})
            setattr(i, valid, 1);
        attributes(i);
        space(i);
        names(i);
    }

    private void attributes(int i) throws IOException {
        setxattr(i);
        for (int size : new int[] {0, 64}) {
            ok(GETXATTR, client -> client.ask(nodes[client.number][i], GETXATTR_BYTES).u32(GETXATTR_SIZE, size).name(ATTRIBUTE));
            ok(LISTXATTR, client -> client.ask(nodes[client.number][i], GETXATTR_BYTES).u32(GETXATTR_SIZE, size));
        }
        ok(REMOVEXATTR, client -> client.ask(nodes[client.number][i], 0).name(ATTRIBUTE));
    }

    private void space(int i) throws IOException {
        for (int mode : new int[] {0, PUNCH_HOLE_KEEP_SIZE})
            ok(FALLOCATE, client -> client.ask(nodes[client.number][i], FALLOCATE_BYTES).u32(FALLOCATE_MODE, mode)
                    .u64(FALLOCATE_OFFSET, 100).u64(FALLOCATE_LENGTH, 4 * BLOCK));
        ok(COPY_FILE_RANGE, client -> client.ask(nodes[client.number][i], COPY_BYTES).u64(COPY_TO_NODE, nodes[client.number][i])
                .u64(COPY_TO_OFFSET, 8 * BLOCK).u64(COPY_LENGTH, 2 * BLOCK));
        ok(LSEEK, client -> client.ask(nodes[client.number][i], LSEEK_BYTES).u32(LSEEK_WHENCE, SEEK_DATA));
        for (int bytes : new int[] {BLOCK + 100, 0}) setattr(i, FATTR_SIZE, bytes);
        ok(FSYNCDIR, client -> client.ask(directories[client.number], FSYNC_BYTES));
    }

    private void names(int i) throws IOException {
        byte[] file = name("file", i), other = name("other", i);
        ok(LINK, client -> client.ask(directories[client.number], LINK_BYTES).u64(LINK_OLD_NODE, nodes[client.number][i]).name(other));
        ok(UNLINK, client -> client.ask(directories[client.number], 0).name(other));
        ok(RENAME2, client -> client.ask(directories[client.number], RENAME2_BYTES).u64(RENAME2_NEW_DIR, ROOT_NODE)
                .u32(RENAME2_FLAGS, NOREPLACE).name(file).name(name("client" + client.number + "-", i)));
        ok(RENAME, client -> client.ask(ROOT_NODE, RENAME_BYTES).u64(RENAME_NEW_DIR, directories[client.number])
                .name(name("client" + client.number + "-", i)).name(file));
        ok(RENAME2, client -> client.ask(directories[client.number], RENAME2_BYTES).u64(RENAME2_NEW_DIR, directories[client.number])
                .u32(RENAME2_FLAGS, WHITEOUT).name(file).name(other));
        ok(RENAME, client -> client.ask(directories[client.number], RENAME_BYTES).u64(RENAME_NEW_DIR, directories[client.number])
                .name(other).name(file));
        var made = new long[clients.length];
        ok(MKNOD, client -> client.ask(directories[client.number], MKNOD_BYTES).u32(MKNOD_MODE, FIFO).name(other));
        for (var client : clients) made[client.number] = client.answerU64(ENTRY_NODE);
        ok(UNLINK, client -> client.ask(directories[client.number], 0).name(other));
        forget(made);
        ok(TMPFILE, client -> client.ask(directories[client.number], CREATE_BYTES).u32(CREATE_MODE, FILE));
        for (var client : clients) made[client.number] = client.answerU64(ENTRY_NODE);
        for (var client : clients) client.ask(0, BATCH_FORGET_BYTES + FORGET_ONE_BYTES).u32(BATCH_FORGET_COUNT, 1)
                .u64(BATCH_FORGET_BYTES + FORGET_ONE_NODE, made[client.number]).u64(BATCH_FORGET_BYTES + FORGET_ONE_COUNT, Integer.MAX_VALUE);
        kernel.tell(BATCH_FORGET);
    }

    private void setattr(int i, int valid, long value) throws IOException {
        ok(SETATTR, client -> client.ask(nodes[client.number][i], SETATTR_BYTES).u32(SETATTR_VALID, valid).u64(SETATTR_SIZE, value));
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

    static byte[] name(String prefix, int number) {
        return (prefix + number).getBytes(StandardCharsets.US_ASCII);
    }
}
