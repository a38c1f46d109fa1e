package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// name_to_handle_at and open_by_handle_at: what an NFS server names files by, whatever they are called meanwhile and
/// whatever the kernel has forgotten.
class HandleTest extends PosixTest {
    @BeforeEach
    void asRoot() {
        needsRoot();    // CAP_DAC_READ_SEARCH
    }

    private static void forgetEverything() throws IOException {
        Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "3");
    }

    private static String path(int fd) throws IOException {
        return Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd)).toString();
    }

    @Test
    void a_handle_opens_its_file_after_renames_and_with_nothing_cached() throws Exception {
        ok(root.mkdir(at("a"), 0755));
        ok(root.mkdir(at("b"), 0755));
        var handle = root.handle(file("a/f", 0600, "text"));
        int mount = kept(root.open(dir, O_RDONLY, 0));
        int first = kept(root.openByHandle(mount, handle, O_RDWR));
        assertThat(new String(root.pread(first, 9, 0))).isEqualTo("text");
        closed(first);
        ok(root.rename(at("a/f"), at("b/g")));
        forgetEverything();
        int second = kept(root.openByHandle(mount, handle, O_RDWR));
        assertThat(new String(root.pread(second, 9, 0))).isEqualTo("text");
        assertThat(root.pwrite(second, bytes("TEXT"), 0)).isEqualTo(4);
        assertThat(content(at("b/g"))).isEqualTo("TEXT");
    }

    @Test
    void a_handle_of_a_directory_finds_its_way_up() throws Exception {
        ok(root.mkdir(at("a"), 0755));
        ok(root.mkdir(at("a/b"), 0755));
        ok(root.mkdir(at("a/b/c"), 0755));
        var handle = root.handle(at("a/b/c"));
        ok(root.rename(at("a/b"), at("moved")));
        int mount = kept(root.open(dir, O_RDONLY, 0));
        forgetEverything();
        int fd = kept(root.openByHandle(mount, handle, O_RDONLY | O_DIRECTORY));
        assertThat(path(fd)).isEqualTo(at("moved/c"));
    }

    @Test
    void a_handle_of_what_is_no_more_is_stale() throws Exception {
        var handle = root.handle(file("f", 0600, "text"));
        int mount = kept(root.open(dir, O_RDONLY, 0));
        ok(root.unlink(at("f")));
        refused(ESTALE, root.openByHandle(mount, handle, O_RDONLY));
        // Neither does it mean whatever is made next.
        file("f", 0600, "other");
        forgetEverything();
        refused(ESTALE, root.openByHandle(mount, handle, O_RDONLY));
    }
}
