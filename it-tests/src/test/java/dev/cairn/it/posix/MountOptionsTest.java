package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static dev.cairn.it.posix.PosixTest.ok;
import static dev.cairn.it.posix.PosixTest.refused;
import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.it.DebianTool;
import dev.cairn.it.TestVolume;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What `acl`, `noacl` and `ro` of `cairn mount` make of the same volume.
class MountOptionsTest {
    private static final String ACCESS = "system.posix_acl_access", DEFAULT = "system.posix_acl_default";

    private final Posix root = Posix.SELF;
    private Path dir, mount;

    @BeforeEach
    void aVolume() throws IOException {
        Assumptions.assumeTrue(Posix.isRoot(), "needs root");
        Assumptions.assumeTrue(System.getProperty("cairn.posix.dir") == null, "is about mounts of Cairn");
        dir = Files.createTempDirectory("cairn-it-");
        mount = Files.createDirectories(dir.resolve("mount"));
        ok(root.chmod(dir.toString(), 0711));
        for (var device : new String[] {"meta", "data"})
            try (var file = new RandomAccessFile(dir.resolve(device).toFile(), "rw")) {
                file.setLength(256 << 20);
            }
        int port;
        try (var free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        cairn("mkfs", "-Q0,127.0.0.1," + port, dir.resolve("meta").toString(), dir.resolve("data").toString());
    }

    @AfterEach
    void gone() {
        if (dir == null) return;
        TestVolume.cairn("umount", mount.toString());
        TestVolume.run(Duration.ofSeconds(20), Map.of(), "umount", "-l", mount.toString());
        TestVolume.run(Duration.ofSeconds(20), Map.of(), "rm", "-rf", dir.toString());
    }

    private static void cairn(String... arguments) {
        TestVolume.cairn(arguments).orFail();
    }

    private void mount(String options) {
        cairn("mount", "-o", "metadev_path=" + dir.resolve("meta") + ",quorum_slot_nr=0,state=" + dir.resolve("state") + options,
                dir.resolve("data").toString(), mount.toString());
    }

    private void umount() {
        cairn("umount", mount.toString());
    }

    private String at(String name) {
        return mount + "/" + name;
    }

    private void file(String name, int mode) {
        ok(root.close(ok(root.open(at(name), O_RDWR | O_CREAT | O_EXCL, mode))));
    }

    private boolean asksForPromptCpus() throws IOException {
        var pid = Pattern.compile("\"pid\" *: *(\\d+)").matcher(Files.readString(dir.resolve("state/running.json")));
        assertThat(pid.find()).isTrue();
        return TestVolume.shell("ls -l /proc/" + pid.group(1) + "/fd").out().contains("/dev/cpu_dma_latency");
    }

    /// So many calls that a node which asks has asked long before the last of them.
    private boolean asksDuringStream() throws IOException {
        for (int i = 0; i < 3000; i++) {
            file("file", 0644);
            ok(root.unlink(at("file")));
            if (i % 500 == 499 && asksForPromptCpus()) return true;
        }
        return false;
    }

    @Test
    void cpus_are_asked_to_wake_promptly_where_it_is_told_so_and_only_while_requests_come() throws IOException {
        Assumptions.assumeTrue(Files.exists(Path.of("/dev/cpu_dma_latency")), "needs PM QoS");
        mount(",cpu_latency=100us");
        assertThat(asksDuringStream()).isTrue();
        Awaitility.await().until(() -> !asksForPromptCpus());
        umount();
        mount(",cpu_latency=off");
        assertThat(asksDuringStream()).isFalse();
    }

    /// Threads that wait for each of their direct writes; a mapping of a file that is open so; and everything else as ever.
    @Test
    void direct_writes_of_threads_are_parallel_where_asked_for() throws IOException {
        DebianTool.assumeInstalled("fio", "fio");
        mount(",parallel_direct_writes");
        file("f", 0600);
        ok(root.truncate(at("f"), 8 << 20));
        TestVolume.run(Duration.ofMinutes(1), Map.of(), "fio", "--name=direct", "--filename=" + at("f"), "--size=1M", "--rw=randwrite",
                "--bsrange=512-8k", "--blockalign=512", "--direct=1", "--ioengine=psync", "--thread", "--numjobs=8",
                "--offset_increment=1M", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--minimal").orFail();
        int fd = ok(root.open(at("f"), O_RDWR | O_DIRECT, 0));
        ok(root.pwrite(fd, "0123456789".getBytes(), 100));
        var mapping = root.mmap(fd, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        assertThat(new String(mapping.asSlice(100, 10).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE))).isEqualTo("0123456789");
        ok(root.munmap(mapping));
        ok(root.close(fd));
        assertThat(Files.size(Path.of(at("f")))).isEqualTo(8 << 20);
        umount();
        mount("");
        assertThat(new String(Files.readAllBytes(Path.of(at("f"))), 100, 10)).isEqualTo("0123456789");
    }

    @Test
    void options_say_what_counts_and_what_may_change() {
        int umask = Posix.umask(0);
        try {
            mount("");
            aclsCount();
            umount();
            mount(",noacl");
            modesAlone();
            umount();
            mount(",ro,acl");
            nothingChanges();
        } finally {
            Posix.umask(umask);
        }
    }

    /// The node is not told: it looks.
    @Test
    void access_times_stay_once_it_is_mounted_anew_without_them() throws IOException {
        assertThat(movesAtimes("ro")).isEmpty();
        assertThat(movesAtimes("nodiratime")).containsExactly("f");
    }

    private List<String> movesAtimes(String remountedWith) throws IOException {
        mount("");
        var names = List.of("f", "d");
        Files.writeString(Path.of(at("f")), "content");
        Files.createDirectories(Path.of(at("d")));
        for (var name : names) ok(root.utimens(at(name), 11, 0, 13, 0, 0));
        TestVolume.shell("mount -i -o remount," + remountedWith + " '" + mount + "'").orFail();
        Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "3");
        Files.writeString(dir.resolve("copy"), Files.readString(Path.of(at("f"))));
        assertThat(mount.resolve("d").toFile().list()).isEmpty();
        var moved = names.stream().filter(name -> root.stat(at(name)).atime().getEpochSecond() != 11).toList();
        umount();
        return moved;
    }

    private void aclsCount() {
        file("f", 0600);
        ok(root.mkdir(at("d"), 0755));
        ok(root.setxattr(at("f"), ACCESS, AclTest.forAlice(6, 4, 0, 4, 0), 0));
        ok(root.setxattr(at("d"), DEFAULT, AclTest.forAlice(7, 7, 5, 7, 0), 0));
        ok(root.mkdir(at("e"), 0755));
        ok(root.setxattr(at("e"), DEFAULT, AclTest.forAlice(7, 7, 0, 7, 0), 0));
        var alice = Posix.as(PosixTest.ALICE, PosixTest.ALICE);
        ok(alice.access(at("f"), R_OK));
        assertThat(root.stat(at("f")).permissions()).as("the mask shows as the group's bits").isEqualTo(0640);
        Posix.umask(077);
        file("d/f", 0666);
        assertThat(root.stat(at("d/f")).permissions()).as("the default ACL takes the umask's place").isEqualTo(0660);
        Posix.umask(0);
    }

    private void modesAlone() {
        var alice = Posix.as(PosixTest.ALICE, PosixTest.ALICE);
        for (var name : new String[] {ACCESS, DEFAULT}) {
            refused(EOPNOTSUPP, root.setxattr(at("d"), name, AclTest.forAlice(7, 7, 5, 7, 0), 0));
            refused(EOPNOTSUPP, root.getxattr(at("d"), name, 100));
            refused(EOPNOTSUPP, root.removexattr(at("d"), name));
        }
        var setfacl = TestVolume.run(Duration.ofSeconds(10), Map.of(), "setfacl", "-m", "u:1:r", at("f"));
        if (setfacl.code() != 127) assertThat(setfacl.err()).contains("Operation not supported");
        assertThat(root.listxattr(at("f"))).isEmpty();
        refused(EACCES, alice.access(at("f"), R_OK));
        assertThat(root.stat(at("f")).permissions()).isEqualTo(0640);
        Posix.umask(022);
        file("e/f", 0666);
        assertThat(root.stat(at("e/f")).permissions()).as("a default ACL that allows nobody anything does not count").isEqualTo(0644);
        Posix.umask(027);
        file("d/g", 0666);
        ok(root.mkdir(at("d/e"), 0777));
        assertThat(root.stat(at("d/g")).permissions()).as("the umask, and no default ACL").isEqualTo(0640);
        assertThat(root.stat(at("d/e")).permissions()).isEqualTo(0750);
        Posix.umask(0);
    }

    private void nothingChanges() {
        var alice = Posix.as(PosixTest.ALICE, PosixTest.ALICE);
        ok(alice.access(at("f"), R_OK));
        assertThat(root.getxattr(at("d"), DEFAULT)).as("ACLs are there again").isEqualTo(AclTest.forAlice(7, 7, 5, 7, 0));
        var wrong = new ArrayList<String>();
        ErrnoTest.changes(at("f")).forEach((name, call) -> {
            // What is not there, what is, and a directory: whatever else a call might say comes after.
            var path = switch (name) {
                case "open to create", "mkdir", "mkfifo", "mknod", "symlink", "link to", "rename to" -> at("new");
                case "rmdir" -> at("d/e");
                default -> at("d/g");
            };
            var answer = answer(call.of(root, path));
            if (!answer.equals("EROFS")) wrong.add(name + " answers " + answer);
        });
        assertThat(wrong).isEmpty();
        refused(EROFS, root.access(at("f"), W_OK));
        int fd = ok(root.open(at("f"), O_RDONLY, 0));
        refused(EROFS, root.fchmod(fd, 0777));
        refused(EROFS, root.fchown(fd, 1, 1));
        ok(root.close(fd));
        assertThat(new java.util.TreeSet<>(List.of(mount.toFile().list()))).containsExactly("d", "e", "f");
    }
}
