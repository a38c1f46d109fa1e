package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;

import dev.cairn.it.posix.RandomCall.*;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// What the random calls of one seed are: on few names and few open files, so that they meet.
final class RandomSequence {
    /// The letters of which names are made, each a part of a path.
    static final String LETTERS = "abcd";

    private RandomSequence() {}

    /// Of three processes that take turns.
    static List<RandomCall> inTurns(long seed, int length) {
        var random = new SplittableRandom(seed);
        var calls = new ArrayList<RandomCall>(2 * length);
        for (int i = 0; i < length; i++) {
            calls.add(bySomebody(random, any(random)));
            // Who looks has the kernel remember what it saw: half of the calls are made without.
            if (random.nextBoolean()) calls.add(bySomebody(random, new Moved()));
        }
        return calls;
    }

    private static RandomCall bySomebody(SplittableRandom random, RandomCall call) {
        int process = random.nextInt(6);
        return process > 2 || process == 0 ? call : new Elsewhere(process, call);
    }

    /// Of several processes, each with a sequence of its own.
    static List<RandomCall> atOnce(long seed, int length, int processes) {
        var random = new SplittableRandom(seed);
        var calls = new ArrayList<RandomCall>(length);
        for (int i = 0; i < length; i++) {
            int process = random.nextInt(processes);
            calls.add(new Elsewhere(process, random.nextInt(10) == 0 ? new AppendShared(process, i) : any(random)));
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
            case 12, 13 -> new Read(slot, offset(r), 1 + r.nextInt(100_000));
            case 14 -> new ReadDirect(slot, r.nextInt(4) == 0);
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
            case 48 -> new Utimens(by, name(r), time(r), time(r));
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

    private static final int[] OPEN_FLAGS = {O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_RDWR | O_CREAT, O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_CREAT | O_EXCL,
        O_WRONLY | O_CREAT | O_TRUNC, O_RDWR | O_TRUNC, O_WRONLY | O_APPEND, O_RDONLY | O_DIRECTORY, O_RDONLY | O_NOFOLLOW};
    private static final int[] ALLOCATE_MODES = {0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE};

    private static final int[] RENAME_FLAGS = {0, 0, 0, 0, 0, 0, 0, RENAME_NOREPLACE, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, RENAME_WHITEOUT,
            RENAME_WHITEOUT | RENAME_NOREPLACE};
    private static final int[] LOCK_OPERATIONS = {LOCK_SH, LOCK_EX, LOCK_UN};

    private static String name(SplittableRandom r) {
        var name = new StringBuilder();
        for (int depth = 1 + r.nextInt(3); depth > 0; depth--) name.append(LETTERS.charAt(r.nextInt(LETTERS.length()))).append(depth > 1 ? "/" : "");
        return name.toString();
    }

    private static long time(SplittableRandom r) {
        return switch (r.nextInt(8)) {
            case 0 -> UTIME_OMIT;
            case 1 -> UTIME_NOW;
            case 2 -> 4_000_000_000L;
            default -> r.nextInt(1000);
        };
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
