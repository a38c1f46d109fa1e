package dev.cairn.fuse;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;

/// Mounts a [MemoryVolume] and serves it until it is unmounted: for comparing the bridge with `fuseceil`.
public final class Bench {
    private Bench() {}

    public static void main(String[] arguments) throws Exception {
        try (var volume = new MemoryVolume(2L << 30)) {
            var settings = FuseSession.Settings.of(Path.of(arguments[0]), "memory", 1, 2)
                    .transport(Transport.of(System.getProperty("cairn.transport", "dev-fuse")));
            var session = FuseSession.start(settings, volume.fileSystem, volume.dataIo, volume, new SimpleMeterRegistry(),
                    end -> {});
            session.ended().get();
        }
    }
}
