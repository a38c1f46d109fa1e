package dev.cairn.filesystem;

/// How a call ended whose work may be larger than one operation.
public enum Outcome {
    /// All of it is done.
    DONE,
    /// A bounded part of the work that has to come first was done, or the file changed under the caller: what this
    /// operation changed stands, and the same call is to be made again as a new operation.
    AGAIN
}
