package dev.cairn.node.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Who keeps a mount busy, as far as this user may see: processes whose directory or open files lie below it. Looks only
/// at names in /proc, never at the mount itself.
final class MountUsers {
    private MountUsers() {}

    static List<String> of(Path mount) {
        var users = new ArrayList<String>();
        try (var processes = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (var process : processes)
                if (uses(process, mount)) users.add(nameOf(process) + " (" + process.getFileName() + ")");
        } catch (IOException e) {
            // Without /proc nobody can be named; the message about the busy mount stands without names.
            return List.of();
        }
        return users;
    }

    private static boolean uses(Path process, Path mount) {
        if (leadsBelow(process.resolve("cwd"), mount) || leadsBelow(process.resolve("root"), mount)
                || leadsBelow(process.resolve("exe"), mount)) return true;
        try (var files = Files.newDirectoryStream(process.resolve("fd"))) {
            for (var file : files)
                if (leadsBelow(file, mount)) return true;
        } catch (IOException otherUsersOrGone) {
            return false;
        }
        return false;
    }

    private static boolean leadsBelow(Path link, Path mount) {
        try {
            return Files.readSymbolicLink(link).startsWith(mount);
        } catch (IOException | java.nio.file.InvalidPathException otherUsersOrGone) {
            return false;
        }
    }

    private static String nameOf(Path process) {
        try {
            return Files.readString(process.resolve("comm")).strip();
        } catch (IOException gone) {
            return "a process";
        }
    }
}
