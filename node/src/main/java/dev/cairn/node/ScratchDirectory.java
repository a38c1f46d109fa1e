package dev.cairn.node;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;

/// A directory that begins empty and is deleted at its end. What a killed process has left behind goes with the next beginning.
final class ScratchDirectory implements AutoCloseable {
    private final Path path;

    ScratchDirectory(Path path) throws IOException {
        this.path = path;
        delete(path);
        Files.createDirectories(path);
    }

    Path path() {
        return path;
    }

    @Override
    public void close() throws IOException {
        delete(path);
    }

    private static void delete(Path path) throws IOException {
        if (!Files.exists(path)) return;
        try (var files = Files.walk(path)) {
            for (var file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
        }
    }
}
