package dev.cairn.fuse;

/// How long the kernel may remember what it was told, in one place.
///
/// A mount that has the volume for itself sees every change pass through its own kernel, so nothing ever becomes stale by
/// time. A mount that shares the volume may cache for as long as it holds the locks: then revokes invalidate, and
/// FUSE_AUTO_INVAL_DATA makes read(2) notice a new mtime.
///
/// @param entrySeconds         names that exist
/// @param negativeSeconds      names that do not exist; 0: not remembered
/// @param attributeSeconds     attributes
/// @param noticeRemoteChanges  others change files too: pages are dropped when mtime or size turn out to have changed.
///                             Without it the kernel keeps pages until told otherwise, so a file that was just written
///                             is read back without a request
public record CachePolicy(long entrySeconds, long negativeSeconds, long attributeSeconds,
        boolean noticeRemoteChanges) {
    /// Eleven days and a half: for ever, and far from every overflow in the kernel's jiffies.
    private static final long FOR_EVER = 1_000_000;

    /// Of a mount that has the volume for itself.
    public static CachePolicy of(MountOptions options) {
        return options.has(MountFlag.SYNC) || options.has(MountFlag.DIRSYNC) ? asking() : singleMount();
    }

    public static CachePolicy singleMount() {
        return new CachePolicy(FOR_EVER, FOR_EVER, FOR_EVER, false);
    }

    public static CachePolicy sharedVolume() {
        return new CachePolicy(FOR_EVER, FOR_EVER, FOR_EVER, true);
    }

    /// The kernel remembers what it reads, and asks for everything else: for mounts on which a change can have been made and
    /// still fail, since it did not become durable. The kernel believes then that nothing has changed.
    private static CachePolicy asking() {
        return new CachePolicy(0, 0, 0, false);
    }
}
