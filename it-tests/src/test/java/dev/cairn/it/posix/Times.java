package dev.cairn.it.posix;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Which times of which inodes have moved since somebody last looked: the same on every file system, while the times
/// themselves are not.
///
/// ext4 stamps by a clock of some milliseconds; but the change that follows a look gets a later time in any case (multigrain
/// timestamps, Linux 6.13). Where that is not so, as on tmpfs, whose directories take their time over from the file,
/// who looks waits for the clock. Whether reading moves atime depends on what the kernel has cached: see
/// [RandomCall.ReadDirect]. Here it is only wrong when it moved although it was not due.
final class Times {
    private static final long DAY_SECONDS = 86_400, LONG_AGO = 1_000_000, TO_COME = 3_000_000_000L;

    /// A number may be used again; it is then another inode, born later: who looks waits until the clock has passed all births.
    private record Inode(long number, Instant born) {}

    private static final Map<List<Integer>, Boolean> FINE = new HashMap<>();

    private Map<Inode, Stat> seen = Map.of();

    /// @param all in an order that is the same on every file system; an inode goes by the first of its names
    String moved(Map<String, Stat> all) {
        var now = new HashMap<Inode, Stat>();
        var moves = new ArrayList<String>();
        all.forEach((name, stat) -> {
            var inode = new Inode(stat.ino(), stat.btime());
            if (now.putIfAbsent(inode, stat) != null || !seen.containsKey(inode)) return;
            var what = what(seen.get(inode), stat);
            if (!what.isEmpty()) moves.add(name + what);
        });
        seen = now;
        all.values().stream().map(Stat::btime).max(Comparator.naturalOrder()).ifPresent(Times::awaitAfter);
        return String.join(", ", moves);
    }

    private static String what(Stat before, Stat after) {
        boolean mtime = !after.mtime().equals(before.mtime()), ctime = !after.ctime().equals(before.ctime());
        boolean atime = !after.atime().equals(before.atime()) && !mtime && !ctime && !due(before);
        return (mtime ? " mtime" + (isSet(after.mtime()) ? " " + after.mtime() : "") : "") + (ctime ? " ctime" : "") + (atime ? " atime" : "");
    }

    /// Whether each change on the file system of this directory gets another time than what was seen before.
    static boolean areFine(String directory) {
        var stat = Posix.SELF.stat(directory);
        return FINE.computeIfAbsent(List.of(stat.devMajor(), stat.devMinor()), _ -> {
            var probe = directory + "/probe";
            for (int i = 0; i < 50; i++) {
                PosixTest.ok(Posix.SELF.mkdir(probe, 0700));
                var before = Posix.SELF.stat(directory);
                PosixTest.ok(Posix.SELF.rmdir(probe));
                if (Posix.SELF.stat(directory).mtime().equals(before.mtime())) return false;
            }
            return true;
        });
    }

    /// Not from a clock.
    static boolean isSet(Instant time) {
        return time.getEpochSecond() < LONG_AGO || time.getEpochSecond() > TO_COME;
    }

    /// Whether reading moves the access time: the rule of relatime.
    static boolean due(Stat stat) {
        return !stat.atime().isAfter(stat.mtime()) || !stat.atime().isAfter(stat.ctime())
                || Instant.now().getEpochSecond() - stat.atime().getEpochSecond() >= DAY_SECONDS;
    }

    /// Until what is stamped now is later than this; what is set to a time to come is not waited for.
    static void awaitAfter(Instant time) {
        while (!isSet(time) && !Posix.coarseTime().isAfter(time)) Thread.onSpinWait();
    }
}
