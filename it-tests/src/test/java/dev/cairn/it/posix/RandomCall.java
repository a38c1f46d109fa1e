package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static dev.cairn.it.posix.World.digest;

import java.io.Serializable;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;

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

    record Append(int by, String name, int length, long seed) implements RandomCall {
        public String on(World w) {
            long fd = w.user(by).open(w.path(name), O_WRONLY | O_APPEND | O_NONBLOCK, 0);
            if (fd < 0) return answer(fd);
            var written = answer(w.user(by).write((int) fd, bytes(length, seed)));
            // The kernel keeps a FIFO's bytes to itself and does not tell FUSE of the time.
            if (Posix.SELF.fstat((int) fd).type() == S_IFIFO) Posix.SELF.utimens("/proc/self/fd/" + fd, 1, 0, 77, 0, 0);
            Posix.SELF.close((int) fd);
            return written + "; " + w.look(name);
        }
    }

    /// Where holes and data are is the file system's affair. But it must tell them all, in order, and what it calls a hole
    /// must be one.
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
                return holes((int) reader, stat.size());
            } finally {
                Posix.SELF.close((int) reader);
            }
        }

        private String holes(int fd, long size) {
            for (long at = from; at < size; ) {
                long data = Posix.SELF.lseek(fd, at, SEEK_DATA);
                if (data < 0 && data != -ENXIO || data >= 0 && (data < at || data >= size)) return "data at " + answer(data) + " from " + at;
                for (byte b : Posix.SELF.pread(fd, (int) ((data < 0 ? size : data) - at), at)) if (b != 0) return "data in a hole at " + at;
                if (data < 0) break;
                long hole = Posix.SELF.lseek(fd, data, SEEK_HOLE);
                if (hole <= data || hole > size) return "a hole at " + answer(hole) + " behind " + data;
                at = hole;
            }
            return "consistent";
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
            return w.put(slot, w.user(by).open(w.path(name), flags | O_NONBLOCK, mode)) + "; " + w.look(name);
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
            Posix.SELF.utimens("/proc/self/fd/" + fd, 1, 0, 77, 0, 0);
            return before + " " + synced;
        }
    }

    record Truncate(int by, String name, long size) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).truncate(w.path(name), size)) + "; " + w.look(name);
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
            return answer(w.user(by).symlink(target, w.path(name))) + "; " + w.look(name) + " " + Posix.SELF.readlink(w.path(name));
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
            return answer(w.user(by).renameat2(w.path(from), w.path(to), flags)) + "; " + w.look(from) + "; " + w.look(to);
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

    record Utimens(int by, String name, int mtime) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).utimens(w.path(name), 1, 0, mtime, mtime, AT_SYMLINK_NOFOLLOW)) + "; " + w.look(name);
        }
    }

    record SetXattr(int by, String name, String attribute, int length, int flags) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).lsetxattr(w.path(name), attribute, bytes(length, length), flags)) + "; " + w.xattrs(name);
        }
    }

    record SetAcl(int by, String name, boolean byDefault, int owner, int named, int group, int mask, int others) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).setxattr(w.path(name), "system.posix_acl_" + (byDefault ? "default" : "access"),
                    AclTest.forAlice(owner, named, group, mask, others), 0)) + "; " + w.look(name) + " " + w.xattrs(name);
        }
    }

    record RemoveAcl(int by, String name, boolean byDefault) implements RandomCall {
        public String on(World w) {
            return answer(w.user(by).removexattr(w.path(name), "system.posix_acl_" + (byDefault ? "default" : "access")))
                    + "; " + w.look(name) + " " + w.xattrs(name);
        }
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

    private static String lookAt(World w, int slot) {
        return w.slot(slot) < 0 ? "" : "; " + World.look(Posix.SELF.fstat(w.slot(slot)));
    }

    private static byte[] bytes(int length, long seed) {
        var data = new byte[length];
        new SplittableRandom(seed).nextBytes(data);
        return data;
    }

    /// A sequence of calls on few names and few open files, so that they meet.
    static List<RandomCall> sequence(long seed, int length) {
        var random = new SplittableRandom(seed);
        var calls = new ArrayList<RandomCall>(length);
        for (int i = 0; i < length; i++) {
            var call = any(random);
            int process = random.nextInt(6);
            calls.add(process > 2 || process == 0 ? call : new Elsewhere(process, call));
        }
        return calls;
    }

    private static RandomCall any(SplittableRandom r) {
        int by = Math.max(0, r.nextInt(World.USERS + 4) - 4);
        int slot = r.nextInt(World.SLOTS);
        return switch (r.nextInt(76)) {
            case 0, 1, 2, 3, 4, 5 -> new Open(by, slot, name(r), OPEN_FLAGS[r.nextInt(OPEN_FLAGS.length)], mode(r, 0666));
            case 6 -> new Close(slot);
            case 7, 8, 9, 10, 11 -> new Write(by, slot, offset(r), length(r), r.nextLong());
            case 12, 13, 14 -> new Read(slot, offset(r), 1 + r.nextInt(100_000));
            case 15 -> new StoreMapped(slot, (int) offset(r), length(r), r.nextLong());
            case 16, 17 -> new Truncate(by, name(r), offset(r));
            case 18 -> new Resize(by, slot, offset(r));
            case 19, 20 -> new Allocate(by, slot, ALLOCATE_MODES[r.nextInt(ALLOCATE_MODES.length)], offset(r), length(r));
            case 21 -> new Copy(slot, offset(r), r.nextInt(World.SLOTS), offset(r), length(r));
            case 22 -> new Sync(slot);
            case 23, 24, 25, 26, 27 -> new Mkdir(by, name(r), mode(r, 0777));
            case 28 -> new Mkfifo(by, name(r), mode(r, 0666));
            case 29, 30 -> new Symlink(by, name(r), name(r));
            case 31, 32, 33 -> new Link(by, name(r), name(r));
            case 34, 35, 36, 37 -> new Unlink(by, name(r));
            case 38, 39 -> new Rmdir(by, name(r));
            case 40, 41, 42, 43, 44 -> new Rename(by, name(r), name(r), RENAME_FLAGS[r.nextInt(RENAME_FLAGS.length)]);
            case 45, 46 -> new Chmod(by, name(r), r.nextInt(010000));
            case 47 -> new Chown(by, name(r), owner(r, PosixTest.ALICE, PosixTest.BOB), group(r, by));
            case 48 -> new Utimens(by, name(r), r.nextInt(1000));
            case 49, 50 -> new SetXattr(by, name(r), attribute(r), r.nextInt(r.nextInt(8) == 0 ? 300 : 20), r.nextInt(3));
            case 51 -> new RemoveXattr(by, name(r), attribute(r));
            case 52, 53 -> new ListNames(name(r));
            case 54, 55 -> new OpenUnnamed(by, slot, name(r), mode(r, 0666));
            case 56, 57 -> new Name(slot, name(r));
            case 58, 59 -> new SetAcl(by, name(r), r.nextBoolean(), r.nextInt(8), r.nextInt(8), r.nextInt(8), r.nextInt(8), r.nextInt(8));
            case 60 -> new RemoveAcl(by, name(r), r.nextBoolean());
            case 61, 62, 63 -> new Append(by, name(r), length(r), r.nextLong());
            case 64, 65 -> new Holes(slot, offset(r));
            case 66 -> new Access(by, name(r), r.nextInt(8));
            case 67 -> new ChmodOpen(by, slot, r.nextInt(010000));
            case 68 -> new ChownOpen(by, slot, owner(r, PosixTest.ALICE, PosixTest.BOB), group(r, by));
            case 69, 70 -> new GetXattr(by, name(r), attribute(r), r.nextInt(3) * 30);
            case 71 -> new Flock(slot, LOCK_OPERATIONS[r.nextInt(LOCK_OPERATIONS.length)]);
            case 72, 73 -> new Lock(slot, r.nextBoolean(), r.nextInt(3), r.nextInt(100), r.nextInt(50));
            default -> new Look(name(r));
        };
    }

    int[] OPEN_FLAGS = {O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_CREAT | O_EXCL,
        O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_TRUNC, O_WRONLY | O_APPEND, O_RDONLY | O_DIRECTORY, O_RDONLY | O_NOFOLLOW};
    int[] ALLOCATE_MODES = {0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE};

    int[] RENAME_FLAGS = {0, 0, 0, 0, 0, 0, 0, RENAME_NOREPLACE, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, RENAME_WHITEOUT,
        RENAME_WHITEOUT | RENAME_NOREPLACE};
    int[] LOCK_OPERATIONS = {LOCK_SH, LOCK_EX, LOCK_UN};

    private static String name(SplittableRandom r) {
        var name = new StringBuilder();
        for (int depth = 1 + r.nextInt(3); depth > 0; depth--) name.append((char) ('a' + r.nextInt(4))).append(depth > 1 ? "/" : "");
        return name.toString();
    }

    private static int mode(SplittableRandom r, int usual) {
        return r.nextInt(4) == 0 ? r.nextInt(01000) : usual;
    }

    // Not -1 but for root, who may always: what OwnerTest says of a stranger's chown(-1, -1) is FUSE's answer, not ext4's.
    private static int group(SplittableRandom r, int by) {
        int group = owner(r, PosixTest.STAFF, PosixTest.ALICE);
        return group == -1 && by != 0 ? PosixTest.STAFF : group;
    }

    private static int owner(SplittableRandom r, int one, int other) {
        return switch (r.nextInt(4)) {
            case 0 -> -1;
            case 1 -> one;
            case 2 -> other;
            default -> 0;
        };
    }

    private static String attribute(SplittableRandom r) {
        return (r.nextInt(5) == 0 ? "trusted." : "user.") + (char) ('a' + r.nextInt(4));
    }

    // Often at the edges of blocks, where mistakes live.
    private static long offset(SplittableRandom r) {
        return switch (r.nextInt(4)) {
            case 0 -> r.nextInt(200);
            case 1 -> 4096L * r.nextInt(40);
            case 2 -> Math.max(0, 4096L * r.nextInt(40) + r.nextInt(-3, 4));
            default -> r.nextInt(200_000);
        };
    }

    private static int length(SplittableRandom r) {
        return switch (r.nextInt(4)) {
            case 0 -> 1 + r.nextInt(100);
            case 1 -> 4096 * (1 + r.nextInt(8));
            default -> 1 + r.nextInt(30_000);
        };
    }
}
