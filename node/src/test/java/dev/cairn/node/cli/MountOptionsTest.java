package dev.cairn.node.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.fuse.CpuLatency;
import dev.cairn.fuse.MountFlag;
import dev.cairn.fuse.Transport;
import dev.cairn.node.NodeConfig;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MountOptionsTest {
    private static MountOptions parse(String... texts) {
        return MountOptions.parse(List.of(texts), new Environment(System.out, System.err, Map.of(), Path.of("/cwd"), (_, _) -> null));
    }

    @Test
    void every_option_has_its_meaning() {
        var options = parse("metadev_path=m,quorum_slot_nr=3", "state=/s,http=0.0.0.0:9100,cache=300M,log=debug,ro,noallow_other,noacl,transport=io-uring,cpu_latency=20us");
        assertThat(options.metaDevice()).isEqualTo(Path.of("/cwd/m"));
        assertThat(options.slot()).hasValue(3);
        assertThat(options.state()).contains(Path.of("/s"));
        assertThat(options.http()).isEqualTo(new NodeConfig.Http("0.0.0.0", 9100));
        assertThat(options.cacheBytes()).isEqualTo(300L << 20);
        assertThat(options.logLevel()).isEqualTo(NodeConfig.LogLevel.DEBUG);
        assertThat(options.readOnly()).isTrue();
        assertThat(options.allowOther()).isFalse();
        assertThat(options.acl()).isFalse();
        assertThat(options.transport()).isEqualTo(Transport.IO_URING);
        assertThat(options.cpuLatency()).isEqualTo(CpuLatency.of("20us"));
    }

    @Test
    void the_least_is_the_metadata_device() {
        var options = parse("metadev_path=/m");
        assertThat(options.slot()).isEmpty();
        assertThat(options.http()).isEqualTo(NodeConfig.Http.DEFAULT);
        assertThat(options.readOnly()).isFalse();
        assertThat(options.acl()).isTrue();
        assertThat(options.cpuLatency()).isEqualTo(CpuLatency.AUTO);
        assertThat(parse("metadev_path=/m,quorum_slot_nr=-1,http=99").http().port()).isEqualTo(99);
    }

    @Test
    void what_fstab_says_to_mount_is_passed_over_and_flags_of_mount_count() {
        assertThat(parse("defaults,_netdev,nofail,noauto,user=me,x-systemd.automount,comment=a,rw,suid,relatime,metadev_path=/m").flags()).isEmpty();
        assertThat(parse("async,diratime,norelatime,nostrictatime,lazytime,noiversion,nomand,silent,symfollow,metadev_path=/m").flags()).isEmpty();
        assertThat(parse("nosuid,noatime,nodiratime,noexec,nosymfollow,nodev,dirsync,sync,metadev_path=/m").flags()).containsExactlyInAnyOrder(MountFlag.values());
        refused("metadev_path=/m,suid,nosuid", "contradict");
        refused("metadev_path=/m,sync,async", "contradict");
        refused("metadev_path=/m,strictatime", "tells nobody");
        refused("metadev_path=/m,noatime=1", "takes no value");
    }

    @Test
    void unknown_contradictory_and_repeated_options_are_errors() {
        refused("metadev_path=/m,quorum_slot=0", "unknown option 'quorum_slot'");
        refused("quorum_slot_nr=0", "metadev_path");
        refused("metadev_path=/m,ro,rw", "contradict");
        refused("metadev_path=/m,allow_other,noallow_other", "contradict");
        refused("metadev_path=/m,quorum_slot_nr=0,quorum_slot_nr=0", "twice");
        refused("metadev_path=/m,quorum_slot_nr=15", "15");
        refused("metadev_path=/m,quorum_slot_nr=-2", "-2");
        refused("metadev_path=/m,http=here", "http");
        refused("metadev_path=/m,http=1.2.3.4:99999", "http");
        refused("metadev_path=/m,cache=big", "cache");
        refused("metadev_path=/m,log=loud", "loud");
        refused("metadev_path=/m,transport=pigeon", "dev-fuse");
        refused("metadev_path=/m,cpu_latency=slow", "'slow'");
        refused("metadev_path=/m,ro=1", "takes no value");
        refused("metadev_path=", "wants a value");
    }

    private static void refused(String options, String why) {
        assertThatThrownBy(() -> parse(options)).as(options).isInstanceOf(IllegalArgumentException.class).hasMessageContaining(why);
    }
}
