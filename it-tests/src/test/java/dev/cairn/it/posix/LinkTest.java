package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/// link and linkat.
class LinkTest extends PosixTest {
    @Test
    void both_names_are_the_same_file() {
        var file = file("f", 0640, "content");
        ok(root.link(file, at("g")));
        assertThat(root.stat(file).sameInode(root.stat(at("g")))).isTrue();
        assertThat(root.stat(file).nlink()).isEqualTo(2);
        int fd = opened(at("g"), O_WRONLY);
        root.pwrite(fd, bytes("C"), 0);
        assertThat(content(file)).isEqualTo("Content");
        ok(root.chmod(at("g"), 0600));
        assertThat(root.stat(file).permissions()).isEqualTo(0600);
        ok(root.unlink(file));
        assertThat(root.stat(at("g")).nlink()).isEqualTo(1);
        assertThat(content(at("g"))).isEqualTo("Content");
    }

    @Test
    void links_of_everything_but_directories() {
        ok(root.mkfifo(at("p"), 0600));
        ok(root.link(at("p"), at("p2")));
        assertThat(root.stat(at("p2")).nlink()).isEqualTo(2);
        ok(root.symlink("none", at("s")));
        ok(root.link(at("s"), at("s2")));
        assertThat(root.readlink(at("s2"))).as("the link itself, not what it names").isEqualTo("none");
        assertThat(root.lstat(at("s")).nlink()).isEqualTo(2);
        directory(root, "d", 0700);
        refused(EPERM, root.link(at("d"), at("d2")));
    }

    @Test
    void linkat_follows_a_symlink_when_told_to() {
        var file = file("f", 0600, "");
        ok(root.symlink("f", at("s")));
        ok(root.linkat(AT_FDCWD, at("s"), AT_FDCWD, at("g"), AT_SYMLINK_FOLLOW));
        assertThat(root.lstat(at("g")).sameInode(root.stat(file))).isTrue();
    }

    @Test
    void many_links_are_counted_and_listed() {
        var file = file("f", 0600, "");
        directory(root, "d", 0700);
        for (int i = 0; i < 150; i++) ok(root.link(file, at("d/" + i)));
        assertThat(root.stat(file).nlink()).isEqualTo(151);
        assertThat(names(at("d"))).hasSize(150);
        for (int i = 0; i < 150; i++) ok(root.unlink(at("d/" + i)));
        assertThat(root.stat(file).nlink()).isEqualTo(1);
        assertThat(names(at("d"))).isEmpty();
    }

    @Test
    void what_cannot_be_linked() {
        var file = file("f", 0600, "");
        file("g", 0600, "");
        directory(root, "d", 0700);
        refused(EEXIST, root.link(file, at("g")));
        refused(EEXIST, root.link(file, file));
        refused(EEXIST, root.link(file, at("d")));
        refused(ENOENT, root.link(at("none"), at("h")));
        refused(ENOENT, root.link(file, at("none/h")));
        refused(ENOTDIR, root.link(file, at("g/h")));
        refused(ENOTDIR, root.link(at("g/f"), at("h")));
        refused(ENAMETOOLONG, root.link(file, at("x".repeat(256))));
        refused(ENOENT, root.link(file, ""));
        refused(EXDEV, root.link(file, "/dev/pts/h"));
        refused(EXDEV, root.link("/proc/version", at("h")));
    }

    @Test
    void a_link_needs_the_right_to_write_the_directory() {
        needsRoot();
        var file = file(alice, "f", 0644, "");
        directory(root, "d", 0755);
        refused(EACCES, alice.link(file, at("d/f")));
        directory(root, "shut", 0700);
        file("shut/f", 0666, "");
        refused(EACCES, alice.link(at("shut/f"), at("g")));
        assertThat(root.stat(file).nlink()).isEqualTo(1);
    }

    @Test
    void an_unnamed_file_gets_its_first_name_by_linkat() {
        long made = root.open(dir, O_TMPFILE | O_RDWR, 0640);
        Assumptions.assumeTrue(made != -EOPNOTSUPP, "a file system need not have O_TMPFILE");
        int fd = kept(made);
        assertThat(root.write(fd, bytes("content"))).isEqualTo(7);
        assertThat(root.fstat(fd).nlink()).isZero();
        assertThat(names(dir)).isEmpty();
        ok(root.linkat(AT_FDCWD, "/proc/self/fd/" + fd, AT_FDCWD, at("f"), AT_SYMLINK_FOLLOW));
        assertThat(content(at("f"))).isEqualTo("content");
        assertThat(root.stat(at("f")).nlink()).isEqualTo(1);
    }

    @Test
    void an_unnamed_file_has_owner_and_mode_as_any_other_and_may_be_kept_from_a_name() {
        needsRoot();
        long made = alice.open(dir, O_TMPFILE | O_RDWR, 0640);
        Assumptions.assumeTrue(made != -EOPNOTSUPP, "a file system need not have O_TMPFILE");
        var stat = root.fstat(kept(made));
        assertThat(stat.mode()).isEqualTo(S_IFREG | 0640);
        assertThat(stat.uid()).isEqualTo(ALICE);
        refused(EINVAL, root.open(dir, O_TMPFILE | O_RDONLY, 0600));
        refused(ENOENT, root.open(at("none"), O_TMPFILE | O_RDWR, 0600));
        refused(ENOTDIR, root.open(file("f", 0600, ""), O_TMPFILE | O_RDWR, 0600));
        refused(EACCES, bob.open(directory(alice, "shut", 0700), O_TMPFILE | O_RDWR, 0600));
        int never = kept(root.open(dir, O_TMPFILE | O_RDWR | O_EXCL, 0600));
        refused(ENOENT, root.linkat(AT_FDCWD, "/proc/self/fd/" + never, AT_FDCWD, at("g"), AT_SYMLINK_FOLLOW));
        int unlinked = opened(at("f"), O_RDWR);
        ok(root.unlink(at("f")));
        refused(ENOENT, root.linkat(AT_FDCWD, "/proc/self/fd/" + unlinked, AT_FDCWD, at("g"), AT_SYMLINK_FOLLOW));
    }
}
