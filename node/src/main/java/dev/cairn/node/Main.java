package dev.cairn.node;

import dev.cairn.node.cli.Cairn;

/// Where the JVM starts.
public final class Main {
    private Main() {}

    public static void main(String[] args) {
        int code;
        try {
            code = Cairn.run(args);
        } catch (Throwable e) {
            // Nothing may leave a half-dead process behind that nobody restarts.
            System.err.println("cairn: " + e);
            e.printStackTrace();
            code = Cairn.FAILED;
        }
        // Libraries have threads that would keep the process.
        System.exit(code);
    }
}
