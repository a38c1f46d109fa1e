package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.node.MountTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The README's quick start on devices, word by word: only paths and the port are others.
@Timeout(300)
class QuickStartTest {
    private record Row(long index, long major, long minor, long ino) {}

    @Test
    void every_command_of_the_readme_does_what_it_says() throws Exception {
        var commands = commands();
        assertThat(commands).hasSizeGreaterThan(9);
        try (var scratch = new Scratch()) {
            var ran = new LinkedHashMap<String, List<TestVolume.Ran>>();
            var mount = scratch.dir.resolve("mnt");
            try {
                for (var command : commands) {
                    var here = command.replace("/tmp/meta", scratch.dir + "/meta").replace("/tmp/data", scratch.dir + "/data")
                            .replace("/mnt/cairn", mount.toString()).replace("12345", "" + port);
                    // The state goes below the home directory of one who has no other, and not among the system's.
                    here = here.replace("-o quorum_slot_nr", "-o state=" + scratch.dir + "/state,quorum_slot_nr");
                    var one = TestVolume.run(Duration.ofSeconds(60), Map.of(), "bash", "-euc", "cd '" + TestVolume.repositoryRoot() + "'; " + here);
                    assertThat(one.code()).as("%s: %s %s", here, one.out(), one.err()).isZero();
                    ran.computeIfAbsent(command.replaceAll("\\s+#.*", ""), _ -> new ArrayList<>()).add(one);
                }
            } finally {
                Files.deleteIfExists(scratch.dir.resolve("meta.img"));
            }
            assertThat(out(ran, "./cairn mkfs").getFirst()).containsPattern("volume [0-9a-f]{16}").contains("64KB metadata blocks  16384", "4KB data blocks       2097152", "quorum slot 0");
            var walks = out(ran, "./cairn walk-inodes").stream().map(QuickStartTest::rows).toList();
            assertThat(walks).hasSize(2);
            var before = walks.getFirst();
            var after = walks.getLast();
            assertThat(after).hasSize(before.size() + 1);
            // The directory and the file have the latest major, which nothing had before.
            long latest = after.getLast().major();
            assertThat(after.stream().filter(row -> row.major() == latest)).hasSize(2);
            assertThat(before).allMatch(row -> row.major() < latest);
            assertThat(out(ran, "./cairn ino-path").getFirst().strip()).endsWith("file");
            assertThat(out(ran, "./cairn stat").getFirst()).containsPattern("meta_seq +" + latest).containsPattern("online_blocks +0");
            assertThat(out(ran, "./cairn df").getFirst()).contains("MetaData", "Data", "64KB", "4KB");
            assertThat(MountTable.read().cairnAt(mount)).isFalse();
        }
    }

    private final int port = port();

    private static int port() {
        try {
            return Scratch.freePort();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static List<String> out(Map<String, List<TestVolume.Ran>> ran, String start) {
        return ran.entrySet().stream().filter(entry -> entry.getKey().startsWith(start))
                .flatMap(entry -> entry.getValue().stream()).map(TestVolume.Ran::out).toList();
    }

    private static List<String> commands() throws IOException {
        var readme = Files.readString(Path.of(TestVolume.repositoryRoot().toString(), "README.md"));
        int start = readme.indexOf("## Quick start on devices"), end = readme.indexOf("\n## ", start);
        assertThat(start).isPositive();
        return readme.substring(start, end).lines().filter(line -> line.startsWith("    ")).map(String::strip).toList();
    }

    /// `#  major minor ino`, then the place in the walk and these three; by sequence number.
    private static List<Row> rows(String walk) {
        var lines = walk.lines().toList();
        assertThat(lines.getFirst()).matches("# +major +minor +ino *");
        var rows = new ArrayList<Row>();
        for (var line : lines.subList(1, lines.size())) {
            var columns = Pattern.compile("^(\\d+) +(\\d+) +(\\d+) +(\\d+) *$").matcher(line);
            assertThat(columns.matches()).as(line).isTrue();
            rows.add(new Row(Long.parseLong(columns.group(1)), Long.parseLong(columns.group(2)), Long.parseLong(columns.group(3)), Long.parseLong(columns.group(4))));
        }
        for (int n = 0; n < rows.size(); n++) {
            assertThat(rows.get(n).index()).isEqualTo(n);
            assertThat(rows.get(n).minor()).isZero();
            if (n > 0) assertThat(rows.get(n).major()).isGreaterThanOrEqualTo(rows.get(n - 1).major());
        }
        return rows;
    }
}
