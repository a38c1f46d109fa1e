package dev.cairn.transaction;

/// Walks the live items of a key range in ascending order: the newest version of each key, deletions left out.
/// Belongs to one attempt of one operation. [#next] throws [NotReady] when blocks have to be fetched first; when it has
/// answered true, and until it is called again, there are a key and a value.
public interface Cursor {
    /// Moves to the next item; false when the range is done.
    boolean next();

    Key key();

    /// The value; not to be changed.
    byte[] value();
}
