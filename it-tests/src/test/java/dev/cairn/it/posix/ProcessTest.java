package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.it.TestVolume;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/// What takes several processes, or ends one.
class ProcessTest extends PosixTest {
    @Test
    void appends_of_several_processes_do_not_meet() throws Exception {
        int processes = 3, each = 300, length = 700;
        var file = file("log", 0600, "");
        var all = new ArrayList<OtherProcess>();
        try {
            for (int i = 0; i < processes; i++) all.add(new OtherProcess());
            for (var one : all) one.begin(0, dir);
            var playing = new ArrayList<CompletableFuture<List<String>>>();
            for (int i = 0; i < processes; i++) playing.add(all.get(i).playing(0, Collections.nCopies(each, new RandomCall.Append(0, "log", length, i))));
            for (var one : playing) one.get();
        } finally {
            all.forEach(OtherProcess::close);
        }
        var content = Posix.SELF.pread(opened(file, O_RDONLY), processes * each * length + 1, 0);
        assertThat(content).hasSize(processes * each * length);
        var counts = new TreeMap<String, Integer>();
        for (int at = 0; at < content.length; at += length)
            counts.merge(World.digest(Arrays.copyOfRange(content, at, at + length)), 1, Integer::sum);
        assertThat(counts.values()).as("whole records of each process").containsExactly(each, each, each);
    }

    @Test
    void locks_are_between_processes_and_go_with_them() {
        file("f", 0600, "0123456789");
        var open = new RandomCall.Open(0, 0, "f", O_RDWR, 0);
        var whole = new RandomCall.Lock(0, true, F_WRLCK, 0, 5);
        var end = new RandomCall.Lock(0, true, F_WRLCK, 5, 0);
        var flock = new RandomCall.Flock(0, LOCK_EX);
        try (var b = new OtherProcess()) {
            b.begin(0, dir);
            try (var a = new OtherProcess()) {
                a.begin(0, dir);
                a.play(0, open);
                b.play(0, open);
                assertThat(a.play(0, whole)).isEqualTo("0");
                assertThat(b.play(0, whole)).isEqualTo("EAGAIN");
                assertThat(b.play(0, end)).isEqualTo("0");
                assertThat(a.play(0, new RandomCall.Lock(0, false, F_RDLCK, 6, 1))).as("an open file's lock meets it too").isEqualTo("EAGAIN");
                assertThat(a.play(0, flock)).isEqualTo("0");
                assertThat(b.play(0, flock)).isEqualTo("EAGAIN");
                int mine = opened(at("f"), O_RDWR);
                refused(EAGAIN, root.lock(mine, F_OFD_SETLK, F_RDLCK, 0, 1));
            }
            // The other process has ended, and its locks with it.
            assertThat(b.play(0, whole)).isEqualTo("0");
            assertThat(b.play(0, flock)).isEqualTo("0");
            // Closing any descriptor of the file drops the locks of the process.
            b.play(0, new RandomCall.Append(0, "f", 1, 1));
            int mine = opened(at("f"), O_RDWR);
            ok(root.lock(mine, F_SETLK, F_WRLCK, 0, 0));
        }
    }

    @Test
    void a_process_does_not_write_beyond_its_limit() {
        var file = at("f");
        var ignored = TestVolume.run(Duration.ofSeconds(20), Map.of(), "bash", "-c",
                "trap '' XFSZ; ulimit -f 8; dd if=/dev/zero of='" + file + "' bs=1000 count=20 2>&1");
        assertThat(ignored.out()).contains("File too large");
        assertThat(root.stat(file).size()).isEqualTo(8192);
        var killed = TestVolume.run(Duration.ofSeconds(20), Map.of(), "bash", "-c",
                "ulimit -f 8; dd if=/dev/zero of='" + file + "' bs=1000 count=20");
        assertThat(killed.code()).as("killed by SIGXFSZ").isEqualTo(128 + 25);
        var truncated = TestVolume.run(Duration.ofSeconds(20), Map.of(), "bash", "-c", "trap '' XFSZ; ulimit -f 8; truncate -s 9000 '" + file + "' 2>&1");
        assertThat(truncated.out()).contains("File too large");
    }

    @Test
    void behind_the_end_of_a_mapping_there_is_nothing() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        ok(root.ftruncate(fd, 4096 + 100));
        var mapping = root.mmap(fd, 0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        try {
            assertThat(mapping.get(ValueLayout.JAVA_BYTE, 4096 + 99)).isZero();
            assertThat(mapping.get(ValueLayout.JAVA_BYTE, 8191)).as("the rest of the last page").isZero();
            assertThatThrownBy(() -> mapping.get(ValueLayout.JAVA_BYTE, 8192)).as("SIGBUS").isInstanceOf(InternalError.class);
            assertThatThrownBy(() -> mapping.set(ValueLayout.JAVA_BYTE, 8192, (byte) 1)).isInstanceOf(InternalError.class);
            ok(root.ftruncate(fd, 3 * 4096));
            assertThat(mapping.get(ValueLayout.JAVA_BYTE, 8192)).isZero();
            ok(root.ftruncate(fd, 100));
            assertThatThrownBy(() -> mapping.get(ValueLayout.JAVA_BYTE, 4096)).isInstanceOf(InternalError.class);
        } finally {
            root.munmap(mapping);
        }
    }

    @Test
    void mappings_of_two_processes_are_one_with_the_file() {
        file("f", 0600, "x".repeat(10_000));
        try (var a = new OtherProcess()) {
            a.begin(0, dir);
            a.play(0, new RandomCall.Open(0, 0, "f", O_RDWR, 0));
            int fd = opened(at("f"), O_RDWR);
            var mapping = root.mmap(fd, 0, 10_000, PROT_READ | PROT_WRITE, MAP_SHARED);
            try {
                for (int i = 0; i < 50; i++) {
                    a.play(0, new RandomCall.StoreMapped(0, i * 190, 100, i));
                    a.play(0, new RandomCall.Write(0, 0, i * 190 + 100, 50, i));
                    var seen = mapping.asSlice(0, 10_000).toArray(ValueLayout.JAVA_BYTE);
                    assertThat(seen).isEqualTo(root.pread(fd, 10_000, 0));
                    mapping.set(ValueLayout.JAVA_BYTE, i, (byte) i);
                    assertThat(a.play(0, new RandomCall.Read(0, 0, 10_000))).isEqualTo(World.digest(root.pread(fd, 10_000, 0)));
                }
            } finally {
                root.munmap(mapping);
            }
        }
    }

    @Test
    void direct_reads_and_writes_are_one_with_the_cached_ones() {
        var file = file("f", 0600, "a".repeat(16_384));
        int direct = kept(root.open(file, O_RDWR | O_DIRECT, 0)), cached = opened(file, O_RDWR);
        assertThat(root.pread(cached, 16_384, 0)).hasSize(16_384);
        assertThat(root.pwriteAligned(direct, (byte) 'b', 4096, 4096)).isEqualTo(4096);
        assertThat(text(root.pread(cached, 4098, 4095))).isEqualTo("a" + "b".repeat(4096) + "a");
        root.pwrite(cached, bytes("c".repeat(100)), 8192);
        assertThat(text(root.preadAligned(direct, 4096, 8192))).isEqualTo("c".repeat(100) + "a".repeat(3996));
        // Behind the end, and over it.
        assertThat(root.pwriteAligned(direct, (byte) 'd', 4096, 20_480)).isEqualTo(4096);
        assertThat(root.fstat(cached).size()).isEqualTo(24_576);
        assertThat(root.pread(cached, 4096, 16_384)).containsOnly(0);
        assertThat(root.preadAligned(direct, 8192, 24_576)).isEmpty();
    }

    /// ext4 ends in 2446.
    @Test
    void times_far_away_are_kept() {
        var file = file("f", 0600, "");
        for (var time : List.of("2500-01-01T00:00:00.123456789Z", "1901-12-13T00:00:00.000000001Z", "9999-12-31T23:59:59Z", "1960-06-01T00:00:00Z")) {
            var at = Instant.parse(time);
            ok(root.utimens(file, at.getEpochSecond(), at.getNano(), at.getEpochSecond(), at.getNano(), 0));
            if (Posix.isRoot() && VolumeUnderTest.isMount()) ok(root.forgetCached(VolumeUnderTest.directory()));
            assertThat(root.stat(file).mtime()).isEqualTo(at);
            assertThat(root.stat(file).atime()).isEqualTo(at);
        }
    }
}
