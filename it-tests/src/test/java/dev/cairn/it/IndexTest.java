package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What a change moves in the indexes, through the kernel: the inodes that it touches go to the end, and nothing else moves.
@Timeout(300)
class IndexTest {
    private static TestVolume volume;
    /// By index, the last look: a command takes half a second, so that each change has one only.
    private static final Map<String, Map<Long, Long>> seen = new HashMap<>();

    @BeforeAll
    static void make() throws IOException {
        volume = TestVolume.create("256M", "512M");
    }

    @AfterAll
    static void remove() {
        volume.close();
    }

    private interface Change {
        void make() throws IOException;
    }

    private static long ino(Path path) throws IOException {
        return (Long) Files.getAttribute(path, "unix:ino");
    }

    /// Runs and commits the change, and says which inodes stand elsewhere in the index since the last look.
    private static Set<Long> moved(String index, Change change) throws IOException {
        change.make();
        var after = look(index);
        var before = seen.put(index, after);
        long latest = before.values().stream().mapToLong(Long::longValue).max().orElse(0);
        var moved = new TreeSet<Long>();
        for (var row : after.entrySet())
            if (!row.getValue().equals(before.get(row.getKey()))) {
                moved.add(row.getKey());
                assertThat(row.getValue()).as("inode %d goes to the end", row.getKey()).isGreaterThan(latest);
            }
        return moved;
    }

    private static Map<Long, Long> look(String index) throws IOException {
        try (var root = FileChannel.open(volume.mount, StandardOpenOption.READ)) {
            root.force(true);
        }
        return volume.walkInodes(index);
    }

    @Test
    void every_change_moves_its_inodes_and_no_others() throws Exception {
        var root = volume.mount;
        var a = Files.createDirectory(root.resolve("a"));
        var b = Files.createDirectory(root.resolve("b"));
        var file = Files.createFile(a.resolve("file"));
        var other = Files.createFile(a.resolve("other"));
        for (var index : new String[] {"meta_seq", "data_seq"}) seen.put(index, look(index));
        assertThat(moved("meta_seq", () -> Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000)))).containsExactly(ino(file));
        assertThat(moved("meta_seq", () -> Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxrwx---")))).containsExactly(ino(file));
        assertThat(moved("data_seq", () -> Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw----")))).isEmpty();
        assertThat(moved("data_seq", () -> Files.writeString(file, "content"))).containsExactly(ino(file));
        assertThat(moved("meta_seq", () -> Files.writeString(file, "more", StandardOpenOption.APPEND))).containsExactly(ino(file));
        assertThat(moved("meta_seq", () -> Files.move(file, b.resolve("renamed"))))
                .containsExactlyInAnyOrder(ino(a), ino(b), ino(b.resolve("renamed")));
        assertThat(moved("meta_seq", () -> Files.createLink(a.resolve("link"), other))).containsExactlyInAnyOrder(ino(a), ino(other));
        long gone = ino(b.resolve("renamed"));
        assertThat(moved("meta_seq", () -> Files.delete(b.resolve("renamed")))).containsExactly(ino(b));
        assertThat(seen.get("meta_seq")).doesNotContainKey(gone);
        assertThat(look("data_seq")).doesNotContainKey(gone);
        assertThat(moved("meta_seq", () -> Files.readString(other))).isEmpty();
        assertThat(TestVolume.cairn("ino-path", "" + ino(other), root.toString()).orFail().out().lines()).containsExactlyInAnyOrder("a/other", "a/link");
        Scratch.refused(TestVolume.cairn("ino-path", "" + gone, root.toString()), "" + root, "inode");
        var stat = TestVolume.cairn("stat", a.resolve("link").toString()).orFail().out();
        assertThat(stat).containsPattern("ino +" + ino(other)).containsPattern("meta_seq +" + seen.get("meta_seq").get(ino(other)))
                .containsPattern("data_version +\\d+").containsPattern("offline_blocks +0");
    }
}
