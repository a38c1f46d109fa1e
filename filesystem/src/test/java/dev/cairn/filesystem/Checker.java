package dev.cairn.filesystem;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cairn.transaction.Key;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.TreeMap;
import java.util.TreeSet;

/// Says whether all items of a volume agree with each other.
final class Checker {
    static void check(MemoryVolume volume) {
        var inodes = new TreeMap<Long, Inode>();
        volume.items.forEach((key, value) -> {
            if (key.zone() == Keys.ZONE_FS && key.type() == Keys.INODE)
                inodes.put(key.first(), Inode.decode(key.first(), value));
        });
        var names = new TreeMap<Long, Integer>();
        var subdirectories = new TreeMap<Long, Integer>();
        var byName = new TreeSet<String>();
        var byPosition = new TreeSet<String>();
        var byTarget = new TreeSet<String>();
        var nameBytes = new TreeMap<Long, Long>();
        var entryCount = new TreeMap<Long, Long>();
        var meta = new TreeSet<Key>();
        var data = new TreeSet<Key>();
        var orphans = new TreeSet<Long>();
        var xattrs = new TreeMap<Long, Integer>();
        var online = new TreeMap<Long, Long>();
        var extents = new TreeMap<Long, Long>();
        var referred = new BitSet();
        Extents.Mapping[] before = {null};
        long[] beforeIno = {0};
        Key[] previous = {null};

        volume.items.forEach((key, value) -> {
            switch (key.zone()) {
                case Keys.ZONE_META_SEQ -> meta.add(key);
                case Keys.ZONE_DATA_SEQ -> data.add(key);
                case Keys.ZONE_ORPHAN -> orphans.add(key.first());
                default -> {
                    long ino = key.first();
                    assertTrue(inodes.containsKey(ino), () -> key + " belongs to no inode");
                    switch (key.type()) {
                        case Keys.ENTRY -> {
                            var entry = Entry.decode(ino, value, 0);
                            byName.add(ino + ":" + entry.pos() + ":" + entry.ino() + ":" + new String(entry.name()));
                            names.merge(entry.ino(), 1, Integer::sum);
                            nameBytes.merge(ino, (long) entry.name().length, Long::sum);
                            entryCount.merge(ino, 1L, Long::sum);
                            var target = inodes.get(entry.ino());
                            assertEquals(target.type(), entry.type());
                            if (target.isDirectory()) subdirectories.merge(ino, 1, Integer::sum);
                            assertTrue(entry.pos() < inodes.get(ino).nextPosition);
                            if (key.third() > 0)
                                assertTrue(volume.items.containsKey(Keys.entry(ino, key.second(), key.third() - 1)),
                                        "a gap among equal hashes");
                        }
                        case Keys.READDIR -> {
                            var entry = Entry.decode(ino, value, 0);
                            assertEquals(key.second(), entry.pos());
                            byPosition.add(ino + ":" + entry.pos() + ":" + entry.ino() + ":" + new String(entry.name()));
                        }
                        case Keys.BACKREF -> {
                            var entry = Entry.decode(ino, value, 0);
                            assertEquals(ino, entry.ino());
                            assertEquals(key.third(), entry.pos());
                            byTarget.add(key.second() + ":" + entry.pos() + ":" + ino + ":" + new String(entry.name()));
                        }
                        case Keys.XATTR -> {
                            if ((key.third() & 0xff) == 0) xattrs.merge(ino, 1, Integer::sum);
                        }
                        case Keys.EXTENT -> {
                            extents.merge(ino, 1L, Long::sum);
                            var mapping = Extents.decode(key, value);
                            if (beforeIno[0] == ino) {
                                assertTrue(before[0].end() <= mapping.first(), "extents overlap");
                                assertFalse(before[0].end() == mapping.first() && before[0].flags() == mapping.flags()
                                        && before[0].physical() + before[0].count() == mapping.physical(), "not joined");
                            }
                            beforeIno[0] = ino;
                            before[0] = mapping;
                            for (long b = mapping.physical(); b < mapping.physical() + mapping.count(); b++) {
                                assertFalse(referred.get((int) b), "block referred to twice: " + b);
                                referred.set((int) b);
                            }
                            if (mapping.online()) online.merge(ino, mapping.count(), Long::sum);
                            var inode = inodes.get(ino);
                            if (mapping.online() && !inode.truncating())
                                assertTrue(mapping.end() <= (inode.size + 4095) / 4096, "written behind the end of " + ino);
                        }
                        default -> {}
                    }
                }
            }
        });
        assertEquals(byName, byPosition);
        assertEquals(byName, byTarget);
        assertEquals(referred, volume.referred);
        var metaExpected = new TreeSet<Key>();
        var dataExpected = new TreeSet<Key>();
        var orphansExpected = new ArrayList<Long>();
        inodes.forEach((ino, inode) -> {
            metaExpected.add(Keys.index(false, inode.metaSeq, ino));
            if (inode.isRegular()) dataExpected.add(Keys.index(true, inode.dataSeq, ino));
            if (inode.nlink == 0 || inode.truncating()) orphansExpected.add(ino);
            assertEquals((int) xattrs.getOrDefault(ino, 0), inode.xattrs, "xattrs of " + ino);
            assertEquals((long) online.getOrDefault(ino, 0L), inode.onlineBlocks, "online blocks of " + ino);
            assertEquals((long) extents.getOrDefault(ino, 0L), inode.extents, "extents of " + ino);
            if (inode.isDirectory()) {
                assertEquals((long) entryCount.getOrDefault(ino, 0L), inode.entries);
                assertEquals((long) nameBytes.getOrDefault(ino, 0L), inode.size);
                if (inode.nlink > 0) assertEquals(2 + subdirectories.getOrDefault(ino, 0), inode.nlink);
            } else {
                assertEquals((int) names.getOrDefault(ino, 0), inode.nlink, "links of " + ino);
            }
        });
        assertEquals(metaExpected, meta);
        assertEquals(dataExpected, data);
        assertEquals(orphansExpected, new ArrayList<>(orphans));
        assertEquals(inodes.size(), volume.inodes);
        assertEquals(0, volume.pins, "pins left");
        assertTrue(volume.reserved.isEmpty(), () -> "reserved for nobody: " + volume.reserved);
    }

    private Checker() {}
}
