package dev.cairn.block;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class VolumeFormatTest {
    private static final long MIB = 1 << 20;
    private static final QuorumSlot SLOT = new QuorumSlot(0, "127.0.0.1", 12345);

    @TempDir
    Path directory;
    private Path meta, data;

    @BeforeEach
    void devices() throws IOException {
        meta = TestFiles.sparse(directory.resolve("meta"), 64 * MIB + 1000);
        data = TestFiles.sparse(directory.resolve("data"), 32 * MIB + 1000);
    }

    private FormatRequest request(boolean allowSmall, boolean force, QuorumSlot... slots) {
        return new FormatRequest(meta, data, OptionalLong.empty(), OptionalLong.empty(), List.of(slots), 0, 64 * MIB,
                32 * MIB, allowSmall, force);
    }

    private VolumeFormat.Formatted format() throws IOException {
        return VolumeFormat.format(request(false, false, SLOT));
    }

    private void refused(FormatRequest request, String... words) {
        assertThatThrownBy(() -> VolumeFormat.format(request)).isInstanceOf(VolumeFormatException.class)
                .satisfies(e -> assertThat(e.getMessage()).contains(words).doesNotContain("\n"));
    }

    private void refused(String... words) {
        refused(request(false, false, SLOT), words);
    }

    @Test
    void a_formatted_pair_can_be_opened() throws IOException {
        var made = format();
        assertThat(made.metaBlocks()).isEqualTo(1024);
        assertThat(made.dataBlocks()).isEqualTo(8192);
        try (var volume = VolumeDevices.open(meta, data)) {
            assertThat(volume.label().fsid()).isEqualTo(made.fsid());
            assertThat(volume.label().slots()).containsExactly(SLOT);
            assertThat(volume.label().metadata().firstUsableBlock()).isEqualTo(4);
            assertThat(volume.label().data().firstUsableBlock()).isEqualTo(64);
            assertThat(volume.label().journalBorn()).isFalse();
            assertThat(volume.metadata().blocks()).isEqualTo(1024);
            assertThat(volume.metadata().blockBytes()).isEqualTo(65536);
            assertThat(volume.data().blocks()).isEqualTo(8192);
            assertThat(volume.data().blockBytes()).isEqualTo(4096);
            refused(request(true, true, SLOT), "in use");
        }
        assertThat(TestFiles.get(meta, 0, 65536)).containsOnly(0);
    }

    @Test
    void sizes_are_taken_and_rounded_down() throws IOException {
        var made = VolumeFormat.format(new FormatRequest(meta, data, OptionalLong.of(20 * MIB + 70_000),
                OptionalLong.of(5 * MIB + 5000), List.of(SLOT), 0, 0, 0, false, false));
        assertThat(made.metaBlocks()).isEqualTo(321);
        assertThat(made.dataBlocks()).isEqualTo(1281);
        refused(new FormatRequest(meta, data, OptionalLong.of(1L << 40), OptionalLong.empty(), List.of(SLOT), 0, 0, 0,
                false, true), meta.toString(), "-m");
        refused(new FormatRequest(meta, data, OptionalLong.empty(), OptionalLong.of(-1), List.of(SLOT), 0, 0, 0,
                false, true), "-d", "positive");
    }

    @Test
    void small_devices_are_refused_unless_allowed_and_tiny_ones_always() throws IOException {
        TestFiles.sparse(meta, 20 * MIB);
        refused(meta.toString(), "too small", "-A");
        VolumeFormat.format(request(true, false, SLOT));
        TestFiles.sparse(meta, 16 * MIB - 1);
        refused(request(true, true, SLOT), "at least 16777216");
        TestFiles.sparse(meta, 0);
        refused(request(true, true, SLOT), meta.toString(), "too small");
        TestFiles.sparse(meta, 64 * MIB);
        TestFiles.sparse(data, 4 * MIB - 1);
        refused(request(true, true, SLOT), data.toString(), "at least 4194304");
    }

    @Test
    void paths_that_are_no_devices_are_refused() throws IOException {
        Files.delete(meta);
        refused(meta + ": no such metadata device", "truncate");
        assertThat(meta).doesNotExist();
        Files.createDirectory(meta);
        refused(meta.toString(), "directory");
        Files.delete(meta);
        Files.createSymbolicLink(meta, data);
        refused("are the same device");
        Files.delete(meta);
        Files.createLink(meta, data);
        refused("are the same device");
        meta = data;
        refused(data.toString(), "two devices");
    }

    @Test
    void a_device_that_cannot_be_written_is_refused() throws IOException {
        Files.setPosixFilePermissions(meta, Set.of());
        Assumptions.assumeFalse(Files.isWritable(meta), "root may write everything");
        refused(meta.toString(), "permission denied");
    }

    @Test
    void a_volume_is_not_overwritten_unforced_and_forced_it_is_gone() throws IOException {
        var first = format();
        refused(meta.toString(), "Cairn label", "-f");
        var second = VolumeFormat.format(request(false, true, SLOT));
        assertThat(second.fsid()).isNotEqualTo(first.fsid());
        try (var volume = VolumeDevices.open(meta, data)) {
            assertThat(volume.label().fsid()).isEqualTo(second.fsid());
        }
        TestFiles.put(meta, LabelArea.placeAt(0) + 100, new byte[] {1, 2, 3});
        TestFiles.put(meta, LabelArea.placeAt(1) + 100, new byte[] {1, 2, 3});
        refused(meta.toString(), "Cairn label");         // a damaged label may still be somebody's volume
    }

    @Test
    void a_real_ext4_is_refused_and_with_force_it_is_gone() throws Exception {
        Assumptions.assumeTrue(Files.isExecutable(Path.of("/sbin/mke2fs")), "no mke2fs here");
        for (var type : List.of("ext2", "ext4")) {
            TestFiles.sparse(meta, 0);
            TestFiles.sparse(meta, 64 * MIB);
            var made = new ProcessBuilder("/sbin/mke2fs", "-q", "-F", "-t", type, data.toString())
                    .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
            assertThat(made.waitFor()).isZero();
            refused(data.toString(), "ext2, ext3 or ext4", "-f");
            VolumeFormat.format(request(false, true, SLOT));
            refused("Cairn label");
            assertThat(TestFiles.get(data, 0, 65536)).containsOnly(0);
        }
    }

    @ParameterizedTest
    @CsvSource({
            "XFS, 0, 58465342", "btrfs, 65600, 5f42485266535f4d", "NTFS, 3, 4e54465320202020",
            "exFAT, 3, 4558464154202020", "FAT, 82, 4641543332202020", "FAT, 54, 4641543136202020",
            "GPT, 512, 4546492050415254", "LVM2, 512, 4c4142454c4f4e45", "LUKS, 0, 4c554b53babe",
            "swap, 4086, 535741505350414345 32", "f2fs, 1024, 1020f5f2", "squashfs, 0, 68737173",
            "ISO 9660, 32769, 4344303031", "RAID, 4096, fc4e2ba9", "ZFS, 131072, 0cb1ba0000000000",
            "GPT, 67109352, 4546492050415254"})
    void what_others_made_is_recognised(String what, long at, String magic) throws IOException {
        TestFiles.put(meta, at, HexFormat.of().parseHex(magic.replace(" ", "")));
        refused(meta.toString(), what, "-f");
        VolumeFormat.format(request(false, true, SLOT));
        try (var file = DeviceFile.open(meta, LocalDevice.Mode.READ_WRITE)) {
            assertThat(Signatures.find(file)).isEmpty();
        }
    }

    @Test
    void a_partition_table_is_recognised_and_a_bare_boot_sector_is_none() throws IOException {
        TestFiles.put(meta, 510, new byte[] {0x55, (byte) 0xaa});
        TestFiles.put(meta, 446, new byte[] {(byte) 0x80, 0, 0, 0, (byte) 0x83});
        refused(meta.toString(), "MBR");
        TestFiles.put(meta, 446, new byte[64]);
        format();
        assertThat(TestFiles.get(meta, 510, 2)).containsExactly(0x55, 0xaa);
    }

    @Test
    void bad_slots_are_refused() {
        refused(request(false, false), "no quorum slot", "-Q");
        refused(request(false, false, SLOT, new QuorumSlot(0, "127.0.0.2", 1)), "given twice");
        refused(request(false, false, SLOT, new QuorumSlot(1, "127.0.0.1", 12345)), "same address");
        refused(request(false, false, new QuorumSlot(1, "::1", 1), new QuorumSlot(2, "0:0:0:0:0:0:0:1", 1)),
                "same address");
        for (var text : List.of("15,127.0.0.1,1", "-1,127.0.0.1,1", "0,127.0.0.1,0", "0,127.0.0.1,65536",
                "0,localhost,1", "0,,1", "0,127.0.0.1", "x,127.0.0.1,1", "0,1.2.3.4,y", "0,1.2.3.4,5,6", ""))
            assertThatThrownBy(() -> QuorumSlot.parse(text)).isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("slot");
        assertThat(QuorumSlot.parse("3,127.0.0.1,99")).isEqualTo(new QuorumSlot(3, "127.0.0.1", 99));
    }

    @Test
    void a_mounted_disk_or_partition_is_found_in_mountinfo() {
        var mountinfo = "36 35 8:17 /sub /mnt/my\\040disk rw,noatime master:1 - ext4 /dev/sdb1 rw\n"
                + "garbage\n37 35 0:5 / /proc rw - proc proc rw";
        assertThat(KernelUse.mountedAt(mountinfo, Set.of(Libc.deviceNumber(8, 17)))).contains("/mnt/my disk");
        assertThat(KernelUse.mountedAt(mountinfo, Set.of(Libc.deviceNumber(8, 18)))).isEmpty();
    }

    // ---- opening ----

    private void unopenable(Path metaPath, Path dataPath, LabelException.Problem problem, String... words) {
        assertThatThrownBy(() -> VolumeDevices.open(metaPath, dataPath))
                .isInstanceOfSatisfying(LabelException.class, e -> {
                    assertThat(e.problem()).isEqualTo(problem);
                    assertThat(e.getMessage()).contains(words).doesNotContain("\n");
                });
    }

    @Test
    void devices_the_wrong_way_round_or_of_other_volumes_are_refused() throws IOException {
        format();
        unopenable(data, meta, LabelException.Problem.ROLE_SWAPPED, "swapped");
        unopenable(meta, meta, LabelException.Problem.SAME_DEVICE, "two devices");
        var link = Files.createSymbolicLink(directory.resolve("link"), meta);
        unopenable(meta, link, LabelException.Problem.SAME_DEVICE, "same device");
        Path ownMeta = meta, ownData = data;
        meta = TestFiles.sparse(directory.resolve("meta2"), 64 * MIB);
        data = TestFiles.sparse(directory.resolve("data2"), 32 * MIB);
        format();
        unopenable(ownMeta, data, LabelException.Problem.FOREIGN_PAIR, ownMeta.toString(), data.toString());
        unopenable(ownMeta, meta, LabelException.Problem.ROLE_SWAPPED, meta.toString(), "given as data device");
        unopenable(ownData, data, LabelException.Problem.ROLE_SWAPPED, ownData.toString());
        VolumeDevices.open(ownMeta, ownData).close();
    }

    @Test
    void missing_damaged_and_cut_devices_are_refused_and_nothing_stays_locked() throws IOException {
        format();
        TestFiles.sparse(data, 32 * MIB - 1);
        unopenable(meta, data, LabelException.Problem.TRUNCATED, data.toString(), "cut short");
        TestFiles.sparse(data, 1000);
        unopenable(meta, data, LabelException.Problem.MISSING, data.toString());
        TestFiles.sparse(data, 0);
        TestFiles.sparse(data, 32 * MIB);
        unopenable(meta, data, LabelException.Problem.MISSING, data.toString(), "no Cairn label");
        TestFiles.put(meta, LabelArea.placeAt(0) + 50, "damage".getBytes(StandardCharsets.UTF_8));
        TestFiles.put(meta, LabelArea.placeAt(1) + 50, "damage".getBytes(StandardCharsets.UTF_8));
        unopenable(meta, data, LabelException.Problem.DAMAGED, meta.toString(), "checksum");
        Files.delete(data);
        assertThatThrownBy(() -> VolumeDevices.open(meta, data)).isInstanceOf(DeviceException.class)
                .hasMessageContaining(data.toString()).hasMessageContaining("no such file");
        LocalDevice.open(meta, LocalDevice.Mode.READ_WRITE, 65536).close();
    }

    @Test
    void one_damaged_copy_is_mended_at_open() throws IOException {
        format();
        TestFiles.put(meta, LabelArea.placeAt(1) + 50, "damage".getBytes(StandardCharsets.UTF_8));
        VolumeDevices.open(meta, data).close();
        TestFiles.put(meta, LabelArea.placeAt(0) + 50, "damage".getBytes(StandardCharsets.UTF_8));
        VolumeDevices.open(meta, data).close();
    }

    @Test
    void that_the_journal_was_born_is_remembered_also_when_only_one_label_says_it() throws IOException {
        format();
        var before = new ArrayList<byte[]>();
        for (int place = 0; place < 2; place++) before.add(TestFiles.get(data, LabelArea.placeAt(place), 4096));
        try (var volume = VolumeDevices.open(meta, data)) {
            volume.markJournalBorn();
            volume.markJournalBorn();
            assertThat(volume.label().journalBorn()).isTrue();
            assertThat(volume.label().sequence()).isEqualTo(2);
        }
        for (int place = 0; place < 2; place++) TestFiles.put(data, LabelArea.placeAt(place), before.get(place));
        for (int round = 0; round < 2; round++)
            try (var volume = VolumeDevices.open(meta, data)) {
                assertThat(volume.label().journalBorn()).isTrue();
            }
        assertThat(TestFiles.get(data, LabelArea.placeAt(0), 4096)).isNotEqualTo(before.get(0));
    }

    @Test
    void zones_are_remembered_and_absurd_ones_refused() throws IOException {
        for (long zone : new long[] {-1, 7, 1L << 40})
            refused(new FormatRequest(meta, data, OptionalLong.empty(), OptionalLong.empty(), List.of(SLOT), zone, 0, 0,
                    false, false), "-z " + zone);
        VolumeFormat.format(new FormatRequest(meta, data, OptionalLong.empty(), OptionalLong.empty(), List.of(SLOT), 1024, 0, 0,
                false, false));
        try (var volume = VolumeDevices.open(meta, data)) {
            assertThat(volume.label().dataAllocZoneBlocks()).isEqualTo(1024);
        }
    }

    // ---- growing ----

    @Test
    void a_volume_grows_while_it_is_open_and_remembers_it() throws IOException {
        format();
        try (var volume = VolumeDevices.open(meta, data); var arena = java.lang.foreign.Arena.ofConfined()) {
            var buffer = arena.allocate(65536, 4096);
            assertThatThrownBy(() -> volume.metadata().write(1030 * 65536L, buffer)).isInstanceOf(DeviceException.class);
            assertThatThrownBy(() -> volume.grow(1100, 8192)).isInstanceOf(LabelException.class).hasMessageContaining(meta.toString());
            TestFiles.sparse(meta, 80 * MIB);
            assertThat(volume.metadata().capacityBlocks()).isEqualTo(1280);
            assertThatThrownBy(() -> volume.grow(1000, 8192)).isInstanceOf(LabelException.class);
            assertThatThrownBy(() -> volume.grow(1100, 9000)).isInstanceOf(LabelException.class).hasMessageContaining(data.toString());
            assertThat(volume.metadata().blocks()).isEqualTo(1024);
            volume.grow(1100, 8192);
            volume.grow(1100, 8192);
            assertThat(volume.label().sequence()).isEqualTo(2);
            volume.metadata().write(1030 * 65536L, buffer);
        }
        try (var volume = VolumeDevices.open(meta, data)) {
            assertThat(volume.metadata().blocks()).isEqualTo(1100);
            assertThat(volume.data().blocks()).isEqualTo(8192);
        }
    }

    @Test
    void a_crash_between_the_labels_of_a_grown_volume_keeps_the_new_size() throws IOException {
        for (var behind : List.of("data", "meta")) {
            TestFiles.sparse(meta, 64 * MIB);
            VolumeFormat.format(request(false, true, SLOT));
            var late = behind.equals("data") ? data : meta;
            var before = new ArrayList<byte[]>();
            for (int place = 0; place < 2; place++) before.add(TestFiles.get(late, LabelArea.placeAt(place), 4096));
            TestFiles.sparse(meta, 80 * MIB);
            try (var volume = VolumeDevices.open(meta, data)) {
                volume.grow(1280, 8192);
            }
            for (int place = 0; place < 2; place++) TestFiles.put(late, LabelArea.placeAt(place), before.get(place));
            for (int round = 0; round < 2; round++)
                try (var volume = VolumeDevices.open(meta, data)) {
                    assertThat(volume.metadata().blocks()).isEqualTo(1280);
                }
            assertThat(TestFiles.get(late, LabelArea.placeAt(0), 4096)).isNotEqualTo(before.get(0));
        }
    }

    @Test
    void read_only_opening_changes_nothing_and_sees_the_label() throws IOException {
        var made = format();
        try (var volume = VolumeDevices.open(meta, data, LocalDevice.Mode.READ_ONLY);
                var other = VolumeDevices.open(meta, data, LocalDevice.Mode.READ_ONLY)) {
            assertThat(volume.label().fsid()).isEqualTo(made.fsid());
            assertThat(other.label()).isEqualTo(volume.label());
        }
    }
}
