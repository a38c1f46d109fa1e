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

/// One short life of a node, for the JVM to record which classes a node loads (see `cairn` at the repository's root).
/// Where nothing can be mounted the rest is recorded.
public final class NodeTraining {
    private static final Logger LOG = LoggerFactory.getLogger(NodeTraining.class);
    private static final int FILES = 200;

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

    private static void use(Path dir) throws IOException {
        var sub = Files.createDirectory(dir.resolve("sub"));
        for (int i = 0; i < FILES; i++) {
            var file = Files.writeString(sub.resolve("file" + i), "content");
            Files.readString(file);
            Files.move(file, dir.resolve("moved" + i));
            // The way through server and journal is the longest there is, and the first fsyncs are waited for as the later ones are.
            try (var synced = FileChannel.open(dir.resolve("moved" + i), StandardOpenOption.WRITE)) {
                synced.write(ByteBuffer.wrap("synced".getBytes(StandardCharsets.US_ASCII)));
                synced.force(true);
            }
        }
        try (var list = Files.list(dir)) {
            for (var file : list.toList()) if (Files.isRegularFile(file)) Files.delete(file);
        }
    }
}
