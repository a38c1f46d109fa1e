package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.it.DebianTool;
import dev.cairn.it.TestVolume;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Many direct reads and writes of one file in flight at the same time. fio knows what it wrote where and looks afterwards.
class DirectIoTest extends PosixTest {
    private static final int MEBIBYTES = 8;

    @BeforeEach
    void fio() {
        DebianTool.assumeInstalled("fio", "fio");
    }

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

    private void writtenAndVerified(String order) {
        writtenAndVerified(order, at("f"));
    }

    private static void writtenAndVerified(String order, String file) {
        var ran = TestVolume.run(Duration.ofMinutes(1), Map.of(), "fio", "--name=direct", "--filename=" + file, "--size=" + MEBIBYTES + "M",
                "--rw=" + order, "--bsrange=512-8k", "--blockalign=512", "--direct=1", "--ioengine=libaio", "--iodepth=32",
                "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--minimal");
        assertThat(ran.code()).as("fio %s: %s%s", order, ran.out(), ran.err()).isZero();
    }
}
