package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import dev.cairn.block.MetadataBlock;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/// What `cairn check` says of a metadata device that is really damaged: the device, the block, the reason.
class DamagedVolumeTest {
    private static final int LABEL_BLOCKS = 4;
    /// In the header of [MetadataBlock].
    private static final int MAGIC_AT = 0, CHECKSUM_AT = 4, KIND_AT = 10, RUN_ID_AT = 32;
    private static final int MAGIC = 'C' | 'M' << 8 | 'B' << 16 | '1' << 24, ITEMS = 1;

    /// Blocks of items of the newest run that has several: nothing can have replaced it.
    private static List<Long> newestRun(Path device) throws IOException {
        var runs = new TreeMap<Long, List<Long>>();
        try (var file = new RandomAccessFile(device.toFile(), "r")) {
            var block = new byte[MetadataBlock.BYTES];
            for (long n = LABEL_BLOCKS; n < file.length() / MetadataBlock.BYTES; n++) {
                file.seek(n * MetadataBlock.BYTES);
                file.readFully(block);
                var header = ByteBuffer.wrap(block).order(ByteOrder.LITTLE_ENDIAN);
                if (header.getInt(MAGIC_AT) == MAGIC && header.get(KIND_AT) == ITEMS)
                    runs.computeIfAbsent(header.getLong(RUN_ID_AT), _ -> new ArrayList<>()).add(n);
            }
        }
        runs.values().removeIf(blocks -> blocks.size() < 3);
        return runs.lastEntry().getValue();
    }

    private static byte[] exchange(Path device, long block, byte[] bytes) throws IOException {
        try (var file = new RandomAccessFile(device.toFile(), "rw")) {
            var old = new byte[MetadataBlock.BYTES];
            file.seek(block * MetadataBlock.BYTES);
            file.readFully(old);
            file.seek(block * MetadataBlock.BYTES);
            file.write(bytes);
            return old;
        }
    }

    /// A sound block of another run in its place: what is found where a write was acknowledged and lost.
    private static byte[] olderRun(byte[] whole) {
        var bytes = ByteBuffer.wrap(whole.clone()).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(RUN_ID_AT, bytes.getLong(RUN_ID_AT) - 1);
        var crc = new java.util.zip.CRC32C();
        crc.update(bytes.array(), 8, MetadataBlock.BYTES - 8);
        return bytes.putInt(CHECKSUM_AT, (int) crc.getValue()).array();
    }

    private static void finds(Path meta, long block, String why, String... where) {
        var command = new ArrayList<>(List.of("check"));
        command.addAll(List.of(where));
        var ran = TestVolume.cairn(command.toArray(String[]::new));
        assertThat(ran.code()).as("exit code; printed: %s %s", ran.out(), ran.err()).isEqualTo(1);
        assertThat(ran.err()).isEmpty();
        var lines = ran.out().lines().toList();
        assertThat(lines.getFirst()).contains(meta + ": block " + block + " ", "of run", why).doesNotContain("Exception");
        assertThat(lines.getLast()).startsWith("checked ").containsPattern("[1-9]\\d* problem");
        assertThat(lines).noneMatch(line -> line.startsWith("\tat "));
    }

    /// A merge that the node's end cuts off leaves blocks of a run that never came to be, newer than all others.
    private static void awaitNoMerge(TestVolume volume) throws Exception {
        var quiet = new AtomicInteger();
        Scratch.await(Duration.ofSeconds(60), "an end of merging", () -> {
            quiet.set(LargeReadTest.metrics(volume).contains("cairn_merge_jobs 0.0") ? quiet.get() + 1 : 0);
            return quiet.get() >= 20;
        });
    }

    @Test
    void check_names_the_device_the_block_and_the_reason() throws Exception {
        try (var volume = TestVolume.create("64M", "64M")) {
            TestVolume.shell("cd '" + volume.mount + "'; touch file-{1..4000}").orFail();
            volume.sync();
            awaitNoMerge(volume);
            volume.down();
            TestVolume.cairn("check", "--state", volume.state.toString()).orFail();

            var meta = volume.state.resolve("meta.img");
            var run = newestRun(meta);
            long block = run.get(run.size() / 2);
            var junk = new byte[MetadataBlock.BYTES];
            new SplittableRandom(1).nextBytes(junk);
            var whole = exchange(meta, block, junk);
            finds(meta, block, "magic is", "--state", volume.state.toString());
            exchange(meta, block, olderRun(whole));
            finds(meta, block, "belongs to run", "--state", volume.state.toString());

            // Damaged all the time that the node runs, the run cannot be merged away.
            exchange(meta, block, junk);
            volume.up();
            finds(meta, block, "magic is", volume.mount.toString());
            exchange(meta, block, olderRun(whole));
            finds(meta, block, "belongs to run", volume.mount.toString());
            var json = TestVolume.cairn("check", "--json", volume.mount.toString());
            assertThat(json.code()).isEqualTo(1);
            assertThat(ConfigFactory.parseString(json.out()).getStringList("problems").getFirst()).contains(meta + ": block " + block + " ");
            exchange(meta, block, whole);
            TestVolume.cairn("check", volume.mount.toString()).orFail();
        }
    }
}
