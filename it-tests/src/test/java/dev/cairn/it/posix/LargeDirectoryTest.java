package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A directory of 30 000 names (`-Dcairn.long`: a million): listing goes on wherever a cookie says, whatever happens
/// meanwhile, also after the kernel has forgotten the directory.
class LargeDirectoryTest extends PosixTest {
    private static final int NAMES = System.getProperty("cairn.long") == null ? 30_000 : 1_000_000, ROOM = 1 << 17, CHANGES = 100;

    @Test
    @Timeout(value = 30, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void cookies_lead_on_from_anywhere() {
        var big = directory(root, "big", 0700) + "/";
        IntStream.range(0, NAMES).parallel().forEach(i -> ok(Posix.SELF.mknod(big + i, S_IFREG | 0600, 0)));
        assertThat(root.stat(big).nlink()).isEqualTo(2);
        int fd = opened(big, O_RDONLY | O_DIRECTORY);
        var order = all(fd);
        assertThat(order).hasSize(NAMES + 2);
        assertThat(new HashSet<>(order.stream().map(Posix.Entry::name).toList())).hasSize(NAMES + 2);
        assertThat(new HashSet<>(order.stream().map(Posix.Entry::next).toList())).as("cookies").hasSize(NAMES + 2);

        // seekdir to where telldir was, in no order, by another descriptor, and with nothing cached.
        var random = new SplittableRandom(1);
        for (int i = 0; i < 100; i++) {
            if (i == 50 && Posix.isRoot() && VolumeUnderTest.isMount()) {
                closed(fd);
                ok(root.forgetCached(VolumeUnderTest.directory()));
                fd = opened(big, O_RDONLY | O_DIRECTORY);
            }
            int from = random.nextInt(NAMES);
            assertThat(root.lseek(fd, order.get(from).next(), SEEK_SET)).isEqualTo(order.get(from).next());
            assertThat(root.getdents(fd, 2000).getFirst()).isEqualTo(order.get(from + 1));
        }

        // A walk in small steps, while names before and behind it go and come. What is there all the time comes once.
        ok(root.lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0);
        var seen = new ArrayList<String>();
        int step = 0;
        for (var some = root.getdents(fd, ROOM); !some.isEmpty(); some = root.getdents(fd, ROOM)) {
            some.forEach(entry -> seen.add(entry.name()));
            // New names come at the end: who goes on making them may walk for ever.
            if (step == CHANGES) continue;
            for (int i = 0; i < 5; i++) {
                root.unlink(big + (step * 5 + i) * 2);
                ok(root.mknod(big + "new-" + step + "-" + i, S_IFREG | 0600, 0));
            }
            int renamed = NAMES - 1 - 2 * step;
            ok(root.rename(big + renamed, big + renamed + "-renamed"));
            step++;
        }
        int gone = step * 5 * 2, renamedFrom = NAMES - 1 - 2 * step;
        var stayed = seen.stream().filter(name -> name.matches("\\d+")).filter(name -> {
            int number = Integer.parseInt(name);
            return (number % 2 == 1 || number >= gone) && (number % 2 == 0 || number <= renamedFrom);
        }).toList();
        assertThat(stayed).doesNotHaveDuplicates();
        long expected = IntStream.range(0, NAMES).filter(number -> (number % 2 == 1 || number >= gone)
                && (number % 2 == 0 || number <= renamedFrom)).count();
        assertThat(stayed).hasSize((int) expected);
        // The cookie of a name that has gone still has its place.
        int removed = IntStream.range(0, NAMES + 2).filter(i -> order.get(i).name().equals("0")).findFirst().orElseThrow();
        ok(root.lseek(fd, order.get(removed).next(), SEEK_SET) < 0 ? -1 : 0);
        var next = root.getdents(fd, 2000).getFirst().name();
        int at = removed + 1;
        while (!order.get(at).name().equals(next)) at++;
        for (int i = removed + 1; i < at; i++) assertThat(root.lstat(big + order.get(i).name())).as(order.get(i).name()).isNull();
    }

    private ArrayList<Posix.Entry> all(int fd) {
        var all = new ArrayList<Posix.Entry>(NAMES + 2);
        for (var some = root.getdents(fd, ROOM); !some.isEmpty(); some = root.getdents(fd, ROOM)) all.addAll(some);
        return all;
    }
}
