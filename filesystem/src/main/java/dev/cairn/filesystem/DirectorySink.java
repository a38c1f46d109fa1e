package dev.cairn.filesystem;

/// Takes the entries of a directory one by one.
///
/// An operation that is run again delivers them again from its start: reset the sink at the start of each attempt.
@FunctionalInterface
public interface DirectorySink {
    /// @param type   of the target, as `d_type` (`DT_DIR` 4, `DT_REG` 8, `DT_LNK` 10, …): mode bits 12 to 15
    /// @param cookie `d_off`: pass it to readdir to go on after this entry
    /// @param name   not to be changed or kept
    /// @param inode  for readdirplus, otherwise null; also null for `.` and `..` of readdirplus
    /// @return false when there is no room for this entry; it is delivered again by the next readdir
    boolean entry(long ino, int type, long cookie, byte[] name, Inode inode);
}
