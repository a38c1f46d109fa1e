package dev.cairn.transaction.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class Lz4Test {
    /// A node that is killed leaves no file behind.
    @Test
    void the_library_that_was_unpacked_has_no_name_any_more() throws Exception {
        var text = "so that something is compressed: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".getBytes();
        byte[] compressed = Lz4.FACTORY.fastCompressor().compress(text);
        assertThat(Lz4.FACTORY.safeDecompressor().decompress(compressed, text.length)).isEqualTo(text);
        try (var mapped = Files.lines(Path.of("/proc/self/maps"))) {
            assertThat(mapped.filter(line -> line.contains("/liblz4-java-"))).isNotEmpty().allMatch(line -> line.endsWith(" (deleted)"));
        }
    }
}
