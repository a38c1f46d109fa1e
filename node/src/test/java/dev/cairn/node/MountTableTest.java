package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class MountTableTest {
    private static final MountTable TABLE = MountTable.parse("""
            22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
            40 22 0:50 / /mnt/with\\040space rw,nosuid,nodev shared:9 master:2 - fuse.cairn /dev/sd\\054b rw,user_id=0
            41 22 0:51 / /mnt/twice rw - ext4 /dev/vdb rw
            42 41 0:52 / /mnt/twice rw - fuse.cairn /x rw
            nonsense
            """);

    @Test
    void finds_cairn_mounts_and_what_they_are_made_of() {
        assertThat(TABLE.at(Path.of("/mnt/with space"))).contains(new MountTable.Entry(Path.of("/mnt/with space"), "fuse.cairn", "/dev/sd,b"));
        assertThat(TABLE.cairnAt(Path.of("/"))).isFalse();
        assertThat(TABLE.cairnAt(Path.of("/mnt"))).isFalse();
    }

    @Test
    void the_mount_on_top_counts() {
        assertThat(TABLE.cairnAt(Path.of("/mnt/twice"))).isTrue();
    }

    @Test
    void this_machine_has_a_root() {
        assertThat(MountTable.read().at(Path.of("/"))).isPresent();
    }
}
