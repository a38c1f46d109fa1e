package dev.cairn.quorum;

/// The node cannot take its slot; the message says why and what to do.
public final class QuorumException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public QuorumException(String message) {
        super(message);
    }

    public QuorumException(String message, Throwable cause) {
        super(message, cause);
    }
}
