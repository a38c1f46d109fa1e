package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// mmap beside read and write.
class MapTest extends PosixTest {
    private final List<MemorySegment> mappings = new ArrayList<>();

    @AfterEach
    void unmapped() {
        mappings.forEach(root::munmap);
    }

    @Test
    void a_shared_mapping_and_the_file_are_one() {
        int fd = opened(file("f", 0600, "0123456789"), O_RDWR);
        var mapping = mapped(fd, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        assertThat(text(mapping)).isEqualTo("0123456789");
        mapping.set(JAVA_BYTE, 3, (byte) 'X');
        assertThat(text(root.pread(fd, 100, 0))).as("read after a store").isEqualTo("012X456789");
        root.pwrite(fd, bytes("YY"), 5);
        assertThat(text(mapping)).as("load after a write").isEqualTo("012X4YY789");
        ok(root.msync(mapping));
        assertThat(content(at("f"))).isEqualTo("012X4YY789");
    }

    @Test
    void what_was_stored_is_there_after_the_mapping_is_gone() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        ok(root.ftruncate(fd, 1 << 20));
        var mapping = mapped(fd, 0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED);
        for (int at = 0; at < 1 << 20; at += 5000) mapping.set(JAVA_BYTE, at, (byte) (at / 5000 + 1));
        mappings.remove(mapping);
        ok(root.munmap(mapping));
        ok(root.fsync(fd));
        var back = root.pread(fd, 1 << 20, 0);
        for (int at = 0; at < 1 << 20; at++)
            if (back[at] != (at % 5000 == 0 ? (byte) (at / 5000 + 1) : 0)) throw new AssertionError("byte " + at);
    }

    @Test
    void stores_into_a_hole_and_behind_the_last_byte() {    // tmpfs fails here
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        ok(root.ftruncate(fd, 100_000));
        var mapping = mapped(fd, 0, 102_400, PROT_READ | PROT_WRITE, MAP_SHARED);
        mapping.set(JAVA_BYTE, 50_000, (byte) 'h');
        mapping.set(JAVA_BYTE, 99_999, (byte) 'l');
        mapping.set(JAVA_BYTE, 100_000, (byte) 'b');
        ok(root.msync(mapping));
        assertThat(root.fstat(fd).size()).as("a store does not make a file longer").isEqualTo(100_000);
        ok(root.ftruncate(fd, 100_010));
        assertThat(text(root.pread(fd, 100, 99_999))).as("what was behind the end is not content").isEqualTo("l" + "\0".repeat(10));
        assertThat(text(root.pread(fd, 1, 50_000))).isEqualTo("h");
    }

    @Test
    void a_cut_is_seen_by_the_mapping() {
        int fd = opened(file("f", 0600, "0123456789"), O_RDWR);
        var mapping = mapped(fd, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        ok(root.ftruncate(fd, 4));
        ok(root.ftruncate(fd, 10));
        assertThat(text(mapping)).isEqualTo("0123\0\0\0\0\0\0");
        root.pwrite(fd, bytes("new"), 4);
        assertThat(text(mapping)).isEqualTo("0123new\0\0\0");
    }

    @Test
    void a_punched_hole_is_seen_by_the_mapping() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        root.pwrite(fd, LengthTest.filled(16_384, 'x'), 0);
        var mapping = mapped(fd, 0, 16_384, PROT_READ | PROT_WRITE, MAP_SHARED);
        assertThat(mapping.get(JAVA_BYTE, 5000)).isEqualTo((byte) 'x');
        ok(root.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 4096, 4096));
        assertThat(mapping.get(JAVA_BYTE, 5000)).isZero();
        mapping.set(JAVA_BYTE, 5000, (byte) 'y');
        assertThat(text(root.pread(fd, 2, 5000))).isEqualTo("y\0");
    }

    @Test
    void a_private_mapping_keeps_its_stores_to_itself() {
        int fd = opened(file("f", 0600, "0123456789"), O_RDONLY);
        var mapping = mapped(fd, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE);
        mapping.set(JAVA_BYTE, 0, (byte) 'X');
        assertThat(text(mapping)).isEqualTo("X123456789");
        assertThat(content(at("f"))).isEqualTo("0123456789");
    }

    @Test
    void a_store_changes_mtime_by_the_time_it_is_written() {
        int fd = opened(file("f", 0600, "0123456789"), O_RDWR);
        ok(root.utimens(at("f"), 1, 0, 1, 0, 0));
        var mapping = mapped(fd, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        mapping.set(JAVA_BYTE, 0, (byte) 'X');
        ok(root.msync(mapping));
        assertThat(root.fstat(fd).mtime().getEpochSecond()).isGreaterThan(1);
    }

    @Test
    void the_descriptor_decides_what_may_be_mapped() {
        var file = file("f", 0600, "content");
        int reader = opened(file, O_RDONLY), writer = opened(file, O_WRONLY);
        assertThat(root.mmap(reader, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED)).isNull();
        assertThat(root.mmap(writer, 0, 4096, PROT_READ, MAP_SHARED)).isNull();
        assertThat(text(mapped(reader, 0, 4096, PROT_READ, MAP_SHARED).asSlice(0, 10))).isEqualTo("content\0\0\0");
    }

    @Test
    void two_mappings_of_two_names_are_one() {
        var file = file("f", 0600, "0123456789");
        ok(root.link(file, at("g")));
        var a = mapped(opened(file, O_RDWR), 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        var b = mapped(opened(at("g"), O_RDWR), 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
        a.set(JAVA_BYTE, 2, (byte) 'A');
        b.set(JAVA_BYTE, 3, (byte) 'B');
        assertThat(text(a)).isEqualTo(text(b)).isEqualTo("01AB456789");
    }

    private MemorySegment mapped(int fd, long offset, long length, int protection, int flags) {
        var mapping = root.mmap(fd, offset, length, protection, flags);
        assertThat(mapping).isNotNull();
        mappings.add(mapping);
        return mapping;
    }

    private static String text(MemorySegment mapping) {
        return text(mapping.asSlice(0, 10).toArray(JAVA_BYTE));
    }
}
