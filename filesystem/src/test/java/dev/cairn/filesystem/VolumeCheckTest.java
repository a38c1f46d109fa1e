package dev.cairn.filesystem;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cairn.block.Extent;
import dev.cairn.block.simulated.SimulatedDevice;
import dev.cairn.proto.Manifest;
import dev.cairn.transaction.CommittedItems;
import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.run.InlineRun;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// A volume is damaged on purpose, one thing at a time, and the check names it. What the server's own account can get
/// wrong about metadata blocks is in `ServerStateTest`.
class VolumeCheckTest {
    private static final int BLOCKS = 512, DATA_FIRST = 1;

    private MemoryVolume volume;
    private long dir, below, file, other, link;
    private long inodesCounted;
    private final List<Extent> unused = new ArrayList<>();

    @BeforeEach
    void make() {
        volume = new MemoryVolume(BLOCKS, 7);
        dir = directory(FileSystem.ROOT_INO, "dir");
        below = directory(dir, "below");
        file = regular(below, "file", 20_000);
        other = regular(dir, "other", 9_000);
        volume.doing(tx -> volume.fs.setxattr(tx, file, bytes("user.a"), new byte[5000], 0, volume.now()));
        volume.doing(tx -> volume.fs.link(tx, other, below, bytes("again"), volume.now()));
        link = volume.calling(tx -> volume.fs.symlink(tx, dir, bytes("link"), bytes("other"), Caller.ROOT, volume.now())).ino;
        volume.commit();
        inodesCounted = volume.inodes;
        for (int block = DATA_FIRST; block < BLOCKS; block++) if (!volume.referred.get(block)) unused.add(new Extent(block, 1));
    }

    private long directory(long in, String name) {
        return volume.calling(tx -> volume.fs.mkdir(tx, in, bytes(name), 0755, Caller.ROOT, volume.now())).ino;
    }

    private long regular(long in, String name, int size) {
        long ino = volume.calling(tx -> volume.fs.create(tx, in, bytes(name), 0644, Caller.ROOT, volume.now())).ino;
        volume.write(ino, 0, new byte[size]);
        return ino;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private List<String> check() {
        var manifest = Manifest.newBuilder().setVersion(1);
        var some = new ArrayList<Item>();
        long run = 100;
        for (var item : volume.items.entrySet()) {
            some.add(new Item(item.getKey(), 5, item.getValue()));
            if (some.size() < 4) continue;
            manifest.addRuns(InlineRun.of(some, run++, 1));
            some.clear();
        }
        if (!some.isEmpty()) manifest.addRuns(InlineRun.of(some, run, 1));
        var device = SimulatedDevice.create("metadata", 65536, 16);
        var report = VolumeCheck.run(new CommittedItems(manifest.build(), device, 1, 1 << 20), new VolumeCheck.Account() {
            @Override
            public long dataBlocks() {
                return BLOCKS;
            }

            @Override
            public long dataFirst() {
                return DATA_FIRST;
            }

            @Override
            public long inodes() {
                return inodesCounted;
            }

            @Override
            public void unusedData(BiConsumer<String, Extent> visitor) {
                unused.forEach(extent -> visitor.accept("free", extent));
            }
        }, true);
        assertEquals(report.count(), report.problems().size());
        return report.problems();
    }

    private void reports(String... parts) {
        var problems = check();
        for (var part : parts)
            assertTrue(problems.stream().anyMatch(problem -> problem.contains(part)), () -> "'" + part + "' is not in " + problems);
    }

    private void change(long ino, Consumer<Inode> change) {
        var inode = Inode.decode(ino, volume.items.get(Keys.inode(ino)));
        change.accept(inode);
        volume.items.put(Keys.inode(ino), inode.encode());
    }

    private Map.Entry<Key, byte[]> firstExtent(long ino) {
        return volume.items.subMap(Keys.extent(ino, 0), true, Keys.extent(ino, Extents.BLOCKS_MAX), true).firstEntry();
    }

    @Test
    void a_sound_volume_has_no_problems() {
        assertEquals(List.of(), check());
    }

    @Test
    void a_data_block_that_nobody_has_is_lost() {
        var lost = unused.remove(17);
        reports("data blocks " + lost + " are lost");
    }

    @Test
    void a_data_block_of_a_file_that_is_free_as_well() {
        long block = volume.referred.nextSetBit(0);
        unused.add(new Extent(block, 1));
        reports("data block " + block + " is free, and has another place as well");
    }

    @Test
    void a_data_block_of_two_files() {
        var theirs = Extents.decode(firstExtent(file).getKey(), firstExtent(file).getValue());
        var mine = Extents.decode(firstExtent(other).getKey(), firstExtent(other).getValue());
        volume.items.put(firstExtent(other).getKey(),
                Extents.encode(new Extents.Mapping(mine.first(), mine.count(), theirs.physical(), 0)));
        reports("data block " + theirs.physical() + " belongs to inode ", "are lost");
    }

    @Test
    void data_blocks_that_the_device_does_not_have() {
        var key = firstExtent(file).getKey();
        var mapping = Extents.decode(key, firstExtent(file).getValue());
        volume.items.put(key, Extents.encode(new Extents.Mapping(mapping.first(), mapping.count(), BLOCKS - 1, 0)));
        if (mapping.count() > 1) reports("which are not of the device");
        else reports("and has another place as well");
    }

    @Test
    void counts_that_are_wrong() {
        inodesCounted++;
        change(file, inode -> {
            inode.onlineBlocks++;
            inode.extents++;
            inode.xattrs++;
        });
        change(dir, inode -> {
            inode.entries++;
            inode.nlink++;
            inode.size++;
        });
        change(other, inode -> inode.nlink = 3);
        change(link, inode -> inode.size = 99);
        reports("the server counts " + inodesCounted, "inode " + file + " has 5 online blocks and counts 6", "extents and counts",
                "inode " + file + " has 1 xattrs and counts 2", "inode " + dir + " has 3 entries and counts 4",
                "inode " + dir + " has 3 links and counts 4", "bytes of names and counts", "inode " + other + " has 2 names and counts 3",
                "inode " + link + " has 5 bytes of its target and counts 99");
    }

    @Test
    void a_name_that_leads_nowhere() {
        volume.items.keySet().removeIf(key -> key.zone() == Keys.ZONE_FS && key.first() == file && key.type() != Keys.BACKREF);
        reports("there are items of inode " + file + ", but there is no such inode", "meta_seq has inode " + file, "are lost");
        volume.items.keySet().removeIf(key -> key.zone() == Keys.ZONE_FS && key.first() == file);
        reports("names inode " + file + ", which has no backref for it");
    }

    @Test
    void an_inode_that_no_directory_names() {
        volume.items.keySet().removeIf(key -> key.zone() == Keys.ZONE_FS && key.first() == below
                && (key.type() == Keys.READDIR || key.type() == Keys.ENTRY));
        reports("does not have 'file' at position", "has 0 entries and counts 2");
    }

    @Test
    void index_items_that_are_missing_or_too_many() {
        var inode = Inode.decode(file, volume.items.get(Keys.inode(file)));
        volume.items.remove(Keys.index(false, inode.metaSeq, file));
        volume.items.put(Keys.index(true, inode.dataSeq + 1, file), new byte[0]);
        volume.items.put(Keys.orphan(file), new byte[0]);
        reports("inode " + file + " is not in meta_seq", "data_seq has inode " + file, "inode " + file + " is listed as an orphan, and is none");
    }

    /// What a rename of a directory into its own subdirectory would leave, could it be done: every name, count and backref is
    /// right, and nothing of it can be reached.
    @Test
    void directories_that_are_each_others_parents() {
        var items = new TreeMap<>(volume.items);
        var root = Inode.decode(FileSystem.ROOT_INO, items.get(Keys.inode(FileSystem.ROOT_INO)));
        var lowest = Inode.decode(below, items.get(Keys.inode(below)));
        volume.doing(tx -> {
            for (long ino : new long[] {root.ino, below, dir}) tx.lockInode(ino, dev.cairn.transaction.LockMode.WRITE);
            var entry = Directories.find(tx, root.ino, bytes("dir"));
            Directories.remove(tx, root, entry);
            root.nlink--;
            Directories.add(tx, lowest, bytes("dir"), Directories.newNumber(tx, lowest.ino, bytes("dir")), dir, entry.type());
            lowest.nlink++;
            tx.put(Keys.inode(root.ino), root.encode());
            tx.put(Keys.inode(below), lowest.encode());
        });
        var problems = check();
        assertEquals(1, problems.size(), problems::toString);
        assertTrue(problems.getFirst().contains("is not below the root: the way up from it comes back to it, by 2 directories"), problems::toString);
    }
}
