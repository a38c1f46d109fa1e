package dev.cairn.node;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What is mounted where, from the kernel's own table; asking the table never touches a mount, so it does not hang on a
/// dead one.
public record MountTable(List<Entry> entries) {
    private static final Path MOUNTINFO = Path.of("/proc/self/mountinfo");

    /// `type` is `fuse.cairn` for a mount of ours.
    public record Entry(Path dir, String type, String source) {
        public boolean isCairn() {
            return type.equals("fuse.cairn") || type.equals("fuseblk.cairn");
        }
    }

    public static MountTable read() {
        try {
            return parse(Files.readString(MOUNTINFO, StandardCharsets.ISO_8859_1));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + MOUNTINFO, e);
        }
    }

    /// Lines are `id parent major:minor root dir options [tags…] - type source superoptions`; bytes that would confuse the
    /// columns are written as `\ooo`. Lines that look otherwise are left out.
    static MountTable parse(String mountinfo) {
        var entries = new ArrayList<Entry>();
        for (var line : mountinfo.split("\n")) {
            var halves = line.split(" - ", 2);
            if (halves.length != 2) continue;
            var left = halves[0].split(" ");
            var right = halves[1].split(" ");
            if (left.length < 6 || right.length < 2) continue;
            entries.add(new Entry(Path.of(unescape(left[4])), right[0], unescape(right[1])));
        }
        return new MountTable(List.copyOf(entries));
    }

    /// The mount on top at exactly this directory.
    public Optional<Entry> at(Path dir) {
        return entries.stream().filter(entry -> entry.dir.equals(dir)).reduce((_, later) -> later);
    }

    public boolean cairnAt(Path dir) {
        return at(dir).filter(Entry::isCairn).isPresent();
    }

    private static String unescape(String text) {
        var bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        var plain = new byte[bytes.length];
        int length = 0;
        for (int i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\\' && i + 3 < bytes.length && octal(bytes, i + 1) >= 0) {
                plain[length++] = (byte) octal(bytes, i + 1);
                i += 3;
            } else {
                plain[length++] = bytes[i];
            }
        }
        return new String(plain, 0, length, StandardCharsets.UTF_8);
    }

    private static int octal(byte[] bytes, int at) {
        int value = 0;
        for (int i = at; i < at + 3; i++) {
            if (bytes[i] < '0' || bytes[i] > '7') return -1;
            value = value * 8 + bytes[i] - '0';
        }
        return value <= 0xff ? value : -1;
    }
}
