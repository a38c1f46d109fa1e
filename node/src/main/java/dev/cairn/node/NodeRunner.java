package dev.cairn.node;

import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.nio.channels.FileLock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import sun.misc.Signal;

/// Runs a [Node] for as long as this process is one: lock on the state directory, signals, exit code.
public final class NodeRunner {
    private static final Logger LOG = LoggerFactory.getLogger(NodeRunner.class);

    /// Whoever asks whether a node lives here holds its lock for a moment, which must not keep one from starting.
    private static final Duration LOCK_WITHIN = Duration.ofSeconds(1);

    /// How long a signal waits for a node that is starting.
    private static final Duration STARTED_WITHIN = Duration.ofSeconds(10);

    /// In the environment, set to this: a node does no work but its own.
    private static final String WARM_UP = "CAIRN_WARM_UP", COLD = "off";

    private NodeRunner() {}

    /// Returns the exit code when the node has ended. `background`: leave the session of whoever started this.
    public static int run(NodeConfig config, Map<String, String> environment, boolean background) {
        return run(config, environment, background, LocalVolume::open);
    }

    static int run(NodeConfig config, Map<String, String> environment, boolean background, Node.Opener opener) {
        if (background) Session.leave();
        LogSetup.level(config.logLevel());
        var state = new StateDirectory(config.state());
        long pid = ProcessHandle.current().pid();
        var nodes = RunningNodes.of(environment);
        try (var _ = lock(state)) {
            state.withdraw();    // of a node that was killed
            state.clearFailure();
            try {
                nodes.register(pid, config.state());
            } catch (IOException e) {
                state.reportFailure(describe(e));
                throw e;
            }
            var started = new CompletableFuture<Node>();
            onSignals(started);
            try (var node = Node.start(config, state, new PrometheusMeterRegistry(PrometheusConfig.DEFAULT), opener)) {
                started.complete(node);
                logStart();
                if (!COLD.equals(environment.get(WARM_UP))) WarmUp.start(node::requests, node.end(), state.warmUp());
                else ScratchDirectory.discard(state.warmUp());
                int code = node.end().join();
                LOG.info("stopping");
                return code;
            } catch (IOException | RuntimeException | Error e) {
                state.reportFailure(describe(e));
                throw e;
            } finally {
                nodes.deregister(pid);
            }
        } catch (IOException e) {
            throw new NodeConfig.Invalid(describe(e), e);
        }
    }

    // Both times, because a busy machine makes the first one long and only the second one is ours.
    private static void logStart() {
        var self = ProcessHandle.current().info();
        var age = self.startInstant().map(start -> Duration.between(start, Instant.now())).orElse(Duration.ZERO);
        LOG.info("usable {} ms after the start of the process, with {} ms of CPU", age.toMillis(),
                self.totalCpuDuration().orElse(Duration.ZERO).toMillis());
    }

    private static FileLock lock(StateDirectory state) throws IOException {
        state.create();
        return state.lockPatiently(LOCK_WITHIN).orElseThrow(() -> new IOException("another node runs with the state in " + state.dir()
                + ": 'cairn status --state " + state.dir() + "' says what it does"));
    }

    // TERM is what service managers send and INT what a terminal does: both end the node in good order. The first one starts
    // that, the second finds it under way. Heard from before the first mount on, for whoever sees one may use it.
    private static void onSignals(CompletableFuture<Node> started) {
        var stopping = new AtomicBoolean();
        for (var name : new String[] {"TERM", "INT"}) {
            Signal.handle(new Signal(name), signal -> {
                if (!stopping.compareAndSet(false, true)) return;
                Thread.ofPlatform().name("cairn-stop").start(() -> {
                    LOG.info("SIG{}: unmounting and committing", signal.getName());
                    Node node;
                    try {
                        node = started.get(STARTED_WITHIN.toMillis(), TimeUnit.MILLISECONDS);
                    } catch (InterruptedException | ExecutionException | TimeoutException e) {
                        LOG.warn("still starting: there is nothing to commit, ending at once");
                        Runtime.getRuntime().halt(128 + signal.getNumber());
                        return;
                    }
                    try {
                        node.stopWhateverUsesIt();
                    } catch (RuntimeException e) {
                        LOG.error("could not unmount and commit in good order: {}", e.getMessage());
                        node.end().complete(1);
                    }
                });
            });
        }
    }

    private static String describe(Throwable e) {
        return e.getMessage() == null || e instanceof Error ? e.toString() : e.getMessage();
    }
}
