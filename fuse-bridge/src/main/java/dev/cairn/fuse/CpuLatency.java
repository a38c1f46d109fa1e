package dev.cairn.fuse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/// What a mount asks of the kernel while requests come in a stream: how long an idle CPU may take to wake. Each request wakes
/// a thread and each reply another, mostly on a CPU that has just become idle. In a virtual machine such a CPU has been given
/// back to the host, and it takes some 40 to 70 µs to have it again, several times what a request costs.
///
/// @param micros for AT_MOST; 0: CPUs do not sleep at all, they poll
public record CpuLatency(Kind kind, int micros) {
    public enum Kind {
        /// 0 µs on a small virtual machine that gives idle CPUs back at once, nothing elsewhere.
        AUTO,
        /// Nothing is asked.
        OFF,
        AT_MOST
    }

    public static final CpuLatency AUTO = new CpuLatency(Kind.AUTO, 0), OFF = new CpuLatency(Kind.OFF, 0);
    private static final int MICROS_MAX = 1_000_000;
    private static final Pattern MICROS = Pattern.compile("(\\d{1,7}) *us");
    /// Above so many CPUs polling them all costs more than it gives one client.
    static final int AUTO_CPUS_MAX = 8;
    /// The kernel's interface, from the root.
    static final Path DEVICE = Path.of("dev/cpu_dma_latency");

    public CpuLatency {
        if (micros < 0 || micros > MICROS_MAX || kind != Kind.AT_MOST && micros != 0)
            throw new IllegalArgumentException("a CPU latency of %d us, %s".formatted(micros, kind));
    }

    /// @throws IllegalArgumentException with a message for the user
    public static CpuLatency of(String label) {
        var micros = MICROS.matcher(label);
        if (label.equals("auto")) return AUTO;
        if (label.equals("off")) return OFF;
        if (micros.matches() && Integer.parseInt(micros.group(1)) <= MICROS_MAX)
            return new CpuLatency(Kind.AT_MOST, Integer.parseInt(micros.group(1)));
        throw new IllegalArgumentException("cpu-latency is '" + label + "'; it is auto, off, or 0us to 1000000us");
    }

    /// As in the configuration.
    public String label() {
        return switch (kind) {
            case AUTO -> "auto";
            case OFF -> "off";
            case AT_MOST -> micros + "us";
        };
    }

    /// Microseconds to ask for on this machine; empty: nothing.
    OptionalInt chosen() {
        return chosen(Path.of("/"));
    }

    OptionalInt chosen(Path root) {
        return switch (kind) {
            case OFF -> OptionalInt.empty();
            case AT_MOST -> OptionalInt.of(micros);
            case AUTO -> helps(root.resolve("sys")) && Files.isWritable(root.resolve(DEVICE)) ? OptionalInt.of(0) : OptionalInt.empty();
        };
    }

    private static boolean helps(Path sys) {
        return givesIdleCpusBack(sys) && cpus(sys) <= AUTO_CPUS_MAX;
    }

    // A guest whose idle CPUs halt without polling first. Where it polls (the default of the governor), or is no guest, waking is
    // cheap enough.
    private static boolean givesIdleCpusBack(Path sys) {
        if (!text(sys.resolve("devices/system/cpu/cpuidle/current_driver")).equals("haltpoll")) return false;
        return !text(sys.resolve("devices/system/cpu/cpuidle/current_governor")).equals("haltpoll")
                || text(sys.resolve("module/haltpoll/parameters/guest_halt_poll_ns")).equals("0");
    }

    // Of the machine, whatever part of it this process may use: `0-3,6`.
    private static int cpus(Path sys) {
        int cpus = 0;
        for (var range : text(sys.resolve("devices/system/cpu/online")).split(",")) {
            var ends = range.split("-");
            try {
                cpus += Integer.parseInt(ends[ends.length - 1]) - Integer.parseInt(ends[0]) + 1;
            } catch (NumberFormatException e) {
                return Integer.MAX_VALUE;
            }
        }
        return cpus;
    }

    private static String text(Path file) {
        try {
            return Files.readString(file).strip();
        } catch (IOException e) {
            return "";
        }
    }
}
