package dev.cairn.it;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.Map;

/// Programs of Debian packages that a test needs beside Cairn.
public final class DebianTool {
    private DebianTool() {}

    /// Installs the package when that is possible; otherwise the test is skipped with the reason.
    public static void assumeInstalled(String program, String debianPackage) {
        if (onPath(program)) return;
        if (System.getProperty("user.name").equals("root") && onPath("apt-get"))
            TestVolume.run(Duration.ofMinutes(3), Map.of("DEBIAN_FRONTEND", "noninteractive"),
                    "bash", "-c", "apt-get update -qq; apt-get install -y -qq --no-install-recommends " + debianPackage);
        assumeTrue(onPath(program), program + " is not installed and cannot be: apt-get install " + debianPackage);
    }

    /// Skips the test without the program. Never installs it: the package brings servers that would run from then on.
    public static void assumeThere(String program, String debianPackage) {
        assumeTrue(onPath(program), program + " is not installed: apt-get install " + debianPackage);
    }

    private static boolean onPath(String program) {
        return TestVolume.run(Duration.ofSeconds(5), Map.of(), "bash", "-c", "command -v " + program).code() == 0;
    }
}
