package dev.cairn.node;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/// Who runs this process, by number: not every user has a name, for example in a container.
public final class ThisUser {
    private static final int UID = of(Path.of("/proc/self"));

    private ThisUser() {}

    public static int uid() {
        return UID;
    }

    public static boolean isRoot() {
        return UID == 0;
    }

    static boolean owns(Path path) throws IOException {
        return (Integer) Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS) == UID;
    }

    // /proc/self itself is a link of root's.
    private static int of(Path process) {
        try {
            return (Integer) Files.getAttribute(process, "unix:uid");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot tell which user this is", e);
        }
    }
}
