package dev.cairn.transaction.run;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import net.jpountz.lz4.LZ4Factory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// LZ4, by its native library where there is one for this machine.
///
/// The library unpacks itself into the directory for temporary files, and removes what it has unpacked when the JVM ends: not
/// when that is killed. What has been loaded needs no name any more, so the name is removed at once.
final class Lz4 {
    private static final Logger log = LoggerFactory.getLogger(Lz4.class);
    static final LZ4Factory FACTORY = LZ4Factory.fastestInstance();
    private static final String UNPACKED = "liblz4-java-";

    static {
        removeUnpacked();
    }

    private Lz4() {}

    private static void removeUnpacked() {
        try (var mapped = Files.lines(Path.of("/proc/self/maps"))) {
            var files = mapped.filter(line -> line.contains("/" + UNPACKED)).map(line -> Path.of(line.substring(line.indexOf('/'))))
                    .distinct().filter(file -> file.getFileName().toString().startsWith(UNPACKED)).toList();
            for (var file : files) Files.deleteIfExists(file);
        } catch (IOException | RuntimeException e) {
            // It stays until the JVM ends, as it would without this.
            log.debug("what LZ4 has unpacked could not be removed", e);
        }
    }
}
