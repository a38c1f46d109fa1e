package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;

/// Where the blocks of large files come to lie, by `cairn fiemap`.
class StreamTest {
    private static final int MIB = 1 << 20, SIZE = 96 * MIB;

    @Test
    void files_that_are_streamed_at_once_have_few_extents_and_nothing_of_them_is_left_behind() throws IOException {
        try (var volume = TestVolume.create("256M", "1G")) {
            volume.sync();
            long used = volume.df("Data", "used");
            var one = volume.mount.resolve("one");
            var other = volume.mount.resolve("other");
            var bytes = ByteBuffer.allocateDirect(MIB);
            try (var a = FileChannel.open(one, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                    var b = FileChannel.open(other, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                for (int at = 0; at < SIZE; at += MIB) {
                    assertThat(a.write(bytes.clear())).isEqualTo(MIB);
                    assertThat(b.write(bytes.clear())).isEqualTo(MIB);
                }
            }
            volume.sync();
            assertThat(volume.df("Data", "used") - used).isEqualTo(2L * SIZE / 4096);
            for (var file : new Path[] {one, other}) {
                var lines = TestVolume.cairn("fiemap", file.toString()).orFail().out().lines().skip(1).toList();
                assertThat(lines.size()).as(String.join("\n", lines)).isBetween(1, 16);
                assertThat(lines.stream().mapToLong(line -> Long.parseLong(line.trim().split("\\s+")[3])).sum()).isEqualTo(SIZE / 4096);
                Files.delete(file);
            }
            volume.sync();
            org.awaitility.Awaitility.await().untilAsserted(() -> assertThat(volume.df("Data", "used")).isEqualTo(used));
        }
    }
}
