package dev.cairn.filesystem;

import dev.cairn.block.Extent;
import dev.cairn.transaction.CommittedItems;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Key;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;

/// Walks all items of a volume once, in key order, and says where they contradict each other or the server's account of
/// blocks and inodes. Reads only. Needs memory for one bit per data block, and none that grows with the number of files:
/// what belongs to one inode comes in a row, and what refers to another place is looked up there. What looks right from
/// everywhere and still cannot be reached, directories that are each other's parents, is found by going up from each.
public final class VolumeCheck {
    /// What the server says of the volume, as of the same manifest.
    public interface Account {
        long dataBlocks();

        /// Blocks before it hold the label.
        long dataFirst();

        long inodes();

        /// Data blocks that no file has: free, or in somebody's share.
        void unusedData(BiConsumer<String, Extent> visitor);
    }

    /// @param checked  what was counted, in words
    /// @param problems the first [#PROBLEMS_MAX], a sentence each
    /// @param count    how many there are
    public record Report(Map<String, Long> checked, List<String> problems, long count) {}

    private static final int PROBLEMS_MAX = 100;
    /// Directories that are remembered as reached from the root: some 50 bytes each.
    private static final int REACHED_MAX = 200_000;

    private final CommittedItems items;
    private final Account account;
    private final BlockMap data;
    private final Set<Long> reached = new HashSet<>(), unreached = new HashSet<>();     // asked only, never walked
    private final List<String> problems = new ArrayList<>();
    private long problemCount;

    private long itemCount, inodeCount, regularCount, directoryCount, nameCount, xattrCount, extentCount, dataCount,
            metaSeqCount, dataSeqCount, orphanCount, orphanInodes;

    // Of the inode whose items are coming; `inode` is null when it has none or a damaged one.
    private long ino = -1;
    private Inode inode;
    private long entries, positions, subdirectories, backrefs, nameBytes, xattrs, extents, online, offline, targetBytes = -1;
    private Key previous;
    private Extents.Mapping lastMapping;

    private VolumeCheck(CommittedItems items, Account account) {
        this.items = items;
        this.account = account;
        data = new BlockMap(account.dataBlocks());
    }

    /// @param newest there is no newer manifest: a block that belongs to another run is damage like any other, a write that was lost
    /// @throws CommittedItems.Unreadable when a block of the manifest belongs to another run by now, unless it is the newest
    public static Report run(CommittedItems items, Account account, boolean newest) {
        var check = new VolumeCheck(items, account);
        try {
            check.walk();
            check.compareWithAccount();
        } catch (CommittedItems.Unreadable e) {
            if (e.stale() && !newest) throw e;
            check.problem("the walk ends here: %s", e.getMessage());
        }
        return check.report();
    }

    private Report report() {
        var checked = new LinkedHashMap<String, Long>();
        checked.put("items", itemCount);
        checked.put("inodes", inodeCount);
        checked.put("directories", directoryCount);
        checked.put("names", nameCount);
        checked.put("xattrs", xattrCount);
        checked.put("extents", extentCount);
        checked.put("data_blocks", dataCount);
        checked.put("orphans", orphanCount);
        return new Report(checked, List.copyOf(problems), problemCount);
    }

    private void problem(String format, Object... args) {
        if (problemCount++ < PROBLEMS_MAX) problems.add(format.formatted(args));
    }

    // ---- the walk

    private void walk() {
        var cursor = items.scan(Key.MIN, Key.MAX);
        while (cursor.next()) {
            var key = cursor.key();
            itemCount++;
            if (key.zone() == Keys.ZONE_FS) {
                if (key.first() != ino) {
                    endInode();
                    ino = key.first();
                }
            } else {
                endInode();
            }
            try {
                item(key, cursor.value());
            } catch (Errno.Failure damaged) {
                problem("item %s cannot be decoded; the log says why", key);
            }
            previous = key;
        }
        endInode();
    }

    private void item(Key key, byte[] value) {
        switch (key.zone()) {
            case Keys.ZONE_FS -> ofInode(key, value);
            case Keys.ZONE_META_SEQ -> {
                metaSeqCount++;
                var of = load(key.second());
                if (of == null || of.metaSeq != key.first())
                    problem("meta_seq has inode %d at %d, where it is not", key.second(), key.first());
            }
            case Keys.ZONE_DATA_SEQ -> {
                dataSeqCount++;
                var of = load(key.second());
                if (of == null || !of.isRegular() || of.dataSeq != key.first())
                    problem("data_seq has inode %d at %d, where it is not", key.second(), key.first());
            }
            case Keys.ZONE_ORPHAN -> {
                orphanCount++;
                var of = load(key.first());
                if (of == null || of.nlink != 0 && !of.truncating()) problem("inode %d is listed as an orphan, and is none", key.first());
            }
            default -> problem("item %s is in a zone that this version does not know", key);
        }
    }

    private Inode load(long of) {
        byte[] value = items.get(Keys.inode(of));
        return value == null ? null : Inode.decode(of, value);
    }

    private void ofInode(Key key, byte[] value) {
        switch (key.type()) {
            case Keys.INODE -> inode(Inode.decode(ino, value));
            case Keys.XATTR -> {
                if ((key.third() & 0xff) == 0) {
                    xattrs++;
                    xattrCount++;
                }
            }
            case Keys.SYMLINK -> targetBytes = value.length;
            case Keys.EXTENT -> extent(Extents.decode(key, value));
            case Keys.ENTRY -> entry(key, value);
            case Keys.READDIR -> position(key, value);
            case Keys.BACKREF -> backref(key, value);
            default -> problem("item %s of inode %d is of a type that this version does not know", key, ino);
        }
    }

    private void inode(Inode found) {
        inode = found;
        inodeCount++;
        if (items.get(Keys.index(false, found.metaSeq, ino)) == null) problem("inode %d is not in meta_seq at %d", ino, found.metaSeq);
        if (found.isDirectory()) directoryCount++;
        if (found.isRegular()) {
            regularCount++;
            if (items.get(Keys.index(true, found.dataSeq, ino)) == null) problem("inode %d is not in data_seq at %d", ino, found.dataSeq);
        }
        if (found.nlink == 0 || found.truncating()) {
            orphanInodes++;
            if (items.get(Keys.orphan(ino)) == null)
                problem(found.nlink == 0 ? "inode %d has no name and is not listed as an orphan" : "inode %d is being cut and is not listed with the orphans", ino);
        }
    }

    private void extent(Extents.Mapping mapping) {
        extents++;
        extentCount++;
        if (lastMapping != null && lastMapping.end() > mapping.first())
            problem("inode %d: two extents cover block %d", ino, mapping.first());
        lastMapping = mapping;
        if (mapping.online()) online += mapping.count();
        else if (mapping.offline()) offline += mapping.count();
        if (!mapping.mapped()) return;
        if (mapping.physical() < account.dataFirst() || mapping.physical() + mapping.count() > account.dataBlocks()) {
            problem("inode %d has data blocks %s, which are not of the device", ino, mapping.blocks());
            return;
        }
        dataCount += mapping.count();
        long twice = data.mark(mapping.physical(), mapping.count());
        if (twice >= 0) problem("data block %d belongs to inode %d, and to another place as well", twice, ino);
        if (mapping.online() && inode != null && !inode.truncating()
                && mapping.end() > Extents.blocks(inode.size))
            problem("inode %d of %d bytes has written blocks up to %d", ino, inode.size, mapping.end());
    }

    private void entry(Key key, byte[] value) {
        var entry = Entry.decode(ino, value, key.third());
        entries++;
        nameCount++;
        nameBytes += entry.name().length;
        if (entry.type() == Inode.S_IFDIR >>> 12) subdirectories++;
        if (NameHash.of(entry.name()) != key.second()) problem("directory %d: '%s' has another hash", ino, name(entry));
        if (key.third() > 0 && (previous == null || !previous.equals(Keys.entry(ino, key.second(), key.third() - 1))))
            problem("directory %d: a gap among names of equal hash before '%s'", ino, name(entry));
        if (!Arrays.equals(value, items.get(Keys.readdir(ino, entry.pos()))))
            problem("directory %d: '%s' is not at its readdir position %d", ino, name(entry), entry.pos());
        if (inode != null && entry.pos() >= inode.nextPosition)
            problem("directory %d: '%s' is at position %d, beyond the next one", ino, name(entry), entry.pos());
    }

    private void position(Key key, byte[] value) {
        var entry = Entry.decode(ino, value, -1);
        positions++;
        if (entry.pos() != key.second()) problem("directory %d: '%s' at position %d says %d", ino, name(entry), key.second(), entry.pos());
        if (!Arrays.equals(value, items.get(Keys.backref(entry.ino(), ino, entry.pos()))))
            problem("directory %d: '%s' names inode %d, which has no backref for it", ino, name(entry), entry.ino());
    }

    private void backref(Key key, byte[] value) {
        var entry = Entry.decode(ino, value, -1);
        backrefs++;
        if (entry.ino() != ino || entry.pos() != key.third()) problem("inode %d: its backref %s says otherwise", ino, key);
        if (inode != null && entry.type() != inode.type()) problem("inode %d: '%s' names it as another type", ino, name(entry));
        if (!Arrays.equals(value, items.get(Keys.readdir(key.second(), key.third()))))
            problem("inode %d: directory %d does not have '%s' at position %d", ino, key.second(), name(entry), key.third());
    }

    /// Goes up from a directory. A parent that is missing is not said here: its names have said so.
    private void goUp(long from) {
        var way = new LinkedHashSet<Long>();
        for (long dir = from; dir != FileSystem.ROOT_INO && !reached.contains(dir); dir = parent(dir)) {
            if (dir == 0 || unreached.contains(dir)) {
                unreached.addAll(way);
                return;
            }
            if (!way.add(dir)) {
                problem("directory %d is not below the root: the way up from it comes back to it, by %d directories", dir,
                        way.size() - List.copyOf(way).indexOf(dir));
                unreached.addAll(way);
                return;
            }
        }
        if (reached.size() + way.size() > REACHED_MAX) reached.clear();
        if (way.size() <= REACHED_MAX) reached.addAll(way);
    }

    /// The directory that names this one, or 0.
    private long parent(long dir) {
        var names = items.scan(Keys.backref(dir, 0, 0), Keys.backref(dir, -1, -1));
        return names.next() ? names.key().second() : 0;
    }

    private static String name(Entry entry) {
        return new String(entry.name(), java.nio.charset.StandardCharsets.UTF_8);
    }

    private void endInode() {
        if (ino == -1) return;
        if (inode == null) {
            problem("there are items of inode %d, but there is no such inode", ino);
        } else {
            count("extents", extents, inode.extents);
            count("online blocks", online, inode.onlineBlocks);
            count("offline blocks", offline, inode.offlineBlocks);
            count("xattrs", xattrs, inode.xattrs);
            if (inode.isSymlink()) count("bytes of its target", targetBytes, inode.size);
            if (inode.isDirectory()) {
                count("entries", entries, inode.entries);
                count("readdir positions", positions, inode.entries);
                count("bytes of names", nameBytes, inode.size);
                if (inode.nlink > 0) count("links", 2 + subdirectories, inode.nlink);
                count("names", backrefs, inode.nlink > 0 && ino != FileSystem.ROOT_INO ? 1 : 0);
                if (inode.nlink > 0) goUp(ino);
            } else {
                count("names", backrefs, inode.nlink);
            }
        }
        ino = -1;
        inode = null;
        entries = positions = subdirectories = backrefs = nameBytes = xattrs = extents = online = offline = 0;
        targetBytes = -1;
        lastMapping = null;
    }

    private void count(String what, long found, long counted) {
        if (found != counted) problem("inode %d has %d %s and counts %d", ino, found, what, counted);
    }

    // ---- the account

    private void compareWithAccount() {
        if (metaSeqCount != inodeCount) problem("meta_seq has %d inodes of %d", metaSeqCount, inodeCount);
        if (dataSeqCount != regularCount) problem("data_seq has %d files of %d", dataSeqCount, regularCount);
        if (orphanCount != orphanInodes) problem("%d orphans are listed, there are %d", orphanCount, orphanInodes);
        if (account.inodes() != inodeCount) problem("there are %d inodes, the server counts %d", inodeCount, account.inodes());
        account.unusedData((owner, extent) -> {
            long twice = data.mark(extent.start(), extent.count());
            if (twice >= 0) problem("data block %d is %s, and has another place as well", twice, owner);
        });
        for (long lost = data.next(account.dataFirst(), false); lost < account.dataBlocks(); ) {
            long end = data.next(lost, true);
            problem("data blocks %s are lost: no file has them and they are not free", new Extent(lost, end - lost));
            lost = data.next(end, false);
        }
    }
}
