package dev.cairn.it;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Supplier;

/// Turns the machine's switch for rings on while a test mounts, and back. A mount keeps what it found.
final class RingSwitch {
    private static final Path LOCK = Path.of(System.getProperty("java.io.tmpdir"), "cairn-test-enable-uring.lock");
    private static final Path SWITCH = Path.of("/sys/module/fuse/parameters/enable_uring");

    private RingSwitch() {}

    /// Whether this user can have rings on this machine.
    static boolean canBeOn() {
        try {
            return Files.isWritable(SWITCH) || Files.exists(SWITCH) && Files.readString(SWITCH).startsWith("Y");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// `cairn.transport=io-uring` asks for it. Skips the test where the kernel has no rings or the user may not turn the switch.
    static <T> T on(Supplier<T> mounting) {
        assumeTrue(Files.exists(SWITCH), "the kernel has no fuse-over-io_uring");
        // Other tests of this machine do the same.
        try (var file = FileChannel.open(LOCK, StandardOpenOption.CREATE, StandardOpenOption.WRITE); var _ = file.lock()) {
            if (Files.readString(SWITCH).startsWith("Y")) return mounting.get();
            assumeTrue(Files.isWritable(SWITCH), "fuse-over-io_uring is switched off, and only root can switch it on");
            var back = new Thread(RingSwitch::off);
            Runtime.getRuntime().addShutdownHook(back);
            Files.writeString(SWITCH, "Y");
            try {
                return mounting.get();
            } finally {
                off();
                Runtime.getRuntime().removeShutdownHook(back);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void off() {
        try {
            Files.writeString(SWITCH, "N");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
