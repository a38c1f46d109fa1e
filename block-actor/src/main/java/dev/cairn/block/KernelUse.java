package dev.cairn.block;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What the kernel does with a device at this moment: mounted, one of its partitions mounted, swapped to, a loop
/// device's file. Opening with O_EXCL finds most of it too, but cannot say what it is.
final class KernelUse {
    private static final Logger LOG = LoggerFactory.getLogger(KernelUse.class);

    private KernelUse() {}

    /// In words, or nothing when the device is free as far as can be seen.
    static Optional<String> of(Libc.Stat stat) {
        if (stat.isBlockDevice()) {
            var mounted = mountedAt(text(Path.of("/proc/self/mountinfo")), withPartitions(stat.deviceNumber()));
            if (mounted.isPresent()) return mounted.map(at -> "is mounted at " + at + "; unmount it first");
        }
        for (var line : text(Path.of("/proc/swaps")).split("\n")) {
            int end = line.indexOf(' ');
            if (line.startsWith("/") && end > 0 && isThat(unescaped(line.substring(0, end)), stat))
                return Optional.of("is used for swapping; run swapoff first");
        }
        return stat.isFile() ? loopDeviceOf(stat) : Optional.empty();
    }

    /// @param mountinfo as proc(5) describes it: the third field is the device, the fifth the mount point
    static Optional<String> mountedAt(String mountinfo, Set<Long> devices) {
        for (var line : mountinfo.split("\n")) {
            var fields = line.split(" ");
            if (fields.length < 5) continue;
            var number = number(fields[2]);
            if (number.isPresent() && devices.contains(number.get())) return Optional.of(unescaped(fields[4]));
        }
        return Optional.empty();
    }

    private static Set<Long> withPartitions(long device) {
        var all = new HashSet<Long>();
        all.add(device);
        var directory = Path.of("/sys/dev/block/%d:%d".formatted(device >>> 32, device & 0xffff_ffffL));
        if (!Files.isDirectory(directory)) return all;
        try (var entries = Files.newDirectoryStream(directory, entry -> Files.exists(entry.resolve("partition")))) {
            for (var partition : entries) number(text(partition.resolve("dev")).strip()).ifPresent(all::add);
        } catch (IOException e) {
            LOG.debug("{}: partitions cannot be listed", directory, e);
        }
        return all;
    }

    private static Optional<String> loopDeviceOf(Libc.Stat stat) {
        var blocks = Path.of("/sys/block");
        if (!Files.isDirectory(blocks)) return Optional.empty();
        try (var loops = Files.newDirectoryStream(blocks, "loop*")) {
            for (var loop : loops) {
                var file = text(loop.resolve("loop/backing_file")).strip();
                if (!file.isEmpty() && isThat(file, stat))
                    return Optional.of("is in use as loop device /dev/" + loop.getFileName() + "; detach it first");
            }
        } catch (IOException e) {
            LOG.debug("loop devices cannot be listed", e);
        }
        return Optional.empty();
    }

    private static boolean isThat(String path, Libc.Stat stat) {
        var other = Libc.stat(path);
        return other.errno() == 0 && other.stat().sameAs(stat);
    }

    private static Optional<Long> number(String majorMinor) {
        int colon = majorMinor.indexOf(':');
        if (colon < 1) return Optional.empty();
        try {
            return Optional.of(Libc.deviceNumber(Integer.parseInt(majorMinor.substring(0, colon)),
                    Integer.parseInt(majorMinor.substring(colon + 1))));
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    // Spaces and backslashes stand there as three octal digits.
    static String unescaped(String text) {
        var plain = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) == '\\' && i + 3 < text.length() && text.substring(i + 1, i + 4).matches("[0-3][0-7]{2}")) {
                plain.append((char) Integer.parseInt(text, i + 1, i + 4, 8));
                i += 3;
            } else plain.append(text.charAt(i));
        }
        return plain.toString();
    }

    // A machine without /proc or /sys (or a loop device that just went) has nothing to say here; O_EXCL still guards.
    private static String text(Path file) {
        if (!Files.exists(file)) return "";
        try {
            return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        } catch (IOException e) {
            LOG.debug("{} cannot be read", file, e);
            return "";
        }
    }
}
