package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// truncate, ftruncate, and files with holes.
class LengthTest extends PosixTest {
    @Test
    void a_file_is_cut_and_what_comes_back_is_zero() {
        var file = file("f", 0600, "0123456789");
        ok(root.truncate(file, 4));
        assertThat(content(file)).isEqualTo("0123");
        ok(root.truncate(file, 8));
        assertThat(content(file)).isEqualTo("0123\0\0\0\0");
        ok(root.truncate(file, 0));
        assertThat(content(file)).isEmpty();
        int fd = opened(file, O_RDWR);
        ok(root.ftruncate(fd, 3));
        assertThat(content(file)).isEqualTo("\0\0\0");
    }

    @Test
    void a_cut_inside_a_block_leaves_no_old_bytes_behind_it() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        assertThat(root.pwrite(fd, filled(300_000, 'x'), 0)).isEqualTo(300_000);
        ok(root.fsync(fd));
        for (int size : new int[] {100_001, 65_536, 65_535, 4097, 4095, 1}) {
            ok(root.ftruncate(fd, size));
            ok(root.ftruncate(fd, 300_000));
            var back = root.pread(fd, 300_000, 0);
            for (int i = 0; i < back.length; i++) if (back[i] != (i < size ? 'x' : 0)) throw new AssertionError("byte " + i + " after a cut to " + size);
        }
    }

    @Test
    void a_write_behind_the_end_leaves_zeros_between() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        root.pwrite(fd, bytes("a"), 0);
        root.pwrite(fd, bytes("z"), 100_000);
        assertThat(root.fstat(fd).size()).isEqualTo(100_001);
        var back = root.pread(fd, 200_000, 0);
        assertThat(back).hasSize(100_001);
        for (int i = 1; i < 100_000; i++) if (back[i] != 0) throw new AssertionError("byte " + i);
        assertThat(back[0]).isEqualTo((byte) 'a');
        assertThat(back[100_000]).isEqualTo((byte) 'z');
    }

    @Test
    void a_terabyte_of_nothing_takes_no_room() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        ok(root.ftruncate(fd, 1L << 40));
        assertThat(root.fstat(fd).size()).isEqualTo(1L << 40);
        assertThat(root.fstat(fd).blocks()).isLessThan(64);
        root.pwrite(fd, bytes("far"), (1L << 40) - 3);
        assertThat(text(root.pread(fd, 100, (1L << 40) - 4))).isEqualTo("\0far");
        ok(root.fsync(fd));
        assertThat(root.fstat(fd).blocks()).isBetween(1L, 1024L);
        assertThat(root.lseek(fd, 0, SEEK_HOLE)).isZero();
        assertThat(root.lseek(fd, 0, SEEK_DATA)).isBetween((1L << 40) - (1 << 20), (1L << 40) - 3);
    }

    @Test
    void data_and_holes_are_found() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        int mib = 1 << 20;
        root.pwrite(fd, filled(65_536, 'd'), mib);
        root.pwrite(fd, filled(65_536, 'd'), 3 * mib);
        ok(root.ftruncate(fd, 4 * mib));
        ok(root.fsync(fd));
        assertThat(root.lseek(fd, 0, SEEK_HOLE)).isZero();
        assertThat(root.lseek(fd, 0, SEEK_DATA)).isEqualTo(mib);
        assertThat(root.lseek(fd, mib + 100, SEEK_DATA)).isEqualTo(mib + 100);
        assertThat(root.lseek(fd, mib, SEEK_HOLE)).isEqualTo(mib + 65_536);
        assertThat(root.lseek(fd, 2 * mib, SEEK_DATA)).isEqualTo(3 * mib);
        assertThat(root.lseek(fd, 3 * mib, SEEK_HOLE)).isEqualTo(3 * mib + 65_536);
        refused(ENXIO, root.lseek(fd, 3 * mib + 65_536, SEEK_DATA));
        refused(ENXIO, root.lseek(fd, 4 * mib, SEEK_DATA));
        refused(ENXIO, root.lseek(fd, 4 * mib, SEEK_HOLE));
        int full = opened(file("full", 0600, "content"), O_RDONLY);
        assertThat(root.lseek(full, 0, SEEK_HOLE)).as("the end is a hole").isEqualTo(7);
        assertThat(root.lseek(full, 3, SEEK_DATA)).isEqualTo(3);
    }

    @Test
    void what_cannot_be_cut() {
        var file = file("f", 0600, "content");
        refused(EINVAL, root.truncate(file, -1));
        refused(EISDIR, root.truncate(dir, 0));
        refused(ENOENT, root.truncate(at("none"), 0));
        refused(ENOTDIR, root.truncate(at("f/x"), 0));
        ok(root.mkfifo(at("p"), 0600));
        refused(EINVAL, root.truncate(at("p"), 0));
        ok(root.symlink("loop", at("loop")));
        refused(ELOOP, root.truncate(at("loop"), 0));
        assertThat(content(file)).isEqualTo("content");
    }

    @Test
    void truncate_asks_for_the_right_to_write_and_ftruncate_for_the_descriptor() {
        needsRoot();
        var file = file(alice, "f", 0444, "content");
        refused(EACCES, bob.truncate(file, 0));
        refused(EACCES, alice.truncate(file, 0));
        int fd = kept(alice.open(at("g"), O_RDWR | O_CREAT, 0444));
        ok(alice.ftruncate(fd, 10));
        assertThat(root.stat(at("g")).size()).isEqualTo(10);
    }

    @Test
    void random_writes_and_cuts_read_back_like_an_array() {
        int fd = kept(root.open(at("f"), O_RDWR | O_CREAT, 0600));
        var random = new java.util.SplittableRandom(42);
        var model = new byte[0];
        for (int step = 0; step < 300; step++) {
            if (random.nextInt(4) == 0) {
                int size = random.nextInt(400_000);
                ok(root.ftruncate(fd, size));
                model = java.util.Arrays.copyOf(model, size);
            } else {
                int from = random.nextInt(300_000), length = 1 + random.nextInt(random.nextBoolean() ? 100 : 50_000);
                var data = new byte[length];
                random.nextBytes(data);
                assertThat(root.pwrite(fd, data, from)).isEqualTo(length);
                if (model.length < from + length) model = java.util.Arrays.copyOf(model, from + length);
                System.arraycopy(data, 0, model, from, length);
            }
            if (step % 40 == 0) ok(root.fsync(fd));
            if (step % 10 == 0) assertThat(java.util.Arrays.mismatch(root.pread(fd, 500_000, 0), model)).as("step %d", step).isEqualTo(-1);
        }
    }

    static byte[] filled(int length, char with) {
        var data = new byte[length];
        java.util.Arrays.fill(data, (byte) with);
        return data;
    }
}
