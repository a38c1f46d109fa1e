package dev.cairn.node.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Map;

/// What a command sees of the world, so that a test can give it another one.
///
/// @param variables environment variables
/// @param cwd       what relative paths mean
public record Environment(PrintStream out, PrintStream err, Map<String, String> variables, Path cwd, VolumePort volume) {

    Path absolute(Path path) {
        return cwd.resolve(path).normalize();
    }

    boolean debug() {
        var value = variables.get("CAIRN_DEBUG");
        return value != null && !value.isEmpty() && !value.equals("0");
    }

    /// Where a user's volume lives when nobody said so.
    Path defaultState() {
        var data = variables.get("XDG_DATA_HOME");
        if (data != null && data.startsWith("/")) return Path.of(data, "cairn");
        var home = variables.getOrDefault("HOME", System.getProperty("user.home"));
        return Path.of(home, ".local", "share", "cairn");
    }
}
