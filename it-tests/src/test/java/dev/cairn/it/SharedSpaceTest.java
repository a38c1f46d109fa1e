package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.filesystem.FileSystem;
import dev.cairn.transaction.Errno;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Two mounts of one volume, with all that lies between them and the server: actors, messages, commits.
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class SharedSpaceTest {
    private static final long ROOT = FileSystem.ROOT_INO;
    private static final int BLOCK = 4096;
    /// Of a data device of 16384 blocks.
    private static final int TARGET = 1024, LOW_MARK = 256, FIRST = 64;

    private static long write(SimulatedVolume volume, long ino, long from) {
        long at = from;
        try {
            for (; ; at += 64 * BLOCK) volume.write(ino, at, new byte[64 * BLOCK]);
        } catch (Errno.Failure full) {
            assertThat(full.errno()).isEqualTo(Errno.ENOSPC);
            return at;
        }
    }

    private static long returned(SimulatedVolume volume) {
        return volume.journal.stream().flatMap(entry -> entry.event().getLogRecorded().getDataReturnedList().stream())
                .mapToLong(dev.cairn.proto.Extent::getCount).sum();
    }

    @Test
    void what_an_idle_mount_does_not_need_is_written_by_the_one_that_is_out_of_space() {
        try (var volume = SimulatedVolume.fresh(1024, 16384)) {
            volume.idleMount();
            long ino = volume.create(ROOT, "file");
            // ENOSPC may come before the idle mount has been heard, which is a matter of milliseconds, or not at all before all is used.
            long[] end = {write(volume, ino, 0)};
            Awaitility.await().atMost(Duration.ofSeconds(20)).until(() -> returned(volume) == TARGET - LOW_MARK);
            Awaitility.await().atMost(Duration.ofSeconds(20)).until(() -> (end[0] = write(volume, ino, end[0])) / BLOCK + 64 > 16384 - FIRST - LOW_MARK - 64);
            volume.commit();
            assertThatThrownBy(() -> volume.write(ino, end[0] + 64 * BLOCK, new byte[128 * BLOCK])).isSameAs(Errno.ENOSPC.failure());
            // The idle one keeps a low mark of its own.
            assertThat(returned(volume)).isEqualTo(TARGET - LOW_MARK);
            volume.unlink(ROOT, "file");
            volume.commit();
        }
    }
}
