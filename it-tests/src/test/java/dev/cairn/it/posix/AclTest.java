package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// POSIX ACLs, as xattrs and as setfacl and getfacl have them.
class AclTest extends PosixTest {
    private static final String ACCESS = "system.posix_acl_access", DEFAULT = "system.posix_acl_default";
    private static final int USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, MASK = 16, OTHER = 32;

    @BeforeEach
    void severalUsers() {
        needsRoot();
        var probe = file("probe", 0600, "");
        Assumptions.assumeTrue(root.setxattr(probe, ACCESS, forAlice(6, 6, 0, 6, 0), 0) != -EOPNOTSUPP, "no ACLs here");
    }

    /// Tag, permissions and id, three numbers for each entry.
    private static byte[] acl(int... entries) {
        var to = ByteBuffer.allocate(4 + entries.length / 3 * 8).order(ByteOrder.LITTLE_ENDIAN).putInt(2);
        for (int i = 0; i < entries.length; i += 3) to.putShort((short) entries[i]).putShort((short) entries[i + 1]).putInt(entries[i + 2]);
        return to.array();
    }

    static byte[] forAlice(int owner, int hers, int group, int mask, int others) {
        return acl(USER_OBJ, owner, -1, USER, hers, ALICE, GROUP_OBJ, group, -1, MASK, mask, -1, OTHER, others, -1);
    }

    @Test
    void a_named_user_gets_in_and_nobody_else() {
        var file = file("f", 0600, "content");
        refused(EACCES, alice.open(file, O_RDONLY, 0));
        ok(root.setxattr(file, ACCESS, forAlice(6, 4, 0, 4, 0), 0));
        kept(alice.open(file, O_RDONLY, 0));
        refused(EACCES, alice.open(file, O_WRONLY, 0));
        refused(EACCES, bob.open(file, O_RDONLY, 0));
        assertThat(root.stat(file).permissions()).isEqualTo(0640);
    }

    @Test
    void chmod_moves_the_mask_and_the_acl_moves_the_mode() {
        var file = file("f", 0600, "");
        ok(root.setxattr(file, ACCESS, forAlice(6, 6, 4, 6, 1), 0));
        assertThat(root.stat(file).permissions()).isEqualTo(0661);
        ok(root.chmod(file, 0640));
        assertThat(root.getxattr(file, ACCESS)).isEqualTo(forAlice(6, 6, 4, 4, 0));
        refused(EACCES, alice.open(file, O_RDWR, 0));
        ok(root.chmod(file, 0660));
        kept(alice.open(file, O_RDWR, 0));
        ok(root.removexattr(file, ACCESS));
        refused(EACCES, alice.open(file, O_RDWR, 0));
        assertThat(root.stat(file).permissions()).isEqualTo(0660);
        assertThat(root.listxattr(file)).doesNotContain(ACCESS);
    }

    @Test
    void an_acl_that_is_only_a_mode_is_not_kept() {
        var file = file("f", 0600, "");
        ok(root.setxattr(file, ACCESS, acl(USER_OBJ, 7, -1, GROUP_OBJ, 5, -1, OTHER, 1, -1), 0));
        assertThat(root.stat(file).permissions()).isEqualTo(0751);
        assertThat(root.listxattr(file)).isEmpty();
        refused(ENODATA, root.getxattr(file, ACCESS, 100));
    }

    @Test
    void a_default_acl_takes_the_place_of_the_umask() {
        var inherited = forAlice(7, 7, 5, 7, 5);
        directory(root, "d", 0755);
        ok(root.setxattr(at("d"), DEFAULT, inherited, 0));
        Posix.umask(077);
        file("d/f", 0640, "");
        assertThat(root.stat(at("d/f")).permissions()).isEqualTo(0640);
        assertThat(root.getxattr(at("d/f"), ACCESS)).isEqualTo(forAlice(6, 7, 5, 4, 0));
        directory(root, "d/s", 0777);
        assertThat(root.stat(at("d/s")).permissions()).isEqualTo(0775);
        assertThat(root.getxattr(at("d/s"), DEFAULT)).isEqualTo(inherited);
        assertThat(root.getxattr(at("d/s"), ACCESS)).isEqualTo(inherited);
        ok(root.mkfifo(at("d/p"), 0622));
        assertThat(root.stat(at("d/p")).permissions()).isEqualTo(0620);
        ok(root.symlink("x", at("d/l")));
        assertThat(root.lstat(at("d/l")).permissions()).isEqualTo(0777);
        kept(alice.open(at("d/f"), O_RDONLY, 0));
        file("g", 0666, "");
        assertThat(root.stat(at("g")).permissions()).as("without one, the umask").isEqualTo(0600);
        ok(root.removexattr(at("d"), DEFAULT));
        file("d/h", 0666, "");
        assertThat(root.stat(at("d/h")).permissions()).isEqualTo(0600);
    }

    @Test
    void who_may_and_what_is_refused() {
        var file = file(alice, "f", 0644, "");
        refused(EPERM, bob.setxattr(file, ACCESS, forAlice(6, 6, 4, 6, 4), 0));
        refused(EPERM, bob.removexattr(file, ACCESS));
        ok(alice.setxattr(file, ACCESS, forAlice(6, 6, 4, 6, 4), 0));
        refused(EACCES, root.setxattr(file, DEFAULT, forAlice(6, 6, 4, 6, 4), 0));
        refused(EINVAL, root.setxattr(file, ACCESS, acl(USER_OBJ, 7, -1), 0));
        refused(EINVAL, root.setxattr(file, ACCESS, acl(USER_OBJ, 7, -1, USER, 7, BOB, GROUP_OBJ, 7, -1, OTHER, 7, -1), 0));
        ok(root.symlink("f", at("s")));
        refused(EOPNOTSUPP, root.lsetxattr(at("s"), ACCESS, forAlice(6, 6, 4, 6, 4), 0));
    }

    @Test
    void removing_what_is_not_there_is_no_error() {
        ok(root.removexattr(file("f", 0640, ""), ACCESS));
        ok(root.removexattr(directory(root, "d", 0750), DEFAULT));
        assertThat(root.stat(at("f")).permissions()).isEqualTo(0640);
    }

    @Test
    void set_group_id_goes_when_its_setter_is_not_of_the_group() {
        var file = file(alice, "f", 0755, "");
        ok(root.chown(file, ALICE, GUESTS));
        ok(root.chmod(file, 02755));
        ok(alice.setxattr(file, ACCESS, forAlice(7, 7, 5, 7, 5), 0));
        assertThat(root.stat(file).permissions()).isEqualTo(0775);
        ok(root.chmod(file, 02755));
        ok(root.setxattr(file, ACCESS, forAlice(7, 7, 5, 7, 5), 0));
        assertThat(root.stat(file).permissions()).isEqualTo(02775);
    }

    @Test
    void setfacl_and_getfacl_agree() throws Exception {
        Assumptions.assumeTrue(new java.io.File("/usr/bin/setfacl").canExecute(), "setfacl is not installed");
        directory(root, "d", 0750);
        run("setfacl", "-m", "u:" + ALICE + ":rwx,g:" + GUESTS + ":r-x,d:u:" + BOB + ":rx", at("d"));
        file("d/f", 0640, "");
        assertThat(run("getfacl", "-cpn", at("d"), at("d/f")).replaceAll("\t+", " ")).isEqualTo("""
                user::rwx
                user:%1$d:rwx
                group::r-x
                group:%2$d:r-x
                mask::rwx
                other::---
                default:user::rwx
                default:user:%3$d:r-x
                default:group::r-x
                default:mask::r-x
                default:other::---

                user::rw-
                user:%3$d:r-x #effective:r--
                group::r-x #effective:r--
                mask::r--
                other::---

                """.formatted(ALICE, GUESTS, BOB));
        run("setfacl", "-b", "-k", at("d"));
        assertThat(root.listxattr(at("d"))).isEmpty();
    }

    @Test
    void capabilities_go_when_the_contents_or_the_owner_change() {
        // VFS_CAP_REVISION_2, effective; cap_net_raw permitted.
        var capability = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN).putInt(0x02000001).putInt(1 << 13).array();
        var file = file("f", 0755, "program");
        int fd = opened(file, O_RDWR);
        Runnable[] changes = {() -> root.pwrite(fd, bytes("x"), 0), () -> ok(root.ftruncate(fd, 3)), () -> ok(root.chown(file, BOB, -1)),
            () -> ok(root.truncate(file, 100))};
        for (var change : changes) {
            ok(root.setxattr(file, "security.capability", capability, 0));
            ok(root.chmod(file, 0711));
            assertThat(root.getxattr(file, "security.capability")).isEqualTo(capability);
            change.run();
            assertThat(root.getxattr(file, "security.capability")).isNull();
        }
    }

    private static String run(String... command) throws Exception {
        var process = new ProcessBuilder(command).redirectErrorStream(true).start();
        var said = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor()).as(said).isZero();
        return said;
    }
}
