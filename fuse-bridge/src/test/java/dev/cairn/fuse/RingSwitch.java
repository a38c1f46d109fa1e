package dev.cairn.fuse;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// Turns the machine's switch for rings on while a test mounts, and back. A mount keeps what it found.
final class RingSwitch {
    private static final Path LOCK = Path.of(System.getProperty("java.io.tmpdir"), "cairn-test-enable-uring.lock");

    interface Mounting<T> {
        T run() throws IOException;
    }

    private RingSwitch() {}

    /// Skips the test where the kernel has no rings or the user may not turn the switch.
    static <T> T on(Mounting<T> mounting) throws IOException {
        assumeTrue(Files.exists(Transport.SWITCH), "the kernel has no fuse-over-io_uring");
        // Other tests of this machine do the same.
        try (var file = FileChannel.open(LOCK, StandardOpenOption.CREATE, StandardOpenOption.WRITE); var _ = file.lock()) {
            if (Transport.ringsSwitchedOn()) return mounting.run();
            assumeTrue(Files.isWritable(Transport.SWITCH), "fuse-over-io_uring is switched off, and only root can switch it on");
            var back = new Thread(RingSwitch::off);
            Runtime.getRuntime().addShutdownHook(back);
            Files.writeString(Transport.SWITCH, "Y");
            try {
                return mounting.run();
            } finally {
                off();
                Runtime.getRuntime().removeShutdownHook(back);
            }
        }
    }

    private static void off() {
        try {
            Files.writeString(Transport.SWITCH, "N");
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
