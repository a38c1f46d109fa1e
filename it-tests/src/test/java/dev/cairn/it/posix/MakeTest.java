package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// mkdir, mkfifo and mknod.
class MakeTest extends PosixTest {
    @Test
    void a_new_directory_is_empty_and_its_own() {
        var directory = directory(root, "d", 0750);
        assertThat(root.stat(directory).mode()).isEqualTo(S_IFDIR | 0750);
        assertThat(names(directory)).isEmpty();
        assertThat(root.stat(at("d/.")).sameInode(root.stat(directory))).isTrue();
        assertThat(root.stat(at("d/..")).sameInode(root.stat(dir))).isTrue();
    }

    @Test
    void a_directory_counts_its_subdirectories() {
        var directory = directory(root, "d", 0700);
        assertThat(root.stat(directory).nlink()).isEqualTo(2);
        directory(root, "d/a", 0700);
        directory(root, "d/b", 0700);
        file("d/f", 0600, "");
        assertThat(root.stat(directory).nlink()).isEqualTo(4);
        ok(root.rmdir(at("d/a")));
        assertThat(root.stat(directory).nlink()).isEqualTo(3);
        ok(root.rename(at("d/b"), at("b")));
        assertThat(root.stat(directory).nlink()).isEqualTo(2);
    }

    @Test
    void special_files_keep_type_and_device_number() {
        needsRoot();
        ok(root.mkfifo(at("p"), 0640));
        assertThat(root.stat(at("p")).mode()).isEqualTo(S_IFIFO | 0640);
        ok(root.mknod(at("sock"), S_IFSOCK | 0600, 0));
        assertThat(root.stat(at("sock")).mode()).isEqualTo(S_IFSOCK | 0600);
        ok(root.mknod(at("c"), S_IFCHR | 0600, 1 << 8 | 3));
        var c = root.stat(at("c"));
        assertThat(c.mode()).isEqualTo(S_IFCHR | 0600);
        assertThat(c.rdevMajor() + ":" + c.rdevMinor()).isEqualTo("1:3");
        ok(root.mknod(at("b"), S_IFBLK | 0600, 0x12 << 8 | 0x34 | 0x100 << 12));
        var b = root.stat(at("b"));
        assertThat(b.mode()).isEqualTo(S_IFBLK | 0600);
        assertThat(b.rdevMajor() + ":" + b.rdevMinor()).isEqualTo("18:" + (0x34 | 0x100));
        ok(root.mknod(at("f"), S_IFREG | 0604, 0));
        assertThat(root.stat(at("f")).mode()).isEqualTo(S_IFREG | 0604);
        ok(root.mknod(at("g"), 0600, 0));
        assertThat(root.stat(at("g")).type()).isEqualTo(S_IFREG);
    }

    @Test
    void a_user_makes_fifos_and_sockets_but_no_devices() {
        needsRoot();
        ok(alice.mkfifo(at("p"), 0600));
        ok(alice.mknod(at("sock"), S_IFSOCK | 0600, 0));
        refused(EPERM, alice.mknod(at("c"), S_IFCHR | 0600, 1 << 8 | 3));
        refused(EPERM, alice.mknod(at("b"), S_IFBLK | 0600, 1 << 8 | 3));
    }

    @Test
    void bytes_go_through_a_fifo_by_name() {
        ok(root.mkfifo(at("p"), 0600));
        int reader = kept(root.open(at("p"), O_RDONLY | O_NONBLOCK, 0));
        int writer = kept(root.open(at("p"), O_WRONLY | O_NONBLOCK, 0));
        assertThat(root.write(writer, bytes("through"))).isEqualTo(7);
        assertThat(text(root.read(reader, 100))).isEqualTo("through");
        closed(reader);
        refused(ENXIO, root.open(at("p"), O_WRONLY | O_NONBLOCK, 0));
        assertThat(root.stat(at("p")).size()).isZero();
    }

    @Test
    void what_is_there_is_not_made_again() {
        var file = file("f", 0600, "content");
        directory(root, "d", 0700);
        ok(root.symlink("none", at("s")));
        for (var name : new String[] {"f", "d", "s"}) {
            refused(EEXIST, root.mkdir(at(name), 0700));
            refused(EEXIST, root.mkfifo(at(name), 0600));
            refused(EEXIST, root.mknod(at(name), S_IFREG | 0600, 0));
        }
        refused(EEXIST, root.mkdir(at("."), 0700));
        refused(EEXIST, root.mkdir(at("d/.."), 0700));
        assertThat(content(file)).isEqualTo("content");
        ok(root.mkdir(at("slash/"), 0700));
        refused(ENOENT, root.mknod(at("slashed/"), S_IFREG | 0600, 0));
    }

    @Test
    void paths_that_lead_nowhere() {
        file("f", 0600, "");
        refused(ENOENT, root.mkdir(at("none/d"), 0700));
        refused(ENOTDIR, root.mkdir(at("f/d"), 0700));
        refused(ENOENT, root.mkfifo(at("none/p"), 0600));
        refused(ENOTDIR, root.mkfifo(at("f/p"), 0600));
        ok(root.symlink("loop", at("loop")));
        refused(ELOOP, root.mkdir(at("loop/d"), 0700));
        refused(ENAMETOOLONG, root.mkdir(at("x".repeat(256)), 0700));
        refused(ENAMETOOLONG, root.mkfifo(at("x".repeat(256)), 0600));
        refused(ENOENT, root.mkdir("", 0700));
    }

    @Test
    void nothing_is_made_where_one_may_not_write() {
        needsRoot();
        directory(root, "d", 0755);
        refused(EACCES, alice.mkdir(at("d/x"), 0700));
        refused(EACCES, alice.mkfifo(at("d/x"), 0600));
        refused(EACCES, alice.mknod(at("d/x"), S_IFREG | 0600, 0));
        refused(EACCES, alice.symlink("x", at("d/x")));
        refused(EACCES, alice.open(at("d/x"), O_WRONLY | O_CREAT, 0600));
        assertThat(names(at("d"))).isEmpty();
    }

    @Test
    void nothing_is_made_in_a_removed_directory() {
        directory(root, "d", 0700);
        int fd = opened(at("d"), O_RDONLY | O_DIRECTORY);
        ok(root.rmdir(at("d")));
        refused(ENOENT, root.openat(fd, "f", O_WRONLY | O_CREAT, 0600));
        assertThat(root.fstat(fd).nlink()).isZero();
    }

    @Test
    void a_deep_tree() {
        var path = new StringBuilder(dir);
        for (int depth = 0; depth < 120; depth++) ok(root.mkdir(path.append("/level").toString(), 0700));
        var leaf = path + "/leaf";
        closed(kept(root.open(leaf, O_WRONLY | O_CREAT, 0600)));
        assertThat(root.stat(leaf).type()).isEqualTo(S_IFREG);
    }
}
