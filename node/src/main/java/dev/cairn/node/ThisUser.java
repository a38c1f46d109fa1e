package dev.cairn.node;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/// Who runs this process, by number: not every user has a name, for example in a container.
public final class ThisUser {
    private static final int UID = of("unix:uid"), GID = of("unix:gid");

    private ThisUser() {}

    public static int uid() {
        return UID;
    }

    public static int gid() {
        return GID;
    }

    public static boolean isRoot() {
        return UID == 0;
    }

    static boolean owns(Path path) throws IOException {
        return (Integer) Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS) == UID;
    }

    // With links followed: /proc/self itself is root's.
    private static int of(String attribute) {
        try {
            return (Integer) Files.getAttribute(Path.of("/proc/self"), attribute);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot tell which user this is", e);
        }
    }
}
