package dev.cairn.fuse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How far the kernel reads ahead on a mount: as far as on the device below, at least two of its largest requests, so that one
/// is under way while the other is being copied; and two of the device's favourite pieces, which on a RAID are its stripes.
final class ReadAhead {
    private static final Logger log = LoggerFactory.getLogger(ReadAhead.class);
    private static final long KIB_MIN = 2 * (InitNegotiation.READ_BYTES_MAX >> 10);
    /// More is memory that other files could use.
    private static final long KIB_MAX = 16 << 10;

    private ReadAhead() {}

    /// @param data a device, or a file on a file system that has one
    static long kibibytes(String data) {
        try {
            var path = Path.of(data);
            boolean device = Files.readAttributes(path, BasicFileAttributes.class).isOther();
            return kibibytes(((Number) Files.getAttribute(path, device ? "unix:rdev" : "unix:dev")).longValue(), Path.of("/sys/dev/block"));
        } catch (IOException | RuntimeException e) {
            log.debug("{}: cannot ask how far to read ahead: {}", data, e.toString());
            return KIB_MIN;
        }
    }

    /// @param number as stat(2) has it
    /// @param blocks the kernel's directory of block devices by number; what it says nothing of gets the least
    static long kibibytes(long number, Path blocks) {
        long major = number >>> 8 & 0xfff | number >>> 32 & ~0xfffL, minor = number & 0xff | number >>> 12 & ~0xffL;
        var device = blocks.resolve((int) major + ":" + (int) minor);
        // A partition has its disk's.
        var queue = Files.isDirectory(device.resolve("queue")) ? device.resolve("queue") : device.resolve("../queue");
        long own = number(queue.resolve("read_ahead_kb")), piece = number(queue.resolve("optimal_io_size")) >> 10;
        return Math.clamp(Math.max(own, 2 * piece), KIB_MIN, KIB_MAX);
    }

    private static long number(Path file) {
        try {
            return Long.parseLong(Files.readString(file).strip());
        } catch (IOException | NumberFormatException e) {
            return 0;
        }
    }
}
