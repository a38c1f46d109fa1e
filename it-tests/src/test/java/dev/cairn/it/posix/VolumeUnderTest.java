package dev.cairn.it.posix;

import dev.cairn.it.TestVolume;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/// The directory that the tests of this package work in: `-Dcairn.posix.dir`, or else the mount of one Cairn volume,
/// started when the first test asks and removed when the whole run is over.
final class VolumeUnderTest implements BeforeAllCallback {
    /// The million names of the long form are some 300 MiB.
    private static final String META_SIZE = System.getProperty("cairn.long") == null ? "256M" : "2G";

    private static String directory;
    private static TestVolume volume;

    /// Kept in the store of the whole run, which closes it after the last test of all classes.
    private record Started(TestVolume volume) implements AutoCloseable {
        static Started now() {
            try {
                var volume = TestVolume.create(META_SIZE, "1G");
                // A temporary directory is its owner's alone; the other users of the tests have to get through it.
                PosixTest.ok(Posix.SELF.chmod(volume.mount.getParent().toString(), 0711));
                return new Started(volume);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public void close() {
            volume.close();
        }
    }

    static String directory() {
        return directory;
    }

    /// The volume that was started for the tests; null when they were given a directory.
    static TestVolume volume() {
        return volume;
    }

    /// Whether the directory is the top of a mounted file system, and so shared with nobody.
    static boolean isMount() {
        var here = Posix.SELF.stat(directory);
        var above = Posix.SELF.stat(directory + "/..");
        return here.devMajor() != above.devMajor() || here.devMinor() != above.devMinor();
    }

    @Override
    public void beforeAll(ExtensionContext context) {
        directory = System.getProperty("cairn.posix.dir");
        if (directory != null) return;
        volume = context.getRoot().getStore(Namespace.create(VolumeUnderTest.class))
                .getOrComputeIfAbsent("volume", _ -> Started.now(), Started.class).volume();
        directory = volume.mount.toString();
    }
}
