package dev.cairn.node.cli;

import java.io.PrintStream;
import java.time.Duration;
import java.util.function.Supplier;

/// Says on standard error what is being waited for, once that has taken a second, so that nobody wonders.
final class Progress {
    private static final Duration PATIENCE = Duration.ofSeconds(1), LOOK_AGAIN = Duration.ofMillis(20), REPEAT = Duration.ofSeconds(10);

    private final PrintStream err;
    private final String command;

    Progress(PrintStream err, String command) {
        this.err = err;
        this.command = command;
    }

    /// Asks again and again until the supplier says true; false when the time is over. It may also throw.
    boolean await(Duration within, Supplier<String> what, Supplier<Boolean> done) {
        long start = System.nanoTime(), spoken = start + PATIENCE.toNanos() - REPEAT.toNanos();
        while (!done.get()) {
            long now = System.nanoTime();
            if (now - start > within.toNanos()) return false;
            if (now - spoken >= REPEAT.toNanos()) {
                spoken = now;
                err.printf("%s: %s ... (%d s)%n", command, what.get(), (now - start) / 1_000_000_000L);
            }
            try {
                Thread.sleep(LOOK_AGAIN);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CommandFailure("interrupted", e);
            }
        }
        return true;
    }
}
