package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StateDirectoryTest {
    @TempDir
    Path dir;

    @Test
    void only_one_process_has_the_lock_and_the_lock_is_what_proves_life() throws Exception {
        var state = new StateDirectory(dir);
        assertThat(state.nodeAlive()).isFalse();
        try (var lock = state.lock().orElseThrow()) {
            assertThat(lock.isValid()).isTrue();
            assertThat(state.nodeAlive()).isTrue();
            assertThat(new StateDirectory(dir).lock()).isEmpty();
        }
        assertThat(state.nodeAlive()).isFalse();
    }

    @Test
    void a_node_is_found_where_it_announced_itself_while_it_lives() throws Exception {
        var state = new StateDirectory(dir);
        var token = state.token();
        state.announce(42, "127.0.0.1:8080");
        assertThat(state.running()).as("nobody holds the lock").isEmpty();
        try (var _ = state.lock().orElseThrow()) {
            assertThat(state.running()).contains(new StateDirectory.Running(42, "127.0.0.1:8080", token));
            state.withdraw();
            assertThat(state.running()).isEmpty();
        }
    }

    @Test
    void only_the_owner_reads_the_token_and_it_stays_the_same() throws Exception {
        var state = new StateDirectory(dir.resolve("made"));
        state.create();
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(state.dir()))).isEqualTo("rwx------");
        var token = state.token();
        assertThat(token).hasSize(48);
        assertThat(state.token()).isEqualTo(token);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(state.dir().resolve("token")))).isEqualTo("rw-------");
    }

    @Test
    void somebody_who_only_looks_does_not_keep_a_node_from_starting() throws Exception {
        var state = new StateDirectory(dir);
        var looking = state.lock().orElseThrow();
        assertThat(state.lockPatiently(java.time.Duration.ZERO)).isEmpty();
        Thread.ofVirtual().start(() -> {
            try {
                looking.channel().close();
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        assertThat(state.lockPatiently(java.time.Duration.ofSeconds(10))).isPresent();
    }

    @Test
    void the_last_failure_and_the_port_are_remembered() throws Exception {
        var state = new StateDirectory(dir);
        assertThat(state.failure()).isEmpty();
        state.reportFailure("first line\nsecond");
        assertThat(state.failure()).contains("first line second");
        state.clearFailure();
        assertThat(state.failure()).isEmpty();
        state.rememberPort(4711);
        assertThat(state.rememberedPort()).contains(4711);
        Files.writeString(dir.resolve("http.port"), "rubbish");
        assertThat(state.rememberedPort()).isEmpty();
    }

    @Test
    void running_nodes_are_listed_and_dead_ones_forgotten() throws Exception {
        var nodes = new RunningNodes(dir.resolve("run"));
        assertThat(nodes.list()).isEmpty();
        var alive = new StateDirectory(Files.createDirectory(dir.resolve("alive")));
        var dead = new StateDirectory(Files.createDirectory(dir.resolve("dead")));
        nodes.register(1, alive.dir());
        nodes.register(1, alive.dir());
        nodes.register(2, dead.dir());
        try (var _ = alive.lock().orElseThrow()) {
            assertThat(nodes.list()).extracting(StateDirectory::dir).containsExactly(alive.dir());
        }
        nodes.deregister(1);
        assertThat(nodes.list()).isEmpty();
        try (var left = Files.list(dir.resolve("run"))) {
            assertThat(left).isEmpty();
        }
    }
}
