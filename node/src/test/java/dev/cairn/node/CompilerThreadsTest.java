package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class CompilerThreadsTest {
    /// The scheduling policy is the 41st field of a thread's stat, the third being the first after its name.
    private static List<String> policies(String thread) throws IOException {
        var policies = new ArrayList<String>();
        try (var tasks = Files.list(Path.of("/proc/self/task"))) {
            for (var task : tasks.toList()) {
                var stat = Files.readString(task.resolve("stat"));
                if (stat.contains("(" + thread)) policies.add(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[41 - 3]);
            }
        }
        return policies;
    }

    /// Since Linux 6.12.
    private static boolean longSlices() {
        var version = System.getProperty("os.version").split("\\D+");
        return Integer.parseInt(version[0]) * 100 + Integer.parseInt(version[1]) >= 612;
    }

    @Test
    void the_optimising_compiler_makes_way_and_the_quick_one_does_not() throws IOException {
        int threads = CompilerThreads.makeWay();
        assertThat(threads).isPositive();
        assertThat(policies("C2 Compiler")).hasSizeGreaterThanOrEqualTo(threads).contains(longSlices() ? "3" : "5");
        assertThat(policies("C1 Compiler")).isNotEmpty().containsOnly("0");
    }
}
