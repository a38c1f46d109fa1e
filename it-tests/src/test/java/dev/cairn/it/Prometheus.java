package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;

/// A Prometheus with the configuration and the rules of `deploy/`, made impatient: it scrapes and evaluates every second, and
/// what takes minutes there takes seconds here. Nothing else is changed.
final class Prometheus implements AutoCloseable {
    static final Path DEPLOY = TestVolume.repositoryRoot().resolve("deploy");
    /// In place of every range of minutes.
    static final String RANGE = "10s";

    private final Path dir;
    private final Process process;
    private final String address;
    private final HttpClient http = HttpClient.newHttpClient();

    private Prometheus(Path dir, Process process, String address) {
        this.dir = dir;
        this.process = process;
        this.address = address;
    }

    static Prometheus watching(String node) throws IOException {
        var dir = Files.createTempDirectory("cairn-prometheus-");
        var source = DEPLOY.resolve("prometheus");
        Files.writeString(dir.resolve("prometheus.yml"), Files.readString(source.resolve("prometheus.yml"))
                .replace("15s", "1s").replace("127.0.0.1:9477", node));
        Files.writeString(dir.resolve("cairn.rules.yml"), impatient(Files.readString(source.resolve("cairn.rules.yml"))));
        int port;
        try (var free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        var address = "127.0.0.1:" + port;
        var process = new ProcessBuilder("prometheus", "--config.file=" + dir.resolve("prometheus.yml"),
                "--storage.tsdb.path=" + dir.resolve("tsdb"), "--web.listen-address=" + address)
                .redirectErrorStream(true).redirectOutput(dir.resolve("log").toFile()).start();
        var prometheus = new Prometheus(dir, process, address);
        try {
            Awaitility.await().atMost(Duration.ofSeconds(30)).ignoreException(java.io.UncheckedIOException.class)
                    .until(() -> prometheus.get("/-/ready").statusCode() == 200);
            return prometheus;
        } catch (RuntimeException e) {
            prometheus.close();
            throw e;
        }
    }

    /// Half an hour becomes five seconds, minutes one second, ranges [#RANGE]; a debt of 16 MiB becomes one of 1 MiB.
    private static String impatient(String rules) {
        return rules.replaceAll("for: \\d\\d?[ms]", "for: 1s").replace("alert: CairnSpaceLowForLong\n        expr: cairn_space_low == 1\n        for: 1s",
                        "alert: CairnSpaceLowForLong\n        expr: cairn_space_low == 1\n        for: 5s")
                .replaceAll("\\[\\d+m]", "[" + RANGE + "]").replaceAll("offset \\d+m", "offset " + RANGE)
                .replace("cairn_merge_debt > 256", "cairn_merge_debt > 16");
    }

    /// The result of an instant query, which must not fail.
    List<? extends Config> query(String expression) {
        var answer = get("/api/v1/query?query=" + URLEncoder.encode(expression, StandardCharsets.UTF_8));
        assertThat(answer.statusCode()).as("%s: %s", expression, answer.body()).isEqualTo(200);
        var data = ConfigFactory.parseString(answer.body()).getConfig("data");
        assertThat(data.getString("resultType")).as(expression).isEqualTo("vector");
        return data.getConfigList("result");
    }

    double value(String expression) {
        var result = query(expression);
        assertThat(result).as(expression).hasSize(1);
        return Double.parseDouble(result.getFirst().getStringList("value").get(1));
    }

    /// The rules as Prometheus has them: name, query, health.
    List<? extends Config> rules() {
        return ConfigFactory.parseString(get("/api/v1/rules").body()).getConfigList("data.groups").stream()
                .flatMap(group -> group.getConfigList("rules").stream()).toList();
    }

    /// Whether an alert fires; `label` such as `kind="data"`.
    boolean firing(String alert, String... labels) {
        return !query("ALERTS{alertstate=\"firing\",alertname=\"" + alert + "\"" + (labels.length == 0 ? "" : "," + String.join(",", labels)) + "}")
                .isEmpty();
    }

    /// Alerts as they are written in `deploy/`, before they are made impatient.
    static List<String> alertExpressions() throws IOException {
        var found = Pattern.compile("(?m)^\\s+expr: (.*)$").matcher(Files.readString(DEPLOY.resolve("prometheus/cairn.rules.yml")));
        return found.results().map(one -> one.group(1)).toList();
    }

    private HttpResponse<String> get(String path) {
        try {
            return http.send(HttpRequest.newBuilder(URI.create("http://" + address + path)).timeout(Duration.ofSeconds(10)).build(),
                    HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        process.destroy();
        Awaitility.await().atMost(Duration.ofSeconds(20)).until(() -> !process.isAlive());
        TestVolume.deleteTree(dir);
    }
}
