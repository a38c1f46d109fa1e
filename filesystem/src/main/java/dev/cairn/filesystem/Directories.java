package dev.cairn.filesystem;

/// Names: entries, readdir positions and backrefs.
final class Directories {
    /// Cookies 1 and 2 belong to `.` and `..`.
    static final long POSITION_FIRST = 3;
}
