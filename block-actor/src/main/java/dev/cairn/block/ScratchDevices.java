package dev.cairn.block;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/// The two devices of a volume that nobody keeps: anonymous memory of the kernel, in use as far as it is written, gone with
/// the last descriptor. Otherwise devices as all others, down to the calls that reach them.
public final class ScratchDevices {
    private ScratchDevices() {}

    /// Makes a volume and opens it.
    ///
    /// @throws DeviceException also when this system has no such memory
    public static VolumeDevices open(long metaBytes, long dataBytes) throws DeviceException {
        int meta = memory("cairn-scratch-meta", metaBytes);
        try {
            int data = memory("cairn-scratch-data", dataBytes);
            try {
                return format(path(meta), path(data));
            } finally {
                Libc.close(data);
            }
        } finally {
            Libc.close(meta);
        }
    }

    // The devices open these once more; the memory stays for as long as they are.
    private static Path path(int fd) {
        return Path.of("/proc/self/fd", String.valueOf(fd));
    }

    private static int memory(String name, long bytes) throws DeviceException {
        int fd = Libc.memoryFile(name);
        int answer = fd < 0 ? fd : Libc.truncate(fd, bytes);
        if (answer >= 0) return fd;
        if (fd >= 0) Libc.close(fd);
        throw new DeviceException("%s: %d bytes of memory cannot be had: %s".formatted(name, bytes, Libc.reason(-answer)));
    }

    private static VolumeDevices format(Path meta, Path data) throws DeviceException {
        try {
            VolumeFormat.format(new FormatRequest(meta, data, OptionalLong.empty(), OptionalLong.empty(),
                    List.of(new QuorumSlot(0, "127.0.0.1", 1)), 0, 0, 0, true, true));
        } catch (VolumeFormatException e) {
            throw new DeviceException(e.getMessage(), e);
        }
        return VolumeDevices.open(meta, data);
    }
}
