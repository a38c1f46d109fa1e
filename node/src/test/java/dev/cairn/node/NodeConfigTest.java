package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NodeConfigTest {
    private static final String LEAST = "cairn { state = /s, volume { meta = /m, data = /d } }";

    private static NodeConfig read(String text) {
        return NodeConfig.from(ConfigFactory.parseString(text).resolve());
    }

    @Test
    void the_least_configuration_has_defaults_for_the_rest() {
        var config = read(LEAST);
        assertThat(config.slot()).isEmpty();
        assertThat(config.mounts()).isEmpty();
        assertThat(config.http()).isEqualTo(new NodeConfig.Http("127.0.0.1", 0));
        assertThat(config.logLevel()).isEqualTo(NodeConfig.LogLevel.INFO);
        assertThat(config.stopWhenUnmounted()).isFalse();
    }

    @Test
    void the_example_in_the_documentation_is_valid() throws Exception {
        var page = Files.readString(Path.of("../docs/configuration.md"));
        var example = page.substring(page.indexOf("```hocon\n") + 9);
        var config = read(example.substring(0, example.indexOf("```")));
        assertThat(config.slot()).hasValue(0);
        assertThat(config.mounts()).hasSize(1);
    }

    @Test
    void what_is_written_reads_back() {
        var config = read("cairn { state = \"/s p\", slot = 3, volume { meta = /m, data = /d }, http { address = \"::1\", port = 9 },"
                + "mounts = [ { dir = \"/mnt/\\\"x\\\"\", read-only = true, allow-other = false, acl = false, transport = io-uring, cpu-latency = 20us } ], stop-when-unmounted = true, cache.items = 300M, log.level = warn }");
        assertThat(read(config.toHocon())).isEqualTo(config);
    }

    @Test
    void unknown_settings_are_named_with_the_known_ones() {
        assertThatThrownBy(() -> read("cairn { state = /s, sloot = 1, volume { meta = /m, data = /d } }"))
                .isInstanceOf(NodeConfig.Invalid.class).hasMessageContaining("cairn.sloot").hasMessageContaining("slot");
        assertThatThrownBy(() -> read("cairn { state = /s, volume { meta = /m, data = /d, meat = /x } }")).hasMessageContaining("cairn.volume.meat");
        assertThatThrownBy(() -> read("cairn { state = /s, volume { meta = /m, data = /d }, mounts = [ { dir = /x, ro = true } ] }"))
                .hasMessageContaining("cairn.mounts.ro");
        assertThatThrownBy(() -> read(LEAST + ", pekko { }")).hasMessageContaining("pekko");
    }

    @Test
    void contradictions_and_nonsense_are_refused() {
        assertThatThrownBy(() -> read("cairn { state = /s, volume { meta = /m, data = /m } }")).hasMessageContaining("two devices");
        assertThatThrownBy(() -> read("cairn { state = s, volume { meta = /m, data = /d } }")).hasMessageContaining("absolute");
        assertThatThrownBy(() -> read("cairn { volume { meta = /m, data = /d } }")).hasMessageContaining("cairn.state is missing");
        assertThatThrownBy(() -> read("cairn { state = /s, slot = 15, volume { meta = /m, data = /d } }")).hasMessageContaining("slot is 15");
        assertThatThrownBy(() -> read("cairn { state = /s, volume { meta = /m, data = /d }, http.port = 70000 }")).hasMessageContaining("70000");
        assertThatThrownBy(() -> read("cairn { state = /s, volume { meta = /m, data = /d }, log.level = loud }")).hasMessageContaining("loud");
        assertThatThrownBy(() -> read("cairn { state = /s, volume { meta = /m, data = /d }, mounts = [ { dir = /a }, { dir = /a } ] }")).hasMessageContaining("twice");
    }

    @Test
    void errors_name_the_file(@TempDir Path dir) throws Exception {
        assertThatThrownBy(() -> NodeConfig.load(dir.resolve("none.conf"))).hasMessageContaining("none.conf").hasMessageContaining("no such");
        var broken = Files.writeString(dir.resolve("broken.conf"), "cairn {");
        assertThatThrownBy(() -> NodeConfig.load(broken)).isInstanceOf(NodeConfig.Invalid.class).hasMessageContaining("broken.conf");
        var wrongType = Files.writeString(dir.resolve("type.conf"), "cairn { state = /s, slot = zero, volume { meta = /m, data = /d } }");
        assertThatThrownBy(() -> NodeConfig.load(wrongType)).hasMessageContaining("type.conf").hasMessageContaining("slot");
    }
}
