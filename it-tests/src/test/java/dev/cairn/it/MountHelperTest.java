package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// An installed Cairn under mount(8), umount(8) and fstab. It runs in a mount namespace of its own, where /sbin is a copy
/// that nobody else sees and that ends with it.
@Timeout(180)
class MountHelperTest {
    @Test
    void mount_umount_and_fstab_know_fuse_cairn() throws Exception {
        assumeTrue(System.getProperty("user.name").equals("root"), "only root mounts with mount(8)");
        try (var scratch = new Scratch()) {
            var script = """
                cd '%1$s'
                mount --make-rprivate /
                mount -t tmpfs tmpfs overlay; mkdir overlay/upper overlay/work
                mount -t overlay -o lowerdir=/usr/sbin,upperdir=overlay/upper,workdir=overlay/work overlay /usr/sbin
                '%2$s/deploy/install' --prefix '%1$s/opt' --no-aot >&2
                PATH='%1$s/opt/bin':$PATH
                cairn mkfs -Q 0,127.0.0.1,%3$d meta data >&2

                echo '%1$s/data %1$s/mnt fuse.cairn metadev_path=%1$s/meta,quorum_slot_nr=0,state=%1$s/state,noatime,nosuid,noauto,nofail,_netdev,x-systemd.requires=network-online.target 0 0' > fstab
                mount -T fstab '%1$s/mnt'
                echo "mounted $(findmnt -no SOURCE,FSTYPE mnt) $(findmnt -no OPTIONS mnt)"
                echo text > mnt/file
                touch -d 2020-01-01 mnt/file; echo 3 > /proc/sys/vm/drop_caches; cat mnt/file >&2; [ "$(stat -c %%x mnt/file)" = "$(stat -c %%y mnt/file)" ]
                mount -T fstab -o remount,ro '%1$s/mnt'
                ! touch mnt/other 2>&- && echo "read-only"
                mount -T fstab -o remount,rw '%1$s/mnt'
                touch mnt/other
                cd mnt; ! umount '%1$s/mnt' 2>../busy && echo "busy: $(cat ../busy)"; cd ..
                umount mnt
                cairn check --state state meta data >&2
                ! pgrep -f '%1$s/state/[n]ode.conf' && echo "the node has ended"

                mount -t fuse.cairn -r -o metadev_path=meta,quorum_slot_nr=0,state=state data mnt
                echo "again $(cat mnt/file) $(findmnt -no OPTIONS mnt)"
                umount -l mnt
                ! mount -t fuse.cairn data mnt 2>why && echo "refused: $(cat why)"
                ! mount -t fuse.cairn -o metadev_path=meta,wrong data mnt 2>why && echo "refused: $(cat why)"
                '%2$s/deploy/install' --prefix '%1$s/opt' --remove
                echo "left: $(ls -d opt/bin/* opt/lib/cairn /sbin/*.fuse.cairn 2>&-)"
                """.formatted(scratch.dir, TestVolume.repositoryRoot(), Scratch.freePort());
            scratch.file("meta", 256 << 20);
            scratch.file("data", 256 << 20);
            scratch.folder("mnt");
            scratch.folder("overlay");
            var ran = TestVolume.run(Duration.ofSeconds(150), Map.of("CAIRN_HEAP", "256m"), "unshare", "--mount", "bash", "-euc", script);
            assumeTrue(!ran.err().contains("unshare failed"), ran.err());
            var lines = ran.orFail().out().lines().toList();
            assertThat(lines).as("%s", ran).hasSize(8);
            assertThat(lines.getFirst()).startsWith("mounted " + scratch.dir + "/data fuse.cairn").contains("rw,", "nosuid", "noatime");
            assertThat(lines.get(1)).isEqualTo("read-only");
            assertThat(lines.get(2)).contains("busy", "in use by");
            assertThat(lines.get(3)).isEqualTo("the node has ended");
            assertThat(lines.get(4)).startsWith("again text ro,");
            assertThat(lines.get(5)).contains("refused", "metadev_path=META is missing");
            assertThat(lines.get(6)).contains("refused", "unknown option 'wrong'");
            assertThat(lines.get(7).replaceAll("\\s+", " ").strip()).isEqualTo("left:");
        }
    }
}
