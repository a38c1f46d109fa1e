package dev.cairn.filesystem;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cairn.transaction.Errno;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/// File data where it is delicate: crashes, changes between plan and finish, a full volume, steps of large work.
class FileDataTest {
    private final MemoryVolume volume = new MemoryVolume(8000, 1);
    private final FileSystem fs = volume.fs;

    private long file(String name) {
        return volume.calling(tx -> fs.create(tx, 1, CallsTest.n(name), 0644, Caller.ROOT, volume.now())).ino;
    }

    private static byte[] of(int length, int value) {
        var bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    /// An append that a crash undoes leaves its bytes behind the end of the file, in a block that the file keeps.
    @Test
    void what_a_crash_left_behind_the_end_never_shows() {
        for (int way = 0; way < 4; way++) {
            long file = file("f" + way);
            volume.write(file, 0, of(100, 1));
            volume.commit();
            volume.write(file, 100, of(3000, 2));
            volume.crash();
            assertEquals(100, volume.inode(file).size);
            switch (way) {
                case 0 -> volume.setattr(file, SetAttr.NONE.size(2000));
                case 1 -> volume.fallocate(file, 0, 1000, 1000);
                case 2 -> volume.write(file, 1999, of(1, 0));
                default -> {
                    volume.setattr(file, SetAttr.NONE.size(5000));
                    volume.write(file, 200, of(50, 0));
                    volume.setattr(file, SetAttr.NONE.size(2000));
                }
            }
            var expected = new byte[2000];
            Arrays.fill(expected, 0, 100, (byte) 1);
            assertArrayEquals(expected, volume.read(file, 0, 10_000), "way " + way);
            // Again after the place has been settled on the device.
            volume.write(file, 10_000, of(1, 7));
            assertEquals(0, volume.inode(file).zeroFrom);
            assertArrayEquals(expected, volume.read(file, 0, 2000), "way " + way);
            assertArrayEquals(new byte[8000], volume.read(file, 2000, 8000), "way " + way);
            Checker.check(volume);
        }
    }

    @Test
    void a_write_whose_file_was_cut_or_filled_meanwhile_starts_over() {
        long file = file("f");
        volume.write(file, 0, of(20_000, 1));
        int[] hooks = {0};
        volume.writeHooked(file, 9000, of(100, 2), () -> {
            if (hooks[0]++ == 0) volume.setattr(file, SetAttr.NONE.size(5000));
        });
        assertEquals(2, hooks[0]);
        var expected = new byte[9100];
        Arrays.fill(expected, 0, 5000, (byte) 1);
        Arrays.fill(expected, 9000, 9100, (byte) 2);
        assertArrayEquals(expected, volume.read(file, 0, 100_000));

        hooks[0] = 0;
        volume.writeHooked(file, 100_000, of(100, 3), () -> {
            if (hooks[0]++ == 0) volume.fallocate(file, FileSystem.FALLOC_KEEP_SIZE, 100_000, 1);
        });
        assertEquals(2, hooks[0]);
        assertArrayEquals(of(100, 3), volume.read(file, 100_000, 1000));

        // Cut inside the block that is written: what is between the new end and the write must be zeros.
        volume.setattr(file, SetAttr.NONE.size(0));
        volume.write(file, 0, of(4096, 4));
        hooks[0] = 0;
        volume.writeHooked(file, 3000, of(10, 5), () -> {
            if (hooks[0]++ == 0) volume.setattr(file, SetAttr.NONE.size(1000));
        });
        expected = new byte[3010];
        Arrays.fill(expected, 0, 1000, (byte) 4);
        Arrays.fill(expected, 3000, 3010, (byte) 5);
        assertArrayEquals(expected, volume.read(file, 0, 10_000));
        Checker.check(volume);
    }

    /// What it puts on the device elsewhere must not meet another write's bytes there.
    @Test
    void a_write_that_settles_an_end_in_another_block_needs_the_file_alone() {
        long file = file("f");
        volume.write(file, 0, of(20_000, 1));
        assertFalse(needsFileAlone(file, 0, 20_000));
        assertFalse(needsFileAlone(file, 20_100, 100), "the end's own block");
        assertTrue(needsFileAlone(file, 30_000, 100), "behind the end");
        volume.setattr(file, SetAttr.NONE.size(10_000));
        volume.setattr(file, SetAttr.NONE.size(50_000));
        assertTrue(needsFileAlone(file, 0, 100), "before an end that it had once");
        assertTrue(needsFileAlone(file, 30_000, 100), "behind an end that it had once");
        assertFalse(needsFileAlone(file, 9000, 100), "in its block");
        assertFalse(needsFileAlone(file, 0, 20_000), "over it");
        volume.write(file, 30_000, of(100, 2));
        assertFalse(needsFileAlone(file, 0, 100), "settled");
    }

    private boolean needsFileAlone(long file, long offset, long length) {
        var plan = new DataPlan();
        volume.calling(tx -> fs.planWrite(tx, file, offset, length, plan));
        volume.calling(tx -> {
            fs.abandonWrite(tx, plan);
            return null;
        });
        plan.release();
        return plan.needsFileAlone();
    }

    @Test
    void an_abandoned_write_gives_its_blocks_back_and_changes_nothing() {
        long file = file("f");
        var before = volume.inode(file).encode();
        int free = volume.free();
        var plan = new DataPlan();
        volume.doing(tx -> fs.planWrite(tx, file, 0, 50_000, plan));
        assertEquals(free - 13, volume.free());
        volume.doing(tx -> fs.abandonWrite(tx, plan));
        plan.release();
        plan.release();
        assertEquals(free, volume.free());
        assertArrayEquals(before, volume.inode(file).encode());
        Checker.check(volume);
    }

    @Test
    void a_full_volume_gives_a_short_write_and_then_ENOSPC() {
        var small = new MemoryVolume(11, 3);
        long file = small.calling(tx -> small.fs.create(tx, 1, CallsTest.n("f"), 0644, Caller.ROOT, small.now())).ino;
        assertEquals(40_960 - 10, small.write(file, 10, of(50_000, 1)));
        assertEquals(Errno.ENOSPC, assertThrows(Errno.Failure.class, () -> small.write(file, 40_960, of(1, 1))).errno());
        // What it has already can be overwritten.
        assertEquals(5, small.write(file, 0, of(5, 2)));
        small.setattr(file, SetAttr.NONE.size(0));
        small.commit();
        assertEquals(10, small.free());
        Checker.check(small);
    }

    @Test
    void large_truncations_go_in_steps_and_a_crash_between_them_shows_nothing() {
        long file = file("f");
        volume.fragmentMax = 1;
        for (int i = 0; i < 2500; i++) volume.write(file, i * 8192L, of(1, 1));
        volume.commit();
        volume.setattr(file, SetAttr.NONE.size(10));
        assertTrue(volume.inode(file).truncating());
        assertThat(volume.inode(file).onlineBlocks).isBetween(1L, 1501L);
        volume.commit();
        volume.crash();
        assertEquals(10, volume.read(file, 0, 100_000).length);
        // Growing finishes the steps first.
        volume.setattr(file, SetAttr.NONE.size(1 << 20));
        assertFalse(volume.inode(file).truncating());
        assertEquals(1, volume.inode(file).onlineBlocks);
        var expected = new byte[1 << 20];
        expected[0] = 1;
        assertArrayEquals(expected, volume.read(file, 0, 1 << 20));
        Checker.check(volume);
    }

    /// History that goes wrong otherwise: the node dies between two steps, and nobody ever makes the next one.
    @Test
    void whoever_mounts_next_goes_on_with_a_truncation() {
        long file = file("f"), other = file("other");
        volume.fragmentMax = 1;
        for (int i = 0; i < 2500; i++) volume.write(file, i * 8192L, of(1, 1));
        volume.setattr(file, SetAttr.NONE.size(10));
        volume.commit();
        volume.crash();
        Checker.check(volume);
        volume.doing(tx -> assertEquals(file, fs.nextOrphan(tx, 0)));
        volume.doing(tx -> assertTrue(fs.isNamed(tx, file)));
        volume.doing(tx -> assertEquals(FileSystem.STEPS_DONE, fs.deleteOrphanStep(tx, file, 0)));
        assertTrue(volume.inode(file).truncating());
        for (long from = 0; from != FileSystem.STEPS_DONE; ) {
            long at = from;
            from = volume.calling(tx -> fs.truncateStep(tx, file, at));
        }
        assertFalse(volume.inode(file).truncating());
        assertEquals(1, volume.inode(file).nlink);
        volume.doing(tx -> assertEquals(0, fs.nextOrphan(tx, 0)));
        volume.commit();
        assertEquals(7999 - 1, volume.free());
        Checker.check(volume);
        // What has no name when it is being cut is listed once, and stays so until it is gone.
        for (int i = 0; i < 2500; i++) volume.write(other, i * 8192L, of(1, 1));
        volume.setattr(other, SetAttr.NONE.size(10));
        volume.doing(tx -> fs.unlink(tx, 1, CallsTest.n("other"), volume.now()));
        Checker.check(volume);
        volume.setattr(other, SetAttr.NONE.size(20));
        assertFalse(volume.inode(other).truncating());
        volume.doing(tx -> assertEquals(other, fs.nextOrphan(tx, 0)));
        volume.doing(tx -> assertFalse(fs.isNamed(tx, other)));
        Checker.check(volume);
    }

    @Test
    void small_orphans_go_together_and_others_are_left_as_they_are() {
        long small = file("small"), large = file("large"), tagged = file("tagged"), heavy = file("heavy"), many = file("many"), named = file("named"), empty = file("empty");
        volume.write(small, 0, of(3 * 4096, 1));
        for (int i = 0; i < 40; i++) volume.write(large, i * 8192L, of(1, 1));
        volume.doing(tx -> fs.setxattr(tx, tagged, CallsTest.n("user.x"), new byte[100], 0, volume.now()));
        volume.doing(tx -> fs.setxattr(tx, heavy, CallsTest.n("user.x"), new byte[60_000], 0, volume.now()));
        for (int i = 0; i < 5; i++) {
            var name = CallsTest.n("user." + i);
            volume.doing(tx -> fs.setxattr(tx, many, name, new byte[100], 0, volume.now()));
        }
        for (var name : new String[] {"small", "large", "tagged", "heavy", "many", "empty"})
            volume.doing(tx -> fs.unlink(tx, 1, CallsTest.n(name), volume.now()));
        long[] all = {small, named, large, 5000, tagged, heavy, many, empty}, others = {large, heavy, many};
        assertArrayEquals(others, volume.calling(tx -> fs.deleteSmallOrphans(tx, all)));
        volume.doing(tx -> assertEquals(large, fs.nextOrphan(tx, 0)));
        volume.doing(tx -> assertEquals(heavy, fs.nextOrphan(tx, large)));
        volume.doing(tx -> assertEquals(many, fs.nextOrphan(tx, heavy)));
        volume.doing(tx -> assertEquals(0, fs.nextOrphan(tx, many)));
        assertEquals(1, volume.read(large, 39 * 8192L, 1)[0]);
        assertEquals(1, volume.inode(named).nlink);
        volume.commit();
        assertEquals(7999 - 40, volume.free());
        Checker.check(volume);
        assertArrayEquals(others, volume.calling(tx -> fs.deleteSmallOrphans(tx, all)));
    }

    @Test
    void orphans_go_in_steps_and_every_step_is_whole() {
        long file = file("f");
        for (int i = 0; i < 1200; i++) volume.write(file, i * 8192L, of(1, 1));
        for (int i = 0; i < 1100; i++) {
            var name = CallsTest.n("user." + i);
            volume.doing(tx -> fs.setxattr(tx, file, name, new byte[1], 0, volume.now()));
        }
        volume.doing(tx -> fs.unlink(tx, 1, CallsTest.n("f"), volume.now()));
        volume.commit();
        assertEquals(1, volume.read(file, 0, 1)[0]);
        int steps = 1;
        var from = new long[1];
        while ((from[0] = volume.calling(tx -> fs.deleteOrphanStep(tx, file, from[0]))) != FileSystem.STEPS_DONE) {
            // After a crash nobody knows how far it was.
            if (steps++ % 2 == 0) from[0] = 0;
            volume.commit();
            volume.crash();
            volume.doing(tx -> assertEquals(file, fs.nextOrphan(tx, 0)));
        }
        volume.commit();
        assertThat(steps).isGreaterThanOrEqualTo(3);
        assertEquals(7999, volume.free());
        Checker.check(volume);
        volume.doing(tx -> assertEquals(0, fs.nextOrphan(tx, 0)));
        volume.doing(tx -> assertEquals(FileSystem.STEPS_DONE, fs.deleteOrphanStep(tx, file, 0)));
    }

    @Test
    void a_step_that_comes_late_leaves_nothing_of_a_later_truncation() {
        long file = file("f");
        volume.fragmentMax = 1;
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 2500; i++) volume.write(file, i * 8192L, of(1, 1));
            volume.setattr(file, SetAttr.NONE.size(1));
            if (round == 1) break;
            // Others carry out the first one.
            for (long from = 0; from != FileSystem.STEPS_DONE; ) {
                long at = from;
                from = volume.calling(tx -> fs.truncateStep(tx, file, at));
            }
        }
        assertTrue(volume.inode(file).truncating());
        for (long from = 2400 * 2; from != FileSystem.STEPS_DONE; ) {
            long at = from;
            from = volume.calling(tx -> fs.truncateStep(tx, file, at));
        }
        assertFalse(volume.inode(file).truncating());
        assertEquals(1, volume.inode(file).extents);
        volume.commit();
        Checker.check(volume);
    }

    @Test
    void a_stream_is_one_extent_and_a_small_file_one_write() {
        long file = file("f");
        volume.random.nextInt();
        for (int i = 0; i < 64; i++) volume.write(file, i * 100_000L, of(100_000, i));
        long extents = volume.items.keySet().stream().filter(key -> key.type() == Keys.EXTENT).count();
        assertThat(extents).isLessThan(30);
        long other = file("g");
        int writes = volume.writes;
        volume.write(other, 0, of(1000, 1));
        assertEquals(writes + 1, volume.writes);
        assertEquals(1, volume.inode(other).onlineBlocks);
        assertEquals(8, volume.inode(other).sectors());
    }

    @Test
    void preallocated_blocks_read_as_zeros_and_are_no_data_until_written() {
        long file = file("f");
        volume.fallocate(file, 0, 0, 100_000);
        assertEquals(100_000, volume.inode(file).size);
        assertEquals(0, volume.inode(file).onlineBlocks);
        assertArrayEquals(new byte[100_000], volume.read(file, 0, 1 << 20));
        volume.setattr(file, SetAttr.NONE.mtime(Time.ZERO));
        volume.fallocate(file, FileSystem.FALLOC_KEEP_SIZE, 0, 100_000);
        assertThat(volume.inode(file).mtimeSec).isPositive();
        volume.write(file, 50_001, of(10, 1));
        assertEquals(1, volume.inode(file).onlineBlocks);
        assertEquals(49_152L, (long) volume.calling(tx -> fs.lseek(tx, file, 0, FileSystem.SEEK_DATA)));
        assertEquals(53_248L, (long) volume.calling(tx -> fs.lseek(tx, file, 50_000, FileSystem.SEEK_HOLE)));
        volume.fallocate(file, FileSystem.FALLOC_ZERO_RANGE, 0, 200_000);
        assertEquals(0, volume.inode(file).onlineBlocks);
        assertArrayEquals(new byte[200_000], volume.read(file, 0, 1 << 20));
        Checker.check(volume);
    }

    @Test
    void with_low_metadata_what_is_there_is_overwritten_and_nothing_is_added() {
        long file = file("f");
        volume.write(file, 0, of(20_000, 1));
        volume.fallocate(file, FileSystem.FALLOC_KEEP_SIZE, 10 * 4096, 8 * 4096);
        volume.metadataLow = true;
        assertEquals(20_000, volume.write(file, 0, of(20_000, 2)));
        assertEquals(5 * 4096 - 16_000, volume.write(file, 16_000, of(20_000, 3)), "short, where a hole begins");
        assertEquals(Errno.ENOSPC, assertThrows(Errno.Failure.class, () -> volume.write(file, 6 * 4096, of(100, 3))).errno());
        assertEquals(4096, volume.write(file, 12 * 4096, of(4096, 4)), "allocated beforehand");
        volume.metadataScarce = true;
        assertEquals(Errno.ENOSPC, assertThrows(Errno.Failure.class, () -> volume.write(file, 14 * 4096, of(4096, 4))).errno());
        assertEquals(16_000, volume.write(file, 0, of(16_000, 5)));
        volume.metadataLow = volume.metadataScarce = false;
        var expected = of(5 * 4096, 3);
        Arrays.fill(expected, 0, 16_000, (byte) 5);
        assertArrayEquals(expected, volume.read(file, 0, 5 * 4096));
        Checker.check(volume);
    }

    /// Else a punch, which is never refused, could use up what deleting needs.
    @Test
    void with_scarce_metadata_a_hole_within_an_extent_is_zeros() {
        volume.fragmentMax = 1 << 20;
        long file = file("f");
        volume.write(file, 0, of(32 * 4096, 1));
        volume.fallocate(file, FileSystem.FALLOC_KEEP_SIZE, 40 * 4096, 8 * 4096);
        long extents = volume.inode(file).extents;
        volume.metadataLow = volume.metadataScarce = true;
        for (int block = 1; block < 31; block += 2) volume.fallocate(file, 3, block * 4096L - 100, 4096 + 200);
        volume.fallocate(file, 3, 42 * 4096, 4096);
        assertThat(volume.inode(file).extents).isLessThanOrEqualTo(extents);
        var expected = of(32 * 4096, 1);
        for (int block = 1; block < 31; block += 2) Arrays.fill(expected, block * 4096 - 100, block * 4096 + 4096 + 100, (byte) 0);
        assertArrayEquals(expected, volume.read(file, 0, 32 * 4096));
        long free = volume.free();
        volume.fallocate(file, 3, 0, 48 * 4096);
        volume.commit();
        assertThat(volume.free()).as("what frees without adding goes on").isEqualTo(free + 40);
        Checker.check(volume);
    }

    @Test
    void with_scarce_metadata_names_do_not_grow() {
        file("f");
        file("other");
        volume.metadataLow = volume.metadataScarce = true;
        assertEquals(Errno.ENOSPC, assertThrows(Errno.Failure.class, () -> volume.doing(tx ->
                fs.rename(tx, 1, CallsTest.n("f"), 1, CallsTest.n("longer"), 0, Caller.ROOT, volume.now()))).errno());
        volume.doing(tx -> fs.rename(tx, 1, CallsTest.n("f"), 1, CallsTest.n("g"), 0, Caller.ROOT, volume.now()));
        volume.doing(tx -> fs.rename(tx, 1, CallsTest.n("g"), 1, CallsTest.n("other"), 0, Caller.ROOT, volume.now()));
        Checker.check(volume);
    }
}
