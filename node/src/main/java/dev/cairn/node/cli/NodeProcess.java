package dev.cairn.node.cli;

import dev.cairn.node.StateDirectory;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Starts a node in the background and waits until its mounts are usable.
final class NodeProcess {
    static final Duration USABLE_WITHIN = Duration.ofSeconds(90);
    private static final long LOG_BYTES_MAX = 16 << 20;
    private static final String LAUNCHER = "cairn.launcher";

    private final Environment environment;
    private final StateDirectory state;
    private final Progress progress;

    NodeProcess(Environment environment, StateDirectory state, Progress progress) {
        this.environment = environment;
        this.state = state;
        this.progress = progress;
    }

    void start() throws IOException {
        state.clearFailure();
        keepLogSmall();
        var builder = new ProcessBuilder(command());
        builder.redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")));
        builder.redirectErrorStream(true);
        builder.redirectOutput(ProcessBuilder.Redirect.appendTo(state.log().toFile()));
        var process = builder.start();
        awaitUsable(process);
    }

    /// Until a node that somebody has started takes orders.
    void awaitAnswering() {
        boolean answering = progress.await(USABLE_WITHIN, () -> "waiting for the node to finish starting",
                () -> state.running().isPresent() || !state.nodeAlive());
        if (!answering) throw new CommandFailure("the node is still starting after " + USABLE_WITHIN.toSeconds() + " s, see " + state.log());
        if (!state.nodeAlive()) throw new CommandFailure(whyItEnded(null));
    }

    /// Of a node that somebody has started.
    void awaitUsable() {
        awaitUsable(null);
    }

    private void awaitUsable(Process process) {
        boolean usable = progress.await(USABLE_WITHIN, () -> "waiting for the node to become usable (its log: " + state.log() + ")", () -> {
            // The order matters: a node may die between the two questions, and then the next round notices.
            boolean dead = process == null ? !state.nodeAlive() : !process.isAlive();
            var running = state.running();
            if (running.isPresent()) {
                try {
                    if (new NodePort(running.get()).ready()) return true;
                } catch (IOException notYet) {
                    // It has announced itself and does not answer: either busy or about to end. Both show soon.
                }
            }
            if (dead) throw new CommandFailure(whyItEnded(process));
            return false;
        });
        if (!usable) throw new CommandFailure("the node is not usable after " + USABLE_WITHIN.toSeconds() + " s: " + whyNotReady()
                + "; 'cairn status --state " + state.dir() + "' says more, 'cairn down' stops it");
    }

    private String whyNotReady() {
        try {
            var running = state.running();
            if (running.isEmpty()) return "it has not opened its devices and journal yet, see " + state.log();
            var json = new NodePort(running.get()).get("/ready").json();
            return json.hasPath("why_not") ? json.getString("why_not") : "no reason given";
        } catch (IOException e) {
            return "it does not answer (" + e.getMessage() + ")";
        }
    }

    private String whyItEnded(Process process) {
        var log = " (its log: " + state.log() + ")";
        var failure = state.failure();
        if (failure.isPresent()) return failure.get() + log;
        return "the node ended" + (process == null ? "" : " with " + process.exitValue()) + " before it was usable" + log;
    }

    /// The launcher knows how a node's JVM is to be started; without it, this JVM's own program is started anew.
    private List<String> command() {
        var arguments = List.of("node", "--background", state.config().toString());
        var command = new ArrayList<String>();
        var launcher = System.getProperty(LAUNCHER);
        if (launcher != null && Files.isExecutable(Path.of(launcher))) {
            command.add(launcher);
        } else {
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.add("-Xmx" + environment.variables().getOrDefault("CAIRN_HEAP", "1g"));
            command.add("--enable-native-access=ALL-UNNAMED");
            command.add("--sun-misc-unsafe-memory-access=allow");
            command.add("-cp");
            command.add(System.getProperty("java.class.path"));
            command.add("dev.cairn.node.Main");
        }
        command.addAll(arguments);
        return command;
    }

    private void keepLogSmall() throws IOException {
        if (Files.exists(state.log()) && Files.size(state.log()) > LOG_BYTES_MAX)
            Files.move(state.log(), state.dir().resolve("node.log.1"), StandardCopyOption.REPLACE_EXISTING);
    }
}
