package dev.cairn.fuse;

import java.io.IOException;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Whether reading moves access times, as the mount is now: `mount -o remount` makes it read-only, or noatime, and the kernel
/// tells nobody. So one looks when it matters, at most once a second.
final class AccessTimes {
    private static final Logger log = LoggerFactory.getLogger(AccessTimes.class);
    private static final long VALID_NANOS = Duration.ofSeconds(1).toNanos();

    private final FuseMount mount;
    private volatile boolean ofFiles, ofDirectories;
    private volatile long lookedAt = System.nanoTime() - VALID_NANOS - 1;

    AccessTimes(FuseMount mount, MountOptions options) {
        this.mount = mount;
        take(options.readOnly(), options.has(MountFlag.NOATIME), options.has(MountFlag.NODIRATIME));
    }

    private void take(boolean readOnly, boolean noAtime, boolean noDirAtime) {
        ofFiles = !readOnly && !noAtime;
        ofDirectories = ofFiles && !noDirAtime;
    }

    /// Whether it is worth asking: as far as one knows it moves them, or one has to look again.
    boolean mayMove(boolean directory, long nanoTime) {
        return isToLook(nanoTime) || moves(directory);
    }

    /// What is known is too old.
    boolean isToLook(long nanoTime) {
        return nanoTime - lookedAt > VALID_NANOS;
    }

    /// As of the last look.
    boolean moves(boolean directory) {
        return directory ? ofDirectories : ofFiles;
    }

    /// Reads a file of /proc: on an I/O thread.
    void look() {
        try {
            var now = mount.options();
            now.ifPresent(options -> take(options.contains("ro"), options.contains("noatime"), options.contains("nodiratime")));
        } catch (IOException e) {
            log.warn("{}: cannot see the options that it is mounted with; access times go on as they did: {}", mount.point(), e.toString());
        }
        lookedAt = System.nanoTime();
    }
}
