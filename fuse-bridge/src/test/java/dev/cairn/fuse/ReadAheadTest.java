package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReadAheadTest {
    private static final long NVME = 259L << 8 | 3, SDA1 = 8L << 8 | 1;

    @TempDir
    Path blocks;

    private void says(String queue, String readAhead, String piece) throws IOException {
        var directory = Files.createDirectories(blocks.resolve(queue));
        Files.writeString(directory.resolve("read_ahead_kb"), readAhead + "\n");
        Files.writeString(directory.resolve("optimal_io_size"), piece + "\n");
    }

    @Test
    void an_ordinary_disk_gets_two_requests() throws IOException {
        says("259:3/queue", "128", "0");
        assertThat(ReadAhead.kibibytes(NVME, blocks)).isEqualTo(1024);
    }

    @Test
    void what_the_device_was_given_counts() throws IOException {
        says("259:3/queue", "4096", "0");
        assertThat(ReadAhead.kibibytes(NVME, blocks)).isEqualTo(4096);
    }

    @Test
    void a_raid_gets_two_stripes() throws IOException {
        says("259:3/queue", "128", String.valueOf(3 << 20));
        assertThat(ReadAhead.kibibytes(NVME, blocks)).isEqualTo(6 << 10);
    }

    @Test
    void a_partition_is_as_its_disk() throws IOException {
        says("disk/queue", "2048", "0");
        Files.createDirectories(blocks.resolve("disk/part"));
        Files.createSymbolicLink(blocks.resolve("8:1"), blocks.resolve("disk/part"));
        assertThat(ReadAhead.kibibytes(SDA1, blocks)).isEqualTo(2048);
    }

    @Test
    void nothing_known_or_nonsense_is_bounded() throws IOException {
        assertThat(ReadAhead.kibibytes(NVME, blocks)).isEqualTo(1024);
        says("259:3/queue", "many", String.valueOf(1L << 40));
        assertThat(ReadAhead.kibibytes(NVME, blocks)).isEqualTo(16 << 10);
    }
}
