package dev.cairn.node;

import dev.cairn.fuse.Transport;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One short life of a node for each transport, for the JVM to record which classes a node loads and how it uses them (see
/// `cairn` at the repository's root): what has been worth compiling here is compiled early there. Where nothing can be
/// mounted the rest is recorded.
public final class NodeTraining {
    private static final Logger LOG = LoggerFactory.getLogger(NodeTraining.class);
    private static final int CLIENTS = 2, ROUNDS = 6;

    private NodeTraining() {}

    public static int run(NodeConfig config, Map<String, String> environment) throws IOException {
        try {
            live(over(Transport.DEV_FUSE, config), environment);
            // A machine that has rings today is told to do without them tomorrow.
            if (Transport.ringsSwitchedOn()) live(over(Transport.IO_URING, config), environment);
        } catch (IOException | IllegalStateException noMount) {
            LOG.warn("training without a mount: {}", noMount.getMessage());
            live(config.withMounts(List.of()), environment);
        }
        try {
            WarmUp.once(new StateDirectory(config.state()).warmUp());
        } catch (IOException | RuntimeException e) {
            LOG.warn("training without warming up: {}", e.getMessage());
        }
        return 0;
    }

    private static NodeConfig over(Transport transport, NodeConfig config) {
        return config.withMounts(config.mounts().stream().map(mount -> mount.over(transport)).toList());
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

    // Two clients at a time, as what one reader does while another is inside is a way of its own.
    private static void use(Path dir) throws IOException {
        try (var clients = Executors.newFixedThreadPool(CLIENTS)) {
            var days = new ArrayList<Future<Void>>();
            for (int client = 0; client < CLIENTS; client++) {
                var own = Files.createDirectory(dir.resolve("client" + client));
                days.add(clients.submit(() -> {
                    for (int round = 0; round < ROUNDS; round++) new TrainingDay(own.resolve("day" + round)).run();
                    return null;
                }));
            }
            for (var day : days) day.get();
            for (int client = 0; client < CLIENTS; client++) Files.delete(dir.resolve("client" + client));
        } catch (ExecutionException failed) {
            throw new IOException("a client of the training: " + failed.getCause(), failed.getCause());
        } catch (InterruptedException interrupted) {
            throw new InterruptedIOException("training was interrupted");
        }
    }
}
