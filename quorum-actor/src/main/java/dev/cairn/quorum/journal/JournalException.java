package dev.cairn.quorum.journal;

/// The journal cannot do what was asked: the message says which file or slot, and what to do.
public final class JournalException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public JournalException(String message) {
        super(message);
    }

    public JournalException(String message, Throwable cause) {
        super(message, cause);
    }
}
