package dev.cairn.fuse;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/// What mount(8) can say of any mount, named as there. Bits of mount(2), see `linux/mount.h`.
public enum MountFlag {
    /// set-user-id bits and file capabilities do not count.
    NOSUID(MountCalls.MS_NOSUID),
    /// Device nodes are no devices.
    NODEV(MountCalls.MS_NODEV),
    /// Nothing can be executed.
    NOEXEC(MountCalls.MS_NOEXEC),
    /// Symbolic links are not followed.
    NOSYMFOLLOW(MountCalls.MS_NOSYMFOLLOW),
    /// Reading leaves access times alone.
    NOATIME(MountCalls.MS_NOATIME),
    /// Listing directories leaves theirs alone.
    NODIRATIME(MountCalls.MS_NODIRATIME),
    /// What changes names is durable before it returns.
    DIRSYNC(MountCalls.MS_DIRSYNC),
    /// All changes are.
    SYNC(MountCalls.MS_SYNCHRONOUS);

    final long bit;

    MountFlag(long bit) {
        this.bit = bit;
    }

    public String text() {
        return name().toLowerCase(Locale.ROOT);
    }

    public static Optional<MountFlag> of(String text) {
        return Arrays.stream(values()).filter(flag -> flag.text().equals(text)).findFirst();
    }
}
