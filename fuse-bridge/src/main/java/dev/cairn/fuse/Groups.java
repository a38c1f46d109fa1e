package dev.cairn.fuse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The supplementary groups of processes, which requests do not carry.
final class Groups {
    private static final Logger log = LoggerFactory.getLogger(Groups.class);
    private static final String LINE = "Groups:";

    /// None when there is no such process (any more), or when it lives in another pid namespace and so has no number here.
    static Set<Long> ofProcess(int pid) {
        var groups = new HashSet<Long>();
        if (pid <= 0) return groups;
        try {
            for (var line : Files.readAllLines(Path.of("/proc", Integer.toString(pid), "status"), StandardCharsets.ISO_8859_1))
                if (line.startsWith(LINE))
                    for (var number : line.substring(LINE.length()).strip().split("\\s+"))
                        if (!number.isEmpty()) groups.add(Long.parseLong(number));
        } catch (IOException | NumberFormatException e) {
            log.debug("the groups of process {} cannot be told: {}", pid, e.toString());
        }
        return groups;
    }

    private Groups() {}
}
