package dev.cairn.it;

import static dev.cairn.it.TestVolume.run;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Cairn for one who is not root: with fusermount3, or a message that says what is missing.
@Timeout(300)
class OrdinaryUserTest {
    /// In a mount table of its own, so that the device can be one that everybody may open, or nobody, whatever this machine has.
    private static TestVolume.Ran asUser(Scratch scratch, String deviceMode, String script) {
        var prepare = """
                dir=$0; launcher=$1
                chmod 755 "$dir"; mkdir -p "$dir/home"; chown nobody "$dir/home"
                rm -f "$dir/fuse"; mknod "$dir/fuse" c 10 229; chmod %s "$dir/fuse"; mount --bind "$dir/fuse" /dev/fuse
                cd "$dir/home"
                exec setpriv --reuid=nobody --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR -u XDG_DATA_HOME HOME="$dir/home" bash -euc '%s' "$launcher"
                """.formatted(deviceMode, script);
        return run(Duration.ofSeconds(100), Map.of(), "unshare", "-m", "--propagation", "private", "bash", "-euc", prepare,
                scratch.dir.toString(), TestVolume.launcher());
    }

    private static void assumeUsers(Scratch scratch) throws IOException {
        assumeTrue(System.getProperty("user.name").equals("root"), "only root can become somebody else");
        assumeTrue(run(Duration.ofSeconds(5), Map.of(), "bash", "-c", "command -v fusermount3 setpriv unshare").code() == 0, "tools are missing");
        Files.setPosixFilePermissions(scratch.dir, PosixFilePermissions.fromString("rwxr-xr-x"));
        assumeTrue(asUser(scratch, "666", "test -x $0 && test -c /dev/fuse && : <>/dev/fuse").code() == 0, "the launcher or a device is out of reach for others");
    }

    @Test
    void up_use_and_down() throws Exception {
        try (var scratch = new Scratch()) {
            assumeUsers(scratch);
            var ran = asUser(scratch, "666", """
                    mkdir mnt
                    "$0" up --meta-size 256M --data-size 256M mnt
                    echo mine > mnt/file; "$0" sync mnt; stat -c "owner %u %g" mnt/file
                    "$0" status; "$0" stat mnt/file
                    "$0" down
                    test ! -e mnt/file
                    "$0" up mnt; echo "content $(cat mnt/file)"; "$0" down
                    """);
            assertThat(ran.code()).as("%s %s", ran.out(), ran.err()).isZero();
            assertThat(ran.out()).contains("owner 65534 65534", "health     ok", "data_seq", "content mine", "stopped; everything is committed");
        }
    }

    @Test
    void without_the_device_it_says_what_is_missing() throws Exception {
        try (var scratch = new Scratch()) {
            assumeUsers(scratch);
            Scratch.refused(asUser(scratch, "600", "mkdir mnt; \"$0\" up --meta-size 256M --data-size 256M mnt 2> >(grep -v \"made a volume\" >&2)"), "/dev/fuse");
        }
    }
}
