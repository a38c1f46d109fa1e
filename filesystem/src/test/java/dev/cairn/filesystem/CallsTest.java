package dev.cairn.filesystem;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Operation.Hold;
import dev.cairn.transaction.Tx;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/// Each call by itself: what it changes, and the errno of every refusal.
class CallsTest {
    private final MemoryVolume volume = new MemoryVolume(1000, 1);
    private final FileSystem fs = volume.fs;

    static byte[] n(String name) {
        return name.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    private long file(long dir, String name) {
        return volume.calling(tx -> fs.create(tx, dir, n(name), 0644, Caller.ROOT, volume.now())).ino;
    }

    private long dir(long dir, String name) {
        return volume.calling(tx -> fs.mkdir(tx, dir, n(name), 0755, Caller.ROOT, volume.now())).ino;
    }

    private Errno errno(Consumer<Tx> call) {
        return assertThrows(Errno.Failure.class, () -> volume.doing(call)).errno();
    }

    @Test
    void a_fresh_volume_has_a_root_and_formatting_again_changes_nothing() {
        volume.doing(tx -> fs.format(tx, new Time(99, 0)));
        var root = volume.inode(1);
        assertEquals(Inode.S_IFDIR | 0755, root.mode);
        assertEquals(2, root.nlink);
        assertEquals(0, root.mtimeSec);
        Checker.check(volume);
    }

    @Test
    void names_that_cannot_be_are_refused() {
        assertEquals(Errno.ENAMETOOLONG, errno(tx -> fs.create(tx, 1, new byte[256], 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.create(tx, 1, n("a/b"), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.create(tx, 1, n("a\0b"), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.ENOENT, errno(tx -> fs.create(tx, 1, n(""), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EEXIST, errno(tx -> fs.mkdir(tx, 1, n("."), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.rmdir(tx, 1, n("."), Time.ZERO)));
        assertEquals(Errno.ENOTEMPTY, errno(tx -> fs.rmdir(tx, 1, n(".."), Time.ZERO)));
        assertEquals(Errno.EBUSY, errno(tx -> fs.rename(tx, 1, n(".."), 1, n("x"), 0, Caller.ROOT, Time.ZERO)));
        var longest = new byte[255];
        Arrays.fill(longest, (byte) 'x');
        volume.doing(tx -> fs.create(tx, 1, longest, 0, Caller.ROOT, volume.now()));
        volume.doing(tx -> assertThat(fs.lookup(tx, 1, longest).isRegular()).isTrue());
        assertEquals(255, volume.inode(1).size);
    }

    @Test
    void what_is_not_there_or_of_the_wrong_kind_is_said_so() {
        long file = file(1, "f"), dir = dir(1, "d");
        file(dir, "inside");
        assertEquals(Errno.ENOENT, errno(tx -> fs.lookup(tx, 1, n("x"))));
        assertEquals(Errno.ENOTDIR, errno(tx -> fs.lookup(tx, file, n("x"))));
        assertEquals(Errno.ENOTDIR, errno(tx -> fs.lookup(tx, file, n(".."))));
        assertEquals(Errno.ESTALE, errno(tx -> fs.lookup(tx, 5000, n("x"))));
        assertEquals(Errno.ESTALE, errno(tx -> fs.getattr(tx, 5000)));
        assertEquals(Errno.ENOTDIR, errno(tx -> fs.create(tx, file, n("x"), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EEXIST, errno(tx -> fs.create(tx, 1, n("f"), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EISDIR, errno(tx -> fs.unlink(tx, 1, n("d"), Time.ZERO)));
        assertEquals(Errno.ENOTDIR, errno(tx -> fs.rmdir(tx, 1, n("f"), Time.ZERO)));
        assertEquals(Errno.ENOTEMPTY, errno(tx -> fs.rmdir(tx, 1, n("d"), Time.ZERO)));
        assertEquals(Errno.ENOENT, errno(tx -> fs.unlink(tx, 1, n("x"), Time.ZERO)));
        assertEquals(Errno.EPERM, errno(tx -> fs.link(tx, dir, 1, n("x"), Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.readlink(tx, file)));
        assertEquals(Errno.ENOTDIR, errno(tx -> fs.readdir(tx, file, 0, false, 10, (i, t, c, m, o) -> true)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.mknod(tx, 1, n("x"), Inode.S_IFLNK, 0, Caller.ROOT, Time.ZERO)));
        var plan = new DataPlan();
        assertEquals(Errno.EISDIR, errno(tx -> fs.planRead(tx, dir, 0, 1, plan)));
        assertEquals(Errno.EISDIR, errno(tx -> fs.setattr(tx, dir, SetAttr.NONE.size(0), Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.setattr(tx, file, SetAttr.NONE.size(-1), Time.ZERO)));
        assertEquals(Errno.EFBIG, errno(tx -> fs.setattr(tx, file, SetAttr.NONE.size(Long.MAX_VALUE), Time.ZERO)));
        assertEquals(Errno.EFBIG, errno(tx -> fs.planWrite(tx, file, FileSystem.FILE_BYTES_MAX, 1, plan)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.planWrite(tx, file, -1, 1, plan)));
        assertEquals(Errno.EOPNOTSUPP, errno(tx -> fs.fallocate(tx, file, FileSystem.FALLOC_PUNCH_HOLE, 0, 1, Time.ZERO)));
        assertEquals(Errno.EOPNOTSUPP, errno(tx -> fs.fallocate(tx, file, 8, 0, 1, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.fallocate(tx, file, 0, 0, 0, Time.ZERO)));
        assertEquals(Errno.EFBIG, errno(tx -> fs.fallocate(tx, file, 0, Long.MAX_VALUE, 1, Time.ZERO)));
        assertEquals(Errno.ENXIO, errno(tx -> fs.lseek(tx, file, 0, FileSystem.SEEK_DATA)));
    }

    @Test
    void a_removed_directory_takes_no_new_names_and_has_no_parent() {
        long dir = dir(1, "d");
        volume.doing(tx -> assertEquals(0, fs.rmdir(tx, 1, n("d"), volume.now()).nlink));
        assertEquals(Errno.ENOENT, errno(tx -> fs.create(tx, dir, n("x"), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.ENOENT, errno(tx -> fs.lookup(tx, dir, n(".."))));
        assertEquals(Errno.ESTALE, errno(tx -> fs.lookup(tx, dir, n("."))));
        volume.doing(tx -> assertEquals(dir, fs.nextOrphan(tx, 0)));
    }

    @Test
    void links_are_limited() {
        long file = file(1, "f");
        var inode = volume.inode(file);
        inode.nlink = FileSystem.LINKS_MAX;
        volume.items.put(Keys.inode(file), inode.encode());
        assertEquals(Errno.EMLINK, errno(tx -> fs.link(tx, file, 1, n("g"), Time.ZERO)));
        var root = volume.inode(1);
        root.nlink = FileSystem.LINKS_MAX;
        volume.items.put(Keys.inode(1), root.encode());
        assertEquals(Errno.EMLINK, errno(tx -> fs.mkdir(tx, 1, n("d"), 0, Caller.ROOT, Time.ZERO)));
    }

    @Test
    void a_setgid_directory_gives_its_group_and_the_bit_to_what_is_made_in_it() {
        long dir = dir(1, "d");
        volume.setattr(dir, SetAttr.NONE.mode(02775).gid(77));
        var caller = new Caller(5, 6, 022);
        var file = volume.calling(tx -> fs.create(tx, dir, n("f"), 0666, caller, volume.now()));
        var sub = volume.calling(tx -> fs.mkdir(tx, dir, n("s"), 0777, caller, volume.now()));
        assertEquals(77, file.gid);
        assertEquals(5, file.uid);
        assertEquals(Inode.S_IFREG | 0644, file.mode);
        assertEquals(Inode.S_IFDIR | 02755, sub.mode);
    }

    @Test
    void devices_keep_their_numbers_and_fifos_have_none() {
        var device = volume.calling(tx -> fs.mknod(tx, 1, n("c"), Inode.S_IFCHR | 0600, 0x105, Caller.ROOT, volume.now()));
        assertEquals(0x105, volume.inode(device.ino).rdev);
        var fifo = volume.calling(tx -> fs.mknod(tx, 1, n("p"), Inode.S_IFIFO | 0600, 7, Caller.ROOT, volume.now()));
        assertEquals(0, volume.inode(fifo.ino).rdev);
        assertEquals(1, fifo.type());
        Checker.check(volume);
    }

    @Test
    void suid_and_sgid_go_when_told_and_sgid_stays_without_group_execution() {
        long file = file(1, "f");
        volume.setattr(file, SetAttr.NONE.mode(06775));
        volume.write(file, 0, n("x"));
        assertEquals(0775, volume.inode(file).mode & 07777);
        volume.setattr(file, SetAttr.NONE.mode(06744));
        volume.setattr(file, SetAttr.NONE.uid(9).killPriv(KillPriv.BY_MEMBER));
        assertEquals(02744, volume.inode(file).mode & 07777);
        var fifo = volume.calling(tx -> fs.mknod(tx, 1, n("fifo"), Inode.S_IFIFO, 0, Caller.ROOT, volume.now()));
        volume.setattr(fifo.ino, SetAttr.NONE.mode(06755));
        volume.setattr(fifo.ino, SetAttr.NONE.uid(9).killPriv(KillPriv.BY_MEMBER));
        assertEquals(0755, volume.inode(fifo.ino).mode & 07777);
        long directory = dir(1, "d");
        volume.setattr(directory, SetAttr.NONE.mode(02755));
        volume.setattr(directory, SetAttr.NONE.uid(9).killPriv(KillPriv.BY_MEMBER));
        assertEquals(02755, volume.inode(directory).mode & 07777);
    }

    @Test
    void mtime_moves_forward_when_the_clock_does_not_but_utimes_has_its_way() {
        long file = file(1, "f");
        var same = new Time(5, 999_999_999);
        volume.setattr(file, SetAttr.NONE.mtime(same).atime(new Time(-3, 1)));
        assertEquals(-3, volume.inode(file).atimeSec);
        volume.doing(tx -> fs.setattr(tx, file, SetAttr.NONE.size(10), same));
        var inode = volume.inode(file);
        assertEquals(new Time(6, 0), new Time(inode.mtimeSec, inode.mtimeNsec));
        assertEquals(same, new Time(inode.ctimeSec, inode.ctimeNsec));
        volume.doing(tx -> fs.setattr(tx, file, SetAttr.NONE.mtime(Time.ZERO), same));
        assertEquals(0, volume.inode(file).mtimeSec);
    }

    @Test
    void seqs_move_with_what_changes() {
        long file = file(1, "f");
        var created = volume.inode(file);
        assertEquals(volume.seq, created.metaSeq);
        assertEquals(volume.seq, created.dataSeq);
        assertEquals(0, created.dataVersion);
        volume.commit();
        volume.setattr(file, SetAttr.NONE.mode(0600));
        assertEquals(volume.seq, volume.inode(file).metaSeq);
        assertEquals(created.dataSeq, volume.inode(file).dataSeq);
        volume.commit();
        volume.setattr(file, SetAttr.NONE.size(0));
        assertEquals(volume.seq, volume.inode(file).dataSeq);
        assertEquals(0, volume.inode(file).dataVersion, "the size was that already");
        volume.setattr(file, SetAttr.NONE.size(1));
        assertEquals(1, volume.inode(file).dataVersion);
        volume.commit();
        volume.fallocate(file, FileSystem.FALLOC_KEEP_SIZE, 0, 100_000);
        assertEquals(volume.seq, volume.inode(file).metaSeq);
        assertThat(volume.inode(file).dataSeq).isLessThan(volume.seq);
        assertEquals(1, volume.inode(file).dataVersion);
        volume.doing(tx -> fs.rename(tx, 1, n("f"), 1, n("g"), 0, Caller.ROOT, volume.now()));
        assertThat(volume.inode(file).dataSeq).isLessThan(volume.seq);
        Checker.check(volume);
    }

    @Test
    void walking_an_index_stops_at_what_is_committed_and_at_its_ends() {
        long first = file(1, "a");
        long seq = volume.seq;
        volume.commit();
        file(1, "b");
        var found = new ArrayList<Long>();
        volume.doing(tx -> fs.walkInodes(tx, true, 0, 0, -1, -1, (s, ino) -> found.add(ino)));
        assertEquals(java.util.List.of(first), found);
        found.clear();
        volume.doing(tx -> fs.walkInodes(tx, true, seq, first + 1, seq, -1, (s, ino) -> found.add(ino)));
        volume.doing(tx -> fs.walkInodes(tx, true, seq + 1, 0, seq, 0, (s, ino) -> found.add(ino)));
        assertThat(found).isEmpty();
    }

    @Test
    void cookies_stay_valid_while_names_come_and_go() {
        for (int i = 0; i < 5; i++) file(1, "f" + i);
        var seen = new ArrayList<String>();
        var cookies = new ArrayList<Long>();
        DirectorySink sink = (ino, type, cookie, name, inode) -> {
            if (seen.size() == 4) return false;
            cookies.add(cookie);
            return seen.add(new String(name));
        };
        volume.doing(tx -> fs.readdir(tx, 1, 0, false, 100, sink));
        assertEquals(java.util.List.of(".", "..", "f0", "f1"), seen);
        volume.doing(tx -> fs.unlink(tx, 1, n("f1"), volume.now()));
        volume.doing(tx -> fs.rename(tx, 1, n("f2"), 1, n("moved"), 0, Caller.ROOT, volume.now()));
        file(1, "f1");
        seen.clear();
        volume.doing(tx -> fs.readdir(tx, 1, cookies.get(3), false, 100, sink));
        assertEquals(java.util.List.of("moved", "f3", "f4", "f1"), seen);
    }

    @Test
    void a_change_that_has_waited_does_not_move_ctime_back() {
        long file = file(1, "f");
        Time asked = new Time(2000, 500), meanwhile = new Time(2000, 700);
        volume.doing(tx -> fs.setattr(tx, file, SetAttr.NONE.mode(0600), meanwhile));
        volume.doing(tx -> fs.setattr(tx, file, SetAttr.NONE.size(5), asked));
        assertEquals(meanwhile.next(), new Time(volume.inode(file).ctimeSec, volume.inode(file).ctimeNsec));
        volume.doing(tx -> fs.setattr(tx, file, SetAttr.NONE.mode(0640), asked));
        assertEquals(meanwhile.next().next(), new Time(volume.inode(file).ctimeSec, volume.inode(file).ctimeNsec));
    }

    @Test
    void a_change_moves_mtime_on_unless_it_was_set_to_a_time_to_come() {
        long file = file(1, "f");
        var now = new Time(2000, 500);
        for (var was : new Time[] {now, new Time(2000, 700), new Time(2001, 0)}) {
            volume.setattr(file, SetAttr.NONE.mtime(was));
            volume.doing(tx -> fs.setattr(tx, file, SetAttr.NONE.size(5), now));
            assertEquals(was.next(), new Time(volume.inode(file).mtimeSec, volume.inode(file).mtimeNsec));
        }
        for (var was : new Time[] {new Time(1999, 0), new Time(2003, 0), new Time(Long.MAX_VALUE, 0), new Time(Long.MIN_VALUE, 0)}) {
            volume.setattr(file, SetAttr.NONE.mtime(was));
            volume.doing(tx -> fs.setattr(tx, file, SetAttr.NONE.size(5), now));
            assertEquals(now, new Time(volume.inode(file).mtimeSec, volume.inode(file).mtimeNsec));
        }
    }

    @Test
    void a_truncation_by_name_to_the_same_size_changes_nothing_but_privileges() {
        long file = file(1, "f");
        volume.setattr(file, SetAttr.NONE.size(5));
        volume.commit();
        var before = volume.inode(file);
        volume.setattr(file, SetAttr.NONE.size(5).byName(true));
        var after = volume.inode(file);
        assertEquals(before.metaSeq, after.metaSeq);
        assertEquals(before.ctimeNsec, after.ctimeNsec);
        assertEquals(before.mtimeNsec, after.mtimeNsec);
        volume.setattr(file, SetAttr.NONE.size(6).byName(true));
        assertEquals(6, volume.inode(file).size);
        assertEquals(before.dataVersion + 1, volume.inode(file).dataVersion);
    }

    @Test
    void a_directory_does_not_move_below_itself_and_takes_the_way_up_along() {
        long a = dir(1, "a"), b = dir(a, "b"), c = dir(b, "c");
        assertEquals(Errno.EINVAL, errno(tx -> fs.rename(tx, 1, n("a"), c, n("x"), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.rename(tx, 1, n("a"), a, n("x"), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.ENOTEMPTY, errno(tx -> fs.rename(tx, b, n("c"), 1, n("a"), 0, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.rename(tx, b, n("c"), 1, n("a"), FileSystem.RENAME_EXCHANGE, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.rename(tx, 1, n("a"), 1, n("x"), 8, Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.rename(tx, b, n("c"), 1, n("a"), FileSystem.RENAME_EXCHANGE | FileSystem.RENAME_WHITEOUT, Caller.ROOT, Time.ZERO)));
        volume.doing(tx -> fs.rename(tx, b, n("c"), 1, n("c"), 0, Caller.ROOT, volume.now()));
        assertEquals(1, volume.calling(tx -> fs.lookup(tx, c, n(".."))).ino);
        assertEquals(4, volume.inode(1).nlink);
        assertEquals(2, volume.inode(b).nlink);
        Checker.check(volume);
    }

    @Test
    void renaming_over_a_file_leaves_it_as_an_orphan_and_over_its_own_other_name_does_nothing() {
        long old = file(1, "old"), fresh = file(1, "new");
        volume.write(old, 0, n("still read"));
        volume.doing(tx -> fs.link(tx, fresh, 1, n("new2"), volume.now()));
        assertNull(volume.calling(tx -> fs.rename(tx, 1, n("new"), 1, n("new2"), 0, Caller.ROOT, volume.now())));
        assertEquals(2, volume.inode(fresh).nlink);
        assertEquals(Errno.EEXIST,
                errno(tx -> fs.rename(tx, 1, n("new"), 1, n("old"), FileSystem.RENAME_NOREPLACE, Caller.ROOT, Time.ZERO)));
        var replaced = volume.calling(tx -> fs.rename(tx, 1, n("new"), 1, n("old"), 0, Caller.ROOT, volume.now()));
        assertEquals(old, replaced.ino);
        assertEquals(0, replaced.nlink);
        assertEquals("still read", new String(volume.read(old, 0, 100)));
        Checker.check(volume);
    }

    @Test
    void what_is_made_without_a_name_is_an_orphan_until_it_gets_one() {
        long dir = dir(1, "d");
        volume.setattr(dir, SetAttr.NONE.mode(02775).gid(77));
        var made = volume.calling(tx -> fs.tmpfile(tx, dir, 0666, new Caller(5, 6, 022), volume.now()));
        assertEquals(0, made.nlink);
        assertEquals(Inode.S_IFREG | 0644, made.mode);
        assertEquals(77, made.gid);
        volume.write(made.ino, 0, n("content"));
        volume.doing(tx -> assertEquals(made.ino, fs.nextOrphan(tx, 0)));
        Checker.check(volume);
        assertEquals(1, volume.calling(tx -> fs.link(tx, made.ino, 1, n("f"), volume.now())).nlink);
        volume.doing(tx -> assertEquals(0, fs.nextOrphan(tx, 0)));
        assertEquals("content", new String(volume.read(made.ino, 0, 100)));
        Checker.check(volume);
        volume.doing(tx -> fs.unlink(tx, 1, n("f"), volume.now()));
        assertEquals(Errno.ENOENT, errno(tx -> fs.link(tx, made.ino, 1, n("f"), Time.ZERO)), "unlinked is not nameless");
        var never = volume.calling(tx -> fs.tmpfile(tx, dir, 0600, Caller.ROOT, volume.now()));
        volume.doing(tx -> assertEquals(FileSystem.STEPS_DONE, fs.deleteOrphanStep(tx, never.ino, 0)));
        assertEquals(Errno.ESTALE, errno(tx -> fs.link(tx, never.ino, 1, n("f"), Time.ZERO)));
        assertEquals(Errno.ENOTDIR, errno(tx -> fs.tmpfile(tx, made.ino, 0600, Caller.ROOT, Time.ZERO)));
        Checker.check(volume);
    }

    @Test
    void a_copy_has_the_holes_of_what_it_was_copied_from() {
        long from = file(1, "from"), to = file(1, "to");
        volume.write(from, 0, new byte[100]);
        volume.write(from, 400_000, new byte[5000]);
        volume.fallocate(from, 0, 800_000, 100_000);
        volume.setattr(from, SetAttr.NONE.size(1_000_000));
        volume.write(to, 0, new byte[600_000]);
        volume.setattr(to, SetAttr.NONE.mode(06777));
        assertEquals(1_000_000, volume.copy(from, 0, to, 0, Long.MAX_VALUE));
        assertEquals(1_000_000, volume.inode(to).size);
        assertEquals(volume.inode(from).onlineBlocks, volume.inode(to).onlineBlocks);
        assertEquals(0777, volume.inode(to).mode & 07777);
        assertEquals(0, volume.copy(from, 1_000_000, to, 0, 10));
        Checker.check(volume);
    }

    @Test
    void symlinks_have_bounds() {
        assertEquals(Errno.ENOENT, errno(tx -> fs.symlink(tx, 1, n("l"), n(""), Caller.ROOT, Time.ZERO)));
        assertEquals(Errno.ENAMETOOLONG,
                errno(tx -> fs.symlink(tx, 1, n("l"), new byte[4096], Caller.ROOT, Time.ZERO)));
        var target = new byte[4095];
        Arrays.fill(target, (byte) 't');
        var link = volume.calling(tx -> fs.symlink(tx, 1, n("l"), target, new Caller(0, 0, 077), volume.now()));
        assertEquals(4095, link.size);
        assertEquals(Inode.S_IFLNK | 0777, link.mode);
        volume.doing(tx -> assertThat(fs.readlink(tx, link.ino)).isEqualTo(target));
    }

    @Test
    void xattr_errors() {
        long file = file(1, "f");
        assertEquals(Errno.ENODATA, errno(tx -> fs.getxattr(tx, file, n("user.a"))));
        assertEquals(Errno.ENODATA, errno(tx -> fs.removexattr(tx, file, n("user.a"), Time.ZERO)));
        assertEquals(Errno.EOPNOTSUPP, errno(tx -> fs.getxattr(tx, file, n("other.a"))));
        assertEquals(Errno.EINVAL, errno(tx -> fs.getxattr(tx, file, n("user."))));
        assertEquals(Errno.ERANGE, errno(tx -> fs.getxattr(tx, file, n("user." + "x".repeat(251)))));
        assertEquals(Errno.E2BIG, errno(tx -> fs.setxattr(tx, file, n("user.a"), new byte[65_536], 0, Time.ZERO)));
        assertEquals(Errno.EINVAL, errno(tx -> fs.setxattr(tx, file, n("user.a"), n("v"), 4, Time.ZERO)));
        assertEquals(Errno.ENODATA, errno(tx -> fs.setxattr(tx, file, n("user.a"), n("v"), 3, Time.ZERO)));
        assertEquals(Errno.ENODATA, errno(tx -> fs.setxattr(tx, file, n("user.a"), n("v"), 2, Time.ZERO)));
        volume.doing(tx -> fs.setxattr(tx, file, n("security.long"), new byte[65_535], 1, volume.now()));
        assertEquals(Errno.EEXIST,
                errno(tx -> fs.setxattr(tx, file, n("security.long"), n("v"), 1, Time.ZERO)));
        assertEquals(Errno.EEXIST,
                errno(tx -> fs.setxattr(tx, file, n("security.long"), n("v"), 3, Time.ZERO)));
        for (int i = 0; i < 300; i++) {
            var name = n("user." + i + "x".repeat(240));
            volume.doing(tx -> fs.setxattr(tx, file, name, n(""), 0, volume.now()));
        }
        assertEquals(Errno.E2BIG, errno(tx -> fs.listxattr(tx, file)));
        Checker.check(volume);
    }

    @Test
    void damage_is_an_error_and_names_the_inode() {
        long file = file(1, "f");
        byte[] value = volume.items.get(Keys.inode(file));
        for (int[] at : new int[][] {{0, 9}, {6, 1}, {20, 0x80}, {35, 0xff}, {87, 0xff}}) {
            var broken = value.clone();
            broken[at[0]] = (byte) at[1];
            volume.items.put(Keys.inode(file), broken);
            assertEquals(Errno.EIO, errno(tx -> fs.getattr(tx, file)));
        }
        volume.items.put(Keys.inode(file), new byte[3]);
        assertEquals(Errno.EIO, errno(tx -> fs.getattr(tx, file)));
        volume.items.remove(Keys.inode(file));
        assertEquals(Errno.EIO, errno(tx -> fs.lookup(tx, 1, n("f"))));
    }

    @Test
    void reading_is_noted_once_after_each_change_and_once_a_day_and_is_no_change_itself() {
        long file = file(1, "f");
        var first = volume.inode(file);
        long now = first.ctimeSec + 5;
        volume.doing(tx -> assertThat(fs.accessDue(tx, file, now)).isTrue());
        volume.commit();
        volume.doing(tx -> fs.noteAccess(tx, file, new Time(now, 7)));
        var read = volume.inode(file);
        assertEquals(new Time(now, 7), new Time(read.atimeSec, read.atimeNsec));
        assertEquals(first.ctimeSec, read.ctimeSec);
        assertEquals(first.metaSeq, read.metaSeq);
        volume.doing(tx -> assertThat(fs.accessDue(tx, file, now + 86_399)).isFalse());
        volume.doing(tx -> assertThat(fs.accessDue(tx, file, now + 86_400)).isTrue());
        // Somebody else was first.
        volume.doing(tx -> fs.noteAccess(tx, file, new Time(now + 1, 0)));
        assertEquals(now, volume.inode(file).atimeSec);
        volume.doing(tx -> fs.setattr(tx, file, SetAttr.NONE.mode(0600), new Time(now + 2, 0)));
        volume.doing(tx -> assertThat(fs.accessDue(tx, file, now + 3)).isTrue());
        volume.doing(tx -> assertThat(fs.accessDue(tx, 999_999, now)).isFalse());
        Checker.check(volume);
    }

    @Test
    void only_what_adds_items_can_be_refused_for_space() {
        for (var kind : OperationKind.values()) {
            boolean allocates = switch (kind) {
                case FORMAT, CREATE, TMPFILE, MKNOD, MKDIR, SYMLINK, LINK, RENAME_WHITEOUT, SETXATTR, FALLOCATE -> true;
                default -> false;
            };
            assertEquals(allocates, kind.hold() == Hold.ALLOCATE, kind.name());
            assertEquals(kind == OperationKind.PLAN_WRITE, kind.hold() == Hold.MAY_ALLOCATE, kind.name());
        }
        assertEquals(OperationKind.PUNCH, OperationKind.ofFallocate(3));
    }

    @Test
    void the_hash_of_a_name_is_part_of_the_format() {
        assertEquals(0x52514fdc82b44ebbL, NameHash.of(n("a")));
        assertEquals(0x1cc8ab4eaee20f5bL, NameHash.of(n("a name of more than eight bytes")));
        assertThat(NameHash.of(n("a"))).isNotEqualTo(NameHash.of(n("a\0")));
    }
}
