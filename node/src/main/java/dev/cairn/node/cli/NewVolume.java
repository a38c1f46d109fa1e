package dev.cairn.node.cli;

import dev.cairn.block.FormatRequest;
import dev.cairn.block.QuorumSlot;
import dev.cairn.block.VolumeFormat;
import dev.cairn.block.VolumeFormatException;
import dev.cairn.node.Bytes;
import dev.cairn.node.NodeConfig;
import dev.cairn.node.StateDirectory;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.random.RandomGenerator;

/// Makes the volume of a state directory on two sparse files.
///
/// The files are formatted under other names; then data, metadata and configuration get theirs, in this order. So a
/// configuration means that all is there, a metadata file without configuration still is a whole volume and is never
/// formatted again, and anything less is rubbish of an interrupted attempt.
final class NewVolume {
    private static final String LOOPBACK = "127.0.0.1";
    // Below the ports that outgoing connections take, so that nobody sits on it by chance at a later start.
    private static final int PORT_MIN = 20_000, PORT_MAX = 30_000, PORT_TRIES = 200;
    private static final long GIB = 1L << 30, META_BYTES_MAX = 64 * GIB, META_BYTES_MIN = 256L << 20, DATA_BYTES_MIN = 256L << 20;

    private final Environment environment;
    private final StateDirectory state;

    NewVolume(Environment environment, StateDirectory state) {
        this.environment = environment;
        this.state = state;
    }

    void make(String metaSize, String dataSize, Path mount) throws IOException {
        if (Files.exists(state.metaImage())) {
            if (!Files.exists(state.dataImage()))
                throw new CommandFailure(state.metaImage() + " is there but not " + state.dataImage() + ": bring it back, or move the first away to start anew");
            environment.err().printf("cairn up: %s is there without its configuration: writing that again%n", state.metaImage());
        } else {
            format(metaSize, dataSize);
        }
        var config = new NodeConfig(state.dir(), OptionalInt.of(0), new NodeConfig.Volume(state.metaImage(), state.dataImage()),
                List.of(new NodeConfig.Mount(mount, false, NodeConfig.ROOT)), NodeConfig.Http.DEFAULT, false, 0, NodeConfig.LogLevel.INFO);
        var fresh = state.dir().resolve("node.conf.new");
        Files.writeString(fresh, config.toHocon());
        Files.move(fresh, state.config(), StandardCopyOption.ATOMIC_MOVE);
    }

    private void format(String metaSize, String dataSize) throws IOException {
        long free = Files.getFileStore(state.dir()).getUsableSpace();
        long metaBytes = metaSize == null ? clamp(roundDown(free / 8), META_BYTES_MIN, META_BYTES_MAX) : parse("--meta-size", metaSize);
        long dataBytes = dataSize == null ? Math.max(roundDown(free / 4 * 3), DATA_BYTES_MIN) : parse("--data-size", dataSize);
        var meta = state.dir().resolve("meta.img.new");
        var data = state.dir().resolve("data.img.new");
        sparse(meta, metaBytes);
        sparse(data, dataBytes);
        try {
            VolumeFormat.format(new FormatRequest(meta, data, OptionalLong.empty(), OptionalLong.empty(),
                    List.of(new QuorumSlot(0, LOOPBACK, freePort())), 0, 0, 0, true, true));
        } catch (VolumeFormatException e) {
            Files.deleteIfExists(meta);
            Files.deleteIfExists(data);
            throw new CommandFailure(e.getMessage(), e);
        }
        Files.move(data, state.dataImage(), StandardCopyOption.ATOMIC_MOVE);
        Files.move(meta, state.metaImage(), StandardCopyOption.ATOMIC_MOVE);
        environment.err().printf("cairn up: made a volume in %s: %s for metadata, %s for data%n", state.dir(), Bytes.human(metaBytes), Bytes.human(dataBytes));
    }

    private static long parse(String option, String size) {
        try {
            return Bytes.parse(size);
        } catch (IllegalArgumentException e) {
            throw new CommandFailure(option + ": " + e.getMessage(), e, Cairn.USAGE);
        }
    }

    private static void sparse(Path file, long bytes) throws IOException {
        Files.deleteIfExists(file);
        try (var made = new RandomAccessFile(file.toFile(), "rw")) {
            made.setLength(bytes);
        } catch (IOException e) {
            throw new CommandFailure("cannot make " + file + " with " + Bytes.human(bytes) + " (" + e.getMessage() + "): choose a smaller size or another --state", e);
        }
    }

    /// A random one, because another volume that is not running just now must keep its own.
    private static int freePort() throws IOException {
        var random = RandomGenerator.getDefault();
        for (int i = 0; i < PORT_TRIES; i++) {
            int port = random.nextInt(PORT_MIN, PORT_MAX);
            try (var probe = new ServerSocket()) {
                probe.bind(new InetSocketAddress(InetAddress.ofLiteral(LOOPBACK), port));
                return port;
            } catch (IOException taken) {
                // The next one.
            }
        }
        throw new CommandFailure("found no free port between " + PORT_MIN + " and " + PORT_MAX + " on " + LOOPBACK);
    }

    private static long roundDown(long bytes) {
        return bytes < GIB ? bytes / (1 << 20) * (1 << 20) : bytes / GIB * GIB;
    }

    private static long clamp(long value, long min, long max) {
        return Math.max(min, Math.min(max, value));
    }
}
