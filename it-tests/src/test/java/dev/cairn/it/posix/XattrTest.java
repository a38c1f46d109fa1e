package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.TreeSet;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/// setxattr, getxattr, listxattr and removexattr.
class XattrTest extends PosixTest {
    @Test
    void values_are_kept_byte_by_byte() {
        var file = file("f", 0600, "");
        var every = new byte[256];
        for (int i = 0; i < every.length; i++) every[i] = (byte) i;
        for (var value : new byte[][] {{}, {0}, bytes("text"), every, new byte[1000], LengthTest.filled(2000, 'v')}) {
            ok(root.setxattr(file, "user.name", value, 0));
            assertThat(root.getxattr(file, "user.name")).isEqualTo(value);
            assertThat(root.getxattr(file, "user.name", 0)).isEqualTo(value.length);
        }
    }

    @Test
    void create_and_replace_insist() {
        var file = file("f", 0600, "");
        refused(ENODATA, root.setxattr(file, "user.a", bytes("1"), XATTR_REPLACE));
        ok(root.setxattr(file, "user.a", bytes("1"), XATTR_CREATE));
        refused(EEXIST, root.setxattr(file, "user.a", bytes("2"), XATTR_CREATE));
        ok(root.setxattr(file, "user.a", bytes("3"), XATTR_REPLACE));
        assertThat(text(root.getxattr(file, "user.a"))).isEqualTo("3");
        refused(EINVAL, root.setxattr(file, "user.a", bytes("4"), 8));
    }

    @Test
    void a_removed_attribute_is_gone_and_others_stay() {
        var file = file("f", 0600, "");
        for (int i = 0; i < 20; i++) ok(root.setxattr(file, "user.n" + i, bytes("v" + i), 0));
        for (int i = 0; i < 20; i += 2) ok(root.removexattr(file, "user.n" + i));
        for (int i = 0; i < 20; i++) assertThat(text(root.getxattr(file, "user.n" + i))).isEqualTo(i % 2 == 0 ? null : "v" + i);
        assertThat(root.listxattr(file)).filteredOn(name -> name.startsWith("user.")).hasSize(10);
        refused(ENODATA, root.removexattr(file, "user.n0"));
        refused(ENODATA, root.getxattr(file, "user.n0", 10));
    }

    @Test
    void names_are_listed() {
        var file = file("f", 0600, "");
        assertThat(root.listxattr(file)).isEmpty();
        var expected = new TreeSet<String>();
        for (var name : new String[] {"user.a", "user.b.c", "user.\u00e4\u00ff", "user." + "x".repeat(200)}) {
            ok(root.setxattr(file, name, bytes(name), 0));
            expected.add(name);
        }
        assertThat(new TreeSet<>(root.listxattr(file))).isEqualTo(expected);
        int length = expected.stream().mapToInt(name -> name.length() + 1).sum();
        assertThat(root.listxattr(file, 0)).isEqualTo(length);
        refused(ERANGE, root.listxattr(file, 5));
        refused(ERANGE, root.getxattr(file, "user.a", 2));
    }

    @Test
    void names_have_limits() {
        var file = file("f", 0600, "");
        ok(root.setxattr(file, "user." + "x".repeat(250), bytes("v"), 0));
        refused(ERANGE, root.setxattr(file, "user." + "x".repeat(251), bytes("v"), 0));
        refused(ERANGE, root.setxattr(file, "", bytes("v"), 0));
        refused(EOPNOTSUPP, root.setxattr(file, "nonsense.x", bytes("v"), 0));
        refused(EOPNOTSUPP, root.setxattr(file, "noprefix", bytes("v"), 0));
        refused(EINVAL, root.setxattr(file, "user.", bytes("v"), 0));
        refused(E2BIG, root.setxattr(file, "user.x", new byte[65_537], 0));
    }

    @Test
    void the_largest_value_comes_back_and_a_larger_one_does_not_go_in() {
        var file = file("f", 0600, "");
        Assumptions.assumeTrue(VolumeUnderTest.volume() != null, "other file systems have other limits");
        var largest = LengthTest.filled(65_535, 'v');
        ok(root.setxattr(file, "user.x", largest, 0));
        assertThat(root.getxattr(file, "user.x")).isEqualTo(largest);
        refused(E2BIG, root.setxattr(file, "user.x", new byte[65_536], 0));
        refused(E2BIG, root.setxattr(file, "user.y", new byte[65_536], 0));
        refused(ERANGE, root.getxattr(file, "user.x", 65_534));
        assertThat(root.listxattr(file)).containsExactly("user.x");
        assertThat(root.getxattr(file, "user.x")).isEqualTo(largest);
    }

    @Test
    void directories_have_them_links_and_fifos_do_not() {
        directory(root, "d", 0700);
        ok(root.setxattr(at("d"), "user.x", bytes("d"), 0));
        ok(root.symlink("d", at("s")));
        refused(EPERM, root.lsetxattr(at("s"), "user.x", bytes("s"), 0));
        ok(root.setxattr(at("s"), "user.x", bytes("through the link"), 0));
        assertThat(text(root.getxattr(at("d"), "user.x"))).isEqualTo("through the link");
        ok(root.mkfifo(at("p"), 0600));
        refused(EPERM, root.setxattr(at("p"), "user.x", bytes("p"), 0));
        refused(ENODATA, root.getxattr(at("s"), "user.x", 10));
        assertThat(root.listxattr(at("s"))).isEmpty();
    }

    @Test
    void trusted_attributes_are_roots() {
        needsRoot();
        var file = file(alice, "f", 0666, "");
        ok(root.setxattr(file, "trusted.x", bytes("secret"), 0));
        assertThat(text(root.getxattr(file, "trusted.x"))).isEqualTo("secret");
        refused(ENODATA, alice.getxattr(file, "trusted.x", 100));
        refused(EPERM, alice.setxattr(file, "trusted.x", bytes("mine"), 0));
        refused(EPERM, alice.removexattr(file, "trusted.x"));
        ok(root.symlink("f", at("s")));
        ok(root.lsetxattr(at("s"), "trusted.x", bytes("link"), 0));
        assertThat(text(root.getxattr(at("s"), "trusted.x"))).isEqualTo("link");
    }

    @Test
    void users_need_the_files_own_permissions() {
        needsRoot();
        var file = file(alice, "f", 0644, "");
        ok(alice.setxattr(file, "user.x", bytes("v"), 0));
        assertThat(text(bob.getxattr(file, "user.x"))).isEqualTo("v");
        refused(EACCES, bob.setxattr(file, "user.x", bytes("w"), 0));
        refused(EACCES, bob.removexattr(file, "user.x"));
        ok(root.chmod(file, 0600));
        refused(EACCES, bob.getxattr(file, "user.x", 10));
        directory(root, "tmp", 01777);
        refused(EPERM, bob.setxattr(at("tmp"), "user.x", bytes("w"), 0));
    }

    @Test
    void they_go_with_the_file_not_with_the_name() {
        var file = file("f", 0600, "");
        ok(root.setxattr(file, "user.x", bytes("v"), 0));
        ok(root.link(file, at("g")));
        ok(root.rename(file, at("h")));
        assertThat(text(root.getxattr(at("g"), "user.x"))).isEqualTo("v");
        ok(root.removexattr(at("g"), "user.x"));
        assertThat(root.listxattr(at("h"))).isEmpty();
        ok(root.unlink(at("g")));
        ok(root.unlink(at("h")));
        assertThat(root.listxattr(file("f", 0600, ""))).as("a new file of the old name").isEmpty();
        refused(ENOENT, root.setxattr(at("none"), "user.x", bytes("v"), 0));
    }
}
