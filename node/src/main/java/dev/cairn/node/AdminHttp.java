package dev.cairn.node;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.cairn.proto.Resized;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Executors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What a node shows to monitoring, and what it takes orders by.
///
///     GET  /          a page that draws the last hour, for people
///     GET  /metrics   Prometheus' text format
///     GET  /health    200 while nothing critical is wrong, otherwise 503; the conditions as JSON
///     GET  /ready     200 once every configured mount serves and the server answers, otherwise 503 with the reason
///     GET  /status    everything that the node knows about itself, as JSON
///     GET  /history   [?since=MILLIS] the samples that the page draws, as JSON
///     POST /mount?dir=DIR, /unmount?dir=DIR[&lazy=true], /sync, /check, /stop[?lazy=true], /resize[?meta=BYTES][&data=BYTES]
///                     only with `Authorization: Bearer` and the token of the state directory, which only its owner can
///                     read; the answer comes when it is done
final class AdminHttp implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(AdminHttp.class);
    private static final String JSON = "application/json", TEXT = "text/plain; version=0.0.4; charset=utf-8";

    /// What the node can do for a request. Refusals are IllegalStateExceptions whose message is for the caller.
    interface Control {
        NodeStatus status();

        String metrics();

        Map<String, Object> history(long sinceMillis);

        void mount(Path dir);

        /// What has become of changes that could not be committed, if there were any.
        Optional<String> unmount(Path dir, boolean lazy);

        void sync();

        /// Commits, and walks the volume as of then: see [CheckedVolume].
        CheckedVolume check();
        /// See [Volume#resize].
        Resized resize(OptionalLong metadataBytes, OptionalLong dataBytes);

        /// Unmounts and commits everything, then returns; the process ends afterwards.
        Optional<String> stop(boolean lazy);
    }

    private final HttpServer server;
    private final Control control;
    private final byte[] authorization;

    private AdminHttp(HttpServer server, Control control, String token) {
        this.server = server;
        this.control = control;
        authorization = ("Bearer " + token).getBytes(StandardCharsets.UTF_8);
    }

    /// With port 0, the port of last time when it is still free, otherwise any.
    static AdminHttp start(NodeConfig.Http config, StateDirectory state, Control control) throws IOException {
        var address = InetAddress.getByName(config.address());
        HttpServer server = null;
        var remembered = config.port() == 0 ? state.rememberedPort() : java.util.Optional.<Integer>empty();
        if (remembered.isPresent()) {
            try {
                server = HttpServer.create(new InetSocketAddress(address, remembered.get()), 0);
            } catch (BindException takenMeanwhile) {
                LOG.info("port {} is taken, choosing another one for HTTP", remembered.get());
            }
        }
        if (server == null) {
            try {
                server = HttpServer.create(new InetSocketAddress(address, config.port()), 0);
            } catch (BindException e) {
                throw new IOException("cannot listen on " + config.address() + ":" + config.port() + " for HTTP (" + e.getMessage()
                        + "): choose another http.port, or 0 for any free one", e);
            }
        }
        if (config.port() == 0) state.rememberPort(server.getAddress().getPort());
        var http = new AdminHttp(server, control, state.token());
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", http::handle);
        server.start();
        return http;
    }

    /// host:port, with the address that a client on this machine uses.
    String address() {
        var bound = server.getAddress();
        var host = bound.getAddress().isAnyLocalAddress() ? "127.0.0.1" : bound.getAddress().getHostAddress();
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + bound.getPort();
    }

    @Override
    public void close() {
        server.stop(0);
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            Answer answer;
            try {
                answer = answer(exchange);
            } catch (IllegalStateException | IllegalArgumentException refused) {
                answer = refusal(409, refused.getMessage());
            } catch (RuntimeException e) {
                LOG.error("HTTP {} {} failed", exchange.getRequestMethod(), exchange.getRequestURI(), e);
                answer = refusal(500, e.toString());
            }
            var body = answer.body.getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", answer.type);
            exchange.sendResponseHeaders(answer.code, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    private record Answer(int code, String type, String body) {}

    private Answer answer(HttpExchange exchange) {
        var path = exchange.getRequestURI().getPath();
        return switch (exchange.getRequestMethod()) {
            case "GET" -> switch (path) {
                case "/metrics" -> new Answer(200, TEXT, control.metrics());
                case "/status" -> new Answer(200, JSON, Json.pretty(control.status().toJson()) + "\n");
                case "/health" -> health(control.status());
                case "/ready" -> ready(control.status());
                case "/mount", "/unmount", "/sync", "/check", "/stop", "/resize" -> refusal(405, "want POST");
                case "/history" -> new Answer(200, JSON, Json.line(control.history(since(query(exchange)))) + "\n");
                case "/" -> page(exchange);
                default -> refusal(404, "there is no " + path);
            };
            case "POST" -> switch (path) {
                case "/mount", "/unmount", "/sync", "/check", "/stop", "/resize" -> authorized(exchange) ? order(path, query(exchange))
                        : refusal(403, "want the token of the state directory");
                default -> refusal(404, "there is no " + path);
            };
            default -> refusal(405, "want GET or POST");
        };
    }

    private Answer order(String path, Map<String, String> query) {
        boolean lazy = Boolean.parseBoolean(query.get("lazy"));
        switch (path) {
            case "/mount" -> control.mount(dir(query));
            case "/unmount" -> {
                return ended(control.unmount(dir(query), lazy));
            }
            case "/sync" -> control.sync();
            case "/check" -> {
                return new Answer(200, JSON, Json.pretty(control.check().toJson()) + "\n");
            }
            case "/resize" -> {
                return resized(control.resize(bytes(query, "meta"), bytes(query, "data")));
            }
            default -> {
                return ended(control.stop(lazy));
            }
        }
        return new Answer(200, JSON, Json.line(Map.of("done", true)) + "\n");
    }

    private static Answer ended(Optional<String> lost) {
        var json = new LinkedHashMap<String, Object>();
        json.put("done", true);
        lost.ifPresent(what -> json.put("lost", what));
        return new Answer(200, JSON, Json.line(json) + "\n");
    }

    private static OptionalLong bytes(Map<String, String> query, String name) {
        var text = query.get(name);
        if (text == null) return OptionalLong.empty();
        try {
            long bytes = Long.parseLong(text);
            if (bytes >= 0) return OptionalLong.of(bytes);
        } catch (NumberFormatException e) {
            // said below
        }
        throw new IllegalArgumentException(name + "=" + text + ": want a number of bytes");
    }

    private static Answer resized(Resized resized) {
        var json = new LinkedHashMap<String, Object>();
        json.put("done", true);
        json.put("metadata_blocks", resized.getMetadataBlocks());
        json.put("metadata_blocks_before", resized.getMetadataBlocksBefore());
        json.put("data_blocks", resized.getDataBlocks());
        json.put("data_blocks_before", resized.getDataBlocksBefore());
        return new Answer(200, JSON, Json.line(json) + "\n");
    }

    private static Path dir(Map<String, String> query) {
        var dir = query.get("dir");
        if (dir == null || !dir.startsWith("/")) throw new IllegalArgumentException("want dir=, an absolute path");
        return Path.of(dir);
    }

    private boolean authorized(HttpExchange exchange) {
        var given = exchange.getRequestHeaders().getFirst("Authorization");
        return given != null && MessageDigest.isEqual(given.getBytes(StandardCharsets.UTF_8), authorization);
    }

    private static long since(Map<String, String> query) {
        try {
            return Long.parseLong(query.getOrDefault("since", "0"));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("want since=, in milliseconds since 1970", e);
        }
    }

    // It holds everything that it needs, and may load nothing from anywhere else: what a node says is nobody else's business.
    private static Answer page(HttpExchange exchange) {
        exchange.getResponseHeaders().set("Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:");
        return new Answer(200, "text/html; charset=utf-8", Page.TEXT);
    }

    // Read when the page is first asked for, which on most nodes is never.
    private static final class Page {
        static final String TEXT = read();

        private static String read() {
            try (var page = AdminHttp.class.getResourceAsStream("page.html")) {
                return new String(page.readAllBytes(), StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new java.io.UncheckedIOException("the node's page is missing from its JAR", e);
            }
        }
    }

    private static Answer health(NodeStatus status) {
        var json = new LinkedHashMap<String, Object>();
        json.put("health", status.health());
        json.put("conditions", status.conditions().stream().map(Condition::toJson).toList());
        return new Answer(status.healthy() ? 200 : 503, JSON, Json.pretty(json) + "\n");
    }

    private static Answer ready(NodeStatus status) {
        var json = new LinkedHashMap<String, Object>();
        json.put("ready", status.ready());
        json.put("why_not", status.ready() ? null : status.whyNotReady());
        return new Answer(status.ready() ? 200 : 503, JSON, Json.pretty(json) + "\n");
    }

    private static Answer refusal(int code, String why) {
        var json = new LinkedHashMap<String, Object>();
        json.put("done", false);
        json.put("why", why);
        return new Answer(code, JSON, Json.line(json) + "\n");
    }

    private static Map<String, String> query(HttpExchange exchange) {
        var query = new HashMap<String, String>();
        var text = exchange.getRequestURI().getRawQuery();
        if (text == null) return query;
        for (var pair : text.split("&")) {
            int equals = pair.indexOf('=');
            if (equals > 0) query.put(pair.substring(0, equals), URLDecoder.decode(pair.substring(equals + 1), StandardCharsets.UTF_8));
        }
        return query;
    }
}
