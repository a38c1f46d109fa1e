package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import dev.cairn.proto.Resized;
import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The node around a volume that only remembers what it was told, asked through its HTTP as monitoring would.
class NodeTest {
    private static final Path MNT = Path.of("/mnt/test");

    private static final class Remembering implements Volume {
        final List<Path> mounted = new ArrayList<>();
        final List<String> told = new ArrayList<>();
        final List<Condition> conditions = new ArrayList<>();
        OptionalLong term = OptionalLong.of(7);
        boolean busy;
        Optional<String> lost = Optional.empty();
        boolean closed;
        Consumer<Path> unmounted;

        @Override
        public long requests() {
            return 0;
        }

        @Override public String fsid() { return "00000000000000aa"; }
        @Override public OptionalLong term() { return term; }
        @Override public String server() { return "server on this node"; }
        @Override public List<NodeStatus.Mount> mounts() {
            return mounted.stream().map(dir -> new NodeStatus.Mount(dir, "00000000000000bb", true, "dev-fuse")).toList();
        }
        @Override public Optional<SpaceReport> space() {
            return Optional.of(SpaceReport.newBuilder().setInodeCount(5)
                    .setMetadata(Space.newBuilder().setBlockBytes(65536).setTotal(100).setUsed(10).setFree(60).setReserved(20).setHeld(10))
                    .setData(Space.newBuilder().setBlockBytes(4096).setTotal(1000).setUsed(1).setFree(999)).build());
        }
        @Override public List<Condition> conditions() { return conditions; }
        @Override public void mount(NodeConfig.Mount mount) { mounted.add(mount.dir()); }
        @Override public Optional<String> unmount(Path dir, boolean lazy) throws IOException {
            if (busy && !lazy) throw new IOException(dir + " is busy");
            told.add("unmount " + lazy);
            mounted.remove(dir);
            return lost;
        }
        @Override public void sync() { told.add("sync"); }
        @Override public CheckedVolume check() { return new CheckedVolume(java.util.Map.of(), List.of(), 0); }
        @Override public Resized resize(OptionalLong metadataBytes, OptionalLong dataBytes) throws IOException {
            if (dataBytes.isPresent() && dataBytes.getAsLong() < 4096) throw new IOException("it can only grow");
            told.add("resize " + metadataBytes + " " + dataBytes);
            return Resized.newBuilder().setMetadataBlocks(200).setMetadataBlocksBefore(100).setDataBlocks(7).setDataBlocksBefore(7).build();
        }
        @Override public void close() { closed = true; }
    }

    @TempDir
    Path dir;
    private final HttpClient client = HttpClient.newHttpClient();
    private final Remembering volume = new Remembering();
    private StateDirectory state;
    private Node node;
    private java.nio.channels.FileLock lock;

    @BeforeEach
    void start() throws Exception {
        start(false);
    }

    private void start(boolean stopWhenUnmounted) throws Exception {
        state = new StateDirectory(dir);
        if (lock == null) lock = state.lock().orElseThrow();
        var config = new NodeConfig(dir, OptionalInt.of(0), new NodeConfig.Volume(Path.of("/m"), Path.of("/d")),
                List.of(new NodeConfig.Mount(MNT, false, true)), NodeConfig.Http.DEFAULT, stopWhenUnmounted, 0, NodeConfig.LogLevel.WARN);
        node = Node.start(config, state, new PrometheusMeterRegistry(PrometheusConfig.DEFAULT), (_, _, _, unmounted) -> {
            volume.unmounted = unmounted;
            return volume;
        });
    }

    @AfterEach
    void stop() throws Exception {
        node.close();
        lock.release();
    }

    private HttpResponse<String> get(String path) throws Exception {
        var uri = URI.create("http://" + state.running().orElseThrow().http() + path);
        return client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
    }

    private HttpResponse<String> post(String path, String token) throws Exception {
        var uri = URI.create("http://" + state.running().orElseThrow().http() + path);
        var request = HttpRequest.newBuilder(uri).POST(HttpRequest.BodyPublishers.noBody());
        if (token != null) request.header("Authorization", "Bearer " + token);
        return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void status_says_everything() throws Exception {
        var status = ConfigFactory.parseString(get("/status").body());
        assertThat(status.getString("health")).isEqualTo("ok");
        assertThat(status.getLong("pid")).isEqualTo(ProcessHandle.current().pid());
        assertThat(status.getInt("slot")).isZero();
        assertThat(status.getLong("term")).isEqualTo(7);
        assertThat(status.getConfigList("mounts").getFirst().getString("dir")).isEqualTo("/mnt/test");
        assertThat(status.getLong("space.metadata.free")).isEqualTo(60);
    }

    @Test
    void a_critical_condition_makes_it_unhealthy_and_not_ready() throws Exception {
        assertThat(get("/health").statusCode()).isEqualTo(200);
        assertThat(get("/ready").statusCode()).isEqualTo(200);
        volume.conditions.add(new Condition(Condition.Name.COMMIT_FAILED, "disk on fire"));
        assertThat(get("/health").statusCode()).isEqualTo(503);
        assertThat(get("/health").body()).contains("commit-failed").contains("disk on fire");
        assertThat(get("/ready").statusCode()).isEqualTo(503);
        assertThat(get("/ready").body()).contains("disk on fire");
    }

    @Test
    void a_warning_leaves_it_healthy() throws Exception {
        volume.conditions.add(new Condition(Condition.Name.DATA_LOW, "none left"));
        assertThat(get("/health").statusCode()).isEqualTo(200);
        assertThat(get("/health").body()).contains("warning");
        assertThat(get("/metrics").body()).contains("cairn_space_low{kind=\"data\"} 1.0").contains("cairn_space_low{kind=\"metadata\"} 0.0");
    }

    @Test
    void without_a_term_it_is_not_ready() throws Exception {
        volume.term = OptionalLong.empty();
        assertThat(get("/ready").statusCode()).isEqualTo(503);
    }

    @Test
    void a_mount_that_went_by_itself_is_a_condition() throws Exception {
        volume.mounted.clear();
        volume.unmounted.accept(MNT);
        assertThat(get("/health").body()).contains("mount-ended");
        assertThat(node.end()).isNotDone();
        assertThat(post("/mount?dir=" + MNT, state.token()).statusCode()).isEqualTo(200);
        assertThat(get("/health").statusCode()).isEqualTo(200);
        assertThat(post("/mount?dir=" + MNT, state.token()).statusCode()).isEqualTo(409);
    }

    @Test
    void a_mount_that_went_by_itself_ends_a_node_that_was_started_for_it() throws Exception {
        node.close();
        start(true);
        volume.mounted.clear();
        volume.unmounted.accept(MNT);
        assertThat(node.end().get(5, TimeUnit.SECONDS)).isZero();
    }

    @Test
    void metrics_have_blocks_by_kind_and_state() throws Exception {
        System.gc();    // what only the gauges know of must outlive it
        var metrics = get("/metrics").body();
        assertThat(metrics).contains("cairn_blocks{kind=\"metadata\",state=\"free\"} 60.0")
                .contains("cairn_blocks{kind=\"data\",state=\"total\"} 1000.0")
                .contains("cairn_term 7.0").contains("cairn_inodes 5.0").contains("cairn_ready 1.0").contains("jvm_memory_used_bytes");
    }

    @Test
    void orders_need_the_token() throws Exception {
        assertThat(post("/stop", null).statusCode()).isEqualTo(403);
        assertThat(post("/stop", "wrong").statusCode()).isEqualTo(403);
        assertThat(get("/stop").statusCode()).isEqualTo(405);
        assertThat(node.end()).isNotDone();
        assertThat(get("/nowhere").statusCode()).isEqualTo(404);
    }

    @Test
    void a_busy_mount_is_not_taken_away_and_the_node_goes_on() throws Exception {
        volume.busy = true;
        var refused = post("/stop", state.token());
        assertThat(refused.statusCode()).isEqualTo(409);
        assertThat(refused.body()).contains("busy");
        assertThat(node.end()).isNotDone();
        assertThat(post("/stop?lazy=true", state.token()).statusCode()).isEqualTo(200);
        assertThat(node.end().get(5, TimeUnit.SECONDS)).isZero();
        node.close();
        assertThat(volume.told).containsExactly("unmount true");
        assertThat(volume.closed).isTrue();
    }

    @Test
    void it_unmounts_and_mounts_again_by_order() throws Exception {
        assertThat(post("/mount?dir=/mnt/other", state.token()).body()).contains("mounted at /mnt/test already");
        assertThat(post("/sync", state.token()).statusCode()).isEqualTo(200);
        assertThat(post("/unmount?dir=/mnt/test", state.token()).statusCode()).isEqualTo(200);
        assertThat(get("/health").body()).contains("not-mounted");
        assertThat(post("/unmount?dir=/mnt/test", state.token()).statusCode()).isEqualTo(409);
        assertThat(post("/mount?dir=relative", state.token()).statusCode()).isEqualTo(409);
        assertThat(post("/mount?dir=/mnt/other", state.token()).statusCode()).isEqualTo(200);
        assertThat(get("/ready").statusCode()).isEqualTo(200);
        assertThat(volume.told).containsExactly("sync", "unmount false");
    }

    @Test
    void what_fails_at_start_leaves_nothing_behind() throws Exception {
        node.close();
        var config = new NodeConfig(dir, OptionalInt.of(0), new NodeConfig.Volume(Path.of("/m"), Path.of("/d")), List.of(),
                NodeConfig.Http.DEFAULT, false, 0, NodeConfig.LogLevel.WARN);
        assertThatThrownBy(() -> Node.start(config, state, new PrometheusMeterRegistry(PrometheusConfig.DEFAULT),
                (_, _, _, _) -> { throw new IOException("/m: no such device"); })).hasMessage("/m: no such device");
        assertThat(state.running()).isEmpty();
    }

    @Test
    void the_port_stays_the_same_while_it_is_free() throws Exception {
        var before = state.running().orElseThrow().http();
        node.close();
        start(false);
        assertThat(state.running().orElseThrow().http()).isEqualTo(before);
    }
}
