package dev.cairn.node;

import dev.cairn.node.cli.Cairn;

/// Where the JVM starts.
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        int code = Cairn.run(args);
        // Ending with 0 by itself lets the threads of a library finish; a failure ends now.
        if (code != 0) System.exit(code);
    }
}
