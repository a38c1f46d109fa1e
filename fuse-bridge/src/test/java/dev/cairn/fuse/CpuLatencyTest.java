package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CpuLatencyTest {
    @TempDir
    Path root;

    private void write(String file, String text) throws IOException {
        var path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text + "\n");
    }

    private void guest(String cpus, String governor, int pollNanos) throws IOException {
        write("dev/cpu_dma_latency", "");
        write("sys/devices/system/cpu/online", cpus);
        write("sys/devices/system/cpu/cpuidle/current_driver", "haltpoll");
        write("sys/devices/system/cpu/cpuidle/current_governor", governor);
        write("sys/module/haltpoll/parameters/guest_halt_poll_ns", String.valueOf(pollNanos));
    }

    @Test
    void what_is_written_reads_back() {
        for (var label : new String[] {"auto", "off", "0us", "20us", "1000000us"}) assertThat(CpuLatency.of(label).label()).isEqualTo(label);
        assertThat(CpuLatency.of("20 us")).isEqualTo(CpuLatency.of("20us"));
        for (var label : new String[] {"", "on", "20", "-1us", "1000001us", "99999999999us", "1ms"})
            assertThatThrownBy(() -> CpuLatency.of(label)).as(label).isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("'" + label + "'").hasMessageContaining("0us");
    }

    @Test
    void what_is_told_is_done_on_any_machine() {
        assertThat(CpuLatency.of("20us").chosen(root)).hasValue(20);
        assertThat(CpuLatency.of("0us").chosen(root)).hasValue(0);
        assertThat(CpuLatency.OFF.chosen(root)).isEmpty();
    }

    @Test
    void by_itself_a_small_guest_that_halts_at_once_polls() throws IOException {
        guest("0-1", "haltpoll", 0);
        assertThat(CpuLatency.AUTO.chosen(root)).hasValue(0);
        guest("0-3,5,8-10", "menu", 200_000);
        assertThat(CpuLatency.AUTO.chosen(root)).hasValue(0);
    }

    @Test
    void by_itself_no_other_machine_does() throws IOException {
        assertThat(CpuLatency.AUTO.chosen(root)).isEmpty();
        guest("0-1", "haltpoll", 200_000);
        assertThat(CpuLatency.AUTO.chosen(root)).as("a guest that polls before it halts").isEmpty();
        guest("0-8", "haltpoll", 0);
        assertThat(CpuLatency.AUTO.chosen(root)).as("many CPUs").isEmpty();
        guest("what", "haltpoll", 0);
        assertThat(CpuLatency.AUTO.chosen(root)).as("nobody knows how many").isEmpty();
        guest("0-1", "haltpoll", 0);
        write("sys/devices/system/cpu/cpuidle/current_driver", "intel_idle");
        assertThat(CpuLatency.AUTO.chosen(root)).as("no guest").isEmpty();
        guest("0-1", "haltpoll", 0);
        Files.delete(root.resolve("dev/cpu_dma_latency"));
        assertThat(CpuLatency.AUTO.chosen(root)).as("a container without the device").isEmpty();
    }
}
