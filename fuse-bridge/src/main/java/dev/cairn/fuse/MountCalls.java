package dev.cairn.fuse;

import static dev.cairn.fuse.Linux.EINTR;
import static dev.cairn.fuse.Linux.O_CLOEXEC;
import static dev.cairn.fuse.Linux.call;
import static dev.cairn.fuse.Linux.describe;
import static dev.cairn.fuse.Linux.errno;
import static dev.cairn.fuse.Linux.errnoMemory;
import static dev.cairn.fuse.Linux.read;
import static dev.cairn.fuse.Linux.result;
import static dev.cairn.fuse.Linux.unexpected;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.time.Duration;

/// What mounting and unmounting ask of the kernel and of fusermount3 beyond [Linux], in the same manner: a call that fails
/// returns minus errno. A class of its own because binding a call takes milliseconds, and a command that only asks a mount
/// needs none of these.
final class MountCalls {
    static final long MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_SYNCHRONOUS = 16, MS_DIRSYNC = 128,
            MS_NOSYMFOLLOW = 256, MS_NOATIME = 1024, MS_NODIRATIME = 2048;
    static final int MNT_FORCE = 1, MNT_DETACH = 2;

    // Every handle takes the captured errno as its first argument; the linker puts it there.
    private static final MethodHandle MOUNT =
            call("mount", JAVA_INT, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, ADDRESS);
    private static final MethodHandle UMOUNT2 = call("umount2", JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle STATFS = call("statfs", JAVA_INT, ADDRESS, ADDRESS);
    private static final MethodHandle SOCKETPAIR = call("socketpair", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS);
    private static final MethodHandle SETSOCKOPT = call("setsockopt", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle RECVMSG = call("recvmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle PIPE2 = call("pipe2", JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle WAITPID = call("waitpid", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle POSIX_SPAWN =
            call("posix_spawn", JAVA_INT, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
    private static final MethodHandle ACTIONS_INIT = call("posix_spawn_file_actions_init", JAVA_INT, ADDRESS);
    private static final MethodHandle ACTIONS_DESTROY = call("posix_spawn_file_actions_destroy", JAVA_INT, ADDRESS);
    private static final MethodHandle ACTIONS_DUP2 =
            call("posix_spawn_file_actions_adddup2", JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);

    private MountCalls() {}

    static int mount(String source, String target, String type, long flags, String options) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) MOUNT.invokeExact(errno, arena.allocateFrom(source), arena.allocateFrom(target),
                    arena.allocateFrom(type), flags, arena.allocateFrom(options)), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int umount2(String target, int flags) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) UMOUNT2.invokeExact(errno, arena.allocateFrom(target), flags), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// 0 or minus errno; what statfs(2) says is not looked at.
    static int statfs(String path) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            return result((int) STATFS.invokeExact(errno, arena.allocateFrom(path), arena.allocate(256, 8)), errno);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    // ---- for fusermount3: a child process that inherits one end of a socket, and the file descriptor it sends

    static final int SOCK_STREAM = 1, SOCK_SEQPACKET = 5;

    /// Two connected sockets; both are inherited by children.
    static int[] socketPair(int type) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var pair = arena.allocate(JAVA_INT, 2);
            int r = result((int) SOCKETPAIR.invokeExact(errno, 1 /* AF_UNIX */, type, 0, pair), errno);
            if (r < 0) throw new IOException("socketpair: " + describe(-r));
            return new int[] {pair.getAtIndex(JAVA_INT, 0), pair.getAtIndex(JAVA_INT, 1)};
        } catch (IOException e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Reading from the socket answers EAGAIN when nothing has come for so long.
    static void receiveWithin(int socket, Duration time) throws IOException {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var timeval = arena.allocate(16, 8);
            timeval.set(JAVA_LONG, 0, time.toSeconds());
            timeval.set(JAVA_LONG, 8, time.toNanosPart() / 1000);
            int r = result((int) SETSOCKOPT.invokeExact(errno, socket, 1 /* SOL_SOCKET */, 20 /* SO_RCVTIMEO */, timeval, 16), errno);
            if (r < 0) throw new IOException("setsockopt: " + describe(-r));
        } catch (IOException e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// A pipe that closes on exec, read end first: its write end reaches a child only as the stderr that [#spawn] makes of it.
    static int[] pipe() throws IOException {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var pair = arena.allocate(JAVA_INT, 2);
            int r = result((int) PIPE2.invokeExact(errno, pair, O_CLOEXEC), errno);
            if (r < 0) throw new IOException("pipe2: " + describe(-r));
            return new int[] {pair.getAtIndex(JAVA_INT, 0), pair.getAtIndex(JAVA_INT, 1)};
        } catch (IOException e) {
            throw e;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Starts a program that inherits every descriptor not marked close-on-exec, with `stderr` as its standard error.
    ///
    /// @return its pid, or minus errno
    static int spawn(String program, String[] arguments, String[] environment, int stderr) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var actions = arena.allocate(512, 16);      // posix_spawn_file_actions_t is opaque: 80 bytes in glibc
            var pid = arena.allocate(JAVA_INT);
            var _ = (int) ACTIONS_INIT.invokeExact(errno, actions);
            int error = (int) ACTIONS_DUP2.invokeExact(errno, actions, stderr, 2);
            if (error == 0)
                error = (int) POSIX_SPAWN.invokeExact(errno, pid, arena.allocateFrom(program), actions,
                        MemorySegment.NULL, strings(arena, arguments), strings(arena, environment));
            var _ = (int) ACTIONS_DESTROY.invokeExact(errno, actions);
            return error == 0 ? pid.get(JAVA_INT, 0) : -error;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Waits for a child; its exit status, 128 + signal when one killed it, or minus errno.
    static int waitFor(int pid) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var status = arena.allocate(JAVA_INT);
            int r;
            do {
                r = result((int) WAITPID.invokeExact(errno, pid, status, 0), errno);
            } while (r == -EINTR);
            if (r < 0) return r;
            int s = status.get(JAVA_INT, 0);
            return (s & 0x7f) == 0 ? s >> 8 & 0xff : 128 + (s & 0x7f);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Receives one message that carries a file descriptor (SCM_RIGHTS).
    ///
    /// @return the descriptor, closed on exec; minus errno; or 0 when the other end closed or sent no descriptor
    static int receiveDescriptor(int socket) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var data = arena.allocate(8, 8);
            var vector = arena.allocate(16, 8);
            vector.set(ADDRESS, 0, data);
            vector.set(JAVA_LONG, 8, 1);
            // struct cmsghdr { size_t len; int level; int type; int fd; }, padded to 24
            var control = arena.allocate(24, 8);
            // struct msghdr { void *name; u32 namelen; iovec *iov; size_t iovlen; void *control; size_t controllen; int flags; }
            var message = arena.allocate(56, 8);
            message.set(ADDRESS, 16, vector);
            message.set(JAVA_LONG, 24, 1);
            message.set(ADDRESS, 32, control);
            message.set(JAVA_LONG, 40, control.byteSize());
            long n;
            do {
                n = (long) RECVMSG.invokeExact(errno, socket, message, 0x40000000 /* MSG_CMSG_CLOEXEC */);
                if (n < 0) n = -errno(errno);
            } while (n == -EINTR);
            if (n < 0) return (int) n;
            boolean carriesOne = n > 0 && message.get(JAVA_LONG, 40) >= 20 && control.get(JAVA_LONG, 0) >= 20
                    && control.get(JAVA_INT, 8) == 1 /* SOL_SOCKET */ && control.get(JAVA_INT, 12) == 1 /* SCM_RIGHTS */;
            return carriesOne ? control.get(JAVA_INT, 16) : 0;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Reads until the end; what a child wrote to its standard error.
    static String readAll(int fd) {
        try (var arena = Arena.ofConfined()) {
            var errno = errnoMemory(arena);
            var buffer = arena.allocate(4096);
            var text = new StringBuilder();
            for (;;) {
                long n = read(errno, fd, buffer, buffer.byteSize());
                if (n == -EINTR) continue;
                if (n <= 0) return text.toString().strip();
                text.append(new String(buffer.asSlice(0, n).toArray(JAVA_BYTE),
                        java.nio.charset.StandardCharsets.UTF_8));
            }
        }
    }

    private static MemorySegment strings(Arena arena, String[] strings) {
        var array = arena.allocate(ADDRESS, strings.length + 1L);       // the last one stays null
        for (int i = 0; i < strings.length; i++) array.setAtIndex(ADDRESS, i, arena.allocateFrom(strings[i]));
        return array;
    }
}
