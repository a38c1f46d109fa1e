package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/// What an operator looks at is true: `deploy/` with a real Prometheus and the node's page in a real browser, while a volume
/// is filled and emptied.
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)    // the second one ends with a node that is down
class DashboardTest {
    private static final boolean LONG = System.getProperty("cairn.long") != null;
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int WIDTH = 1200, HEIGHT = 1000;

    private static TestVolume volume;
    private static String node;

    @BeforeAll
    static void up() throws IOException {
        volume = TestVolume.create("64M", "256M");
        node = status().getString("http");
    }

    @AfterAll
    static void down() {
        if (volume != null) volume.close();
    }

    private static Config status() {
        return ConfigFactory.parseString(TestVolume.cairn("status", "--json", "--state", volume.state.toString()).out());
    }

    private static String get(String path) throws Exception {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create("http://" + node + path)).build(),
                HttpResponse.BodyHandlers.ofString()).body();
    }

    // ---- Prometheus and Grafana

    @Test
    @Order(2)
    void the_dashboard_shows_and_the_alerts_tell_how_a_volume_is_filled_and_emptied() throws Exception {
        DebianTool.assumeInstalled("prometheus", "prometheus");
        for (var check : List.of("promtool check config " + Prometheus.DEPLOY.resolve("prometheus/prometheus.yml"),
                "promtool check rules " + Prometheus.DEPLOY.resolve("prometheus/cairn.rules.yml")))
            assertThat(TestVolume.shell(check).orFail().out()).contains("SUCCESS");
        try (var prometheus = Prometheus.watching(node)) {
            soon(() -> prometheus.query("up == 1").size() == 1);
            assertThat(prometheus.query("ALERTS{alertstate=\"firing\"}")).as("alerts of a healthy node").isEmpty();

            work();
            long freeBefore = volume.df("Data", "free");
            assertThat(fill("data", "timeout 20 fallocate -l 1M f$n")).contains("No space left on device");
            fires(prometheus, "data");
            assertThat(prometheus.firing("CairnEnospcAnswered", "kind=\"metadata\"")).isFalse();
            assertThat(volume.df("Data", "free")).as("free as ENOSPC is answered").isZero();
            agree(prometheus);
            evaluate(prometheus);
            empty("data");
            clears(prometheus, "data");
            assertThat(volume.df("Data", "free")).as("free after deleting").isEqualTo(freeBefore);
            agree(prometheus);

            long metadataFreeBefore = volume.df("MetaData", "free");
            fillMetadata(prometheus);
            clears(prometheus, "metadata");
            soon(() -> !prometheus.firing("CairnMergeDebtGrowing"));
            soon(() -> volume.df("MetaData", "free") >= metadataFreeBefore - 16);
            agree(prometheus);

            volume.down();
            soon(() -> prometheus.firing("CairnNodeDown"));
            if (!LONG) return;
            volume.up();
            soon(() -> !prometheus.firing("CairnNodeDown"));
        }
    }

    /// Fills and empties until merging is seen to fall behind, then fills and stays full until all that tells it has told.
    private static void fillMetadata(Prometheus prometheus) throws Exception {
        var full = new AtomicBoolean();
        var enough = new AtomicBoolean();
        var filling = Thread.ofPlatform().start(() -> {
            while (!enough.get()) {
                TestVolume.python(Duration.ofMinutes(2), "fill.py", volume.mount, "xattrs").orFail();
                // What has been deleted comes back as merging goes on; without room, filling would be over at once, and nothing merged.
                if (!full.get()) TestVolume.shell("cd '" + volume.mount + "'; rm -rf [abcd]; until mkdir a 2> /dev/null; do sleep 0.1; done").orFail();
            }
        });
        try {
            soon(() -> prometheus.firing("CairnMergeDebtGrowing"));
            full.set(true);
            fires(prometheus, "metadata");
        } finally {
            enough.set(true);
            filling.join();
        }
        TestVolume.shell("rm -rf '" + volume.mount + "'/[abcd]").orFail();
    }

    private static void soon(java.util.concurrent.Callable<Boolean> what) {
        Awaitility.await().atMost(SOON).pollInterval(Duration.ofMillis(300)).until(what);
    }

    // Something of everything that the dashboard draws: requests, commits, reads that hit and miss the cache.
    private static void work() {
        TestVolume.shell("cd '" + volume.mount + "'; mkdir work; for n in $(seq 50); do echo $n > work/$n; done; cat work/* > /dev/null; ls -l work > /dev/null");
        volume.sync();
    }

    /// Runs the command for n = 1, 2, … until it fails; returns what it said then.
    private static String fill(String dir, String command) {
        return TestVolume.shell("mkdir -p '" + volume.mount + "/" + dir + "'; cd '" + volume.mount + "/" + dir
                + "'; for n in $(seq 20000); do { " + command + "; } 2>&1 || break; done").out();
    }

    private static void empty(String dir) {
        TestVolume.shell("rm -rf '" + volume.mount + "/" + dir + "'").orFail();
    }

    private static void fires(Prometheus prometheus, String kind) {
        var label = "kind=\"" + kind + "\"";
        soon(() -> prometheus.firing("CairnEnospcAnswered", label) && prometheus.firing("CairnSpaceLow", label)
                && prometheus.firing("CairnSpaceRunningOut", label) && prometheus.firing("CairnSpaceLowForLong", label));
    }

    private static void clears(Prometheus prometheus, String kind) {
        var label = "kind=\"" + kind + "\"";
        for (var alert : List.of("CairnSpaceLow", "CairnSpaceRunningOut", "CairnSpaceLowForLong", "CairnEnospcAnswered"))
            Awaitility.await(alert + " clears").atMost(SOON).until(() -> !prometheus.firing(alert, label));
    }

    /// df(1), `cairn df`, `cairn status` and the metrics say the same of a volume where nothing goes on.
    private static void agree(Prometheus prometheus) {
        volume.sync();
        Awaitility.await().atMost(SOON).untilAsserted(() -> {
            var status = status();
            for (var row : ConfigFactory.parseString(TestVolume.cairn("df", "--json", volume.mount.toString()).orFail().out()).getConfigList("rows")) {
                var kind = row.getString("type").toLowerCase(Locale.ROOT);
                for (var state : List.of("total", "used", "free", "reserved", "held")) {
                    assertThat(status.getLong("space." + kind + "." + state)).as("status: %s %s", kind, state).isEqualTo(row.getLong(state));
                    assertThat(prometheus.value("cairn_blocks{kind=\"" + kind + "\",state=\"" + state + "\"}"))
                            .as("metrics: %s %s", kind, state).isEqualTo(row.getLong(state));
                }
                if (kind.equals("data"))
                    assertThat(TestVolume.shell("stat -f -c '%b %f' '" + volume.mount + "'").orFail().out().trim()).as("statfs")
                            .isEqualTo(row.getLong("total") + " " + row.getLong("free"));
            }
        });
    }

    private static void evaluate(Prometheus prometheus) throws IOException {
        var empty = new ArrayList<String>();
        var queries = dashboardQueries();
        assertThat(queries).hasSizeGreaterThan(30);
        for (var query : queries) {
            var live = query.replace("$instance", ".*").replace("$__rate_interval", Prometheus.RANGE);
            assertThat(live).doesNotContain("$");
            if (prometheus.query(live).isEmpty()) empty.add(query);
        }
        assertThat(empty).as("queries of the dashboard that find nothing").isEmpty();
        for (var alert : Prometheus.alertExpressions()) prometheus.query(alert);
        assertThat(prometheus.rules()).hasSameSizeAs(Prometheus.alertExpressions()).allSatisfy(rule -> {
            assertThat(rule.getString("health")).as(rule.getString("name")).isEqualTo("ok");
            assertThat(rule.getConfig("annotations").hasPath("summary") && rule.getConfig("annotations").hasPath("action"))
                    .as("%s says what it is and what to do", rule.getString("name")).isTrue();
            // An alert on a metric that does not exist would never fire: every one that is named is there.
            Pattern.compile("\\b(cairn_\\w+|up)\\b").matcher(rule.getString("query")).results().map(one -> one.group(1))
                    .forEach(metric -> assertThat(prometheus.query(metric)).as("%s in %s", metric, rule.getString("name")).isNotEmpty());
        });
    }

    private static List<String> dashboardQueries() {
        var dashboard = ConfigFactory.parseFile(Prometheus.DEPLOY.resolve("grafana/cairn.json").toFile(),
                com.typesafe.config.ConfigParseOptions.defaults().setSyntax(com.typesafe.config.ConfigSyntax.JSON));
        return dashboard.getConfigList("panels").stream().filter(panel -> panel.hasPath("targets"))
                .flatMap(panel -> panel.getConfigList("targets").stream()).map(target -> target.getString("expr")).toList();
    }

    // ---- the node's page

    @Test
    @Order(1)
    void the_page_draws_the_volume_in_a_browser() throws Exception {
        DebianTool.assumeInstalled("chromium", "chromium");
        TestVolume.shell("cd '" + volume.mount + "'; mkdir page; fallocate -l 2M page/a; for n in $(seq 20); do echo $n > page/$n; done").orFail();
        volume.sync();
        // One before the mount, two to make an area.
        Awaitility.await().atMost(SOON).pollInterval(Duration.ofSeconds(1)).until(() ->
                ConfigFactory.parseString(get("/history")).getList("rows").size() >= 3);
        var page = chromium("--dump-dom");
        assertThat(page).contains(volume.mount.toString()).contains("serving").contains(status().getString("fsid"))
                .contains("MiB free").containsPattern("data-drawn=\"[1-9]").contains("<path");
        assertThat(get("/")).as("nothing is loaded from elsewhere").doesNotContain("src=").doesNotContain("@import")
                .doesNotContainPattern("https?://(?!www\\.w3\\.org/2000/svg)");
        var picture = Path.of("target", "page.png").toAbsolutePath();
        Files.deleteIfExists(picture);
        chromium("--screenshot=" + picture);
        var image = ImageIO.read(picture.toFile());
        assertThat(image.getWidth()).isEqualTo(WIDTH);
        // --free and --reserved in the page's light colours: the bars, and the areas above them.
        for (int colour : new int[] {0xcfe3d3, 0xd59a2a}) {
            int drawn = 0;
            for (int x = 0; x < WIDTH; x++) for (int y = 0; y < HEIGHT; y++) if ((image.getRGB(x, y) & 0xffffff) == colour) drawn++;
            assertThat(drawn).as("pixels of colour %06x", colour).isGreaterThan(800);
        }
    }

    private static String chromium(String what) throws IOException {
        var profile = Files.createTempDirectory("cairn-chromium-");
        try {
            return TestVolume.run(Duration.ofSeconds(60), Map.of(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--user-data-dir=" + profile, "--window-size=" + WIDTH + "," + HEIGHT, "--virtual-time-budget=3000", what,
                    "http://" + node + "/").orFail().out();
        } finally {
            TestVolume.deleteTree(profile);
        }
    }
}
