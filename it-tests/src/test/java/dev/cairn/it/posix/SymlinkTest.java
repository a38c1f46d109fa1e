package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// symlink, readlink, and the way through symlinks.
class SymlinkTest extends PosixTest {
    @Test
    void a_target_is_kept_byte_by_byte() {
        for (var target : new String[] {"f", "/", "../..", "a//b/", "with space", "\u00ff\u0001\n%s", "x".repeat(255), "y/".repeat(2000) + "z"}) {
            ok(root.symlink(target, at("s")));
            assertThat(root.readlink(at("s"))).isEqualTo(target);
            assertThat(root.lstat(at("s")).size()).isEqualTo(target.length());
            assertThat(root.lstat(at("s")).mode()).isEqualTo(S_IFLNK | 0777);
            ok(root.unlink(at("s")));
        }
    }

    @Test
    void a_target_of_4095_bytes_is_the_longest() {
        ok(root.symlink("t".repeat(4095), at("s")));
        assertThat(root.readlink(at("s"))).hasSize(4095);
        refused(ENAMETOOLONG, root.symlink("t".repeat(4096), at("t")));
        refused(ENOENT, root.symlink("", at("t")));
    }

    @Test
    void readlink_cuts_what_does_not_fit_and_takes_only_links() {
        ok(root.symlink("0123456789", at("s")));
        assertThat(root.readlink(at("s"), 4)).isEqualTo(4);
        assertThat(root.readlink(at("s"), 10)).isEqualTo(10);
        refused(EINVAL, root.readlink(at("s"), 0));
        file("f", 0600, "");
        refused(EINVAL, root.readlink(at("f"), 10));
        refused(EINVAL, root.readlink(dir, 10));
        refused(ENOENT, root.readlink(at("none"), 10));
        refused(ENOTDIR, root.readlink(at("f/s"), 10));
    }

    @Test
    void links_lead_through_directories() {
        directory(root, "d", 0700);
        directory(root, "d/e", 0700);
        file("d/e/f", 0600, "content");
        ok(root.symlink("d", at("s")));
        ok(root.symlink("../d/e", at("d/up")));
        ok(root.symlink(at("d/e/f"), at("absolute")));
        assertThat(content(at("s/e/f"))).isEqualTo("content");
        assertThat(content(at("s/up/f"))).isEqualTo("content");
        assertThat(content(at("absolute"))).isEqualTo("content");
        assertThat(root.stat(at("s/up/..")).sameInode(root.stat(at("d")))).isTrue();
    }

    @Test
    void loops_and_long_chains_end() {
        ok(root.symlink("b", at("a")));
        ok(root.symlink("a", at("b")));
        refused(ELOOP, root.open(at("a"), O_RDONLY, 0));
        refused(ELOOP, root.statAnswer(at("a/x"), 0));
        ok(root.statAnswer(at("a"), AT_SYMLINK_NOFOLLOW));
        ok(root.symlink("self/x", at("self")));
        refused(ELOOP, root.statAnswer(at("self"), 0));
        file("0", 0600, "end");
        for (int i = 1; i <= 41; i++) ok(root.symlink(Integer.toString(i - 1), at(Integer.toString(i))));
        assertThat(content(at("40"))).isEqualTo("end");
        refused(ELOOP, root.open(at("41"), O_RDONLY, 0));
    }

    @Test
    void a_link_is_not_made_over_anything() {
        file("f", 0600, "");
        directory(root, "d", 0700);
        ok(root.symlink("none", at("s")));
        for (var name : new String[] {"f", "d", "s", "."}) refused(EEXIST, root.symlink("t", at(name)));
        refused(ENOENT, root.symlink("t", at("none/s")));
        refused(ENOTDIR, root.symlink("t", at("f/s")));
        refused(ENAMETOOLONG, root.symlink("t", at("x".repeat(256))));
    }

    @Test
    void a_replaced_link_leads_to_the_new_target() {
        file("old", 0600, "old");
        file("new", 0600, "new");
        ok(root.symlink("old", at("s")));
        assertThat(content(at("s"))).isEqualTo("old");
        ok(root.symlink("new", at("t")));
        ok(root.rename(at("t"), at("s")));
        assertThat(content(at("s"))).isEqualTo("new");
        assertThat(root.readlink(at("s"))).isEqualTo("new");
    }

    @Test
    void a_trailing_slash_follows() {
        directory(root, "d", 0700);
        file("f", 0600, "");
        ok(root.symlink("d", at("s")));
        ok(root.symlink("f", at("t")));
        ok(root.statAnswer(at("s/"), AT_SYMLINK_NOFOLLOW));
        refused(ENOTDIR, root.statAnswer(at("t/"), AT_SYMLINK_NOFOLLOW));
        refused(ENOTDIR, root.rmdir(at("s")));
        refused(ENOTDIR, root.unlink(at("s/")));
        refused(ENOTDIR, root.rmdir(at("s/")));
    }
}
