package dev.cairn.transaction.run;

public final class RunCursor extends ItemView {
    RunCursor() {}

    /// Moves to the newest version of the next key, which may be a deletion; false when the range is done.
    public boolean next() {
        throw new UnsupportedOperationException();
    }
}
