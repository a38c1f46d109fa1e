package dev.cairn.it;

import static dev.cairn.it.Scratch.refused;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What mkfs and mount refuse: with one line that names the device or option and the reason, and nothing written.
@Timeout(300)
class RefusalTest {
    private static final long META = 256L << 20, DATA = 64L << 20;

    private Scratch scratch;
    private Path meta;
    private Path data;
    private Path mount;
    private int port;

    @BeforeEach
    void make() throws IOException {
        scratch = new Scratch();
        meta = scratch.file("meta", META);
        data = scratch.file("data", DATA);
        mount = scratch.folder("mnt");
        port = Scratch.freePort();
    }

    @AfterEach
    void remove() throws IOException {
        scratch.close();
    }

    private TestVolume.Ran mkfs(Object... arguments) {
        var all = new java.util.ArrayList<String>(java.util.List.of("mkfs"));
        for (var argument : arguments) all.add(argument.toString());
        return TestVolume.cairn(all.toArray(String[]::new));
    }

    private String slot() {
        return "-Q0,127.0.0.1," + port;
    }

    private TestVolume.Ran mount(Path metaDevice, Path dataDevice, String more) {
        return TestVolume.cairn("mount", "-o", "quorum_slot_nr=0,metadev_path=" + metaDevice + ",state=" + scratch.dir.resolve("state") + more,
                dataDevice.toString(), mount.toString());
    }

    @Test
    void mkfs_writes_nothing_where_it_is_not_welcome() throws Exception {
        mkfs(slot(), meta, data).orFail();
        long metaSum = Scratch.checksum(meta), dataSum = Scratch.checksum(data);
        refused(mkfs(slot(), meta, data), meta.toString(), "Cairn label", "-f");
        refused(mkfs(slot(), "-f", meta, meta), meta.toString());
        var alias = Files.createLink(scratch.dir.resolve("alias"), meta);
        refused(mkfs(slot(), "-f", meta, alias), alias.toString(), "same");
        refused(mkfs("-Q0,127.0.0.1,99999", "-f", meta, data), "99999");
        refused(mkfs("-Q15,127.0.0.1,2000", "-f", meta, data), "15");
        refused(mkfs("-Q0,host.example,2000", "-f", meta, data), "host.example");
        refused(mkfs("-Q0,127.0.0.1", "-f", meta, data), "NR,ADDR,PORT");
        refused(mkfs(slot(), slot(), "-f", meta, data), "slot 0");
        refused(mkfs("-f", meta, data), "-slot");
        refused(mkfs(slot(), "-z", "-f", meta, data), "-z");
        refused(mkfs(slot(), "-f", meta, scratch.dir.resolve("none")), "none", "no such");
        refused(mkfs(slot(), "-f", meta, mount), mount.toString(), "directory");
        refused(mkfs(slot(), "-f", "-m", "3T", meta, data), meta.toString(), "-m");
        refused(mkfs(slot(), "-f", "-m", "many", meta, data), "many");
        var small = scratch.file("small", 100L << 20);
        refused(mkfs(slot(), "-f", small, data), small.toString(), "-A");
        var ext = scratch.file("ext", META);
        TestVolume.shell("PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F '" + ext + "'").orFail();
        refused(mkfs(slot(), ext, data), ext.toString(), "ext");
        assertThat(Scratch.checksum(meta)).isEqualTo(metaSum);
        assertThat(Scratch.checksum(data)).isEqualTo(dataSum);
        mkfs(slot(), "-A", small, scratch.file("other", DATA)).orFail();
        mkfs(slot(), "-f", ext, data).orFail();
    }

    @Test
    void devices_in_use_are_left_alone() throws Exception {
        mkfs(slot(), meta, data).orFail();
        mount(meta, data, "").orFail();
        refused(mkfs(slot(), "-f", meta, data), meta.toString(), "in use");
        refused(mount(meta, data, ""), mount.toString(), "already");
        var second = scratch.folder("second");
        refused(TestVolume.cairn("mount", "-o", "quorum_slot_nr=0,metadev_path=" + meta + ",state=" + scratch.dir.resolve("state2"), data.toString(), second.toString()),
                meta.toString(), "in use");
        Files.writeString(mount.resolve("fine"), "fine");
        TestVolume.cairn("umount", mount.toString()).orFail();
        refused(TestVolume.cairn("umount", mount.toString()), mount.toString());
        // Of a file that the kernel uses as a disk.
        var ext = scratch.file("ext", META);
        TestVolume.shell("PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F '" + ext + "'").orFail();
        var loop = TestVolume.shell("mount -o loop '" + ext + "' '" + second + "'");
        if (loop.code() == 0) {
            refused(mkfs(slot(), "-f", ext, data), ext.toString());
            TestVolume.shell("umount '" + second + "'").orFail();
        }
    }

    @Test
    void mount_takes_only_the_two_devices_of_one_whole_volume() throws Exception {
        mkfs(slot(), meta, data).orFail();
        var foreignMeta = scratch.file("foreign-meta", META);
        var foreignData = scratch.file("foreign-data", DATA);
        mkfs(slot(), foreignMeta, foreignData).orFail();
        long metaSum = Scratch.checksum(meta), dataSum = Scratch.checksum(data);
        refused(mount(data, meta, ""), data.toString(), meta.toString(), "swapped");
        refused(mount(meta, foreignData, ""), foreignData.toString());
        refused(mount(foreignMeta, data, ""), foreignMeta.toString());
        refused(mount(meta, meta, ""), meta.toString());
        refused(mount(meta, scratch.dir.resolve("none"), ""), "none", "no such file");
        refused(mount(scratch.dir, data, ""), scratch.dir.toString(), "directory");
        refused(mount(scratch.file("empty", META), data, ""), "empty", "label");
        var cut = scratch.dir.resolve("cut");
        Files.copy(data, cut);
        resize(cut, DATA / 2);
        refused(mount(meta, cut, ""), cut.toString(), "cut short");
        refused(mount(meta, data, ",colour=blue"), "colour");
        refused(mount(meta, data, ",ro,rw"), "ro and rw");
        refused(mount(meta, data, ",quorum_slot_nr=0"), "quorum_slot_nr");
        refused(mount(meta, data, ",cache=lots"), "cache");
        refused(TestVolume.cairn("mount", "-o", "quorum_slot_nr=0", data.toString(), mount.toString()), "metadev_path");
        refused(TestVolume.cairn("mount", "-o", "quorum_slot_nr=3,metadev_path=" + meta + ",state=" + scratch.dir.resolve("state"),
                data.toString(), mount.toString()), "slot 3");
        refused(TestVolume.cairn("mount", "-o", "quorum_slot_nr=0,metadev_path=" + meta, data.toString(), scratch.dir.resolve("nowhere").toString()), "nowhere");
        assertThat(Scratch.checksum(meta)).isEqualTo(metaSum);
        assertThat(Scratch.checksum(data)).isEqualTo(dataSum);
        try (var _ = new java.net.ServerSocket(port, 1, java.net.InetAddress.getLoopbackAddress())) {
            refused(mount(meta, data, ""), "" + port);
        }
        mount(meta, data, "").orFail();
    }

    @Test
    void damaged_labels_are_named_and_one_whole_copy_is_enough() throws Exception {
        mkfs(slot(), meta, data).orFail();
        var kept = Files.copy(data, scratch.dir.resolve("kept"));
        // The label is written twice; whatever holds it is found by its content, so that this test need not know where.
        var places = TestVolume.shell("cmp -l '%s' '%s' | awk '{print $1 - 1}'".formatted(data, scratch.file("zeros", DATA))).out()
                .lines().map(Long::parseLong).toList();
        long first = places.getFirst(), last = places.getLast();
        assertThat(last - first).isGreaterThan(4096);
        flip(data, first + 8);
        mount(meta, data, "").orFail();
        TestVolume.cairn("umount", mount.toString()).orFail();
        flip(data, first + 8);
        Files.copy(kept, data, StandardCopyOption.REPLACE_EXISTING);
        flip(data, first + 8);
        for (long at : places) if (at > first + 4096) { flip(data, at + 8); break; }
        long sum = Scratch.checksum(data);
        refused(mount(meta, data, ""), data.toString());
        assertThat(Scratch.checksum(data)).isEqualTo(sum);
    }

    private static void resize(Path file, long bytes) throws IOException {
        try (var open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(bytes);
        }
    }

    private static void flip(Path file, long at) throws IOException {
        try (var open = new RandomAccessFile(file.toFile(), "rw")) {
            open.seek(at);
            int was = open.read();
            open.seek(at);
            open.write(was ^ 0xff);
        }
    }
}
