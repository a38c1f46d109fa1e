package dev.cairn.it.posix;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/// The directory that the tests of this package work in: `-Dcairn.posix.dir`.
final class VolumeUnderTest implements BeforeAllCallback {
    private static String directory;

    static String directory() {
        return directory;
    }

    @Override
    public void beforeAll(ExtensionContext context) {
        directory = System.getProperty("cairn.posix.dir");
        Assumptions.assumeTrue(directory != null, "no -Dcairn.posix.dir");
    }
}
