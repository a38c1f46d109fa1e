package dev.cairn.fuse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// How requests travel between the kernel and the bridge.
public enum Transport {
    /// Over rings where the kernel has them switched on when a volume is mounted, else over /dev/fuse.
    AUTO("auto"),
    /// One system call to read a request and one to answer it.
    DEV_FUSE("dev-fuse"),
    /// A ring for each CPU (fuse-over-io_uring): one system call answers a request and waits for the next, and a request is
    /// served on the CPU that it was made on.
    IO_URING("io-uring");

    /// Of a mount that says nothing.
    public static final Transport DEFAULT = AUTO;

    /// The machine's switch. Root turns it; a mount keeps what it found.
    static final Path SWITCH = Path.of("/sys/module/fuse/parameters/enable_uring");

    private final String label;

    Transport(String label) {
        this.label = label;
    }

    /// As in the configuration, `status` and metrics.
    public String label() {
        return label;
    }

    /// @throws IllegalArgumentException with a message for the user
    public static Transport of(String label) {
        for (var transport : values()) if (transport.label.equals(label)) return transport;
        throw new IllegalArgumentException("transport is '" + label + "'; it is auto, dev-fuse or io-uring");
    }

    /// Whether new mounts of this machine can have rings.
    public static boolean ringsSwitchedOn() {
        try {
            return Files.readString(SWITCH).startsWith("Y");
        } catch (IOException e) {
            return false;
        }
    }

    /// DEV_FUSE or IO_URING.
    ///
    /// @throws IOException with a message for the user, when rings are asked for and are not to be had
    Transport chosen() throws IOException {
        if (this == DEV_FUSE || this == IO_URING && ringsSwitchedOn()) return this;
        if (this == AUTO) return ringsSwitchedOn() ? IO_URING : DEV_FUSE;
        throw new IOException(Files.exists(SWITCH)
                ? "transport io-uring is switched off on this machine: as root, `echo Y > " + SWITCH
                        + "` switches it on for new mounts"
                : "this kernel has no transport io-uring (Linux 6.14 or newer built with CONFIG_FUSE_IO_URING has): "
                        + "use transport dev-fuse or auto");
    }
}
