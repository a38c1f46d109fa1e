package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// chmod and fchmod, and the bits that a write or a change takes away by itself.
class ModeTest extends PosixTest {
    @BeforeEach
    void users() {
        needsRoot();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 0777, 0111, 0644, 01777, 02755, 04755, 07777})
    void every_permission_bit_is_kept(int mode) {
        var file = file("f", 0600, "");
        ok(root.chmod(file, mode));
        assertThat(root.stat(file).mode()).isEqualTo(S_IFREG | mode);
        var directory = directory(root, "d", 0700);
        int fd = opened(directory, O_RDONLY | O_DIRECTORY);
        ok(root.fchmod(fd, mode));
        assertThat(root.stat(directory).mode()).isEqualTo(S_IFDIR | mode);
    }

    @Test
    void only_the_owner_and_root_change_a_mode() {
        var file = file(alice, "f", 0666, "");
        refused(EPERM, bob.chmod(file, 0600));
        refused(EPERM, colleague.chmod(file, 0600));
        assertThat(root.stat(file).permissions()).isEqualTo(0666);
        ok(alice.chmod(file, 0));
        ok(root.chmod(file, 0640));
        assertThat(root.stat(file).permissions()).isEqualTo(0640);
    }

    @Test
    void chmod_follows_a_symlink() {
        var file = file("f", 0600, "");
        ok(root.symlink("f", at("s")));
        ok(root.chmod(at("s"), 0644));
        assertThat(root.stat(file).permissions()).isEqualTo(0644);
        assertThat(root.lstat(at("s")).mode()).isEqualTo(S_IFLNK | 0777);
    }

    @Test
    void paths_that_lead_nowhere() {
        file("f", 0600, "");
        refused(ENOENT, root.chmod(at("none"), 0600));
        refused(ENOTDIR, root.chmod(at("f/x"), 0600));
        ok(root.symlink("loop", at("loop")));
        refused(ELOOP, root.chmod(at("loop"), 0600));
        refused(ENAMETOOLONG, root.chmod(at("x".repeat(256)), 0600));
        directory(root, "shut", 0700);
        file("shut/f", 0666, "");
        refused(EACCES, alice.chmod(at("shut/f"), 0600));
    }

    @Test
    void set_group_id_is_dropped_for_a_group_that_the_owner_is_not_in() {
        var file = file(alice, "f", 0644, "");
        ok(root.chown(file, ALICE, GUESTS));
        ok(alice.chmod(file, 02755));
        assertThat(root.stat(file).permissions()).isEqualTo(0755);
        ok(root.chown(file, ALICE, STAFF));
        ok(alice.chmod(file, 02755));
        assertThat(root.stat(file).permissions()).isEqualTo(02755);
        ok(root.chown(file, ALICE, GUESTS));
        ok(root.chmod(file, 02755));
        assertThat(root.stat(file).permissions()).as("root may").isEqualTo(02755);
    }

    @Test
    void a_write_by_a_user_clears_set_user_id_and_set_group_id() {
        var file = file(alice, "f", 0777, "content");
        ok(root.chmod(file, 06777));
        int fd = kept(bob.open(file, O_WRONLY, 0));
        assertThat(bob.write(fd, bytes("x"))).isEqualTo(1);
        assertThat(root.stat(file).permissions()).isEqualTo(0777);
    }

    @Test
    void a_copy_or_an_allocation_by_a_user_clears_them_as_well() {
        var file = file(alice, "f", 0777, "content");
        int from = opened(file("from", 0644, "from"), O_RDONLY), to = kept(bob.open(file, O_RDWR, 0));
        ok(root.chmod(file, 06777));
        assertThat(bob.copyFileRange(from, 0, to, 0, 4)).isEqualTo(4);
        assertThat(root.stat(file).permissions()).isEqualTo(0777);
        ok(root.chmod(file, 06777));
        ok(bob.fallocate(to, 0, 0, 100_000));
        assertThat(root.stat(file).permissions()).isEqualTo(0777);
        ok(root.chmod(file, 06777));
        ok(bob.fallocate(to, PUNCH_HOLE | KEEP_SIZE, 0, 4096));
        assertThat(root.stat(file).permissions()).isEqualTo(0777);
    }

    @Test
    void a_write_by_root_clears_nothing() {
        var file = file(alice, "f", 0777, "content");
        ok(root.chmod(file, 06777));
        int fd = opened(file, O_WRONLY);
        assertThat(root.write(fd, bytes("x"))).isEqualTo(1);
        assertThat(root.stat(file).permissions()).isEqualTo(06777);
    }

    @Test
    void a_truncation_by_a_user_clears_set_user_id_and_set_group_id() {
        var file = file(alice, "f", 0777, "content");
        ok(root.chmod(file, 06777));
        ok(bob.truncate(file, 3));
        assertThat(root.stat(file).permissions()).isEqualTo(0777);
        ok(root.chmod(file, 06777));
        int fd = kept(bob.open(file, O_WRONLY, 0));
        ok(bob.ftruncate(fd, 2));
        assertThat(root.stat(file).permissions()).isEqualTo(0777);
        ok(root.chmod(file, 06777));
        kept(bob.open(file, O_WRONLY | O_TRUNC, 0));
        assertThat(root.stat(file).permissions()).isEqualTo(0777);
    }

    @Test
    void a_group_id_without_group_execution_survives_a_write_of_a_member() {
        var file = file(alice, "f", 02666, "content");
        ok(root.chown(file, ALICE, STAFF));
        ok(root.chmod(file, 02666));
        int fd = kept(alice.open(file, O_WRONLY, 0));
        assertThat(alice.write(fd, bytes("x"))).isEqualTo(1);
        assertThat(root.stat(file).permissions()).isEqualTo(02666);
    }

    @Test
    void the_mode_decides_who_reads_writes_and_searches() {
        var file = file(alice, "f", 0, "content");
        ok(root.chown(file, ALICE, STAFF));
        ok(root.chmod(file, 0640));
        kept(alice.open(file, O_RDWR, 0));
        kept(colleague.open(file, O_RDONLY, 0));
        refused(EACCES, colleague.open(file, O_WRONLY, 0));
        refused(EACCES, bob.open(file, O_RDONLY, 0));
        ok(root.chmod(file, 0066));
        refused(EACCES, alice.open(file, O_RDONLY, 0));
        kept(bob.open(file, O_RDWR, 0));
        ok(root.chmod(file, 0606));
        refused(EACCES, colleague.open(file, O_RDONLY, 0));
        kept(root.open(file, O_RDWR, 0));
    }

    @Test
    void access_says_what_open_will_do() {
        var file = file(alice, "f", 0640, "");
        ok(root.chown(file, ALICE, STAFF));
        ok(alice.access(file, R_OK | W_OK));
        refused(EACCES, alice.access(file, X_OK));
        ok(colleague.access(file, R_OK));
        refused(EACCES, colleague.access(file, W_OK));
        ok(bob.access(file, F_OK));
        refused(EACCES, bob.access(file, R_OK));
        refused(EACCES, root.access(file, X_OK));
        ok(root.access(file, R_OK | W_OK));
        refused(ENOENT, bob.access(at("none"), F_OK));
    }

    @Test
    void a_directory_is_searched_read_and_written_by_its_three_bits() {
        var directory = directory(alice, "d", 0777);
        file(alice, "d/f", 0666, "x");
        ok(root.chmod(directory, 0711));
        kept(bob.open(at("d/f"), O_RDONLY, 0));
        refused(EACCES, bob.open(directory, O_RDONLY | O_DIRECTORY, 0));
        refused(EACCES, bob.mkdir(at("d/new"), 0777));
        ok(root.chmod(directory, 0744));
        kept(bob.open(directory, O_RDONLY | O_DIRECTORY, 0));
        refused(EACCES, bob.open(at("d/f"), O_RDONLY, 0));
        refused(EACCES, bob.statAnswer(at("d/f"), 0));
        ok(root.chmod(directory, 0733));
        ok(bob.mkdir(at("d/new"), 0777));
        refused(EACCES, bob.open(directory, O_RDONLY | O_DIRECTORY, 0));
    }

    @Test
    void the_mask_takes_bits_from_what_is_made_but_not_from_chmod() {
        Posix.umask(027);
        assertThat(root.stat(file("f", 0777, "")).permissions()).isEqualTo(0750);
        assertThat(root.stat(directory(root, "d", 0777)).permissions()).isEqualTo(0750);
        ok(root.mkfifo(at("p"), 0666));
        assertThat(root.stat(at("p")).permissions()).isEqualTo(0640);
        ok(root.symlink("f", at("s")));
        assertThat(root.lstat(at("s")).permissions()).isEqualTo(0777);
        ok(root.chmod(at("f"), 0777));
        assertThat(root.stat(at("f")).permissions()).isEqualTo(0777);
    }

    @Test
    void an_open_file_stays_open_when_its_mode_is_taken_away() {
        var file = file(alice, "f", 0600, "content");
        int fd = kept(alice.open(file, O_RDWR, 0));
        ok(root.chmod(file, 0));
        assertThat(text(alice.pread(fd, 100, 0))).isEqualTo("content");
        assertThat(alice.pwrite(fd, bytes("C"), 0)).isEqualTo(1);
        assertThat(text(alice.pread(fd, 100, 0))).isEqualTo("Content");
    }
}
