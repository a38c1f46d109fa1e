package dev.cairn.node.cli;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import dev.cairn.node.RunningNodes;
import dev.cairn.node.StateDirectory;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Predicate;

/// Talks to a running node through its admin HTTP. (HttpURLConnection because it starts in a tenth of the time of the
/// newer client, and a command lives no longer than that.)
final class NodePort {
    private static final Duration ANSWER_WITHIN = Duration.ofSeconds(5);

    private final StateDirectory.Running node;

    NodePort(StateDirectory.Running node) {
        this.node = node;
    }

    /// The node of this user that serves the mount at `dir`.
    static Optional<StateDirectory> serving(Environment environment, Path dir) throws IOException {
        return serving(environment, dir::equals);
    }

    /// The node of this user that serves the mount which `path` is in.
    static Optional<StateDirectory> servingAround(Environment environment, Path path) throws IOException {
        return serving(environment, path::startsWith);
    }

    private static Optional<StateDirectory> serving(Environment environment, Predicate<Path> mount) throws IOException {
        for (var node : RunningNodes.of(environment.variables()).list()) {
            var running = node.running();
            if (running.isPresent() && new NodePort(running.get()).servedMounts().stream().anyMatch(mount)) return Optional.of(node);
        }
        return Optional.empty();
    }

    record Answer(int code, String body) {
        Config json() throws IOException {
            try {
                return ConfigFactory.parseString(body);
            } catch (ConfigException e) {
                throw new IOException("the node gave an answer that is no JSON", e);
            }
        }
    }

    Answer get(String path) throws IOException {
        return call("GET", path, ANSWER_WITHIN);
    }

    boolean ready() throws IOException {
        return get("/ready").code == 200;
    }

    /// Directories of its mounts, serving or about to.
    List<Path> servedMounts() throws IOException {
        return get("/status").json().getConfigList("mounts").stream().map(mount -> Path.of(mount.getString("dir"))).toList();
    }

    void mount(Path dir, Duration within) throws IOException {
        order("/mount?dir=" + encoded(dir), within);
    }

    /// What has become of changes that could not be committed, if there were any.
    Optional<String> unmount(Path dir, boolean lazy, Duration within) throws IOException {
        return lost(order("/unmount?dir=" + encoded(dir) + "&lazy=" + lazy, within));
    }

    private static Optional<String> lost(Answer answer) throws IOException {
        var json = answer.json();
        return json.hasPath("lost") ? Optional.of(json.getString("lost")) : Optional.empty();
    }

    /// The node's answer: block counts now and before.
    Config resize(OptionalLong metadataBytes, OptionalLong dataBytes, Duration within) throws IOException {
        var query = new ArrayList<String>();
        if (metadataBytes.isPresent()) query.add("meta=" + metadataBytes.getAsLong());
        if (dataBytes.isPresent()) query.add("data=" + dataBytes.getAsLong());
        return order("/resize" + (query.isEmpty() ? "" : "?" + String.join("&", query)), within).json();
    }

    /// As [#unmount] of all there is.
    Optional<String> stop(boolean lazy, Duration within) throws IOException {
        return lost(order("/stop?lazy=" + lazy, within));
    }

    /// What a check of the volume has found.
    Config check(Duration within) throws IOException {
        return order("/check", within).json();
    }

    /// The node's own words when it refuses.
    private Answer order(String path, Duration within) throws IOException {
        var answer = call("POST", path, within);
        if (answer.code == 200) return answer;
        var json = answer.json();
        throw new CommandFailure(json.hasPath("why") ? json.getString("why") : "the node refused with HTTP " + answer.code);
    }

    private Answer call(String method, String path, Duration within) throws IOException {
        var connection = (HttpURLConnection) URI.create("http://" + node.http() + path).toURL().openConnection(java.net.Proxy.NO_PROXY);
        connection.setRequestMethod(method);
        connection.setConnectTimeout((int) ANSWER_WITHIN.toMillis());
        connection.setReadTimeout((int) within.toMillis());
        if (method.equals("POST")) {
            connection.setRequestProperty("Authorization", "Bearer " + node.token());
            connection.setDoOutput(true);
            connection.setFixedLengthStreamingMode(0);
            connection.getOutputStream().close();
        }
        try {
            int code = connection.getResponseCode();
            try (var body = code < 400 ? connection.getInputStream() : connection.getErrorStream()) {
                return new Answer(code, body == null ? "" : new String(body.readAllBytes(), StandardCharsets.UTF_8));
            }
        } finally {
            connection.disconnect();
        }
    }

    private static String encoded(Path dir) {
        return URLEncoder.encode(dir.toString(), StandardCharsets.UTF_8);
    }
}
