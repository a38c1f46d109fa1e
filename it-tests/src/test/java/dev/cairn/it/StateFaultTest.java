package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A state directory that has been damaged while the node was down: `up` says which file and touches nothing, and with the
/// file as it was all is there.
@Timeout(300)
class StateFaultTest {
    @Test
    void a_damaged_journal_is_named_and_nothing_is_lost() throws Exception {
        try (var volume = TestVolume.create("256M", "256M")) {
            for (int n = 0; n < 300; n++) Files.writeString(volume.mount.resolve("f" + n), "content " + n);
            volume.sync();
            volume.down();
            long meta = Scratch.checksum(volume.state.resolve("meta.img")), data = Scratch.checksum(volume.state.resolve("data.img"));
            for (var name : new String[] {"log_*", "snapshot.*"}) {
                var file = newest(volume.state.resolve("journal"), name);
                var good = Files.readAllBytes(file);
                try (var open = new RandomAccessFile(file.toFile(), "rw")) {
                    open.seek(good.length / 2);
                    open.write(good[good.length / 2] ^ 0x40);
                }
                Scratch.refused(TestVolume.cairn("up", "--state", volume.state.toString(), volume.mount.toString()), file.toString());
                var status = TestVolume.cairn("status", "--state", volume.state.toString());
                assertThat(status.code()).isEqualTo(3);
                assertThat(status.out()).contains(file.toString());
                assertThat(Files.readString(volume.state.resolve("node.log"))).doesNotContain("should not have happened");
                assertThat(Scratch.checksum(volume.state.resolve("meta.img"))).isEqualTo(meta);
                assertThat(Scratch.checksum(volume.state.resolve("data.img"))).isEqualTo(data);
                Files.write(file, good);
            }
            // As if the journal had never been: the devices know better.
            var away = volume.state.resolveSibling("away");
            Files.move(volume.state.resolve("journal"), away);
            Scratch.refused(TestVolume.cairn("up", "--state", volume.state.toString(), volume.mount.toString()), "journal");
            TestVolume.deleteTree(volume.state.resolve("journal"));
            Files.move(away, volume.state.resolve("journal"));
            volume.up();
            for (int n = 0; n < 300; n++) assertThat(Files.readString(volume.mount.resolve("f" + n))).isEqualTo("content " + n);
        }
    }

    private static Path newest(Path journal, String glob) throws IOException {
        var matcher = journal.getFileSystem().getPathMatcher("glob:" + glob);
        try (var all = Files.walk(journal)) {
            return all.filter(file -> matcher.matches(file.getFileName())).max(java.util.Comparator.naturalOrder()).orElseThrow();
        }
    }
}
