package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.AT_FDCWD;
import static dev.cairn.it.posix.Linux.AT_REMOVEDIR;
import static dev.cairn.it.posix.Linux.AT_SYMLINK_NOFOLLOW;

import dev.cairn.it.posix.Linux.Call;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// The kernel's file system calls, as one user. Each returns what the kernel returned, or the negated errno.
///
/// Names and targets are bytes to the kernel: a `String` here stands for bytes, one char (Latin-1) for each.
///
/// Another user's call changes the credentials of this thread only, and only around the call itself: classes that the
/// JVM loads lazily would otherwise be opened as somebody who may not read them.
final class Posix {
    /// One name of a directory, and the cookie from which a later getdents goes on behind it.
    record Entry(String name, long ino, int type, long next) {}

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = STATE.varHandle(StructLayout.PathElement.groupElement("errno"));
    private static final MethodHandle SYSCALL = LINKER.downcallHandle(LINKER.defaultLookup().find("syscall").orElseThrow(),
            FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG),
            Linker.Option.firstVariadicArg(1), Linker.Option.captureCallState("errno"));

    static final Posix SELF = new Posix(-1, -1);

    final int uid;
    final int gid;
    private final int[] groups;

    private Posix(int uid, int gid, int... groups) {
        this.uid = uid;
        this.gid = gid;
        this.groups = groups;
    }

    static Posix as(int uid, int gid, int... groups) {
        return new Posix(uid, gid, groups);
    }

    @Override
    public String toString() {
        return uid < 0 ? "self" : "uid " + uid;
    }

    // --- names

    long open(String path, int flags, int mode) {
        return openat(AT_FDCWD, path, flags, mode);
    }

    long openat(int dir, String path, int flags, int mode) {
        return onPath(path, at -> call(Call.OPENAT, dir, at, flags, mode));
    }

    long mkdir(String path, int mode) {
        return onPath(path, at -> call(Call.MKDIRAT, AT_FDCWD, at, mode));
    }

    long mknod(String path, int mode, long device) {
        return onPath(path, at -> call(Call.MKNODAT, AT_FDCWD, at, mode, device));
    }

    long mkfifo(String path, int mode) {
        return mknod(path, mode | Linux.S_IFIFO, 0);
    }

    long unlink(String path) {
        return unlinkat(AT_FDCWD, path, 0);
    }

    long rmdir(String path) {
        return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
    }

    long unlinkat(int dir, String path, int flags) {
        return onPath(path, at -> call(Call.UNLINKAT, dir, at, flags));
    }

    long link(String from, String to) {
        return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
    }

    long linkat(int fromDir, String from, int toDir, String to, int flags) {
        return onPaths(from, to, (a, b) -> call(Call.LINKAT, fromDir, a, toDir, b, flags));
    }

    long symlink(String target, String path) {
        return onPaths(target, path, (a, b) -> call(Call.SYMLINKAT, a, AT_FDCWD, b));
    }

    long symlinkat(String target, int dir, String path) {
        return onPaths(target, path, (a, b) -> call(Call.SYMLINKAT, a, dir, b));
    }

    /// The target, or null where [#readlink(String, int)] would fail.
    String readlink(String path) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(4097);
            long length = readlink(arena, path, buffer);
            return length < 0 ? null : text(buffer, length);
        }
    }

    long readlink(String path, int room) {
        try (var arena = Arena.ofConfined()) {
            return readlink(arena, path, arena.allocate(Math.max(1, room)).asSlice(0, room));
        }
    }

    private long readlink(Arena arena, String path, MemorySegment buffer) {
        return call(Call.READLINKAT, AT_FDCWD, bytes(arena, path), buffer.address(), buffer.byteSize());
    }

    long rename(String from, String to) {
        return renameat2(from, to, 0);
    }

    long renameat2(String from, String to, int flags) {
        return onPaths(from, to, (a, b) -> call(Call.RENAMEAT2, AT_FDCWD, a, AT_FDCWD, b, flags));
    }

    long renameat2(int fromDir, String from, int toDir, String to, int flags) {
        return onPaths(from, to, (a, b) -> call(Call.RENAMEAT2, fromDir, a, toDir, b, flags));
    }

    // --- attributes

    /// null when the call fails; [#statAnswer] tells why.
    Stat stat(String path) {
        return stat(AT_FDCWD, path, 0);
    }

    Stat lstat(String path) {
        return stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
    }

    Stat fstat(int fd) {
        return stat(fd, "", Linux.AT_EMPTY_PATH);
    }

    private Stat stat(int dir, String path, int flags) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(Stat.BYTES, 8);
            return statx(arena, dir, path, flags, buffer) < 0 ? null : Stat.of(buffer);
        }
    }

    long statAnswer(String path, int flags) {
        try (var arena = Arena.ofConfined()) {
            return statx(arena, AT_FDCWD, path, flags, arena.allocate(Stat.BYTES, 8));
        }
    }

    private static final long STATX_BASIC_STATS = 0x7ff, STATX_BTIME = 0x800;

    private long statx(Arena arena, int dir, String path, int flags, MemorySegment buffer) {
        return call(Call.STATX, dir, bytes(arena, path), flags, STATX_BASIC_STATS | STATX_BTIME, buffer.address());
    }

    long chmod(String path, int mode) {
        return onPath(path, at -> call(Call.FCHMODAT, AT_FDCWD, at, mode));
    }

    long fchmod(int fd, int mode) {
        return call(Call.FCHMOD, fd, mode);
    }

    long chown(String path, int uid, int gid) {
        return onPath(path, at -> call(Call.FCHOWNAT, AT_FDCWD, at, uid, gid, 0));
    }

    long lchown(String path, int uid, int gid) {
        return onPath(path, at -> call(Call.FCHOWNAT, AT_FDCWD, at, uid, gid, AT_SYMLINK_NOFOLLOW));
    }

    long fchown(int fd, int uid, int gid) {
        return call(Call.FCHOWN, fd, uid, gid);
    }

    /// Both times to now, as `touch` does.
    long utimeNow(String path) {
        return onPath(path, at -> call(Call.UTIMENSAT, AT_FDCWD, at, 0, 0));
    }

    long utimens(String path, long atime, long atimeNanos, long mtime, long mtimeNanos, int flags) {
        try (var arena = Arena.ofConfined()) {
            var times = arena.allocateFrom(ValueLayout.JAVA_LONG, atime, atimeNanos, mtime, mtimeNanos);
            return call(Call.UTIMENSAT, AT_FDCWD, bytes(arena, path), times.address(), flags);
        }
    }

    long truncate(String path, long size) {
        return onPath(path, at -> call(Call.TRUNCATE, at, size));
    }

    /// By the real and effective user alike: they do not differ here.
    long access(String path, int mode) {
        return onPath(path, at -> call(Call.FACCESSAT2, AT_FDCWD, at, mode, 0));
    }

    static boolean isRoot() {
        return raw(Call.GETEUID) == 0;
    }

    static int umask(int mask) {
        return (int) SELF.call(Call.UMASK, mask);
    }

    /// Has the kernel forget every name and page of a mount that is not in use: what is asked next, the file system answers.
    long forgetCached(String mountPoint) {
        return onPath(mountPoint, at -> call(Call.MOUNT, 0, at, 0, Linux.MS_REMOUNT, 0));
    }

    /// The clock by which the kernel's own file systems stamp: it goes in steps of some milliseconds.
    static Instant coarseTime() {
        try (var arena = Arena.ofConfined()) {
            var time = arena.allocate(16, 8);
            must(raw(Call.CLOCK_GETTIME, Linux.CLOCK_REALTIME_COARSE, time.address()));
            return Instant.ofEpochSecond(time.get(ValueLayout.JAVA_LONG, 0), time.get(ValueLayout.JAVA_LONG, 8));
        }
    }

    boolean hasDevicesAndRelatime(String path) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(256, 8);
            must(call(Call.STATFS, bytes(arena, path), buffer.address()));
            // f_flags; ST_NODEV and ST_RELATIME
            long flags = buffer.get(ValueLayout.JAVA_LONG, 80);
            return (flags & 4) == 0 && (flags & 0x1000) != 0;
        }
    }

    /// Free blocks for anybody, in bytes.
    long freeBytes(String path) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(256, 8);
            long result = call(Call.STATFS, bytes(arena, path), buffer.address());
            return result < 0 ? result : buffer.get(ValueLayout.JAVA_LONG, 8) * buffer.get(ValueLayout.JAVA_LONG, 24);
        }
    }

    // --- contents

    long close(int fd) {
        return call(Call.CLOSE, fd);
    }

    long write(int fd, byte[] data) {
        return withBytes(data, at -> call(Call.WRITE, fd, at, data.length));
    }

    long pwrite(int fd, byte[] data, long offset) {
        return withBytes(data, at -> call(Call.PWRITE, fd, at, data.length, offset));
    }

    /// What one read(2) gives; null when it fails.
    byte[] read(int fd, int length) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(Math.max(1, length));
            return taken(buffer, call(Call.READ, fd, buffer.address(), length));
        }
    }

    byte[] pread(int fd, int length, long offset) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(Math.max(1, length));
            return taken(buffer, call(Call.PREAD, fd, buffer.address(), length, offset));
        }
    }

    long readAnswer(int fd, int length) {
        try (var arena = Arena.ofConfined()) {
            return call(Call.READ, fd, arena.allocate(Math.max(1, length)).address(), length);
        }
    }

    /// From and to memory as O_DIRECT wants it.
    long pwriteAligned(int fd, byte value, int length, long offset) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(length, 4096).fill(value);
            return call(Call.PWRITE, fd, buffer.address(), length, offset);
        }
    }

    /// As [#pwriteAligned], but as libaio does it: the kernel is asked to write, and only later whether it has.
    long pwriteUnwaited(int fd, byte value, int length, long offset) {
        try (var arena = Arena.ofConfined()) {
            var context = arena.allocate(8, 8);
            must(raw(Call.IO_SETUP, 1, context.address()));
            try {
                // struct iocb and struct io_event of linux/aio_abi.h
                var request = arena.allocate(64, 8);
                request.set(ValueLayout.JAVA_SHORT, 16, (short) 1);
                request.set(ValueLayout.JAVA_INT, 20, fd);
                request.set(ValueLayout.JAVA_LONG, 24, arena.allocate(length, 4096).fill(value).address());
                request.set(ValueLayout.JAVA_LONG, 32, length);
                request.set(ValueLayout.JAVA_LONG, 40, offset);
                long submitted = call(Call.IO_SUBMIT, context.get(ValueLayout.JAVA_LONG, 0), 1, arena.allocateFrom(ValueLayout.JAVA_LONG, request.address()).address());
                if (submitted < 0) return submitted;
                var ended = arena.allocate(32, 8);
                must(raw(Call.IO_GETEVENTS, context.get(ValueLayout.JAVA_LONG, 0), 1, 1, ended.address(), 0));
                return ended.get(ValueLayout.JAVA_LONG, 16);
            } finally {
                must(raw(Call.IO_DESTROY, context.get(ValueLayout.JAVA_LONG, 0)));
            }
        }
    }

    byte[] preadAligned(int fd, int length, long offset) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(length, 4096);
            return taken(buffer, call(Call.PREAD, fd, buffer.address(), length, offset));
        }
    }

    long writeFrom(int fd, long address, int length) {
        return call(Call.WRITE, fd, address, length);
    }

    long readTo(int fd, long address, int length) {
        return call(Call.READ, fd, address, length);
    }

    /// A call `(dir, path, …)` whose path is at no address.
    static long badPath(Call call) {
        return SELF.call(call, AT_FDCWD, 8, 0, 0);
    }

    /// A call `(dir, path, …)` with another directory than the working one, and other arguments as they are.
    long relativeTo(Call call, int dir, String path, long... others) {
        return onPath(path, at -> {
            var arguments = new long[2 + others.length];
            arguments[0] = dir;
            arguments[1] = at;
            System.arraycopy(others, 0, arguments, 2, others.length);
            return call(call, arguments);
        });
    }

    long lseek(int fd, long offset, int whence) {
        return call(Call.LSEEK, fd, offset, whence);
    }

    long ftruncate(int fd, long size) {
        return call(Call.FTRUNCATE, fd, size);
    }

    /// The file handle of a file, as an NFS server keeps it: struct file_handle, with the length and type in front.
    byte[] handle(String path) {
        try (var arena = Arena.ofConfined()) {
            int room = 128;
            var buffer = arena.allocate(8 + room, 8);
            buffer.set(ValueLayout.JAVA_INT, 0, room);
            var mountId = arena.allocate(ValueLayout.JAVA_INT);
            long got = onPath(path, at -> call(Call.NAME_TO_HANDLE_AT, AT_FDCWD, at, buffer.address(), mountId.address(), 0));
            if (got < 0) throw new IllegalStateException("name_to_handle_at " + path + ": " + Linux.answer(got));
            return buffer.asSlice(0, 8 + buffer.get(ValueLayout.JAVA_INT, 0)).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /// Opens what the handle means on the file system of an open file.
    long openByHandle(int mountFd, byte[] handle, int flags) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(handle.length, 8).copyFrom(MemorySegment.ofArray(handle));
            return call(Call.OPEN_BY_HANDLE_AT, mountFd, buffer.address(), flags);
        }
    }

    long fallocate(int fd, int mode, long offset, long length) {
        return call(Call.FALLOCATE, fd, mode, offset, length);
    }

    long fsync(int fd) {
        return call(Call.FSYNC, fd);
    }

    long fdatasync(int fd) {
        return call(Call.FDATASYNC, fd);
    }

    long copyFileRange(int from, long fromAt, int to, long toAt, long length) {
        try (var arena = Arena.ofConfined()) {
            var offsets = arena.allocateFrom(ValueLayout.JAVA_LONG, fromAt, toAt);
            return call(Call.COPY_FILE_RANGE, from, offsets.address(), to, offsets.address() + 8, length, 0);
        }
    }

    /// A mapping of the file, or null when the kernel refuses it. It goes with [#munmap].
    MemorySegment mmap(int fd, long offset, long length, int protection, int flags) {
        long at = call(Call.MMAP, 0, length, protection, flags, fd, offset);
        return at < 0 && at > -4096 ? null : MemorySegment.ofAddress(at).reinterpret(length);
    }

    long msync(MemorySegment mapping) {
        return call(Call.MSYNC, mapping.address(), mapping.byteSize(), Linux.MS_SYNC);
    }

    long munmap(MemorySegment mapping) {
        return call(Call.MUNMAP, mapping.address(), mapping.byteSize());
    }

    // --- directories

    /// The names that one getdents64 into `room` bytes gives from the descriptor's position on: empty at the end.
    List<Entry> getdents(int fd, int room) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(room, 8);
            long length = call(Call.GETDENTS64, fd, buffer.address(), room);
            if (length < 0) throw new AssertionError("getdents64: " + Linux.answer(length));
            var entries = new ArrayList<Entry>();
            for (long at = 0; at < length; at += buffer.get(ValueLayout.JAVA_SHORT, at + 16) & 0xffff)
                entries.add(new Entry(buffer.getString(at + 19, StandardCharsets.ISO_8859_1), buffer.get(ValueLayout.JAVA_LONG, at),
                        buffer.get(ValueLayout.JAVA_BYTE, at + 18), buffer.get(ValueLayout.JAVA_LONG, at + 8)));
            return entries;
        }
    }

    // --- extended attributes

    long setxattr(String path, String name, byte[] value, int flags) {
        return setxattr(Call.SETXATTR, path, name, value, flags);
    }

    long lsetxattr(String path, String name, byte[] value, int flags) {
        return setxattr(Call.LSETXATTR, path, name, value, flags);
    }

    private long setxattr(Call call, String path, String name, byte[] value, int flags) {
        return withBytes(value, at -> onPaths(path, name, (a, b) -> call(call, a, b, at, value.length, flags)));
    }

    /// The value, or null where [#getxattr(String, String, int)] would fail.
    byte[] getxattr(String path, String name) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(65536);
            return taken(buffer, onPaths(path, name, (a, b) -> call(Call.LGETXATTR, a, b, buffer.address(), 65536)));
        }
    }

    long getxattr(String path, String name, int room) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(Math.max(1, room));
            return onPaths(path, name, (a, b) -> call(Call.LGETXATTR, a, b, buffer.address(), room));
        }
    }

    /// Names in the kernel's order; null when the call fails.
    List<String> listxattr(String path) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(65536);
            long length = onPath(path, at -> call(Call.LLISTXATTR, at, buffer.address(), 65536));
            if (length < 0) return null;
            return length == 0 ? List.of() : List.of(text(buffer, length).split("\0"));
        }
    }

    long listxattr(String path, int room) {
        try (var arena = Arena.ofConfined()) {
            var buffer = arena.allocate(Math.max(1, room));
            return onPath(path, at -> call(Call.LLISTXATTR, at, buffer.address(), room));
        }
    }

    long removexattr(String path, String name) {
        return onPaths(path, name, (a, b) -> call(Call.LREMOVEXATTR, a, b));
    }

    // --- locks

    long flock(int fd, int operation) {
        return call(Call.FLOCK, fd, operation);
    }

    long fcntl(int fd, int command, long argument) {
        return call(Call.FCNTL, fd, command, argument);
    }

    /// A record lock on `[from, from + length)`; `command` is F_SETLK, or F_OFD_SETLK, which also meets this process's own.
    long lock(int fd, int command, int type, long from, long length) {
        try (var arena = Arena.ofConfined()) {
            return call(Call.FCNTL, fd, command, range(arena, type, from, length).address());
        }
    }

    /// The type of a lock that would be in the way: F_UNLCK for none.
    int lockInTheWay(int fd, int command, int type, long from, long length) {
        try (var arena = Arena.ofConfined()) {
            var range = range(arena, type, from, length);
            long result = call(Call.FCNTL, fd, command, range.address());
            if (result < 0) throw new AssertionError("fcntl: " + Linux.answer(result));
            return range.get(ValueLayout.JAVA_SHORT, 0);
        }
    }

    private static MemorySegment range(Arena arena, int type, long from, long length) {
        var range = arena.allocate(32, 8);
        range.set(ValueLayout.JAVA_SHORT, 0, (short) type);
        range.set(ValueLayout.JAVA_LONG, 8, from);
        range.set(ValueLayout.JAVA_LONG, 16, length);
        return range;
    }

    // --- the call itself

    private interface OnePath { long on(long path); }

    private interface TwoPaths { long on(long a, long b); }

    private long onPath(String path, OnePath call) {
        try (var arena = Arena.ofConfined()) {
            return call.on(bytes(arena, path));
        }
    }

    private long onPaths(String a, String b, TwoPaths call) {
        try (var arena = Arena.ofConfined()) {
            return call.on(bytes(arena, a), bytes(arena, b));
        }
    }

    private long withBytes(byte[] data, OnePath call) {
        try (var arena = Arena.ofConfined()) {
            return call.on(data.length == 0 ? arena.allocate(1).address() : arena.allocateFrom(ValueLayout.JAVA_BYTE, data).address());
        }
    }

    private static long bytes(Arena arena, String text) {
        return arena.allocateFrom(text, StandardCharsets.ISO_8859_1).address();
    }

    private static String text(MemorySegment buffer, long length) {
        return new String(buffer.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.ISO_8859_1);
    }

    private static byte[] taken(MemorySegment buffer, long length) {
        return length < 0 ? null : buffer.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
    }

    private long call(Call call, long... arguments) {
        if (uid < 0) return raw(call, arguments);
        // The saved ids stay 0: they are the way back. Without an effective id of 0 no capability is effective either.
        try (var arena = Arena.ofConfined()) {
            must(raw(Call.SETGROUPS, groups.length, groups.length == 0 ? 0 : arena.allocateFrom(ValueLayout.JAVA_INT, groups).address()));
            must(raw(Call.SETRESGID, gid, gid, 0));
            must(raw(Call.SETRESUID, uid, uid, 0));
            try {
                return raw(call, arguments);
            } finally {
                must(raw(Call.SETRESUID, 0, 0, 0));
                must(raw(Call.SETRESGID, 0, 0, 0));
                must(raw(Call.SETGROUPS, 0, 0));
            }
        }
    }

    private static void must(long result) {
        if (result < 0) throw new IllegalStateException("credentials of a thread: " + Linux.answer(result));
    }

    private static long raw(Call call, long... arguments) {
        var a = Arrays.copyOf(arguments, 6);
        try (var arena = Arena.ofConfined()) {
            var state = arena.allocate(STATE);
            long result = (long) SYSCALL.invokeExact(state, (long) call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
            return result == -1 ? -(int) ERRNO.get(state, 0L) : result;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
