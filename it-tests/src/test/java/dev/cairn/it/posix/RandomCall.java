package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static dev.cairn.it.posix.World.digest;

import java.io.Serializable;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.function.LongSupplier;

/// One call of a random sequence. It names everything that it touches, so that any part of a sequence can be played
/// alone; what it answers is the same text on every correct file system.
sealed interface RandomCall extends Serializable {
    String on(World world);

    /// Made by another process, with its own open files.
    record Elsewhere(int process, RandomCall call) implements RandomCall {
        public String on(World w) {
            return w.in(process, call);
        }
    }

    record OpenFiles() implements RandomCall {
        public String on(World w) {
            return String.join(", ", w.openFiles());
        }
    }

    /// Which times have moved since the last such look of the same process.
    record Moved() implements RandomCall {
        public String on(World w) {
            return w.moved();
        }
    }

    record Append(int by, String name, int length, long seed) implements RandomCall {
        public String on(World w) {
            long fd = w.user(by).open(w.path(name), O_WRONLY | O_APPEND | O_NONBLOCK, 0);
            if (fd < 0) return answer(fd);
            var written = answer(w.user(by).write((int) fd, bytes(length, seed)));
            // The kernel keeps a FIFO's bytes to itself and does not tell FUSE of the time.
            if (Posix.SELF.fstat((int) fd).type() == S_IFIFO) settle("/proc/self/fd/" + fd, 0);
            Posix.SELF.close((int) fd);
            return written + "; " + w.look(name);
        }
    }

    /// To a file that all processes share; how long it is then depends on the others.
    record AppendShared(int process, int number) implements RandomCall {
        public String on(World w) {
            long fd = Posix.SELF.open(w.shared(), O_WRONLY | O_APPEND, 0);
            if (fd < 0) return answer(fd);
            var written = answer(Posix.SELF.write((int) fd, PosixTest.bytes(text())));
            Posix.SELF.close((int) fd);
            return written;
        }

        String text() {
            return process + "-" + number + " " + "x".repeat(number * 131 % 6000) + "\n";
        }
    }

    /// Where holes and data are is the file system's affair. But it must tell them all, in order, what it calls a hole
    /// must be one, and data must have blocks. How many more there are is not told: ext4 counts what is allocated and not
    /// written, where its extents are, and a block of attributes; [AllocateTest] and [LengthTest] count Cairn's.
    record Holes(int slot, long from) implements RandomCall {
        public String on(World w) {
            int fd = w.slot(slot);
            var stat = fd < 0 ? null : Posix.SELF.fstat(fd);
            if (stat == null || stat.type() != S_IFREG) return "no file";
            long reader = Posix.SELF.open("/proc/self/fd/" + fd, O_RDONLY, 0);
            if (reader < 0) return answer(reader);
            try {
                if (from >= stat.size()) return answer(Posix.SELF.lseek((int) reader, from, SEEK_DATA))
                        + " " + answer(Posix.SELF.lseek((int) reader, from, SEEK_HOLE));
                return holes((int) reader, from);
            } finally {
                Posix.SELF.close((int) reader);
            }
        }

        static String holes(int fd, long from) {
            var stat = Posix.SELF.fstat(fd);
            long size = stat.size(), bytes = 0;
            for (long at = from; at < size; ) {
                long data = Posix.SELF.lseek(fd, at, SEEK_DATA);
                if (data < 0 && data != -ENXIO || data >= 0 && (data < at || data >= size)) return "data at " + answer(data) + " from " + at;
                for (byte b : Posix.SELF.pread(fd, (int) ((data < 0 ? size : data) - at), at)) if (b != 0) return "data in a hole at " + at;
                if (data < 0) break;
                long hole = Posix.SELF.lseek(fd, data, SEEK_HOLE);
                if (hole <= data || hole > size) return "a hole at " + answer(hole) + " behind " + data;
                bytes += hole - data;
                at = hole;
            }
            return stat.blocks() * 512 < bytes ? "%d bytes of data in %d blocks".formatted(bytes, stat.blocks()) : "consistent";
        }
    }

    record Access(int by, String name, int mode) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).access(w.path(name), mode));
        }
    }

    record ChmodOpen(int by, int slot, int mode) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).fchmod(w.slot(slot), mode)) + lookAt(w, slot);
        }
    }

    record ChownOpen(int by, int slot, int uid, int gid) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).fchown(w.slot(slot), uid, gid)) + lookAt(w, slot);
        }
    }

    record GetXattr(int by, String name, String attribute, int room) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).getxattr(w.path(name), attribute, room));
        }
    }

    record Flock(int slot, int operation) implements RandomCall {
        public String on(World w) {
            return answer(Posix.SELF.flock(w.slot(slot), operation | LOCK_NB));
        }
    }

    record Lock(int slot, boolean ofProcess, int type, long from, long length) implements RandomCall {
        public String on(World w) {
            return answer(Posix.SELF.lock(w.slot(slot), ofProcess ? F_SETLK : F_OFD_SETLK, type, from, length));
        }
    }

    record Open(int by, int slot, String name, int flags, int mode) implements RandomCall {
        public String on(World w) {
            var opened = w.put(slot, w.user(by).open(w.path(name), flags | O_NONBLOCK, mode));
            return opened + "; " + w.look(name) + (opened.equals("open") && (flags & O_TRUNC) != 0 ? w.emptied(name) : "");
        }
    }

    record OpenUnnamed(int by, int slot, String directory, int mode) implements RandomCall {
        public String on(World w) {
            return w.put(slot, w.user(by).open(w.path(directory), O_TMPFILE | O_RDWR, mode)) + lookAt(w, slot);
        }
    }

    /// Whatever is open gets a further name: the first one, if it was made without.
    record Name(int slot, String to) implements RandomCall {
        public String on(World w) {
            var open = "/proc/self/fd/" + w.slot(slot);
            return answer(Posix.SELF.linkat(AT_FDCWD, open, AT_FDCWD, w.path(to), AT_SYMLINK_FOLLOW)) + "; " + w.look(to);
        }
    }

    record Close(int slot) implements RandomCall {
        public String on(World w) {
            return w.close(slot);
        }
    }

    record Write(int by, int slot, long at, int length, long seed) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).pwrite(w.slot(slot), bytes(length, seed), at)) + lookAt(w, slot);
        }
    }

    record Read(int slot, long at, int length) implements RandomCall {
        public String on(World w) {
            return digest(Posix.SELF.pread(w.slot(slot), length, at));
        }
    }

    /// Past the kernel's cache, so that every file system sees it: access times move by the rule of relatime. Of what is
    /// read from the cache a FUSE file system hears nothing, so other calls only say that a time has moved which must not.
    record ReadDirect(int slot, boolean noAtime) implements RandomCall {
        public String on(World w) {
            int fd = w.slot(slot);
            var before = fd < 0 ? null : Posix.SELF.fstat(fd);
            if (before == null || before.type() != S_IFREG || before.size() == 0) return "nothing to read";
            long reader = Posix.SELF.open("/proc/self/fd/" + fd, O_RDONLY | O_DIRECT | (noAtime ? O_NOATIME : 0), 0);
            if (reader < 0) return answer(reader);
            Times.awaitAfter(before.atime());
            boolean due = !noAtime && Times.due(before);
            var read = digest(Posix.SELF.preadAligned((int) reader, 1 << 20, 0));
            Posix.SELF.close((int) reader);
            boolean moved = !Posix.SELF.fstat(fd).atime().equals(before.atime());
            return read + (moved == due ? "" : moved ? ", atime moved" : ", atime did not move");
        }
    }

    record StoreMapped(int slot, int at, int length, long seed) implements RandomCall {
        public String on(World w) {
            int fd = w.slot(slot);
            var stat = fd < 0 ? null : Posix.SELF.fstat(fd);
            if (stat == null || stat.type() != S_IFREG || stat.size() < at + length) return "nothing to map";
            var mapping = Posix.SELF.mmap(fd, 0, at + length, PROT_READ | PROT_WRITE, MAP_SHARED);
            if (mapping == null) return "not mapped";
            var before = digest(mapping.asSlice(at, length).toArray(ValueLayout.JAVA_BYTE));
            mapping.asSlice(at, length).copyFrom(java.lang.foreign.MemorySegment.ofArray(bytes(length, seed)));
            var synced = answer(Posix.SELF.msync(mapping));
            Posix.SELF.munmap(mapping);
            // When a store becomes a change of mtime is the file system's own affair: it is settled here.
            settle("/proc/self/fd/" + fd, 0);
            return before + " " + synced;
        }
    }

    record Truncate(int by, String name, long size) implements RandomCall {
        public String on(World w) {
            var before = Posix.SELF.stat(w.path(name));
            long result = w.user(by).truncate(w.path(name), size);
            // "If the size changed" says truncate(2); ext4, and tmpfs but for 0, call it a change in any case.
            if (result == 0 && before.size() == size) settle(w.path(name), 0);
            return answer(result) + "; " + w.look(name) + (result == 0 && size == 0 ? w.emptied(name) : "");
        }
    }

    record Resize(int by, int slot, long size) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).ftruncate(w.slot(slot), size)) + lookAt(w, slot);
        }
    }

    record Allocate(int by, int slot, int mode, long at, long length) implements RandomCall {
        public String on(World w) {
            long result = w.user(by).fallocate(w.slot(slot), mode, at, length);
            if (result == -EOPNOTSUPP && (mode & ZERO_RANGE) != 0) result = zeroByHand(w, w.slot(slot));
            return answer(result) + lookAt(w, slot);
        }

        // tmpfs has no ZERO_RANGE: a hole and a length amount to the same.
        private long zeroByHand(World w, int fd) {
            long punched = w.user(by).fallocate(fd, PUNCH_HOLE | KEEP_SIZE, at, length);
            boolean longer = (mode & KEEP_SIZE) == 0 && at + length > Posix.SELF.fstat(fd).size();
            return punched < 0 || !longer ? punched : w.user(by).ftruncate(fd, at + length);
        }
    }

    record Copy(int from, long fromAt, int to, long toAt, int length) implements RandomCall {
        public String on(World w) {
            return answer(Posix.SELF.copyFileRange(w.slot(from), fromAt, w.slot(to), toAt, length)) + lookAt(w, to);
        }
    }

    record Sync(int slot) implements RandomCall {
        public String on(World w) {
            return answer(Posix.SELF.fsync(w.slot(slot)));
        }
    }

    record Mkdir(int by, String name, int mode) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).mkdir(w.path(name), mode)) + "; " + w.look(name);
        }
    }

    record Mkfifo(int by, String name, int mode) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).mkfifo(w.path(name), mode)) + "; " + w.look(name);
        }
    }

    record Symlink(int by, String target, String name) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).symlink(w.target(target), w.path(name))) + "; " + w.look(name) + " " + Posix.SELF.readlink(w.path(name));
        }
    }

    record Link(int by, String from, String to) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).link(w.path(from), w.path(to))) + "; " + w.look(from) + "; " + w.look(to);
        }
    }

    record Unlink(int by, String name) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).unlink(w.path(name))) + "; " + w.look(name);
        }
    }

    record Rmdir(int by, String name) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).rmdir(w.path(name))) + "; " + w.look(name);
        }
    }

    record Rename(int by, String from, String to, int flags) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).renameat2(w.path(from), w.path(to), isRefusedLate(w) ? flags & ~RENAME_WHITEOUT : flags))
                    + "; " + w.look(from) + "; " + w.look(to);
        }

        /// ext4 makes the whiteout before it finds that a directory is not empty, and takes it back: the parent's times have moved.
        private boolean isRefusedLate(World w) {
            var replaced = Posix.SELF.lstat(w.path(to));
            return replaced != null && replaced.type() == S_IFDIR;
        }
    }

    record Chmod(int by, String name, int mode) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).chmod(w.path(name), mode)) + "; " + w.look(name);
        }
    }

    record Chown(int by, String name, int uid, int gid) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).lchown(w.path(name), uid, gid)) + "; " + w.look(name);
        }
    }

    /// Each time a number of seconds, UTIME_NOW or UTIME_OMIT.
    record Utimens(int by, String name, long atime, long mtime) implements RandomCall {
        private static final int NANOS = 123_456_789;

        public String on(World w) {
            var before = Posix.SELF.lstat(w.path(name));
            var from = Posix.coarseTime();
            long result = w.user(by).utimens(w.path(name), atime, nanos(atime), mtime, nanos(mtime), AT_SYMLINK_NOFOLLOW);
            var to = Instant.now();
            var after = Posix.SELF.lstat(w.path(name));
            if (before == null || after == null) return answer(result) + "; " + w.look(name);
            // A symlink may be on the way to itself; that it is followed moves its atime.
            return answer(result) + "; " + w.look(name)
                    + (before.type() == S_IFLNK ? "" : became("atime", result < 0 ? UTIME_OMIT : atime, before.atime(), after.atime(), from, to))
                    + became("mtime", result < 0 ? UTIME_OMIT : mtime, before.mtime(), after.mtime(), from, to);
        }

        private static long nanos(long time) {
            return time == UTIME_NOW || time == UTIME_OMIT ? time : NANOS;
        }

        private static String became(String which, long told, Instant before, Instant after, Instant from, Instant to) {
            boolean right = told == UTIME_OMIT ? after.equals(before)
                    : told == UTIME_NOW ? !after.isBefore(from) && !after.isAfter(to) : after.equals(Instant.ofEpochSecond(told, NANOS));
            return right ? "" : ", %s of %s is %s".formatted(which, before, after);
        }
    }

    record SetXattr(int by, String name, String attribute, int length, int flags) implements RandomCall {
        public String on(World w) {
            return settledIfSame(w, name, () -> w.user(by).lsetxattr(w.path(name), attribute, bytes(length, length), flags)) + "; " + w.xattrs(name);
        }
    }

    record SetAcl(int by, String name, boolean byDefault, int owner, int named, int group, int mask, int others) implements RandomCall {
        public String on(World w) {
            return settledIfSame(w, name, () -> w.user(by).setxattr(w.path(name), "system.posix_acl_" + (byDefault ? "default" : "access"),
                    AclTest.forAlice(owner, named, group, mask, others), 0)) + "; " + w.look(name) + " " + w.xattrs(name);
        }
    }

    record RemoveAcl(int by, String name, boolean byDefault) implements RandomCall {
        public String on(World w) {
            return settledIfSame(w, name, () -> w.user(by).removexattr(w.path(name), "system.posix_acl_" + (byDefault ? "default" : "access")))
                    + "; " + w.look(name) + " " + w.xattrs(name);
        }
    }

    // ext4 looks whether an attribute gets another value, or a missing ACL is removed, and tmpfs does not: times are settled.
    private static String settledIfSame(World w, String name, LongSupplier call) {
        var before = w.look(name) + w.xattrs(name);
        long result = call.getAsLong();
        if (result == 0 && before.equals(w.look(name) + w.xattrs(name))) settle(w.path(name), AT_SYMLINK_NOFOLLOW);
        return answer(result);
    }

    record RemoveXattr(int by, String name, String attribute) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).removexattr(w.path(name), attribute)) + "; " + w.xattrs(name);
        }
    }

    record Look(String name) implements RandomCall {
        public String on(World w) {
            return w.look(name) + " " + w.xattrs(name) + "; followed: " + (Posix.SELF.stat(w.path(name)) instanceof Stat stat
                    ? World.look(stat) : answer(Posix.SELF.statAnswer(w.path(name), 0)));
        }
    }

    record ListNames(String name) implements RandomCall {
        public String on(World w) {
            return new TreeSet<>(w.names(name)).toString();
        }
    }

    /// After a call of which every file system may think as it likes whether it moves times: now they are what they are.
    private static void settle(String path, int flags) {
        Posix.SELF.utimens(path, 1, 0, 77, 0, flags);
    }

    private static String lookAt(World w, int slot) {
        return w.slot(slot) < 0 ? "" : "; " + World.look(Posix.SELF.fstat(w.slot(slot)));
    }

    private static byte[] bytes(int length, long seed) {
        var data = new byte[length];
        new SplittableRandom(seed).nextBytes(data);
        return data;
    }
}
