package dev.cairn.node.cli;

/// Ends a command: one line for the user that says what is wrong and what to do.
public final class CommandFailure extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final int exitCode;

    public CommandFailure(String message) {
        this(message, null);
    }

    public CommandFailure(String message, Throwable cause) {
        this(message, cause, Cairn.FAILED);
    }

    public CommandFailure(String message, Throwable cause, int exitCode) {
        super(message, cause);
        this.exitCode = exitCode;
    }

    public int exitCode() {
        return exitCode;
    }
}
