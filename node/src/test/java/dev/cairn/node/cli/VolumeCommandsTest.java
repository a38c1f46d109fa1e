package dev.cairn.node.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import dev.cairn.proto.AdminReply;
import dev.cairn.proto.AdminRequest;
import dev.cairn.proto.InoPathReply;
import dev.cairn.proto.InodeIndex;
import dev.cairn.proto.MapExtentsReply;
import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import dev.cairn.proto.StatMoreReply;
import dev.cairn.proto.StatVolumeReply;
import dev.cairn.proto.WalkInodesReply;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the commands that ask a mounted volume print, to the byte.
class VolumeCommandsTest {
    @TempDir
    Path dir;

    private final List<AdminRequest> asked = new ArrayList<>();

    private CommandRun run(VolumePort port, String... args) {
        return CommandRun.of(dir, Map.of("CAIRN_MOUNT_PATH", dir.toString()), (path, request) -> {
            asked.add(request);
            return port.call(path, request);
        }, args);
    }

    private static AdminReply rows(long firstMajor, int count, boolean more) {
        var walk = WalkInodesReply.newBuilder().setMore(more);
        for (int i = 0; i < count; i++) walk.addRows(WalkInodesReply.Row.newBuilder().setMajor(firstMajor + i).setIno(1024 + i));
        return AdminReply.newBuilder().setWalkInodes(walk).build();
    }

    @Test
    void walk_inodes_prints_the_ancestors_columns() {
        var run = run((_, _) -> rows(7, 2, false), "walk-inodes", "meta_seq", "0", "-1", dir.toString());
        assertThat(run.out()).isEqualTo("""
                #                    major                minor      ino                \s
                0                    7                    0          1024               \s
                1                    8                    0          1025               \s
                """);
        assertThat(run.code()).isZero();
        var walk = asked.getFirst().getWalkInodes();
        assertThat(walk.getIndex()).isEqualTo(InodeIndex.META_SEQ);
        assertThat(List.of(walk.getFirstMajor(), walk.getFirstIno(), walk.getLastMajor(), walk.getLastIno())).containsExactly(0L, 0L, -1L, -1L);
    }

    @Test
    void walk_inodes_repeats_its_header_and_asks_on_from_the_last_row() {
        var pages = new ArrayList<>(List.of(rows(1, 25, true), rows(26, 1, false)));
        var run = run((_, _) -> pages.removeFirst(), "walk-inodes", "data_seq", "1.0.5", "100.0.9");
        assertThat(run.out().lines().filter(line -> line.startsWith("#"))).hasSize(2);
        assertThat(run.out().lines()).hasSize(28);
        var on = asked.get(1).getWalkInodes();
        assertThat(on.getIndex()).isEqualTo(InodeIndex.DATA_SEQ);
        assertThat(List.of(on.getFirstMajor(), on.getFirstIno(), on.getLastMajor(), on.getLastIno())).containsExactly(25L, 1049L, 100L, 9L);
    }

    @Test
    void walk_inodes_in_json_is_an_object_in_each_line() {
        assertThat(run((_, _) -> rows(7, 1, false), "walk-inodes", "--json", "meta_seq", "0", "-1").out())
                .isEqualTo("{\"index\": 0, \"major\": \"7\", \"minor\": 0, \"ino\": \"1024\"}\n");
    }

    @Test
    void walk_inodes_refuses_positions_that_are_none() {
        for (var wrong : new String[] {"x", "1.2.3.4", "1..2", "-2", "1.4294967296", "18446744073709551616"})
            assertThat(run((_, _) -> rows(1, 0, false), "walk-inodes", "meta_seq", wrong, "-1").code()).as(wrong).isEqualTo(2);
        assertThat(run((_, _) -> rows(1, 0, false), "walk-inodes", "size_seq", "0", "-1").err()).contains("size_seq").contains("meta_seq");
        assertThat(asked).isEmpty();
    }

    @Test
    void ino_path_prints_every_path() {
        var replies = new ArrayList<>(List.of(path("a/b", 1), path("c", 2), InoPathReply.getDefaultInstance()));
        var run = run((_, _) -> AdminReply.newBuilder().setInoPath(replies.removeFirst()).build(), "ino-path", "1024");
        assertThat(run.out()).isEqualTo("a/b\nc\n");
        assertThat(asked.get(2).getInoPath().getAfterPos()).isEqualTo(2);
    }

    @Test
    void ino_path_of_nothing_is_an_error() {
        var run = run((_, _) -> AdminReply.newBuilder().setInoPath(InoPathReply.getDefaultInstance()).build(), "ino-path", "9");
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err()).isEqualTo("cairn ino-path: inode 9 has no path: it does not exist, or was deleted\n");
    }

    private static InoPathReply path(String path, long pos) {
        return InoPathReply.newBuilder().setFound(true).setPath(ByteString.copyFromUtf8(path)).setDir(1).setPos(pos).build();
    }

    private static final AdminReply STAT = AdminReply.newBuilder().setStatMore(StatMoreReply.newBuilder().setIno(1030).setMetaSeq(12)
            .setDataSeq(11).setDataVersion(3).setOnlineBlocks(256).setCrtimeSec(1763812800).setCrtimeNsec(5)).build();

    @Test
    void stat_prints_a_field_in_each_line() {
        assertThat(run((_, _) -> STAT, "stat", dir.toString()).out()).isEqualTo("""
                ino               1030
                meta_seq          12
                data_seq          11
                data_version      3
                online_blocks     256
                offline_blocks    0
                crtime            1763812800.000000005
                """);
        assertThat(run((_, _) -> STAT, "stat", "-s", "data_version", dir.toString()).out()).isEqualTo("3\n");
        assertThat(run((_, _) -> STAT, "stat", "-s", "colour", dir.toString()).code()).isEqualTo(2);
        assertThat(run((_, _) -> STAT, "stat", "--json", dir.toString()).out()).contains("\"meta_seq\": \"12\"");
    }

    @Test
    void fiemap_prints_a_line_for_each_extent_and_asks_on_from_the_last() {
        var pages = new ArrayList<>(List.of(
                MapExtentsReply.newBuilder().setMore(true).addRows(MapExtentsReply.Row.newBuilder().setPhysical(1000).setCount(256)),
                MapExtentsReply.newBuilder().addRows(MapExtentsReply.Row.newBuilder().setLogical(300).setPhysical(64).setCount(5).setUnwritten(true))));
        var run = run((_, _) -> AdminReply.newBuilder().setMapExtents(pages.removeFirst()).build(), "fiemap", dir.toString());
        assertThat(run.out()).isEqualTo("""
                #               logical         physical        count  flags
                0                     0             1000          256  -
                1                   300               64            5  UL
                """);
        assertThat(asked.get(1).getMapExtents().getFirstBlock()).isEqualTo(256);
        assertThat(run((_, _) -> AdminReply.newBuilder().setMapExtents(MapExtentsReply.newBuilder()
                .addRows(MapExtentsReply.Row.newBuilder().setOffline(true).setCount(7))).build(), "fiemap", "--json", dir.toString()).out())
                .isEqualTo("{\"index\": 0, \"logical\": 0, \"physical\": 0, \"count\": 7, \"flags\": \"OL\"}\n");
    }

    @Test
    void df_has_a_row_for_metadata_and_one_for_data() {
        var reply = AdminReply.newBuilder().setStatVolume(StatVolumeReply.newBuilder().setFsid(10).setSpace(SpaceReport.newBuilder()
                .setMetadata(Space.newBuilder().setBlockBytes(65536).setTotal(1024).setUsed(10).setFree(918).setReserved(96))
                .setData(Space.newBuilder().setBlockBytes(4096).setTotal(1000000).setUsed(0).setFree(1000000)))).build();
        assertThat(run((_, _) -> reply, "df", dir.toString()).out()).isEqualTo("""
                Type      Size    Total  Used     Free  Use%  Reserved  Held
                MetaData  64KB     1024    10      918   11%        96     0
                Data       4KB  1000000     0  1000000    0%         0     0
                """);
        assertThat(run((_, _) -> reply, "df", "-h", "-p", dir.toString()).out()).isEqualTo("""
                Type      Size  Total  Used   Free  Use%  Reserved  Held
                MetaData  64KB    64M  640K  57.4M   11%        6M    0B
                Data       4KB   3.8G    0B   3.8G    0%        0B    0B
                """);
        assertThat(run((_, _) -> reply, "df", "--json").out()).contains("\"fsid\": \"000000000000000a\"").contains("\"type\": \"MetaData\"").contains("\"reserved\": 96");
        assertThat(run((_, _) -> reply, "df", "-p", "/a", "/b").err()).contains("given twice");
    }

    @Test
    void what_the_volume_refuses_is_said_in_one_line() {
        assertThat(run((_, _) -> AdminReply.newBuilder().setErrno(1).build(), "ino-path", "7").err())
                .isEqualTo("cairn ino-path: " + dir + ": not permitted, this needs root (CAP_DAC_READ_SEARCH)\n");
        assertThat(run((_, _) -> { throw new IOException("no way"); }, "df").err()).contains("not on a mounted Cairn volume (no way)");
        assertThat(run((_, _) -> STAT, "stat", dir.resolve("none").toString()).err()).isEqualTo("cairn stat: " + dir.resolve("none") + ": no such file or directory\n");
    }
}
