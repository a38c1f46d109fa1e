package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.function.ToLongFunction;
import org.junit.jupiter.api.Test;

/// utimensat, and which call changes which time of which inode.
class TimesTest extends PosixTest {
    @Test
    void times_are_kept_to_the_nanosecond() {
        var file = file("f", 0600, "");
        ok(root.utimens(file, 1_000_000_000, 123_456_789, 1_700_000_000, 999_999_999, 0));
        assertThat(root.stat(file).atime()).isEqualTo(Instant.ofEpochSecond(1_000_000_000, 123_456_789));
        assertThat(root.stat(file).mtime()).isEqualTo(Instant.ofEpochSecond(1_700_000_000, 999_999_999));
        ok(root.utimens(file, 0, 0, 0, 1, 0));
        assertThat(root.stat(file).atime()).isEqualTo(Instant.EPOCH);
        assertThat(root.stat(file).mtime()).isEqualTo(Instant.ofEpochSecond(0, 1));
        ok(root.utimens(file, -1_000_000, 5, 5_000_000_000L, 7, 0));
        assertThat(root.stat(file).atime()).as("before 1970").isEqualTo(Instant.ofEpochSecond(-1_000_000, 5));
        assertThat(root.stat(file).mtime()).as("after 2038").isEqualTo(Instant.ofEpochSecond(5_000_000_000L, 7));
        var directory = directory(root, "d", 0700);
        ok(root.utimens(directory, 11, 12, 13, 14, 0));
        assertThat(root.stat(directory).mtime()).isEqualTo(Instant.ofEpochSecond(13, 14));
    }

    /// Mounted as by default, which is relatime; with nothing in the kernel's cache, where reading is not seen.
    @Test
    void reading_moves_the_access_time_once_after_each_change() throws Exception {
        needsRoot();
        var file = file("f", 0600, "text");
        var directory = directory(root, "d", 0700);
        ok(root.symlink("f", at("s")));
        for (var path : new String[] {file, directory, at("s")}) ok(root.utimens(path, 11, 12, 13, 14, AT_SYMLINK_NOFOLLOW));
        var before = root.stat(file);
        Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "3");
        assertThat(content(file)).isEqualTo("text");
        names(directory);
        assertThat(root.readlink(at("s"))).isEqualTo("f");
        var first = root.stat(file);
        for (var path : new String[] {file, directory, at("s")}) {
            assertThat(root.lstat(path).atime()).as(path).isAfter(Instant.now().minusSeconds(60));
            assertThat(root.lstat(path).mtime()).as(path).isEqualTo(Instant.ofEpochSecond(13, 14));
        }
        assertThat(first.ctime()).isEqualTo(before.ctime());
        Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "3");
        content(file);
        assertThat(root.stat(file).atime()).as("read again, unchanged").isEqualTo(first.atime());
    }

    /// cp and other tools that ask the kernel to copy have read the file, too.
    @Test
    void copying_moves_the_access_time_of_the_source() {
        var from = file("from", 0600, "text");
        int source = opened(from, O_RDONLY), target = kept(root.open(at("to"), O_RDWR | O_CREAT, 0600));
        ok(root.utimens(from, 11, 12, 13, 14, 0));
        ok(root.utimens(at("to"), 11, 12, 13, 14, 0));
        var before = root.stat(from);
        Times.awaitAfter(before.ctime());
        assertThat(root.copyFileRange(source, 0, target, 0, 4)).isEqualTo(4);
        var after = root.stat(from);
        assertThat(after.atime()).isAfter(Instant.now().minusSeconds(60));
        assertThat(after.mtime()).isEqualTo(before.mtime());
        assertThat(after.ctime()).isEqualTo(before.ctime());
        assertThat(root.stat(at("to")).atime()).as("of what is written to").isEqualTo(Instant.ofEpochSecond(11, 12));
        assertThat(text(root.pread(target, 10, 0))).isEqualTo("text");
        assertThat(root.copyFileRange(source, 0, target, 4, 4)).isEqualTo(4);
        assertThat(root.stat(from).atime()).as("copied again, unchanged").isEqualTo(after.atime());
    }

    @Test
    void what_does_not_read_leaves_the_access_time() {
        var file = file("f", 0600, "content");
        var directory = directory(root, "d", 0700);
        for (var path : new String[] {file, directory}) ok(root.utimens(path, 11, 12, 13, 14, 0));
        int fd = opened(file, O_RDWR);
        root.pwrite(fd, bytes("x"), 5000);
        ok(root.ftruncate(fd, 3));
        ok(root.fallocate(fd, 0, 0, 10_000));
        ok(root.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 100));
        ok(root.fsync(fd));
        ok(root.chmod(file, 0640));
        ok(root.setxattr(file, "user.x", bytes("v"), 0));
        ok(root.link(file, at("d/f")));
        ok(root.rename(at("d/f"), at("d/g")));
        ok(root.mkdir(at("d/sub"), 0700));
        ok(root.unlink(at("d/g")));
        for (var path : new String[] {file, directory}) assertThat(root.stat(path).atime()).as(path).isEqualTo(Instant.ofEpochSecond(11, 12));
    }

    @Test
    void one_time_may_be_left_and_one_be_now() {
        var file = file("f", 0600, "");
        ok(root.utimens(file, 11, 12, 13, 14, 0));
        ok(root.utimens(file, 0, UTIME_OMIT, 21, 22, 0));
        assertThat(root.stat(file).atime()).isEqualTo(Instant.ofEpochSecond(11, 12));
        assertThat(root.stat(file).mtime()).isEqualTo(Instant.ofEpochSecond(21, 22));
        ok(root.utimens(file, 0, UTIME_NOW, 0, UTIME_OMIT, 0));
        assertThat(root.stat(file).atime()).isAfter(Instant.now().minusSeconds(60));
        assertThat(root.stat(file).mtime()).isEqualTo(Instant.ofEpochSecond(21, 22));
        ok(root.utimeNow(file));
        assertThat(root.stat(file).mtime()).isBetween(Instant.now().minusSeconds(60), Instant.now().plusSeconds(1));
        refused(EINVAL, root.utimens(file, 0, 1_000_000_000, 0, 0, 0));
        refused(EINVAL, root.utimens(file, 0, 0, 0, -1, 0));
    }

    @Test
    void a_symlink_has_times_of_its_own() {
        var file = file("f", 0600, "");
        ok(root.symlink("f", at("s")));
        ok(root.utimens(at("s"), 1, 2, 3, 4, AT_SYMLINK_NOFOLLOW));
        assertThat(root.lstat(at("s")).mtime()).isEqualTo(Instant.ofEpochSecond(3, 4));
        assertThat(root.stat(file).mtime()).isAfter(Instant.ofEpochSecond(1000));
        ok(root.utimens(at("s"), 5, 6, 7, 8, 0));
        assertThat(root.stat(file).mtime()).isEqualTo(Instant.ofEpochSecond(7, 8));
        assertThat(root.lstat(at("s")).mtime()).isEqualTo(Instant.ofEpochSecond(3, 4));
    }

    @Test
    void whose_times_may_be_set() {
        needsRoot();
        var file = file(alice, "f", 0666, "");
        ok(alice.utimens(file, 1, 0, 1, 0, 0));
        refused(EPERM, bob.utimens(file, 1, 0, 1, 0, 0));
        ok(bob.utimeNow(file));
        refused(EPERM, bob.utimens(file, 0, UTIME_NOW, 0, UTIME_OMIT, 0));
        ok(root.chmod(file, 0644));
        refused(EACCES, bob.utimeNow(file));
        ok(bob.utimens(file, 0, UTIME_OMIT, 0, UTIME_OMIT, 0));
        ok(root.utimens(file, 1, 0, 1, 0, 0));
        refused(ENOENT, root.utimeNow(at("none")));
        refused(ENOTDIR, root.utimeNow(at("f/x")));
    }

    @Test
    void content_changes_mtime_and_ctime() {
        var file = file("f", 0600, "content");
        int fd = opened(file, O_RDWR);
        assertThat(changes(file, _ -> root.pwrite(fd, bytes("x"), 0))).isEqualTo("mtime ctime");
        assertThat(changes(file, _ -> root.pwrite(fd, bytes("xyz"), 100))).isEqualTo("mtime ctime");
        assertThat(changes(file, _ -> root.ftruncate(fd, 3))).isEqualTo("mtime ctime");
        assertThat(changes(file, _ -> root.truncate(file, 1))).isEqualTo("mtime ctime");
        var truncatedToItsSize = changes(file, _ -> root.truncate(file, 1));
        // POSIX leaves the times; ext4 moves them.
        if (System.getProperty("cairn.posix.dir") == null) assertThat(truncatedToItsSize).isEmpty();
        else assertThat(truncatedToItsSize).isIn("", "mtime ctime");
        assertThat(changes(file, _ -> root.ftruncate(fd, 1))).as("ftruncate to the same size").isEqualTo("mtime ctime");
        assertThat(changes(file, _ -> root.fallocate(fd, 0, 0, 5000))).as("fallocate").isEqualTo("mtime ctime");
        assertThat(changes(file, _ -> root.fallocate(fd, 0, 0, 100))).as("fallocate of what is there").isEqualTo("mtime ctime");
        assertThat(changes(file, _ -> root.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 4096))).isEqualTo("mtime ctime");
        assertThat(changes(file, path -> root.close(ok(root.open(path, O_WRONLY | O_TRUNC, 0))))).isEqualTo("mtime ctime");
        assertThat(changes(file, path -> root.close(ok(root.open(path, O_WRONLY | O_TRUNC, 0))))).as("O_TRUNC of nothing").isEqualTo("mtime ctime");
    }

    /// An archive that was unpacked on a machine with a wrong clock: what is changed then is changed now.
    @Test
    void a_time_to_come_becomes_now_with_the_next_change() {
        var file = file("f", 0600, "content");
        var directory = directory(root, "d", 0700);
        for (var path : new String[] {file, directory}) ok(root.utimens(path, 1, 0, 4_000_000_000L, 0, 0));
        int fd = opened(file, O_WRONLY);
        ok(root.pwrite(fd, bytes("C"), 0));
        file("d/name", 0600, "");
        for (var path : new String[] {file, directory})
            assertThat(root.stat(path).mtime()).as(path).isBetween(Instant.now().minusSeconds(60), Instant.now().plusSeconds(1));
    }

    @Test
    void reading_without_a_trace_leaves_atime() throws Exception {
        needsRoot();
        var file = file("f", 0600, "text");
        var directory = directory(root, "d", 0700);
        for (var path : new String[] {file, directory}) ok(root.utimens(path, 11, 12, 13, 14, 0));
        Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "3");
        assertThat(text(root.pread(opened(file, O_RDONLY | O_NOATIME), 10, 0))).isEqualTo("text");
        root.getdents(opened(directory, O_RDONLY | O_DIRECTORY | O_NOATIME), 1000);
        for (var path : new String[] {file, directory}) assertThat(root.stat(path).atime()).as(path).isEqualTo(Instant.ofEpochSecond(11, 12));
    }

    @Test
    void the_time_of_birth_stays() {
        var before = Instant.now().minusSeconds(1);
        var file = file("f", 0600, "text");
        var born = root.stat(file).btime();
        assertThat(born).isBetween(before, Instant.now().plusSeconds(1));
        ok(root.utimens(file, 11, 12, 13, 14, 0));
        ok(root.chmod(file, 0644));
        ok(root.truncate(file, 1));
        ok(root.rename(file, at("g")));
        assertThat(root.stat(at("g")).btime()).isEqualTo(born);
    }

    @Test
    void attributes_change_ctime_only() {
        var file = file("f", 0600, "content");
        assertThat(changes(file, path -> root.chmod(path, 0640))).isEqualTo("ctime");
        assertThat(changes(file, path -> root.chown(path, -1, -1))).as("chown that changes nothing").isIn("ctime", "");
        assertThat(changes(file, path -> root.link(path, at("g")))).as("link").isEqualTo("ctime");
        assertThat(changes(file, _ -> root.unlink(at("g")))).as("unlink of another name").isEqualTo("ctime");
        assertThat(changes(file, path -> root.setxattr(path, "user.x", bytes("v"), 0))).as("setxattr").isEqualTo("ctime");
        assertThat(changes(file, path -> root.removexattr(path, "user.x"))).as("removexattr").isEqualTo("ctime");
        ok(root.rename(file, at("h")));
        assertThat(changes(at("h"), path -> root.utimens(path, 0, UTIME_OMIT, 5, 0, 0))).isEqualTo("mtime ctime");
    }

    @Test
    void what_only_looks_changes_neither_mtime_nor_ctime() {
        var file = file("f", 0600, "content");
        int fd = opened(file, O_RDWR);
        assertThat(changes(file, _ -> root.pread(fd, 10, 0).length)).isEmpty();
        assertThat(changes(file, path -> root.access(path, R_OK))).isEmpty();
        assertThat(changes(file, path -> root.close(ok(root.open(path, O_RDWR, 0))))).isEmpty();
        assertThat(changes(file, _ -> root.fsync(fd))).isEmpty();
        assertThat(changes(file, _ -> root.write(fd, new byte[0]))).as("a write of nothing").isEmpty();
        assertThat(changes(dir, _ -> names(dir).size())).isEmpty();
        assertThat(changes(dir, _ -> -root.unlink(at("none")))).as("a call that fails").isEmpty();
        assertThat(changes(dir, _ -> -root.mkdir(file, 0700))).isEmpty();
        assertThat(changes(dir, _ -> -root.rename(at("none"), file))).isEmpty();
    }

    @Test
    void a_directory_changes_with_its_names() {
        var directory = directory(root, "d", 0700);
        assertThat(changes(directory, _ -> root.close(ok(root.open(at("d/f"), O_WRONLY | O_CREAT, 0600))))).isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.link(at("d/f"), at("d/g")))).isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.rename(at("d/g"), at("d/h")))).isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.unlink(at("d/h")))).isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.mkdir(at("d/sub"), 0700))).isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.rmdir(at("d/sub")))).isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.symlink("x", at("d/s")))).isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.mkfifo(at("d/p"), 0600))).isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.rename(at("d/p"), at("p")))).as("moved out").isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.rename(at("p"), at("d/p")))).as("moved in").isEqualTo("mtime ctime");
        assertThat(changes(directory, _ -> root.close(ok(root.open(at("d/f"), O_WRONLY | O_CREAT, 0600))))).as("made before").isEmpty();
        int fd = opened(at("d/f"), O_WRONLY);
        assertThat(changes(directory, _ -> root.write(fd, bytes("x")))).as("a file's content").isEmpty();
        assertThat(changes(dir, _ -> root.mkdir(at("d/deep"), 0700))).as("only the parent").isEmpty();
    }

    @Test
    void the_last_unlink_changes_the_ctime_of_an_open_file() {
        var file = file("f", 0600, "");
        int fd = opened(file, O_RDONLY);
        assertThat(changes("/proc/self/fd/" + fd, _ -> root.unlink(file))).isEqualTo("ctime");
        file("g", 0600, "");
        var replaced = file("h", 0600, "");
        int open = opened(replaced, O_RDONLY);
        assertThat(changes("/proc/self/fd/" + open, _ -> root.rename(at("g"), replaced))).isEqualTo("ctime");
    }

    @Test
    void a_new_file_has_the_time_of_its_birth() {
        var before = Instant.now().minusMillis(20);
        var made = root.stat(file("f", 0600, ""));
        assertThat(made.mtime()).isBetween(before, Instant.now().plusMillis(20));
        assertThat(made.ctime()).isBetween(before, Instant.now().plusMillis(20));
        assertThat(made.atime()).isBetween(before, Instant.now().plusMillis(20));
    }

    /// Which of the two times `call` moved on the file named `path`. The clock of a file system may be coarse: it is
    /// given the time for a step.
    private String changes(String path, ToLongFunction<String> call) {
        var before = root.stat(path);
        var then = System.nanoTime();
        while (System.nanoTime() - then < 11_000_000) Thread.onSpinWait();
        ok(call.applyAsLong(path));
        var after = root.stat(path);
        return ((after.mtime().equals(before.mtime()) ? "" : "mtime ") + (after.ctime().equals(before.ctime()) ? "" : "ctime")).trim();
    }
}
