package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// getdents64 and its cookies, while the directory changes and while it does not.
class ReaddirTest extends PosixTest {
    private static final int ROOM = 700;

    @Test
    void every_name_comes_once_with_its_inode_and_type() {
        needsRoot();
        file("f", 0600, "");
        directory(root, "d", 0700);
        ok(root.symlink("f", at("s")));
        ok(root.mkfifo(at("p"), 0600));
        ok(root.mknod(at("sock"), S_IFSOCK | 0600, 0));
        ok(root.mknod(at("c"), S_IFCHR | 0600, 1 << 8 | 3));
        var seen = new HashMap<String, Posix.Entry>();
        for (var entry : all(opened(dir, O_RDONLY | O_DIRECTORY))) assertThat(seen.put(entry.name(), entry)).isNull();
        assertThat(seen.keySet()).containsExactlyInAnyOrder(".", "..", "f", "d", "s", "p", "sock", "c");
        for (var name : seen.keySet()) {
            if (name.equals("..")) continue;
            var stat = root.lstat(at(name));
            assertThat(seen.get(name).ino()).as(name).isEqualTo(stat.ino());
            assertThat(seen.get(name).type()).as(name).isEqualTo(stat.type() >> 12);
        }
    }

    @Test
    void every_cookie_leads_back_to_what_followed_it() {
        for (int i = 0; i < 100; i++) file("name-" + i, 0600, "");
        int fd = opened(dir, O_RDONLY | O_DIRECTORY);
        var order = all(fd);
        assertThat(order).hasSize(102);
        for (int i = 0; i < order.size(); i += 7) {
            ok(root.lseek(fd, order.get(i).next(), SEEK_SET) >= 0 ? 0 : -1);
            assertThat(namesOf(all(fd))).isEqualTo(namesOf(order.subList(i + 1, order.size())));
        }
        ok(root.lseek(fd, 0, SEEK_SET));
        assertThat(namesOf(all(fd))).isEqualTo(namesOf(order));
    }

    /// `for name in …: rename(name, name + ".bak")`, and the other things that are done to what a listing brings.
    @Test
    void who_renames_what_a_listing_brings_comes_to_its_end() {
        for (int i = 0; i < 60; i++) file("name-" + i, 0600, "");
        for (var change : List.<java.util.function.Consumer<String>>of(name -> ok(root.rename(at(name), at(name + "+"))),
                name -> {
                    file("temporary", 0600, "new");
                    ok(root.rename(at("temporary"), at(name)));
                },
                name -> {
                    ok(root.rename(at(name), at("aside")));
                    ok(root.rename(at("aside"), at(name)));
                })) {
            int fd = opened(dir, O_RDONLY | O_DIRECTORY), changed = 0;
            for (var some = root.getdents(fd, 200); !some.isEmpty() && changed < 1000; some = root.getdents(fd, 200))
                for (var name : namesOf(some)) {
                    if (name.startsWith(".")) continue;
                    change.accept(name);
                    changed++;
                }
            assertThat(changed).isEqualTo(60);
            assertThat(names(dir)).hasSize(60);
        }
    }

    @Test
    void names_that_stay_are_seen_once_whatever_comes_and_goes() {
        for (int i = 0; i < 200; i++) file("stays-" + i, 0600, "");
        for (int i = 0; i < 100; i++) file("goes-" + i, 0600, "");
        int fd = opened(dir, O_RDONLY | O_DIRECTORY);
        var seen = new ArrayList<String>();
        int step = 0;
        for (var some = root.getdents(fd, ROOM); !some.isEmpty(); some = root.getdents(fd, ROOM)) {
            seen.addAll(namesOf(some));
            if (step < 100) {
                ok(root.unlink(at("goes-" + step)));
                file("comes-" + step++, 0600, "");
            }
        }
        assertThat(seen.stream().filter(name -> name.startsWith("stays-")).toList()).hasSize(200).doesNotHaveDuplicates();
    }

    @Test
    void removing_what_one_reads_reaches_everything() {
        directory(root, "d", 0700);
        for (int i = 0; i < 500; i++) file("d/a-longer-name-" + i, 0600, "");
        int fd = opened(at("d"), O_RDONLY | O_DIRECTORY);
        for (var some = root.getdents(fd, ROOM); !some.isEmpty(); some = root.getdents(fd, ROOM))
            for (var name : namesOf(some)) if (name.startsWith("a-")) ok(root.unlink(at("d/" + name)));
        ok(root.rmdir(at("d")));
    }

    @Test
    void a_rewound_directory_shows_what_is_there_now() {
        file("a", 0600, "");
        int fd = opened(dir, O_RDONLY | O_DIRECTORY);
        assertThat(namesOf(all(fd))).contains("a");
        file("b", 0600, "");
        ok(root.unlink(at("a")));
        ok(root.lseek(fd, 0, SEEK_SET));
        assertThat(new TreeSet<>(namesOf(all(fd)))).containsExactly(".", "..", "b");
        ok(root.rename(at("b"), at("c")));
        ok(root.lseek(fd, 0, SEEK_SET));
        assertThat(new TreeSet<>(namesOf(all(fd)))).containsExactly(".", "..", "c");
    }

    @Test
    void two_readers_do_not_disturb_each_other() {
        for (int i = 0; i < 60; i++) file("name-" + i, 0600, "");
        int a = opened(dir, O_RDONLY | O_DIRECTORY), b = opened(dir, O_RDONLY | O_DIRECTORY);
        var first = new ArrayList<>(namesOf(root.getdents(a, ROOM)));
        var whole = namesOf(all(b));
        first.addAll(namesOf(all(a)));
        assertThat(first).isEqualTo(whole);
    }

    @Test
    void long_names_are_listed_whole() {
        var expected = new TreeSet<String>();
        for (int i = 0; i < 40; i++) {
            var name = (i + "-").concat("n".repeat(255)).substring(0, 255);
            file(name, 0600, "");
            expected.add(name);
        }
        assertThat(new TreeSet<>(names(dir))).isEqualTo(expected);
    }

    @Test
    void dot_dot_is_the_parent_after_a_move() {
        directory(root, "a", 0700);
        directory(root, "b", 0700);
        directory(root, "a/d", 0700);
        file("a/d/f", 0600, "");
        // Listed before each move: a cached listing must not keep the old parent.
        isBelow("a", "d");
        ok(root.rename(at("a/d"), at("b/d")));
        isBelow("b", "d");
        ok(root.rename(at("b/d"), at("b/e")));
        isBelow("b", "e");
        ok(root.rename(at("b/e"), at("a/d")));
        isBelow("a", "d");
        directory(root, "b/e", 0700);
        isBelow("b", "e");
        ok(root.renameat2(at("a/d"), at("b/e"), RENAME_EXCHANGE));
        isBelow("b", "e");
        isBelow("a", "d");
        assertThat(names(at("b/e"))).containsExactly("f");
        int held = opened(at("b/e"), O_RDONLY | O_DIRECTORY);
        ok(root.rename(at("b/e"), at("e")));
        assertThat(all(held).stream().filter(entry -> entry.name().equals("..")).findAny().orElseThrow().ino()).isEqualTo(root.stat(dir).ino());
        isBelow(".", "e");
    }

    private void isBelow(String parent, String name) {
        long expected = root.stat(at(parent)).ino();
        assertThat(dotDot(parent + "/" + name)).as("by readdir").isEqualTo(expected);
        assertThat(root.stat(at(parent + "/" + name + "/..")).ino()).as("by stat").isEqualTo(expected);
    }

    private long dotDot(String name) {
        return all(opened(at(name), O_RDONLY | O_DIRECTORY)).stream().filter(entry -> entry.name().equals("..")).findAny().orElseThrow().ino();
    }

    private List<Posix.Entry> all(int fd) {
        var all = new ArrayList<Posix.Entry>();
        for (var some = root.getdents(fd, ROOM); !some.isEmpty(); some = root.getdents(fd, ROOM)) all.addAll(some);
        return all;
    }

    private static List<String> namesOf(List<Posix.Entry> entries) {
        return entries.stream().map(Posix.Entry::name).toList();
    }
}
