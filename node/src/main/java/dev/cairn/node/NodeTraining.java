package dev.cairn.node;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One short life of a node, for the JVM to record which classes a node loads and how it uses them (see `cairn` at the
/// repository's root): what has been worth compiling here is compiled early there. Where nothing can be mounted the rest is
/// recorded.
public final class NodeTraining {
    private static final Logger LOG = LoggerFactory.getLogger(NodeTraining.class);
    private static final int ROUNDS = 8, FILES = 1000, SYNCED = 400;

    private NodeTraining() {}

    public static int run(NodeConfig config, Map<String, String> environment) throws IOException {
        try {
            live(config, environment);
        } catch (IOException | IllegalStateException noMount) {
            LOG.warn("training without a mount: {}", noMount.getMessage());
            live(config.withMounts(java.util.List.of()), environment);
        }
        return 0;
    }

    private static void live(NodeConfig config, Map<String, String> environment) throws IOException {
        var state = new StateDirectory(config.state());
        LogSetup.level(NodeConfig.LogLevel.WARN);
        try (var _ = state.lock().orElseThrow();
                var node = Node.start(config, state, new PrometheusMeterRegistry(PrometheusConfig.DEFAULT), LocalVolume::open)) {
            for (var mount : config.mounts()) use(mount.dir());
            node.metrics();
            Json.pretty(node.status().toJson());
            node.stop(true);
        }
    }

    // In the order of a day's work, so that each kind of call is seen with others before and behind it.
    private static void use(Path dir) throws IOException {
        for (int round = 0; round < ROUNDS; round++) {
            var sub = Files.createDirectory(dir.resolve("sub" + round));
            for (int i = 0; i < FILES; i++) Files.writeString(sub.resolve("file" + i), "content");
            for (int i = 0; i < FILES; i++) {
                Files.readAttributes(sub.resolve("file" + i), "unix:*");
                Files.readString(sub.resolve("file" + i));
                Files.move(sub.resolve("file" + i), sub.resolve("moved" + i));
                if (i % 4 == 0) Files.delete(Files.createDirectory(sub.resolve("dir" + i)));
            }
            for (int i = 0; i < SYNCED; i++) sync(sub.resolve("moved" + i));
            try (var list = Files.list(sub)) {
                for (var file : list.toList()) Files.delete(file);
            }
        }
    }

    // The way through server and journal is the longest there is, and the first fsyncs are waited for as the later ones are.
    private static void sync(Path file) throws IOException {
        try (var synced = FileChannel.open(file, StandardOpenOption.WRITE)) {
            synced.write(ByteBuffer.wrap("synced".getBytes(StandardCharsets.US_ASCII)));
            synced.force(true);
        }
    }
}
