package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// rename and renameat2.
class RenameTest extends PosixTest {
    @Test
    void a_file_gets_another_name_and_stays_itself() {
        var file = file("f", 0640, "content");
        var before = root.stat(file);
        directory(root, "d", 0700);
        ok(root.rename(file, at("g")));
        ok(root.rename(at("g"), at("d/h")));
        assertThat(root.stat(at("d/h")).sameInode(before)).isTrue();
        assertThat(content(at("d/h"))).isEqualTo("content");
        assertThat(root.stat(at("d/h")).mtime()).isEqualTo(before.mtime());
        assertThat(names(dir)).containsExactly("d");
    }

    @Test
    void two_names_change_places() {
        file("f", 0600, "first");
        file("g", 0600, "second");
        ok(root.renameat2(at("f"), at("g"), RENAME_EXCHANGE));
        assertThat(content(at("f"))).isEqualTo("second");
        assertThat(content(at("g"))).isEqualTo("first");
        directory(root, "d", 0700);
        directory(root, "d/sub", 0700);
        directory(root, "d/sub/below", 0700);
        var directory = root.stat(at("d/sub"));
        ok(root.renameat2(at("f"), at("d/sub"), RENAME_EXCHANGE));
        assertThat(root.stat(at("f")).sameInode(directory)).isTrue();
        assertThat(root.stat(at("f/..")).sameInode(root.stat(dir))).isTrue();
        assertThat(content(at("d/sub"))).isEqualTo("second");
        assertThat(root.stat(dir).nlink()).isEqualTo(2 + 2);
        assertThat(root.stat(at("d")).nlink()).isEqualTo(2);
        assertThat(names(at("f"))).containsExactly("below");
        assertThat(names(dir)).containsExactlyInAnyOrder("f", "g", "d");
        refused(ENOENT, root.renameat2(at("f"), at("none"), RENAME_EXCHANGE));
        refused(ENOENT, root.renameat2(at("none"), at("f"), RENAME_EXCHANGE));
        refused(EINVAL, root.renameat2(at("f"), at("f/below"), RENAME_EXCHANGE));
        refused(EINVAL, root.renameat2(at("f/below"), at("f"), RENAME_EXCHANGE));
        ok(root.renameat2(at("f"), at("d"), RENAME_EXCHANGE));
        assertThat(names(at("d"))).containsExactly("below");
        assertThat(names(at("f"))).containsExactly("sub");
    }

    /// What overlayfs does in its upper directory.
    @Test
    void a_whiteout_takes_the_old_name() {
        var before = root.stat(file("f", 0600, "content"));
        file("g", 0600, "replaced");
        directory(root, "d", 0700);
        ok(root.renameat2(at("f"), at("g"), RENAME_WHITEOUT));
        assertThat(content(at("g"))).isEqualTo("content");
        assertThat(root.stat(at("g")).sameInode(before)).isTrue();
        isWhiteout("f");
        ok(root.renameat2(at("g"), at("d/h"), RENAME_WHITEOUT | RENAME_NOREPLACE));
        assertThat(content(at("d/h"))).isEqualTo("content");
        isWhiteout("g");
        refused(EEXIST, root.renameat2(at("d"), at("g"), RENAME_WHITEOUT | RENAME_NOREPLACE));
        ok(root.renameat2(at("d"), at("e"), RENAME_WHITEOUT));
        assertThat(names(at("e"))).containsExactly("h");
        isWhiteout("d");
        assertThat(root.stat(dir).nlink()).isEqualTo(2 + 1);
        ok(root.unlink(at("f")));
        ok(root.rename(at("g"), at("d")));
        assertThat(names(dir)).containsExactlyInAnyOrder("d", "e");
    }

    private void isWhiteout(String name) {
        var stat = root.lstat(at(name));
        assertThat(stat.mode()).isEqualTo(0020000);
        assertThat(stat.rdevMajor()).isZero();
        assertThat(stat.rdevMinor()).isZero();
        assertThat(stat.nlink()).isEqualTo(1);
    }

    @Test
    void what_has_the_new_name_is_replaced() {
        file("f", 0600, "new");
        var old = file("g", 0600, "old");
        int fd = opened(old, O_RDONLY);
        ok(root.link(old, at("second")));
        ok(root.rename(at("f"), at("g")));
        assertThat(content(at("g"))).isEqualTo("new");
        assertThat(content(at("second"))).isEqualTo("old");
        assertThat(root.stat(at("second")).nlink()).isEqualTo(1);
        assertThat(text(root.pread(fd, 10, 0))).isEqualTo("old");
        ok(root.symlink("x", at("s")));
        ok(root.rename(at("s"), at("second")));
        assertThat(root.readlink(at("second"))).isEqualTo("x");
        assertThat(root.fstat(fd).nlink()).isZero();
        assertThat(text(root.pread(fd, 10, 0))).isEqualTo("old");
    }

    @Test
    void a_directory_moves_with_all_that_is_in_it() {
        directory(root, "a", 0700);
        directory(root, "a/b", 0700);
        file("a/b/f", 0600, "deep");
        directory(root, "c", 0700);
        ok(root.rename(at("a"), at("c/a")));
        assertThat(content(at("c/a/b/f"))).isEqualTo("deep");
        assertThat(root.stat(at("c/a/..")).sameInode(root.stat(at("c")))).isTrue();
        assertThat(root.stat(at("c")).nlink()).isEqualTo(3);
        ok(root.rename(at("c/a/b"), at("b")));
        assertThat(root.stat(at("b/..")).sameInode(root.stat(dir))).isTrue();
        assertThat(names(at("c/a"))).isEmpty();
    }

    @Test
    void a_directory_replaces_an_empty_directory_only() {
        directory(root, "a", 0700);
        file("a/f", 0600, "");
        directory(root, "empty", 0700);
        directory(root, "full", 0700);
        file("full/f", 0600, "");
        file("file", 0600, "");
        refused(ENOTEMPTY, root.rename(at("a"), at("full")));
        refused(ENOTDIR, root.rename(at("a"), at("file")));
        refused(EISDIR, root.rename(at("file"), at("empty")));
        int fd = opened(at("empty"), O_RDONLY | O_DIRECTORY);
        ok(root.rename(at("a"), at("empty")));
        assertThat(names(at("empty"))).containsExactly("f");
        assertThat(root.fstat(fd).nlink()).isZero();
        assertThat(names(dir)).containsExactly("empty", "file", "full");
    }

    @Test
    void a_directory_does_not_move_into_itself() {
        directory(root, "a", 0700);
        directory(root, "a/b", 0700);
        directory(root, "a/b/c", 0700);
        refused(EINVAL, root.rename(at("a"), at("a/x")));
        refused(EINVAL, root.rename(at("a"), at("a/b/c/x")));
        refused(EINVAL, root.rename(at("a"), at("a/b")));
        refused(ENOTEMPTY, root.rename(at("a/b/c"), at("a")));
        refused(ENOTEMPTY, root.rename(at("a/b/c"), at("a/b")));
        ok(root.rename(at("a"), at("a")));
        assertThat(root.stat(at("a/b/c")).type()).isEqualTo(S_IFDIR);
    }

    @Test
    void dots_have_no_other_name() {
        directory(root, "d", 0700);
        refused(EBUSY, root.rename(at("d/."), at("x")));
        directory(root, "e", 0700);
        refused(EBUSY, root.rename(at("d"), at("e/..")));
        refused(EBUSY, root.rename(at("d/.."), at("x")));
        refused(EBUSY, root.rename(at("d"), at("d/.")));
    }

    @Test
    void two_names_of_one_file_both_stay() {
        var file = file("f", 0600, "");
        ok(root.link(file, at("g")));
        ok(root.rename(file, at("g")));
        assertThat(names(dir)).containsExactly("f", "g");
        assertThat(root.stat(file).nlink()).isEqualTo(2);
        ok(root.rename(file, file));
        assertThat(names(dir)).containsExactly("f", "g");
    }

    @Test
    void noreplace_replaces_nothing() {
        file("f", 0600, "f");
        file("g", 0600, "g");
        directory(root, "d", 0700);
        refused(EEXIST, root.renameat2(at("f"), at("g"), RENAME_NOREPLACE));
        refused(EEXIST, root.renameat2(at("f"), at("d"), RENAME_NOREPLACE));
        refused(EEXIST, root.renameat2(at("d"), at("f"), RENAME_NOREPLACE));
        refused(EEXIST, root.renameat2(at("f"), at("f"), RENAME_NOREPLACE));
        assertThat(content(at("g"))).isEqualTo("g");
        ok(root.renameat2(at("f"), at("h"), RENAME_NOREPLACE));
        ok(root.renameat2(at("d"), at("e"), RENAME_NOREPLACE));
        assertThat(names(dir)).containsExactly("e", "g", "h");
        refused(EINVAL, root.renameat2(at("g"), at("h"), RENAME_NOREPLACE | RENAME_EXCHANGE));
        refused(EINVAL, root.renameat2(at("g"), at("h"), 1 << 20));
    }

    @Test
    void paths_that_lead_nowhere() {
        file("f", 0600, "");
        directory(root, "d", 0700);
        refused(ENOENT, root.rename(at("none"), at("x")));
        refused(ENOENT, root.rename(at("f"), at("none/x")));
        refused(ENOTDIR, root.rename(at("f"), at("f/x")));
        refused(ENOTDIR, root.rename(at("f/x"), at("x")));
        refused(ENOTDIR, root.rename(at("f"), at("x/")));
        refused(ENOTDIR, root.rename(at("f/"), at("x")));
        ok(root.rename(at("d/"), at("e/")));
        ok(root.symlink("loop", at("loop")));
        refused(ELOOP, root.rename(at("loop/x"), at("y")));
        ok(root.rename(at("loop"), at("moved")));
        refused(ENAMETOOLONG, root.rename(at("f"), at("x".repeat(256))));
        refused(ENAMETOOLONG, root.rename(at("x".repeat(256)), at("y")));
        refused(EXDEV, root.rename(at("f"), "/proc/f"));
    }

    @Test
    void both_directories_must_be_writable() {
        needsRoot();
        directory(root, "mine", 0777);
        directory(root, "theirs", 0755);
        file(alice, "mine/f", 0644, "");
        file("theirs/f", 0666, "");
        refused(EACCES, alice.rename(at("mine/f"), at("theirs/g")));
        refused(EACCES, alice.rename(at("mine/f"), at("theirs/f")));
        refused(EACCES, alice.rename(at("theirs/f"), at("mine/g")));
        ok(alice.rename(at("mine/f"), at("g")));
    }

    @Test
    void a_directory_moves_to_another_parent_only_if_it_may_be_written() {
        needsRoot();
        directory(bob, "d", 0755);
        directory(alice, "parent", 0777);
        ok(alice.rename(at("d"), at("e")));
        refused(EACCES, alice.rename(at("e"), at("parent/d")));
        ok(root.chmod(at("e"), 0777));
        ok(alice.rename(at("e"), at("parent/d")));
    }

    @Test
    void under_the_sticky_bit_only_owners_take_names_away() {
        needsRoot();
        directory(root, "tmp", 01777);
        file(alice, "tmp/a", 0666, "a");
        file(bob, "tmp/b", 0666, "b");
        refused(EPERM, bob.rename(at("tmp/a"), at("tmp/x")));
        refused(EPERM, bob.rename(at("tmp/a"), at("x")));
        refused(EPERM, bob.rename(at("tmp/b"), at("tmp/a")));
        ok(alice.rename(at("tmp/a"), at("tmp/x")));
        directory(alice, "hers", 0777);
        ok(root.chmod(at("hers"), 01777));
        file(bob, "hers/b", 0600, "");
        ok(alice.rename(at("hers/b"), at("hers/c")));
        refused(EPERM, colleague.rename(at("hers/c"), at("hers/d")));
    }

    @Test
    void an_open_file_follows_its_rename() {
        var file = file("f", 0600, "content");
        int fd = opened(file, O_RDWR);
        ok(root.rename(file, at("g")));
        root.pwrite(fd, bytes("C"), 0);
        assertThat(content(at("g"))).isEqualTo("Content");
        file("f", 0600, "other");
        assertThat(text(root.pread(fd, 100, 0))).isEqualTo("Content");
    }

    @Test
    void a_long_round_of_renames_loses_nothing() {
        directory(root, "d", 0700);
        for (int i = 0; i < 20; i++) file("d/" + i, 0600, "file " + i);
        for (int round = 0; round < 5; round++) {
            for (int i = 0; i < 20; i++) ok(root.rename(at("d/" + i), at("t" + i)));
            for (int i = 0; i < 20; i++) ok(root.rename(at("t" + i), at("d/" + (i + 1) % 20)));
        }
        for (int i = 0; i < 20; i++) assertThat(content(at("d/" + i))).isEqualTo("file " + (i + 15) % 20);
        assertThat(names(at("d"))).hasSize(20);
    }
}
