package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// chown, lchown and fchown, and whose a new file is.
class OwnerTest extends PosixTest {
    @BeforeEach
    void users() {
        needsRoot();
    }

    @Test
    void root_gives_anything_to_anybody() {
        var file = file("f", 0644, "");
        ok(root.chown(file, 12345, 54321));
        assertOwner(file, 12345, 54321);
        ok(root.chown(file, -1, 99));
        assertOwner(file, 12345, 99);
        ok(root.chown(file, 77, -1));
        assertOwner(file, 77, 99);
        int fd = opened(file, O_RDONLY);
        ok(root.fchown(fd, 1, 2));
        assertOwner(file, 1, 2);
        ok(root.chown(file, 0x7fff_fff0, 0x7fff_fff1));
        assertOwner(file, 0x7fff_fff0, 0x7fff_fff1);
    }

    @Test
    void an_owner_gives_away_the_group_only_and_only_to_a_group_of_hers() {
        var file = file(alice, "f", 0644, "");
        ok(alice.chown(file, -1, STAFF));
        assertOwner(file, ALICE, STAFF);
        ok(alice.chown(file, ALICE, ALICE));
        assertOwner(file, ALICE, ALICE);
        refused(EPERM, alice.chown(file, -1, GUESTS));
        refused(EPERM, alice.chown(file, BOB, -1));
        refused(EPERM, alice.chown(file, 0, STAFF));
        refused(EPERM, bob.chown(file, BOB, BOB));
        refused(EPERM, bob.chown(file, -1, GUESTS));
        assertOwner(file, ALICE, ALICE);
    }

    /// ext4 answers EPERM where bits would go. Over FUSE the request is the same as the one that comes before a stranger's
    /// write, which must not fail; so it is answered, and changes nothing.
    @Test
    void a_chown_that_changes_nothing_takes_set_user_id_away_for_the_owner_but_not_for_a_stranger() {
        var file = file(alice, "f", 0755, "content");
        ok(root.chmod(file, 06755));
        ok(bob.chown(file, -1, -1));
        assertThat(root.stat(file).permissions()).isEqualTo(06755);
        ok(alice.chown(file, -1, -1));
        assertThat(root.stat(file).permissions()).isEqualTo(0755);
    }

    /// Through a descriptor that an earlier mode, or somebody else, let her have.
    @Test
    void a_strangers_write_or_allocation_takes_set_user_id_away_whatever_the_mode_is_by_then() {
        var file = file(alice, "f", 0666, "content");
        int fd = kept(bob.open(file, O_RDWR, 0));
        ok(root.chmod(file, 04755));
        assertThat(bob.write(fd, bytes("x"))).isEqualTo(1);
        assertThat(root.stat(file).permissions()).isEqualTo(0755);
        ok(root.chmod(file, 06755));
        ok(bob.fallocate(fd, 0, 0, 10_000));
        assertThat(root.stat(file).permissions()).isEqualTo(0755);
    }

    @Test
    void lchown_changes_the_link_and_chown_what_it_names() {
        var file = file("f", 0644, "");
        ok(root.symlink("f", at("s")));
        ok(root.lchown(at("s"), 7, 8));
        assertOwner(at("s"), 7, 8);
        assertOwner(file, 0, 0);
        ok(root.chown(at("s"), 9, 10));
        assertOwner(at("s"), 7, 8);
        assertOwner(file, 9, 10);
        ok(root.symlink("none", at("dangling")));
        ok(root.lchown(at("dangling"), 7, 8));
        refused(ENOENT, root.chown(at("dangling"), 7, 8));
    }

    @Test
    void a_new_owner_of_a_program_loses_its_set_ids() {
        var file = file("f", 0755, "");
        ok(root.chmod(file, 06755));
        ok(root.chown(file, ALICE, STAFF));
        assertThat(root.stat(file).permissions()).isEqualTo(0755);
        ok(root.chmod(file, 06755));
        ok(alice.chown(file, -1, ALICE));
        assertThat(root.stat(file).permissions()).isEqualTo(0755);
        ok(root.chmod(file, 06755));
        ok(root.chown(file, -1, -1));
        assertThat(root.stat(file).permissions()).as("chown that changes nothing").isEqualTo(0755);
        ok(root.mkfifo(at("p"), 0755));
        ok(root.chmod(at("p"), 06755));
        ok(root.chown(at("p"), ALICE, STAFF));
        assertThat(root.stat(at("p")).permissions()).as("anything but a directory").isEqualTo(0755);
    }

    @Test
    void a_directory_keeps_its_set_ids_with_a_new_owner() {
        var directory = directory(root, "d", 0755);
        ok(root.chmod(directory, 07755));
        ok(root.chown(directory, ALICE, STAFF));
        assertThat(root.stat(directory).permissions()).isEqualTo(07755);
    }

    @Test
    void what_a_user_makes_is_hers() {
        ok(alice.mkdir(at("d"), 0755));
        file(alice, "f", 0644, "");
        ok(alice.symlink("f", at("s")));
        ok(alice.mkfifo(at("p"), 0644));
        for (var name : new String[] {"d", "f", "s", "p"}) assertOwner(at(name), ALICE, ALICE);
    }

    @Test
    void under_a_set_group_id_directory_the_group_is_inherited() {
        var directory = directory(root, "d", 0777);
        ok(root.chown(directory, 0, GUESTS));
        ok(root.chmod(directory, 02777));
        file(alice, "d/f", 0644, "");
        assertOwner(at("d/f"), ALICE, GUESTS);
        ok(alice.mkdir(at("d/sub"), 0755));
        assertOwner(at("d/sub"), ALICE, GUESTS);
        assertThat(root.stat(at("d/sub")).permissions()).as("a directory inherits the bit as well").isEqualTo(02755);
        ok(alice.symlink("f", at("d/s")));
        assertOwner(at("d/s"), ALICE, GUESTS);
        ok(alice.mkfifo(at("d/p"), 0644));
        assertOwner(at("d/p"), ALICE, GUESTS);
        assertThat(root.stat(at("d/f")).permissions()).isEqualTo(0644);
    }

    @Test
    void a_set_group_id_program_is_not_made_in_a_group_that_its_maker_is_not_in() {
        var directory = directory(root, "d", 0777);
        ok(root.chown(directory, 0, GUESTS));
        ok(root.chmod(directory, 02777));
        file(alice, "d/f", 02755, "");
        assertThat(root.stat(at("d/f")).permissions()).isEqualTo(0755);
        file(bob, "d/g", 02755, "");
        assertThat(root.stat(at("d/g")).permissions()).as("Bob is a guest").isEqualTo(02755);
    }

    @Test
    void paths_that_lead_nowhere() {
        file("f", 0644, "");
        refused(ENOENT, root.chown(at("none"), 1, 1));
        refused(ENOTDIR, root.chown(at("f/x"), 1, 1));
        ok(root.symlink("loop", at("loop")));
        refused(ELOOP, root.chown(at("loop"), 1, 1));
        refused(ENAMETOOLONG, root.lchown(at("x".repeat(256)), 1, 1));
    }

    private void assertOwner(String path, int uid, int gid) {
        var stat = root.lstat(path);
        assertThat(stat.uid() + ":" + stat.gid()).isEqualTo(uid + ":" + gid);
    }
}
