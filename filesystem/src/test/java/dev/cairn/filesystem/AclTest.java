package dev.cairn.filesystem;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Tx;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/// ACLs and the mode are one truth in two places; capabilities go with the contents they were given for.
class AclTest {
    private final MemoryVolume volume = new MemoryVolume(1000, 1);
    private final FileSystem fs = volume.fs;

    /// Tag, permissions and id, three numbers for each entry.
    static byte[] acl(int... entries) {
        var to = ByteBuffer.allocate(4 + entries.length / 3 * 8).order(ByteOrder.LITTLE_ENDIAN).putInt(2);
        for (int i = 0; i < entries.length; i += 3) to.putShort((short) entries[i]).putShort((short) entries[i + 1]).putInt(entries[i + 2]);
        return to.array();
    }

    private static byte[] named(int owner, int named, int group, int mask, int others) {
        return acl(1, owner, -1, 2, named, 77, 4, group, -1, 16, mask, -1, 32, others, -1);
    }

    private long make(long dir, String name, int mode, int umask) {
        return volume.calling(tx -> fs.create(tx, dir, CallsTest.n(name), mode, new Caller(0, 0, umask), volume.now())).ino;
    }

    private long makeDirectory(String name) {
        return volume.calling(tx -> fs.mkdir(tx, 1, CallsTest.n(name), 0755, Caller.ROOT, volume.now())).ino;
    }

    private void set(long ino, byte[] name, byte[] value) {
        volume.doing(tx -> fs.setxattr(tx, ino, name, value, 0, volume.now()));
    }

    private byte[] get(long ino, byte[] name) {
        try {
            return volume.calling(tx -> fs.getxattr(tx, ino, name));
        } catch (Errno.Failure e) {
            assertEquals(Errno.ENODATA, e.errno());
            return null;
        }
    }

    private int mode(long ino) {
        return volume.inode(ino).mode & Inode.PERMISSIONS;
    }

    private Errno errno(Consumer<Tx> call) {
        return assertThrows(Errno.Failure.class, () -> volume.doing(call)).errno();
    }

    @Test
    void the_mode_is_what_the_access_acl_says_and_the_mask_what_chmod_says() {
        long file = make(1, "f", 04600, 0);
        set(file, Acls.ACCESS, named(6, 7, 4, 5, 1));
        assertEquals(04651, mode(file));
        volume.setattr(file, SetAttr.NONE.mode(0640));
        assertThat(get(file, Acls.ACCESS)).isEqualTo(named(6, 7, 4, 4, 0));
        volume.setattr(file, SetAttr.NONE.uid(5));
        assertEquals(0640, mode(file));
        volume.doing(tx -> fs.removexattr(tx, file, Acls.ACCESS, volume.now()));
        volume.doing(tx -> fs.removexattr(tx, file, Acls.ACCESS, volume.now()));
        assertEquals(0640, mode(file));
        assertEquals(0, volume.inode(file).xattrs);
        Checker.check(volume);
    }

    @Test
    void an_acl_that_is_only_a_mode_is_not_kept_and_an_empty_one_is_none() {
        long file = make(1, "f", 0600, 0);
        set(file, Acls.ACCESS, named(6, 7, 4, 5, 1));
        set(file, Acls.ACCESS, acl(1, 7, -1, 4, 5, -1, 32, 0, -1));
        assertEquals(0750, mode(file));
        assertThat(get(file, Acls.ACCESS)).isNull();
        set(file, Acls.ACCESS, named(6, 7, 4, 5, 1));
        set(file, Acls.ACCESS, acl());
        assertThat(get(file, Acls.ACCESS)).isNull();
        Checker.check(volume);
    }

    @Test
    void a_default_acl_is_inherited_and_takes_the_place_of_the_umask() {
        long dir = makeDirectory("d");
        var inherited = named(7, 7, 5, 7, 5);
        set(dir, Acls.DEFAULT, inherited);
        assertEquals(0755, mode(dir));
        long file = make(dir, "f", 0640, 077);
        assertEquals(0640, mode(file));
        assertThat(get(file, Acls.ACCESS)).isEqualTo(named(6, 7, 5, 4, 0));
        assertThat(get(file, Acls.DEFAULT)).isNull();
        var sub = volume.calling(tx -> fs.mkdir(tx, dir, CallsTest.n("s"), 0777, new Caller(0, 0, 022), volume.now()));
        assertEquals(0775, sub.mode & 0777);
        assertThat(get(sub.ino, Acls.DEFAULT)).isEqualTo(inherited);
        assertThat(get(sub.ino, Acls.ACCESS)).isEqualTo(inherited);
        var unnamed = volume.calling(tx -> fs.tmpfile(tx, dir, 0660, new Caller(0, 0, 077), volume.now()));
        assertEquals(0660, unnamed.mode & 0777);
        var link = volume.calling(tx -> fs.symlink(tx, dir, CallsTest.n("l"), CallsTest.n("x"), Caller.ROOT, volume.now()));
        assertEquals(0, link.xattrs);
        set(dir, Acls.DEFAULT, acl(1, 7, -1, 4, 5, -1, 32, 0, -1));
        long plain = make(dir, "g", 0666, 077);
        assertEquals(0640, mode(plain));
        assertEquals(0, volume.inode(plain).xattrs);
        Checker.check(volume);
    }

    @Test
    void what_is_no_acl_is_refused() {
        long file = make(1, "f", 0600, 0);
        for (var wrong : new byte[][] {{}, {2, 0, 0}, {1, 0, 0, 0}, {2, 0, 0, 0, 1}, acl(1, 7, -1), acl(1, 7, -1, 4, 7, -1),
            acl(4, 7, -1, 1, 7, -1, 32, 7, -1), acl(1, 8, -1, 4, 7, -1, 32, 7, -1), acl(1, 7, -1, 1, 7, -1, 4, 7, -1, 32, 7, -1),
            acl(1, 7, -1, 2, 7, 5, 4, 7, -1, 32, 7, -1), acl(1, 7, -1, 4, 7, -1, 32, 7, -1, 64, 7, -1), acl(1, 7, -1, 4, 7, -1, 3, 7, -1, 32, 7, -1)})
            assertEquals(Errno.EINVAL, errno(tx -> fs.setxattr(tx, file, Acls.ACCESS, wrong, 0, Time.ZERO)));
        assertEquals(Errno.EACCES, errno(tx -> fs.setxattr(tx, file, Acls.DEFAULT, named(7, 7, 7, 7, 7), 0, Time.ZERO)));
        assertEquals(0600, mode(file));
    }

    // Damage must not get further than EIO.
    @Test
    void random_bytes_are_an_acl_or_refused() {
        var random = new SplittableRandom(7);
        long file = make(1, "f", 0600, 0);
        for (int i = 0; i < 20_000; i++) {
            var bytes = named(random.nextInt(8), 7, 7, 7, 7);
            for (int change = random.nextInt(3); change >= 0; change--) bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(64);
            try {
                set(file, Acls.ACCESS, bytes);
            } catch (Errno.Failure e) {
                assertEquals(Errno.EINVAL, e.errno());
            }
        }
        Checker.check(volume);
    }

    @Test
    void set_group_id_goes_when_its_setter_is_not_of_the_group() {
        long file = make(1, "f", 0600, 0);
        volume.setattr(file, SetAttr.NONE.mode(02755));
        volume.doing(tx -> fs.setxattr(tx, file, Acls.ACCESS, named(7, 7, 7, 7, 7), 0, false, volume.now()));
        assertEquals(02777, mode(file));
        volume.doing(tx -> fs.setxattr(tx, file, Acls.ACCESS, named(7, 7, 7, 7, 7), 0, true, volume.now()));
        assertEquals(0777, mode(file));
    }

    @Test
    void capabilities_go_with_the_contents_and_the_owner() {
        var capability = CallsTest.n("security.capability");
        long file = make(1, "f", 0600, 0);
        volume.write(file, 0, CallsTest.n("content"));
        Runnable[] changes = {() -> volume.write(file, 3, CallsTest.n("x")), () -> volume.setattr(file, SetAttr.NONE.size(2)),
            () -> volume.setattr(file, SetAttr.NONE.uid(9)), () -> volume.setattr(file, SetAttr.NONE.gid(9)),
            () -> volume.fallocate(file, 0, 0, 9)};
        for (var change : changes) {
            set(file, capability, new byte[20]);
            set(file, CallsTest.n("user.stays"), new byte[1]);
            volume.setattr(file, SetAttr.NONE.mode(0700));
            assertThat(get(file, capability)).isNotNull();
            change.run();
            assertThat(get(file, capability)).isNull();
            assertThat(get(file, CallsTest.n("user.stays"))).isNotNull();
        }
        Checker.check(volume);
    }
}
