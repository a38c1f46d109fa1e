package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// Large reads, which over /dev/fuse are answered with pages of the data device: what is read is what was written, however the
/// file lies there, and whoever has its pages.
class LargeReadTest {
    private static final int PIECE = 300_000, PIECES = 40;

    @Test
    void files_in_pieces_read_the_same_cold_and_directly_and_right_after_they_were_overwritten() throws Exception {
        try (var volume = TestVolume.create("128M", "256M")) {
            var random = new SplittableRandom(1);
            var contents = new byte[2][PIECE * PIECES];
            for (var content : contents) random.nextBytes(content);
            var files = new Path[] {volume.mount.resolve("a"), volume.mount.resolve("b")};
            try (var a = writing(files[0]); var b = writing(files[1])) {
                for (int at = 0; at < PIECE * PIECES; at += PIECE) {
                    a.write(ByteBuffer.wrap(contents[0], at, PIECE));
                    b.write(ByteBuffer.wrap(contents[1], at, PIECE));
                }
            }
            for (int i = 0; i < 2; i++) readsAs(files[i], contents[i]);
            try (var a = writing(files[0])) {
                for (int at = 1_000; at < PIECE * PIECES - 70_000; at += 1_234_567) {
                    var piece = new byte[70_000];
                    random.nextBytes(piece);
                    System.arraycopy(piece, 0, contents[0], at, piece.length);
                    a.write(ByteBuffer.wrap(piece), at);
                }
            }
            readsAs(files[0], contents[0]);
            // Rings have no pipes.
            if (metrics(volume).contains("transport=\"dev-fuse\"")) assertThat(spliced(volume)).isGreaterThan(3.0 * PIECE * PIECES);

            // A read sees every write that has ended before it.
            try (var a = writing(files[0]); var reading = FileChannel.open(files[0], com.sun.nio.file.ExtendedOpenOption.DIRECT)) {
                var blocks = ByteBuffer.allocateDirect((1 << 20) + 4096).alignedSlice(4096).limit(1 << 20);
                var ones = ByteBuffer.allocateDirect(1 << 20);
                for (int round = 1; round <= 20; round++) {
                    while (ones.hasRemaining()) ones.put((byte) round);
                    a.write(ones.flip(), 0);
                    ones.clear();
                    reading.read(blocks.clear().limit(1 << 20), 0);
                    for (int at = 0; at < 1 << 20; at += 4096) assertThat(blocks.get(at)).as("byte %d in round %d", at, round).isEqualTo((byte) round);
                }
            }
        }
    }

    private static FileChannel writing(Path file) throws IOException {
        return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }

    private static void readsAs(Path file, byte[] content) throws Exception {
        var copy = Files.createTempFile("cairn-large-read", "");
        try {
            TestVolume.shell("dd if='%s' of='%s' bs=1M iflag=direct status=none".formatted(file, copy)).orFail();
            assertThat(Files.mismatch(copy, Files.write(copy.resolveSibling(copy.getFileName() + ".expected"), content))).as("read directly").isEqualTo(-1);
            // The kernel lets go of its pages, and reads ahead anew.
            TestVolume.shell("dd if='%s' iflag=nocache count=0 status=none; cp '%s' '%s'".formatted(file, file, copy)).orFail();
            assertThat(Files.readAllBytes(copy)).as("read cold").isEqualTo(content);
        } finally {
            Files.deleteIfExists(copy);
            Files.deleteIfExists(copy.resolveSibling(copy.getFileName() + ".expected"));
        }
    }

    private static double spliced(TestVolume volume) throws IOException {
        return metrics(volume).lines().filter(line -> line.startsWith("cairn_fuse_spliced_bytes_total"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ')))).sum();
    }

    static String metrics(TestVolume volume) throws IOException {
        var address = ConfigFactory.parseFile(volume.state.resolve("running.json").toFile()).getString("http");
        try (var page = URI.create("http://" + address + "/metrics").toURL().openStream()) {
            return new String(page.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
