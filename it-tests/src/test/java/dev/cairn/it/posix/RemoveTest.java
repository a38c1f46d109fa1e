package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// unlink and rmdir, and files that outlive their names.
class RemoveTest extends PosixTest {
    @Test
    void a_removed_name_is_gone_and_may_come_back_as_another_file() {
        var file = file("f", 0600, "old");
        int fd = opened(file, O_RDONLY);
        ok(root.unlink(file));
        refused(ENOENT, root.statAnswer(file, 0));
        refused(ENOENT, root.unlink(file));
        file("f", 0600, "new");
        assertThat(root.fstat(fd).ino()).isNotEqualTo(root.stat(file).ino());
        assertThat(content(file)).isEqualTo("new");
        assertThat(text(root.pread(fd, 10, 0))).isEqualTo("old");
    }

    @Test
    void each_call_removes_only_its_kind() {
        directory(root, "d", 0700);
        file("f", 0600, "");
        ok(root.symlink("d", at("s")));
        refused(EISDIR, root.unlink(at("d")));
        refused(ENOTDIR, root.rmdir(at("f")));
        refused(ENOTDIR, root.rmdir(at("s")));
        ok(root.unlink(at("s")));
        assertThat(root.stat(at("d")).type()).isEqualTo(S_IFDIR);
        ok(root.mkfifo(at("p"), 0600));
        refused(ENOTDIR, root.rmdir(at("p")));
        ok(root.unlink(at("p")));
        ok(root.rmdir(at("d")));
        refused(ENOENT, root.rmdir(at("d")));
    }

    @Test
    void only_an_empty_directory_goes() {
        directory(root, "d", 0700);
        file("d/f", 0600, "");
        refused(ENOTEMPTY, root.rmdir(at("d")));
        ok(root.unlink(at("d/f")));
        directory(root, "d/e", 0700);
        refused(ENOTEMPTY, root.rmdir(at("d")));
        refused(EINVAL, root.rmdir(at("d/e/.")));
        refused(ENOTEMPTY, root.rmdir(at("d/e/..")));
        ok(root.rmdir(at("d/e/")));
        ok(root.rmdir(at("d")));
    }

    @Test
    void paths_that_lead_nowhere() {
        file("f", 0600, "");
        refused(ENOENT, root.unlink(at("none/f")));
        refused(ENOTDIR, root.unlink(at("f/g")));
        refused(ENOTDIR, root.unlink(at("f/")));
        refused(ENAMETOOLONG, root.unlink(at("x".repeat(256))));
        refused(ENAMETOOLONG, root.rmdir(at("x".repeat(256))));
        ok(root.symlink("loop", at("loop")));
        refused(ELOOP, root.unlink(at("loop/f")));
        ok(root.unlink(at("loop")));
        refused(ENOENT, root.unlink(""));
    }

    @Test
    void the_directory_must_be_writable_not_the_file() {
        needsRoot();
        directory(root, "d", 0755);
        ok(root.chown(file("d/f", 0666, ""), ALICE, ALICE));
        refused(EACCES, alice.unlink(at("d/f")));
        directory(alice, "d2", 0755);
        closed(kept(root.open(at("d2/f"), O_WRONLY | O_CREAT, 0600)));
        ok(alice.unlink(at("d2/f")));
        ok(root.mkdir(at("d2/sub"), 0700));
        ok(alice.rmdir(at("d2/sub")));
    }

    @Test
    void under_the_sticky_bit_only_owners_remove() {
        needsRoot();
        directory(root, "tmp", 01777);
        file(alice, "tmp/f", 0666, "");
        directory(alice, "tmp/d", 0777);
        refused(EPERM, bob.unlink(at("tmp/f")));
        refused(EPERM, bob.rmdir(at("tmp/d")));
        ok(alice.unlink(at("tmp/f")));
        ok(alice.rmdir(at("tmp/d")));
        directory(bob, "his", 0777);
        ok(root.chmod(at("his"), 01777));
        file(alice, "his/f", 0600, "");
        ok(bob.unlink(at("his/f")));
    }

    @Test
    void an_unlinked_file_lives_until_its_last_user_goes() {
        var file = file("f", 0600, "content");
        int a = opened(file, O_RDWR), b = opened(file, O_RDWR);
        ok(root.unlink(file));
        assertThat(root.fstat(a).nlink()).isZero();
        assertThat(root.pwrite(a, bytes(" goes on"), 7)).isEqualTo(8);
        assertThat(text(root.pread(b, 100, 0))).isEqualTo("content goes on");
        closed(a);
        ok(root.ftruncate(b, 7));
        ok(root.fchmod(b, 0640));
        ok(root.fsync(b));
        assertThat(text(root.pread(b, 100, 0))).isEqualTo("content");
        assertThat(root.fstat(b).permissions()).isEqualTo(0640);
        int again = kept(root.open("/proc/self/fd/" + b, O_RDONLY, 0));
        closed(b);
        assertThat(text(root.pread(again, 100, 0))).isEqualTo("content");
    }

    @Test
    void many_unlinked_files_stay_apart() {
        int[] fds = new int[50];
        for (int i = 0; i < fds.length; i++) {
            fds[i] = kept(root.open(at("f"), O_RDWR | O_CREAT | O_EXCL, 0600));
            root.write(fds[i], bytes("file " + i));
            ok(root.unlink(at("f")));
        }
        for (int i = 0; i < fds.length; i++) assertThat(text(root.pread(fds[i], 100, 0))).isEqualTo("file " + i);
        assertThat(names(dir)).isEmpty();
    }

    @Test
    void an_unlinked_mapping_stays() {
        var file = file("f", 0600, "content");
        int fd = opened(file, O_RDWR);
        var mapping = root.mmap(fd, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        closed(fd);
        ok(root.unlink(file));
        mapping.set(java.lang.foreign.ValueLayout.JAVA_BYTE, 0, (byte) 'C');
        ok(root.msync(mapping));
        assertThat(mapping.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 'C');
        assertThat(mapping.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 1)).isEqualTo((byte) 'o');
        ok(root.munmap(mapping));
    }
}
