package dev.cairn.fuse;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A mount point and the connection to the kernel behind it: made by mount(2) as root, by fusermount3 for others.
final class FuseMount {
    static final String SUBTYPE = "cairn", TYPE = "fuse." + SUBTYPE;
    private static final Logger log = LoggerFactory.getLogger(FuseMount.class);

    private final Path point;
    private final int fd;
    private final String fusermount;        // null: mounted by mount(2)
    private final boolean ofKernel;

    FuseMount(Path point, int fd, String fusermount) {
        this(point, fd, fusermount, true);
    }

    private FuseMount(Path point, int fd, String fusermount, boolean ofKernel) {
        this.ofKernel = ofKernel;
        this.point = point;
        this.fd = fd;
        this.fusermount = fusermount;
    }

    /// Mounts, after removing what a killed node has left at the same place.
    static FuseMount mount(Path directory, MountOptions options) throws IOException {
        var point = prepare(directory);
        return Linux.effectiveUid() == 0 ? asRoot(point, options)
                : byFusermount(point, options, findFusermount(System.getenv("PATH")));
    }

    /// Somebody in the kernel's place, over a socket.
    static FuseMount standIn(Path point, int socket) {
        return new FuseMount(point, socket, null, false);
    }

    /// Whether the descriptor is of /dev/fuse, which takes a reply in pieces: pages of a pipe.
    boolean isOfKernel() {
        return ofKernel;
    }

    /// The connection's descriptor; closed by its owner when nobody reads or writes it any more.
    int fd() {
        return fd;
    }

    Path point() {
        return point;
    }

    // ---- mounting

    static FuseMount asRoot(Path point, MountOptions options) throws IOException {
        int fd = Linux.open("/dev/fuse", Linux.O_RDWR | Linux.O_CLOEXEC);
        if (fd < 0) throw new IOException("cannot open /dev/fuse: " + Linux.describe(-fd)
                + ". Is the fuse module loaded (modprobe fuse)?");
        int r = MountCalls.mount(options.source(), point.toString(), TYPE, options.bits(),
                options.data(fd, Linux.effectiveUid(), Linux.effectiveGid()));
        if (r < 0) {
            Linux.close(fd);
            throw new IOException("cannot mount on " + point + ": " + Linux.describe(-r));
        }
        return new FuseMount(point, fd, null);
    }

    /// fusermount3 is setuid root: it opens /dev/fuse, mounts, and sends the descriptor through a socket that it inherits.
    static FuseMount byFusermount(Path point, MountOptions options, String fusermount) throws IOException {
        int[] sockets = MountCalls.socketPair(MountCalls.SOCK_STREAM);
        int[] errors = MountCalls.pipe();
        int fd, pid, status = 0;
        try {
            pid = MountCalls.spawn(fusermount,
                    new String[] {fusermount, "-o", options.fusermountOptions(), "--", point.toString()},
                    environment("_FUSE_COMMFD=" + sockets[1]), errors[1]);
            Linux.close(sockets[1]);
            Linux.close(errors[1]);
            if (pid < 0) throw new IOException("cannot run " + fusermount + ": " + Linux.describe(-pid));
            fd = MountCalls.receiveDescriptor(sockets[0]);
            var said = MountCalls.readAll(errors[0]);
            status = MountCalls.waitFor(pid);
            if (fd <= 0)
                throw new IOException("cannot mount on %s: %s ended with status %d%s".formatted(point, fusermount, status,
                        said.isEmpty() ? "" : ": " + said));
        } finally {
            Linux.close(sockets[0]);
            Linux.close(errors[0]);
        }
        return new FuseMount(point, fd, fusermount);
    }

    static String findFusermount(String path) throws IOException {
        for (var directory : (path == null ? "/usr/bin:/bin" : path).split(File.pathSeparator)) {
            var file = new File(directory, "fusermount3");
            if (file.canExecute()) return file.getPath();
        }
        throw new IOException("fusermount3 is not installed, and only root can mount without it: "
                + "install the package fuse3, or run as root");
    }

    private static String[] environment(String added) {
        var all = new ArrayList<String>();
        System.getenv().forEach((name, value) -> all.add(name + "=" + value));
        all.add(added);
        return all.toArray(String[]::new);
    }

    // ---- what is there already

    /// The mount point as an absolute path without symbolic links; whatever dead mount of ours covers it is detached.
    private static Path prepare(Path directory) throws IOException {
        var point = resolve(directory);
        for (var there = topMount(point); there != null && there.type.equals(TYPE); there = topMount(point)) {
            int answer = statfs(point);
            if (answer != -Linux.ENOTCONN && answer != -Linux.ECONNABORTED)
                throw new IOException("%s is mounted already (%s on it)".formatted(point, there.source));
            log.info("{} was left behind by a node that died ({}); detaching it", point, there.source);
            detach(point);
            if (there.equals(topMount(point)))
                throw new IOException(point + " was left behind by a node that died and cannot be detached: "
                        + "try `umount -l " + point + "`");
        }
        if (!Files.isDirectory(point)) throw new IOException(point + " is not a directory");
        return point;
    }

    /// Parents are resolved, the last step is not: looking at a dead mount is an error.
    private static Path resolve(Path directory) throws IOException {
        var absolute = directory.toAbsolutePath().normalize();
        try {
            return absolute.toRealPath();
        } catch (IOException e) {
            var parent = absolute.getParent();
            if (parent == null) throw e;
            var point = parent.toRealPath().resolve(absolute.getFileName());
            if (topMount(point) == null) throw new IOException("no such directory: " + point, e);
            return point;
        }
    }

    private static void detach(Path point) throws IOException {
        if (Linux.effectiveUid() == 0) MountCalls.umount2(point.toString(), MountCalls.MNT_DETACH);
        else run(findFusermount(System.getenv("PATH")), "-u", "-z", "--", point.toString());
    }

    /// statfs(2), which always asks the file system: attributes might come from the kernel's cache of a dead mount. One
    /// that does not answer within some seconds is taken for alive: it is not ours to remove.
    private static int statfs(Path point) {
        var answer = new CompletableFuture<Integer>();
        Thread.ofPlatform().daemon().name("cairn-fuse-probe").start(() -> answer.complete(MountCalls.statfs(point.toString())));
        try {
            return answer.get(5, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            return 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 0;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    /// One line of /proc/self/mountinfo.
    private record Mounted(int id, String device, String type, String source, Set<String> options) {}

    /// The mount that covers `point` exactly; the uppermost when there are several; null when there is none.
    private static Mounted topMount(Path point) throws IOException {
        Mounted top = null;
        for (var line : Files.readAllLines(Path.of("/proc/self/mountinfo"))) {
            // 36 35 98:0 /root /mount/point options [tags…] - type source superoptions
            var fields = line.split(" ");
            int dash = List.of(fields).indexOf("-");
            if (dash < 6 || fields.length < dash + 3 || !unescape(fields[4]).equals(point.toString())) continue;
            top = new Mounted(Integer.parseInt(fields[0]), fields[2], fields[dash + 1], unescape(fields[dash + 2]),
                    options(fields[5], fields.length > dash + 3 ? fields[dash + 3] : ""));
        }
        return top;
    }

    private static Set<String> options(String ofMount, String ofFileSystem) {
        var all = new HashSet<String>();
        for (var some : List.of(ofMount, ofFileSystem)) all.addAll(List.of(some.split(",")));
        return all;
    }

    /// What it is mounted with now, as mountinfo has it, of the mount and of the file system; empty when it is not there.
    Optional<Set<String>> options() throws IOException {
        var mounted = ofKernel ? topMount(point) : null;
        return Optional.ofNullable(mounted).map(Mounted::options);
    }

    /// Blanks, tabs, newlines and backslashes are written as three octal digits.
    private static String unescape(String field) {
        if (field.indexOf('\\') < 0) return field;
        var bytes = new java.io.ByteArrayOutputStream();
        var raw = field.getBytes(java.nio.charset.StandardCharsets.UTF_8);
        for (int i = 0; i < raw.length; i++) {
            if (raw[i] == '\\' && i + 3 < raw.length) {
                bytes.write((raw[i + 1] - '0') << 6 | (raw[i + 2] - '0') << 3 | raw[i + 3] - '0');
                i += 3;
            } else bytes.write(raw[i]);
        }
        return bytes.toString(java.nio.charset.StandardCharsets.UTF_8);
    }

    // ---- while mounted

    /// Lets the kernel read ahead. Needs root; without it reads are 128 KiB at the most.
    void raiseReadAhead() {
        try {
            var mounted = topMount(point);
            if (mounted == null) return;
            Files.writeString(Path.of("/sys/class/bdi", mounted.device, "read_ahead_kb"), String.valueOf(ReadAhead.kibibytes(mounted.source)));
        } catch (IOException e) {
            log.debug("{}: cannot set read_ahead_kb, reads stay small: {}", point, e.toString());
        }
    }

    // ---- unmounting

    /// Takes the mount away if nobody uses it. The readers of the connection then see its end.
    ///
    /// @throws IOException when it is in use, or is not there
    void unmount() throws IOException {
        if (fusermount != null) {
            run(fusermount, "-u", "--", point.toString());
            return;
        }
        int r = MountCalls.umount2(point.toString(), 0);
        if (r < 0) throw new IOException("cannot unmount " + point + ": " + Linux.describe(-r));
    }

    /// Takes the mount away whoever uses it: their calls fail from now on.
    void abort() {
        if (fusermount == null) {
            // FORCE aborts the connection even when it answers EBUSY; DETACH then removes the name.
            MountCalls.umount2(point.toString(), MountCalls.MNT_FORCE);
            MountCalls.umount2(point.toString(), MountCalls.MNT_DETACH);
            return;
        }
        try {
            run(fusermount, "-u", "-z", "--", point.toString());
        } catch (IOException e) {
            log.warn("{}", e.getMessage());
        }
    }

    private static void run(String... command) throws IOException {
        int[] errors = MountCalls.pipe();
        try {
            int pid = MountCalls.spawn(command[0], command, environment("LC_ALL=C"), errors[1]);
            Linux.close(errors[1]);
            if (pid < 0) throw new IOException("cannot run " + command[0] + ": " + Linux.describe(-pid));
            var said = MountCalls.readAll(errors[0]);
            int status = MountCalls.waitFor(pid);
            if (status != 0)
                throw new IOException("`%s` ended with status %d: %s".formatted(String.join(" ", command), status, said));
        } finally {
            Linux.close(errors[0]);
        }
    }
}
