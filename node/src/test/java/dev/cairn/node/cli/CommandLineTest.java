package dev.cairn.node.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import dev.cairn.block.LocalDevice;
import dev.cairn.block.VolumeDevices;
import dev.cairn.node.NodeConfig;
import dev.cairn.node.StateDirectory;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CommandLineTest {
    @TempDir
    Path dir;

    private Path device(String name, long bytes) throws Exception {
        var file = dir.resolve(name);
        try (var made = new RandomAccessFile(file.toFile(), "rw")) {
            made.setLength(bytes);
        }
        return file;
    }

    @ParameterizedTest
    @ValueSource(strings = {"up", "down", "status", "mkfs", "node", "mount", "umount", "df", "stat", "walk-inodes", "ino-path", "sync", "fiemap", "check", "resize"})
    void every_command_explains_itself_and_refuses_what_it_does_not_know(String command) {
        var help = CommandRun.of(dir, command, "--help");
        assertThat(help.code()).isZero();
        assertThat(help.out()).startsWith("Usage: cairn " + command);
        assertThat(help.out().lines()).allMatch(line -> line.length() <= 80);
        var lines = help.out().lines().toList();
        for (int i = 1; i < lines.size(); i++) {
            String before = lines.get(i - 1), line = lines.get(i);
            if (before.startsWith("Usage:") || before.isBlank() || before.endsWith(":") || line.isBlank() || line.startsWith(" ") || before.startsWith(" ")) continue;
            assertThat(before.length() + 1 + line.split(" ")[0].length()).as("'%s' is broken before '%s'", before, line).isGreaterThan(79);
        }
        var wrong = CommandRun.of(dir, command, "--no-such-option");
        assertThat(wrong.code()).isEqualTo(2);
        assertThat(wrong.err().lines()).hasSize(1);
        assertThat(wrong.err()).startsWith("cairn " + command + ": ");
    }

    @Test
    void an_unknown_command_is_an_error() {
        assertThat(CommandRun.of(dir, "explode").code()).isEqualTo(2);
        assertThat(CommandRun.of(dir).code()).isEqualTo(2);
        assertThat(CommandRun.of(dir, "--version").out()).startsWith("cairn ");
    }

    @Test
    void mkfs_prints_what_it_made_and_the_devices_belong_together() throws Exception {
        device("meta", 256 << 20);
        device("data", 64 << 20);
        var made = CommandRun.of(dir, "mkfs", "-Q", "0,127.0.0.1,12345", "meta", "data");
        assertThat(made.err()).isEmpty();
        assertThat(made.out()).matches("""
                made volume [0-9a-f]{16}
                  metadata device  .*/meta
                  data device      .*/data
                  64KB metadata blocks  4096 \\(256M\\)
                  4KB data blocks       16384 \\(64M\\)
                  quorum slot 0  127.0.0.1 port 12345
                """);
        try (var devices = VolumeDevices.open(dir.resolve("meta"), dir.resolve("data"), LocalDevice.Mode.READ_ONLY)) {
            assertThat(made.out()).contains(devices.label().fsidText());
        }
        var again = CommandRun.of(dir, "mkfs", "-Q", "0,127.0.0.1,12345", "meta", "data");
        assertThat(again.code()).isEqualTo(1);
        assertThat(again.err()).contains("label").contains("-f");
        assertThat(CommandRun.of(dir, "mkfs", "-f", "--json", "-Q", "0,127.0.0.1,1", "-Q", "1,127.0.0.1,3", "meta", "data").out()).contains("\"nr\": 1");
    }

    @Test
    void mkfs_refuses_small_devices_unless_told_and_bad_slots_always() throws Exception {
        device("meta", 128 << 20);
        device("data", 64 << 20);
        assertThat(CommandRun.of(dir, "mkfs", "-Q", "0,127.0.0.1,12345", "meta", "data").err()).contains("meta").contains("-A");
        assertThat(CommandRun.of(dir, "mkfs", "-A", "-m", "64M", "-Q", "0,127.0.0.1,12345", "meta", "data").out()).contains("1024 (64M)");
        for (var slot : new String[] {"15,127.0.0.1,1", "0,localhost,1", "0,127.0.0.1", "0,127.0.0.1,0", "x,127.0.0.1,1", "-1,127.0.0.1,1"})
            assertThat(CommandRun.of(dir, "mkfs", "-A", "-f", "-Q", slot, "meta", "data").code()).as(slot).isEqualTo(2);
        assertThat(CommandRun.of(dir, "mkfs", "-A", "-f", "meta", "data").err()).contains("quorum-slot");
        assertThat(CommandRun.of(dir, "mkfs", "-A", "-f", "-m", "lots", "-Q", "0,127.0.0.1,1", "meta", "data").err()).contains("'lots'");
    }

    @Test
    void a_new_volume_survives_an_interrupted_attempt_and_never_overwrites_a_whole_one() throws Exception {
        var state = new StateDirectory(dir.resolve("state"));
        state.create();
        Files.writeString(state.dir().resolve("meta.img.new"), "left over");
        var environment = new Environment(System.out, System.err, java.util.Map.of(), dir, (_, _) -> null);
        new NewVolume(environment, state).make("64M", "64M", dir.resolve("mnt"));
        var config = NodeConfig.load(state.config());
        assertThat(config.volume().meta()).isEqualTo(state.metaImage());
        String fsid;
        try (var devices = VolumeDevices.open(state.metaImage(), state.dataImage())) {
            fsid = devices.label().fsidText();
            assertThat(devices.label().slots()).hasSize(1);
        }
        Files.delete(state.config());
        new NewVolume(environment, state).make("64M", "64M", dir.resolve("mnt"));
        try (var devices = VolumeDevices.open(state.metaImage(), state.dataImage())) {
            assertThat(devices.label().fsidText()).isEqualTo(fsid);
        }
    }

    @Test
    void without_a_node_status_says_how_to_start_one() {
        var status = CommandRun.of(dir, "status", "--state", "none");
        assertThat(status.code()).isEqualTo(3);
        assertThat(status.out()).contains("not-running: there is no volume in " + dir.resolve("none")).contains("cairn up");
        var json = ConfigFactory.parseString(CommandRun.of(dir, "status", "--state", "none", "--json").out());
        assertThat(json.getString("health")).isEqualTo("failed");
        assertThat(CommandRun.of(dir, "down", "--state", "none").code()).isEqualTo(3);
        assertThat(CommandRun.of(dir, "umount", dir.toString()).err()).contains("is not a Cairn mount");
    }

    @Test
    void status_is_rendered_for_people() {
        var lines = StatusCommand.render(ConfigFactory.parseString("""
                { "health": "warning", "pid": 12, "version": "1", "state": "/s", "fsid": "00aa", "slot": 0, "term": 4,
                  "server": "server on this node", "http": "127.0.0.1:99", "uptime_seconds": 3700,
                  "mounts": [ { "dir": "/mnt", "rid": "00bb", "serving": true, "transport": "io-uring" } ],
                  "space": { "data": { "block_bytes": 4096, "total": 2560, "used": 256, "free": 1792, "reserved": 0, "held": 512 } },
                  "conditions": [ { "name": "data-low", "what": "none left", "action": "delete something" } ] }"""));
        assertThat(lines).containsExactly(
                "health     warning",
                "node       pid 12, version 1, up 1 h 1 min",
                "volume     00aa, state in /s",
                "server     slot 0, term 4, server on this node",
                "mount      /mnt, serving over io-uring (rid 00bb)",
                "data       7M free of 10M (used 1M, reserved 0B, held by mounts 2M)",
                "metrics    http://127.0.0.1:99/metrics",
                "problem    data-low: none left",
                "           what to do: delete something");
    }

    @Test
    void up_refuses_what_makes_no_sense() throws Exception {
        assertThat(CommandRun.of(dir, "up", "--state", "x", "x/mnt").err()).contains("within each other");
        assertThat(CommandRun.of(dir, "up", "--state", "x", "--meta-size", "many", "mnt").err()).contains("'many'");
        var state = new StateDirectory(dir.resolve("y"));
        state.create();
        new NewVolume(new Environment(System.out, System.err, java.util.Map.of(), dir, (_, _) -> null), state).make("64M", "64M", dir.resolve("mnt"));
        assertThat(CommandRun.of(dir, "up", "--state", "y", "--meta-size", "64M", "mnt").err()).contains("already");
        Files.writeString(dir.resolve("file"), "x");
        assertThat(CommandRun.of(dir, "up", "--state", "y", "file").err()).contains("not a directory");
    }

    @Test
    void mount_looks_at_the_devices_before_it_starts_anything() throws Exception {
        device("meta", 64 << 20);
        device("data", 64 << 20);
        Files.createDirectory(dir.resolve("mnt"));
        assertThat(CommandRun.of(dir, "mount", "-o", "metadev_path=meta,quorum_slot_nr=0", "data", "mnt").err()).startsWith("cairn mount: ").contains("meta");
        assertThat(CommandRun.of(dir, "mount", "-o", "metadev_path=data", "data", "mnt").err()).contains("two devices");
        assertThat(CommandRun.of(dir, "mount", "-o", "metadev_path=meta", "data", "none").err()).contains("not a directory");
    }
}
