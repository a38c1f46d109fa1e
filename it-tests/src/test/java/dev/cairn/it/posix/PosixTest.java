package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/// A fresh directory on the file system under test, open to everybody, for each test; the users that the tests know;
/// and the two ways in which a call can end. A call that hangs ends its test, on a thread that is given up.
@ExtendWith(VolumeUnderTest.class)
@Timeout(value = 60, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
abstract class PosixTest {
    static final int ALICE = 65501, BOB = 65502, STAFF = 65510, GUESTS = 65511;

    /// Whoever runs the test; root, where users matter.
    final Posix root = Posix.SELF;
    /// Owner of most files here; her own group is her number, and she is one of the staff.
    final Posix alice = Posix.as(ALICE, ALICE, STAFF);
    /// Nobody's friend: in none of Alice's groups.
    final Posix bob = Posix.as(BOB, BOB, GUESTS);
    /// A user who shares Alice's second group.
    final Posix colleague = Posix.as(BOB + 1, BOB + 1, STAFF);

    private static int tests;
    private final List<Integer> open = new ArrayList<>();
    private int umask;
    String dir;

    @BeforeEach
    void freshDirectory() {
        umask = Posix.umask(0);
        dir = VolumeUnderTest.directory() + "/posix-" + ProcessHandle.current().pid() + "-" + ++tests;
        ok(root.mkdir(dir, 0777));
    }

    @AfterEach
    void removed() {
        open.forEach(root::close);
        removeTree(dir);
        Posix.umask(umask);
    }

    void needsRoot() {
        Assumptions.assumeTrue(Posix.isRoot(), "needs root");
    }

    String at(String name) {
        return dir + "/" + name;
    }

    /// The call succeeded; what it returned.
    static int ok(long result) {
        assertThat(result).as("the call ended with %s", answer(result)).isNotNegative();
        return (int) result;
    }

    /// The call failed in just this way.
    static void refused(int errno, long result) {
        assertThat(answer(result)).isEqualTo(errno(errno));
    }

    /// An open file descriptor that is closed after the test.
    int kept(long fd) {
        open.add(ok(fd));
        return (int) fd;
    }

    void closed(int fd) {
        open.remove((Integer) fd);
        ok(root.close(fd));
    }

    /// A new file with this content; its path.
    String file(String name, int mode, String content) {
        return file(root, name, mode, content);
    }

    String file(Posix owner, String name, int mode, String content) {
        int fd = ok(owner.open(at(name), O_WRONLY | O_CREAT | O_EXCL, mode));
        assertThat(root.write(fd, bytes(content))).isEqualTo(content.length());
        ok(root.close(fd));
        return at(name);
    }

    String directory(Posix owner, String name, int mode) {
        ok(owner.mkdir(at(name), mode));
        return at(name);
    }

    int opened(String path, int flags) {
        return kept(root.open(path, flags, 0));
    }

    String content(String path) {
        int fd = ok(root.open(path, O_RDONLY, 0));
        try {
            return text(root.pread(fd, 1 << 20, 0));
        } finally {
            root.close(fd);
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.ISO_8859_1);
    }

    List<String> names(String path) {
        int fd = ok(root.open(path, O_RDONLY | O_DIRECTORY, 0));
        try {
            var names = new ArrayList<String>();
            for (var some = root.getdents(fd, 4096); !some.isEmpty(); some = root.getdents(fd, 4096))
                some.forEach(entry -> names.add(entry.name()));
            return names.stream().filter(name -> !name.equals(".") && !name.equals("..")).sorted().toList();
        } finally {
            root.close(fd);
        }
    }

    void removeTree(String top) {
        for (var name : names(top)) {
            var path = top + "/" + name;
            if (root.lstat(path).type() == S_IFDIR) removeTree(path);
            else ok(root.unlink(path));
        }
        ok(root.rmdir(top));
    }
}
