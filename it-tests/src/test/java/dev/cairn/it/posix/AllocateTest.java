package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// fallocate in its modes, copy_file_range, and room that comes back.
class AllocateTest extends PosixTest {
    private static final int BLOCK = 4096;
    private int fd;

    @BeforeEach
    void aFile() {
        fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
    }

    @Test
    void plain_allocation_makes_the_file_longer() {
        ok(root.fallocate(fd, 0, 0, 100_000));
        assertThat(root.fstat(fd).size()).isEqualTo(100_000);
        assertThat(root.pread(fd, 200_000, 0)).isEqualTo(new byte[100_000]);
        root.pwrite(fd, bytes("data"), 50_000);
        ok(root.fallocate(fd, 0, 0, 60_000));
        assertThat(root.fstat(fd).size()).as("never shorter").isEqualTo(100_000);
        assertThat(text(root.pread(fd, 4, 50_000))).as("what was written stays").isEqualTo("data");
    }

    @Test
    void keep_size_allocates_behind_the_end() {
        root.pwrite(fd, bytes("content"), 0);
        ok(root.fallocate(fd, KEEP_SIZE, 0, 200_000));
        assertThat(root.fstat(fd).size()).isEqualTo(7);
        ok(root.ftruncate(fd, 100_000));
        assertThat(text(root.pread(fd, 8, 0))).isEqualTo("content\0");
        assertThat(root.pread(fd, 10, 99_990)).isEqualTo(new byte[10]);
    }

    // st_blocks does not tell: whether it counts what is allocated and not yet written differs between file systems.
    @Test
    void what_is_allocated_is_taken_from_the_free_space_and_comes_back() {
        aloneHere();
        int size = 32 << 20;
        long before = settled();
        ok(root.fallocate(fd, 0, 0, size));
        ok(root.fsync(fd));
        assertThat(before - settled()).isGreaterThan(size * 9L / 10);
        ok(root.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, size));
        ok(root.fsync(fd));
        org.awaitility.Awaitility.await().until(() -> before - settled() < size / 4);
    }

    /// Also when the file has that size already: there is no other way to see, or to be rid of, what lies behind its end.
    @Test
    void what_is_allocated_behind_the_end_goes_with_a_truncation() {
        aloneHere();
        int size = 32 << 20;
        root.pwrite(fd, bytes("content"), 0);
        long before = settled();
        var ways = java.util.List.<java.util.function.LongSupplier>of(() -> root.ftruncate(fd, 7), () -> root.truncate(at("f"), 7),
                () -> root.close(ok(root.open(at("f"), O_WRONLY | O_TRUNC, 0))), () -> root.close(ok(root.open(at("f"), O_WRONLY | O_TRUNC, 0))));
        for (var way : ways) {
            ok(root.fallocate(fd, KEEP_SIZE, 0, size));
            assertThat(before - settled()).isGreaterThan(size * 9L / 10);
            ok(way.getAsLong());
            org.awaitility.Awaitility.await().until(() -> before - settled() < size / 4);
        }
    }

    /// What there is room for is allocated; and stat says so, although the call has failed.
    @Test
    void an_allocation_that_fails_half_way_is_seen_as_it_is() {
        needsRoot();
        Assumptions.assumeTrue(VolumeUnderTest.volume() != null, "fills the volume");
        int direct = kept(root.open(at("f"), O_RDONLY | O_DIRECT, 0));
        root.pwrite(fd, LengthTest.filled(BLOCK, 'x'), 0);
        root.pwrite(fd, LengthTest.filled(BLOCK, 'x'), 100L * BLOCK);
        assertThat(root.fstat(fd).size()).isEqualTo(101L * BLOCK);
        assertThat(root.pread(fd, 1, 0)).isEqualTo(bytes("x"));
        long all = root.freeBytes(dir) + (1L << 30);
        for (int mode : new int[] {0, ZERO_RANGE}) {
            refused(ENOSPC, root.fallocate(fd, mode, 100, all));
            var told = root.fstat(fd);
            var seen = root.pread(fd, BLOCK, 0);
            ok(root.forgetCached(VolumeUnderTest.directory()));
            assertThat(root.stat(at("f")).size()).as("mode %x", mode).isEqualTo(told.size());
            assertThat(root.preadAligned(direct, BLOCK, 0)).as("mode %x", mode).isEqualTo(seen);
            ok(root.ftruncate(fd, 101L * BLOCK));
        }
    }

    @Test
    void a_punched_hole_reads_as_zero_and_gives_its_blocks_back() {
        root.pwrite(fd, LengthTest.filled(100 * BLOCK, 'x'), 0);
        ok(root.fsync(fd));
        long before = root.fstat(fd).blocks();
        ok(root.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 10 * BLOCK, 50 * BLOCK));
        ok(root.fsync(fd));
        assertThat(root.fstat(fd).size()).isEqualTo(100 * BLOCK);
        assertThat(root.fstat(fd).blocks()).isEqualTo(before - 50 * BLOCK / 512);
        assertZero(10 * BLOCK, 60 * BLOCK, 100 * BLOCK);
        assertThat(root.lseek(fd, 0, SEEK_HOLE)).isEqualTo(10 * BLOCK);
        assertThat(root.lseek(fd, 10 * BLOCK, SEEK_DATA)).isEqualTo(60 * BLOCK);
    }

    @Test
    void a_hole_need_not_begin_or_end_at_a_block() {
        root.pwrite(fd, LengthTest.filled(10 * BLOCK, 'x'), 0);
        ok(root.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 100, 200));
        assertZero(100, 300, 10 * BLOCK);
        root.pwrite(fd, LengthTest.filled(10 * BLOCK, 'x'), 0);
        ok(root.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, BLOCK - 5, 3 * BLOCK + 10));
        assertZero(BLOCK - 5, 4 * BLOCK + 5, 10 * BLOCK);
        ok(root.fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 9 * BLOCK, 100L * BLOCK));
        assertThat(root.fstat(fd).size()).isEqualTo(10 * BLOCK);
        assertThat(root.pread(fd, BLOCK, 9 * BLOCK)).isEqualTo(new byte[BLOCK]);
    }

    @Test
    void a_zeroed_range_reads_as_zero() {
        root.pwrite(fd, LengthTest.filled(10 * BLOCK, 'x'), 0);
        ok(root.fallocate(fd, ZERO_RANGE | KEEP_SIZE, 1000, 5 * BLOCK));
        assertZero(1000, 1000 + 5 * BLOCK, 10 * BLOCK);
        ok(root.fallocate(fd, ZERO_RANGE, 9 * BLOCK, 3 * BLOCK));
        assertThat(root.fstat(fd).size()).isEqualTo(12 * BLOCK);
        assertThat(root.pread(fd, 3 * BLOCK, 9 * BLOCK)).isEqualTo(new byte[3 * BLOCK]);
    }

    @Test
    void what_cannot_be_allocated() {
        refused(EINVAL, root.fallocate(fd, 0, 0, 0));
        refused(EINVAL, root.fallocate(fd, 0, -1, 10));
        refused(EFBIG, root.fallocate(fd, 0, Long.MAX_VALUE - 10, 100));
        refused(EOPNOTSUPP, root.fallocate(fd, PUNCH_HOLE, 0, 10));
        refused(EOPNOTSUPP, root.fallocate(fd, 1 << 20, 0, 10));
        int directory = opened(dir, O_RDONLY | O_DIRECTORY);
        refused(EBADF, root.fallocate(directory, 0, 0, 10));
        ok(root.mkfifo(at("p"), 0600));
        int fifo = kept(root.open(at("p"), O_RDWR, 0));
        refused(ESPIPE, root.fallocate(fifo, 0, 0, 10));
        assertThat(root.fstat(fd).size()).isZero();
    }

    @Test
    void a_range_is_copied() {
        root.pwrite(fd, bytes("0123456789"), 0);
        int to = kept(root.open(at("g"), O_RDWR | O_CREAT, 0600));
        assertThat(root.copyFileRange(fd, 2, to, 5, 4)).isEqualTo(4);
        assertThat(content(at("g"))).isEqualTo("\0\0\0\0\0" + "2345");
        assertThat(root.copyFileRange(fd, 8, to, 0, 100)).as("no further than the end").isEqualTo(2);
        assertThat(content(at("g"))).isEqualTo("89\0\0\0" + "2345");
        assertThat(root.copyFileRange(fd, 10, to, 0, 100)).isZero();
        refused(EINVAL, root.copyFileRange(fd, 0, fd, 5, 10));
        assertThat(root.copyFileRange(fd, 0, fd, 20, 10)).isEqualTo(10);
        assertThat(content(at("f"))).isEqualTo("0123456789" + "\0".repeat(10) + "0123456789");
    }

    @Test
    void a_sparse_range_is_copied_over_what_was_there() {
        int size = 3 << 20;
        root.pwrite(fd, bytes("first"), 0);
        root.pwrite(fd, LengthTest.filled(300_000, 'y'), (1 << 20) + 777);
        root.pwrite(fd, bytes("last"), size - 4);
        int to = kept(root.open(at("g"), O_RDWR | O_CREAT, 0600));
        root.pwrite(to, LengthTest.filled(2 << 20, 'x'), 0);
        for (long done = 0, copied; done < size - 3; done += copied)
            assertThat(copied = root.copyFileRange(fd, 3 + done, to, 1001 + done, size - 3 - done)).isPositive();
        assertThat(root.fstat(to).size()).isEqualTo(size - 3 + 1001);
        assertThat(root.pread(to, 1001, 0)).isEqualTo(LengthTest.filled(1001, 'x'));
        assertThat(root.pread(to, size, 1001)).isEqualTo(root.pread(fd, size, 3));
    }

    @Test
    void the_blocks_of_an_unlinked_file_come_back_after_its_last_close() {
        aloneHere();
        int size = 32 << 20;
        long before = settled();
        var part = LengthTest.filled(1 << 20, 'x');
        for (int at = 0; at < size; at += part.length) assertThat(root.pwrite(fd, part, at)).isEqualTo(part.length);
        ok(root.fsync(fd));
        ok(root.unlink(at("f")));
        assertThat(before - settled()).as("still there while open").isGreaterThan(size * 9L / 10);
        assertThat(text(root.pread(fd, 2, size - 2))).isEqualTo("xx");
        closed(fd);
        org.awaitility.Awaitility.await().until(() -> before - settled() < size / 4);
    }

    // Free space says something only where nobody else takes or gives any.
    private void aloneHere() {
        Assumptions.assumeTrue(VolumeUnderTest.isMount(), "not a mount of its own");
    }

    /// Free room after a commit. The file system's own metadata comes and goes: figures are compared with a margin.
    private long settled() {
        int directory = ok(root.open(dir, O_RDONLY | O_DIRECTORY, 0));
        ok(root.fsync(directory));
        root.close(directory);
        return root.freeBytes(dir);
    }

    private void assertZero(int from, int to, int size) {
        var data = root.pread(fd, size + 1, 0);
        assertThat(data).hasSize(size);
        for (int i = 0; i < size; i++)
            if (data[i] != (i >= from && i < to ? 0 : 'x')) throw new AssertionError("byte " + i + " is " + data[i]);
    }
}
