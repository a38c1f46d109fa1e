package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.it.TestVolume;
import dev.cairn.it.posix.Linux.Call;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// The errors that every call with a path may end with, provoked for each of them; and those that belong to a few calls
/// and to no other class here.
///
/// | error | where |
/// | --- | --- |
/// | EACCES (search), ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EFAULT, EBADF | here, for every call |
/// | EROFS | the kernel refuses every change of a mount with `ro` |
/// | EBUSY, ETXTBSY, ENXIO, ESPIPE, EXDEV, EINVAL of flags | here |
/// | EFBIG and SIGXFSZ, SIGBUS, locks, appends of several processes | [ProcessTest] |
/// | EACCES, EPERM by modes, owners and the sticky bit | [ModeTest], [OwnerTest], [TimesTest], [RemoveTest], [RenameTest], … |
/// | EEXIST, EISDIR, ENOTEMPTY, EINVAL of names | [MakeTest], [RemoveTest], [RenameTest], [OpenTest], … |
/// | E2BIG, ENODATA, EOPNOTSUPP, ERANGE | [XattrTest], [AclTest] |
/// | ENOSPC, EIO | `FullAndFailingTest`, `DeviceFaultTest` |
/// | EMLINK | `CallsTest` of the module filesystem: the limit is 2 147 483 647 names |
/// | EDQUOT, EOVERFLOW, ENOMEM, EMFILE, ENFILE | not of this file system, or not to be provoked |
class ErrnoTest extends PosixTest {
    interface OnPath { long of(Posix user, String path); }

    /// Every call that takes a path; of two paths one is the given one.
    static Map<String, OnPath> calls(String file) {
        var calls = new LinkedHashMap<String, OnPath>();
        calls.putAll(changes(file));
        calls.put("open", (user, path) -> opened(user, user.open(path, O_RDONLY, 0)));
        calls.put("stat", (user, path) -> user.statAnswer(path, 0));
        calls.put("access", (user, path) -> user.access(path, F_OK));
        calls.put("readlink", (user, path) -> user.readlink(path, 100));
        calls.put("getxattr", (user, path) -> user.getxattr(path, "user.a", 100));
        calls.put("listxattr", (user, path) -> user.listxattr(path, 100));
        return calls;
    }

    /// Those that change something, also where nothing is.
    static Map<String, OnPath> changes(String file) {
        var calls = new LinkedHashMap<String, OnPath>();
        calls.put("open to create", (user, path) -> opened(user, user.open(path, O_RDWR | O_CREAT, 0600)));
        calls.put("open to write", (user, path) -> opened(user, user.open(path, O_WRONLY, 0)));
        calls.put("mkdir", (user, path) -> user.mkdir(path, 0700));
        calls.put("mkfifo", (user, path) -> user.mkfifo(path, 0600));
        calls.put("mknod", (user, path) -> user.mknod(path, S_IFSOCK | 0600, 0));
        calls.put("symlink", (user, path) -> user.symlink("target", path));
        calls.put("link from", (user, path) -> user.link(path, file + "-link"));
        calls.put("link to", (user, path) -> user.link(file, path));
        calls.put("unlink", Posix::unlink);
        calls.put("rmdir", Posix::rmdir);
        calls.put("rename from", (user, path) -> user.rename(path, file + "-renamed"));
        calls.put("rename to", (user, path) -> user.rename(file, path));
        calls.put("chmod", (user, path) -> user.chmod(path, 0600));
        calls.put("chown", (user, path) -> user.chown(path, -1, -1));
        calls.put("lchown", (user, path) -> user.lchown(path, -1, -1));
        calls.put("truncate", (user, path) -> user.truncate(path, 0));
        calls.put("utimensat", Posix::utimeNow);
        calls.put("setxattr", (user, path) -> user.setxattr(path, "user.a", bytes("v"), 0));
        calls.put("removexattr", (user, path) -> user.removexattr(path, "user.a"));
        return calls;
    }

    private static long opened(Posix user, long fd) {
        return fd < 0 ? fd : user.close((int) fd);
    }

    private void every(int errno, Posix user, String path) {
        every(errno, user, path, List.of());
    }

    private void every(int errno, Posix user, String path, List<String> but) {
        var wrong = new ArrayList<String>();
        calls(file).forEach((name, call) -> {
            if (but.contains(name)) return;
            var was = answer(call.of(user, path));
            if (!was.equals(errno(errno))) wrong.add(name + " answers " + was);
        });
        assertThat(wrong).as("instead of %s for %s", errno(errno), path.length() > 300 ? "a long path" : path).isEmpty();
        assertThat(root.stat(file)).as("the other file").isNotNull();
    }

    private String file;

    private void aFile(Posix owner) {
        file = file(owner, "other", 0666, "x");
    }

    @Test
    void a_path_that_leads_nowhere() {
        aFile(root);
        every(ENOENT, root, at("none/x"));
        every(ENOENT, root, "");
        every(ENOTDIR, root, at("other/x"));
        ok(root.symlink("nowhere/at/all", at("dangling")));
        every(ENOENT, root, at("dangling/x"));
        // What is not there is not made with a slash at its end, but for directories; and not found.
        every(ENOENT, root, at("none"), List.of("open to create", "mkdir", "mkfifo", "mknod", "symlink", "link to", "rename to"));
    }

    @Test
    void a_path_of_symlinks_without_end() {
        aFile(root);
        ok(root.symlink("b", at("a")));
        ok(root.symlink("a", at("b")));
        every(ELOOP, root, at("a/x"));
    }

    @Test
    void a_name_or_a_path_that_is_too_long() {
        aFile(root);
        every(ENAMETOOLONG, root, at("n".repeat(256)));
        every(ENAMETOOLONG, root, at("n".repeat(256) + "/x"));
        every(ENAMETOOLONG, root, at("./".repeat(2048) + "x"));
        ok(root.mkdir(at("n".repeat(255)), 0700));
    }

    @Test
    void a_directory_that_may_not_be_searched() {
        needsRoot();
        directory(root, "locked", 0777);
        ok(root.mkdir(at("locked/x"), 0777));
        ok(root.chown(at("locked"), ALICE, ALICE));
        ok(root.chmod(at("locked"), 0600));
        aFile(bob);
        every(EACCES, bob, at("locked/x"));
        every(EACCES, alice, at("locked/x"), List.of("link to", "rename to"));
    }

    @Test
    void addresses_that_are_none() {
        refused(EFAULT, Posix.badPath(Call.OPENAT));
        refused(EFAULT, Posix.badPath(Call.MKDIRAT));
        refused(EFAULT, Posix.badPath(Call.UNLINKAT));
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        refused(EFAULT, root.writeFrom(fd, 8, 10));
        ok(root.write(fd, new byte[10]));
        ok(root.lseek(fd, 0, SEEK_SET));
        refused(EFAULT, root.readTo(fd, 8, 10));
        assertThat(root.fstat(fd).size()).isEqualTo(10);
    }

    @Test
    void descriptors_that_are_none() {
        int fd = ok(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        ok(root.close(fd));
        refused(EBADF, root.write(fd, new byte[1]));
        refused(EBADF, root.readAnswer(fd, 1));
        refused(EBADF, root.fchmod(fd, 0600));
        refused(EBADF, root.fchown(fd, 0, 0));
        refused(EBADF, root.ftruncate(fd, 0));
        refused(EBADF, root.fsync(fd));
        refused(EBADF, root.fallocate(fd, 0, 0, 1));
        refused(EBADF, root.lseek(fd, 0, SEEK_SET));
        refused(EBADF, root.openat(fd, "x", O_RDONLY, 0));
        refused(EBADF, root.flock(fd, LOCK_SH));
        int file = opened(file("g", 0600, ""), O_RDONLY);
        refused(ENOTDIR, root.openat(file, "x", O_RDONLY, 0));
        refused(ENOTDIR, root.unlinkat(file, "x", 0));
        refused(EINVAL, root.ftruncate(file, 1));
        refused(EBADF, root.write(file, new byte[1]));
    }

    /// Each call that names something relative to a directory, or works on what is open.
    @Test
    void directories_that_are_none() {
        int file = opened(file("f", 0600, ""), O_RDONLY), closed = ok(root.open(at("g"), O_RDWR | O_CREAT, 0600));
        ok(root.close(closed));
        for (int dir : new int[] {file, closed}) {
            int errno = dir == file ? ENOTDIR : EBADF;
            refused(errno, root.openat(dir, "x", O_RDONLY, 0));
            refused(errno, root.relativeTo(Call.MKDIRAT, dir, "x", 0700));
            refused(errno, root.relativeTo(Call.MKNODAT, dir, "x", S_IFIFO | 0600, 0));
            refused(errno, root.relativeTo(Call.MKNODAT, dir, "x", S_IFSOCK | 0600, 0));
            refused(errno, root.relativeTo(Call.FCHMODAT, dir, "x", 0600));
            refused(errno, root.relativeTo(Call.FCHOWNAT, dir, "x", -1, -1, 0));
            refused(errno, root.relativeTo(Call.UTIMENSAT, dir, "x", 0, 0));
            refused(errno, root.relativeTo(Call.READLINKAT, dir, "x", 0, 10));
            refused(errno, root.unlinkat(dir, "x", 0));
            refused(errno, root.unlinkat(dir, "x", AT_REMOVEDIR));
            refused(errno, root.linkat(dir, "x", AT_FDCWD, at("l"), 0));
            refused(errno, root.linkat(AT_FDCWD, at("f"), dir, "x", 0));
            refused(errno, root.symlinkat("target", dir, "x"));
            refused(errno, root.renameat2(dir, "x", AT_FDCWD, at("r"), 0));
            refused(errno, root.renameat2(AT_FDCWD, at("f"), dir, "x", 0));
        }
        for (var call : new Call[] {Call.FSETXATTR, Call.FGETXATTR, Call.FLISTXATTR, Call.FREMOVEXATTR})
            refused(EBADF, root.relativeTo(call, closed, "user.a"));
        refused(EBADF, root.relativeTo(Call.UTIMENSAT, closed, "", 0, AT_EMPTY_PATH));
        assertThat(names(dir)).containsExactlyInAnyOrder("f", "g");
    }

    @Test
    void flags_that_are_none() {
        var file = file("f", 0600, "");
        refused(EINVAL, root.unlinkat(AT_FDCWD, file, 0x8000));
        refused(EINVAL, root.linkat(AT_FDCWD, file, AT_FDCWD, at("l"), 1));
        refused(EINVAL, root.renameat2(file, at("g"), RENAME_NOREPLACE | RENAME_EXCHANGE));
        refused(EINVAL, root.renameat2(file, at("g"), 1 << 10));
        refused(EINVAL, root.setxattr(file, "user.a", new byte[1], XATTR_CREATE | XATTR_REPLACE | 8));
        refused(ENODATA, root.setxattr(file, "user.a", new byte[1], XATTR_CREATE | XATTR_REPLACE));
        ok(root.setxattr(file, "user.a", new byte[1], XATTR_CREATE));
        refused(EEXIST, root.setxattr(file, "user.a", new byte[1], XATTR_CREATE | XATTR_REPLACE));
        refused(EINVAL, root.mknod(at("n"), 0110000 | 0600, 0));
        refused(EINVAL, root.lseek(opened(file, O_RDONLY), 0, 77));
        refused(EINVAL, root.lseek(opened(file, O_RDONLY), -1, SEEK_SET));
        refused(EINVAL, root.open(dir, O_TMPFILE | O_RDONLY, 0600));
        refused(EINVAL, root.truncate(file, -1));
        refused(EINVAL, root.relativeTo(Call.FCHOWNAT, AT_FDCWD, file, -1, -1, 0x8000));
        refused(EINVAL, root.relativeTo(Call.UTIMENSAT, AT_FDCWD, file, 0, 0x8000));
        refused(ENOENT, root.renameat2(file, at("g"), RENAME_EXCHANGE));
        refused(EINVAL, root.renameat2(file, at("g"), RENAME_WHITEOUT | RENAME_EXCHANGE));
        refused(EOPNOTSUPP, root.setxattr(file, "nowhere.a", new byte[1], 0));
        refused(EOPNOTSUPP, root.getxattr(file, "nowhere.a", 10));
        refused(EOPNOTSUPP, root.removexattr(file, "nowhere.a"));
    }

    @Test
    void sizes_beyond_the_largest() {
        onlyHere();
        int fd = opened(file("f", 0600, "x"), O_RDWR);
        long largest = 1L << 62;
        ok(root.ftruncate(fd, largest));
        assertThat(root.fstat(fd).size()).isEqualTo(largest);
        assertThat(text(root.pread(fd, 1, 0))).isEqualTo("x");
        assertThat(root.pread(fd, 10, largest - 5)).isEqualTo(new byte[5]);
        assertThat(root.pwrite(fd, bytes("end"), largest - 3)).isEqualTo(3);
        assertThat(text(root.pread(fd, 10, largest - 3))).isEqualTo("end");
        refused(EFBIG, root.ftruncate(fd, largest + 1));
        refused(EFBIG, root.truncate(at("f"), Long.MAX_VALUE));
        refused(EFBIG, root.pwrite(fd, bytes("x"), largest));
        assertThat(root.fstat(fd).size()).isEqualTo(largest);
    }

    @Test
    void a_mount_point_is_busy() {
        needsRoot();
        directory(root, "d", 0700);
        directory(root, "e", 0700);
        TestVolume.shell("mount -t tmpfs -o size=64k none '" + at("d") + "'").orFail();
        try {
            refused(EBUSY, root.rmdir(at("d")));
            refused(EBUSY, root.rename(at("d"), at("x")));
            refused(EBUSY, root.rename(at("e"), at("d")));
            refused(EBUSY, root.renameat2(at("e"), at("d"), RENAME_EXCHANGE));
            var inside = at("d/f");
            ok(root.close(ok(root.open(inside, O_RDWR | O_CREAT, 0600))));
            refused(EXDEV, root.rename(inside, at("f")));
            refused(EXDEV, root.link(inside, at("f")));
            file("g", 0600, "");
            refused(EXDEV, root.rename(at("g"), at("d/g")));
            refused(EXDEV, root.link(at("g"), at("d/g")));
        } finally {
            TestVolume.shell("umount '" + at("d") + "'").orFail();
        }
        file("h", 0600, "");
        TestVolume.shell("mount --bind '" + at("g") + "' '" + at("h") + "'").orFail();
        try {
            refused(EBUSY, root.unlink(at("h")));
        } finally {
            TestVolume.shell("umount '" + at("h") + "'").orFail();
        }
        ok(root.rename(at("d"), at("x")));
    }

    @Test
    void a_running_program_is_not_written() throws Exception {
        var program = at("program");
        TestVolume.shell("cp /bin/sleep '" + program + "'").orFail();
        var running = new ProcessBuilder(program, "60").start();
        try {
            refused(ETXTBSY, root.open(program, O_WRONLY, 0));
            refused(ETXTBSY, root.open(program, O_RDWR | O_TRUNC, 0));
            refused(ETXTBSY, root.truncate(program, 0));
            ok(root.chmod(program, 0755));
            ok(root.rename(program, at("renamed")));
        } finally {
            running.destroyForcibly().waitFor();
        }
        int writer = kept(root.open(at("renamed"), O_WRONLY, 0));
        var refusal = TestVolume.run(java.time.Duration.ofSeconds(10), Map.of(), "sh", "-c", "'" + at("renamed") + "' 0");
        assertThat(refusal.err()).contains("Text file busy");
        closed(writer);
        TestVolume.shell("'" + at("renamed") + "' 0").orFail();
        ok(root.unlink(at("renamed")));
    }

    @Test
    void fifos_sockets_and_devices_that_nobody_serves() {
        ok(root.mkfifo(at("p"), 0600));
        refused(ENXIO, root.open(at("p"), O_WRONLY | O_NONBLOCK, 0));
        int reader = kept(root.open(at("p"), O_RDONLY | O_NONBLOCK, 0));
        refused(ESPIPE, root.lseek(reader, 0, SEEK_SET));
        ok(root.mknod(at("s"), S_IFSOCK | 0600, 0));
        refused(ENXIO, root.open(at("s"), O_RDWR, 0));
        refused(EINVAL, root.truncate(at("p"), 0));
        needsRoot();
        ok(root.mknod(at("c"), S_IFCHR | 0600, 1 << 8 | 3));
        int zero = kept(root.open(at("c"), O_WRONLY, 0));
        assertThat(root.write(zero, new byte[100])).as("/dev/null takes everything").isEqualTo(100);
        ok(root.mknod(at("nothing"), S_IFBLK | 0600, 250 << 8 | 77));
        refused(ENXIO, root.open(at("nothing"), O_RDONLY, 0));
    }

    @Test
    void atime_is_kept_from_only_for_owners() {
        needsRoot();
        var file = file(alice, "f", 0666, "");
        kept(alice.open(file, O_RDONLY | O_NOATIME, 0));
        refused(EPERM, bob.open(file, O_RDONLY | O_NOATIME, 0));
    }

    @Test
    void ranges_are_neither_cut_out_nor_pushed_in() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        root.pwrite(fd, new byte[20_000], 0);
        onlyHere();
        // The kernel's FUSE passes KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE on and refuses the others itself.
        refused(EOPNOTSUPP, root.fallocate(fd, COLLAPSE_RANGE, 4096, 4096));
        refused(EOPNOTSUPP, root.fallocate(fd, INSERT_RANGE, 4096, 4096));
        refused(EOPNOTSUPP, root.fallocate(fd, UNSHARE_RANGE, 4096, 4096));
        assertThat(root.fstat(fd).size()).isEqualTo(20_000);
    }

    private static void onlyHere() {
        org.junit.jupiter.api.Assumptions.assumeTrue(VolumeUnderTest.volume() != null, "other file systems may do it");
    }
}
