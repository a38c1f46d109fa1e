package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class RehearsalTest {
    private final MemoryVolume volume = new MemoryVolume(64 << 20);
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();

    @AfterEach
    void close() {
        volume.close();
    }

    private Rehearsal begin(Rehearsal.Pace pace) throws IOException {
        return Rehearsal.begin(volume.fileSystem, volume.dataIo, volume, meters, 1, 2, 50, pace);
    }

    private long served(String opcode) {
        var timer = meters.find("cairn_fuse_requests").tag("opcode", opcode).timer();
        return timer == null ? 0 : timer.count();
    }

    @Test
    void a_day_is_what_the_kernel_would_ask_and_leaves_the_volume_as_it_was() throws IOException {
        int items = volume.items(), blocks = volume.blocksInUse();
        try (var rehearsal = begin(() -> true)) {
            for (int day = 0; day < 2; day++) assertThat(rehearsal.day()).isTrue();
            Awaitility.await().atMost(Duration.ofSeconds(20)).untilAsserted(() -> {
                assertThat(volume.items()).isEqualTo(items);
                assertThat(volume.blocksInUse()).isEqualTo(blocks);
            });
        }
        for (var opcode : new String[] {"lookup", "create", "write", "read", "fsync", "unlink", "mkdir", "rmdir", "rename", "setxattr", "readdirplus", "setattr",
                "statx", "statfs", "ioctl", "getxattr", "listxattr", "removexattr", "fallocate", "copy_file_range", "lseek", "fsyncdir", "link", "symlink",
                "readlink", "rename2", "mknod", "tmpfile", "batch_forget"})
            assertThat(served(opcode)).as(opcode).isPositive();
        assertThat(meters.get("cairn_fuse_malformed_requests").counter().count()).isZero();
        assertThat(meters.get("cairn_fuse_unexpected_failures").counter().count()).isZero();
        assertThat(volume.commits.get()).isPositive();
        assertThat(meters.get("cairn_fuse_spliced_bytes").counter().count()).as("through pipes, too").isPositive();
    }

    @Test
    void a_session_that_does_not_answer_is_not_waited_for_for_ever() throws IOException {
        try (var kernel = new StandInKernel(1, Duration.ofMillis(50))) {
            assertThatThrownBy(kernel::greeted).isInstanceOf(IOException.class).hasMessageContaining("not answered within 50 ms");
            Linux.close(kernel.mount().fd());
        }
    }

    @Test
    void the_pace_ends_a_day_in_the_middle_and_the_session_with_what_it_had() throws IOException {
        int items = volume.items();
        var breaths = new AtomicInteger(5);
        var rehearsal = begin(() -> breaths.decrementAndGet() > 0);
        assertThat(rehearsal.day()).isFalse();
        assertThat(volume.items()).as("some of its files are there").isGreaterThan(items);
        rehearsal.close();
        rehearsal.close();
    }

    @Test
    void an_answer_that_is_not_expected_is_an_error() throws IOException {
        try (var rehearsal = begin(() -> true)) {
            volume.bug = true;
            assertThatThrownBy(rehearsal::day).isInstanceOf(IOException.class).hasMessageContaining("mkdir").hasMessageContaining("errno 5");
            volume.bug = false;
        }
    }
}
