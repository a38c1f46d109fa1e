package dev.cairn.node.cli;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;

/// One command line, run in this JVM, and what it said.
record CommandRun(int code, String out, String err) {
    static CommandRun of(Path cwd, Map<String, String> variables, VolumePort port, String... args) {
        var out = new ByteArrayOutputStream();
        var err = new ByteArrayOutputStream();
        int code = Cairn.run(new Environment(new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8), variables, cwd, port), args);
        return new CommandRun(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    static CommandRun of(Path cwd, String... args) {
        return of(cwd, Map.of("HOME", cwd.toString()), (_, _) -> { throw new java.io.IOException("no volume here"); }, args);
    }
}
