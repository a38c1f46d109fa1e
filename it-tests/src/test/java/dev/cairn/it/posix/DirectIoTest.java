package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.it.DebianTool;
import dev.cairn.it.TestVolume;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/// Many direct reads and writes of one file in flight at the same time. fio knows what it wrote where and looks afterwards.
class DirectIoTest extends PosixTest {
    private static final int MEBIBYTES = 8;

    @Test
    void into_a_hole() {
        ok(root.truncate(file("f", 0600, ""), MEBIBYTES << 20));
        writtenAndVerified("randwrite");
    }

    /// Eight requests share a block here, and each of the first of them fills the rest of it with zeros.
    @Test
    void into_blocks_that_were_allocated_beforehand() {
        for (var order : new String[] {"write", "randwrite"}) {
            int fd = opened(file(order, 0600, ""), O_RDWR);
            ok(root.fallocate(fd, 0, 0, MEBIBYTES << 20));
            writtenAndVerified(order, at(order));
        }
    }

    @Test
    void over_what_is_there() {
        file("f", 0600, "x".repeat(MEBIBYTES << 20));
        writtenAndVerified("randwrite");
    }

    /// The file was made shorter in the middle of a block and longer again: what was cut off must not come back, and what is
    /// written there must not be wiped by writes elsewhere.
    @Test
    void around_an_end_that_the_file_had_before() {
        file("f", 0600, "x".repeat(1_000_100));
        ok(root.truncate(at("f"), 1_000_000));
        ok(root.truncate(at("f"), MEBIBYTES << 20));
        writtenAndVerified("write");
    }

    /// Whoever reads the file through the cache, or asks for its times, while it is being written directly sees either state;
    /// whoever does after that sees the new one.
    @Test
    void under_the_eyes_of_one_who_reads_through_the_cache() throws Exception {
        var file = file("f", 0600, "x".repeat(1 << 16));
        int direct = opened(file, O_RDWR | O_DIRECT), cached = opened(file, O_RDONLY);
        var reading = new AtomicBoolean(true);
        var reader = Thread.ofPlatform().start(() -> {
            while (reading.get()) {
                root.pread(cached, 1, 0);
                root.stat(file);
            }
        });
        var stale = new ArrayList<String>();
        try {
            var before = root.stat(file).mtime();
            for (int i = 0; i < 100; i++) {
                byte value = (byte) (i % 100 + 1);
                assertThat(root.pwriteUnwaited(direct, value, 4096, 0)).isEqualTo(4096);
                if (root.pread(cached, 1, 0)[0] != value) stale.add("contents " + i);
                var now = root.stat(file).mtime();
                if (!now.isAfter(before)) stale.add("mtime " + i);
                before = now;
            }
        } finally {
            reading.set(false);
            reader.join();
        }
        assertThat(stale).isEmpty();
    }

    /// More direct writes under way than the kernel sends at once, of a file that others read through the cache and have mapped:
    /// whatever waits for whom, it comes to an end.
    @Test
    void many_at_once_of_a_file_that_is_read_through_the_cache() throws Exception {
        var file = file("f", 0600, "x".repeat(MEBIBYTES << 20));
        int cached = opened(file, O_RDWR);
        var reading = new AtomicBoolean(true);
        var readers = new ArrayList<Thread>();
        for (int n = 0; n < 2; n++) readers.add(Thread.ofPlatform().start(() -> {
            while (reading.get()) for (int at = 0; at < MEBIBYTES << 20; at += 1 << 20) root.pread(cached, 1 << 20, at);
        }));
        var mapping = root.mmap(cached, 0, MEBIBYTES << 20, PROT_READ | PROT_WRITE, MAP_SHARED);
        readers.add(Thread.ofPlatform().start(() -> {
            for (long at = 4095; reading.get(); at = (at + 65_536) % (MEBIBYTES << 20)) mapping.set(ValueLayout.JAVA_BYTE, at, (byte) 'm');
        }));
        try {
            DebianTool.assumeInstalled("fio", "fio");
            TestVolume.run(Duration.ofSeconds(40), Map.of(), "fio", "--name=direct", "--filename=" + file, "--size=" + MEBIBYTES + "M", "--rw=randwrite",
                    "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=256", "--loops=1", "--invalidate=0", "--minimal").orFail();
            TestVolume.run(Duration.ofSeconds(40), Map.of(), "dd", "if=/dev/zero", "of=" + file, "bs=8M", "count=1", "oflag=direct", "conv=notrunc").orFail();
        } finally {
            reading.set(false);
            for (var reader : readers) reader.join();
        }
        ok(root.munmap(mapping));
    }

    private void writtenAndVerified(String order) {
        writtenAndVerified(order, at("f"));
    }

    private static void writtenAndVerified(String order, String file) {
        DebianTool.assumeInstalled("fio", "fio");
        var ran = TestVolume.run(Duration.ofMinutes(1), Map.of(), "fio", "--name=direct", "--filename=" + file, "--size=" + MEBIBYTES + "M",
                "--rw=" + order, "--bsrange=512-8k", "--blockalign=512", "--direct=1", "--ioengine=libaio", "--iodepth=32",
                "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--minimal");
        assertThat(ran.code()).as("fio %s: %s%s", order, ran.out(), ran.err()).isZero();
    }
}
