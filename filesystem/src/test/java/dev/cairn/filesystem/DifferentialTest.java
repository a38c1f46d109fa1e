package dev.cairn.filesystem;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.cairn.transaction.Errno;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;

/// Random calls against the volume and against a model made of maps and byte arrays: the same answers, the same errors, the
/// same tree in the end, and every index agrees with it.
class DifferentialTest {
    private static final int FILE_MAX = 120_000;

    /// An inode of the model.
    private static final class Node {
        final long ino;
        final int type;
        final LinkedHashMap<String, Node> names = new LinkedHashMap<>();
        byte[] contents = new byte[0];
        String target;
        final Map<String, byte[]> xattrs = new TreeMap<>();
        int links;
        Node parent;

        Node(long ino, int type) {
            this.ino = ino;
            this.type = type;
        }

        boolean directory() {
            return type == Inode.S_IFDIR;
        }
    }

    private SplittableRandom random;
    private MemoryVolume volume;
    private FileSystem fs;
    private Node root;
    private List<Node> all;
    private final List<Node> orphans = new ArrayList<>();

    @RepeatedTest(60)
    void a_volume_is_what_a_model_of_maps_and_arrays_is(RepetitionInfo run) {
        int seed = run.getCurrentRepetition();
        random = new SplittableRandom(seed);
        volume = new MemoryVolume(seed % 4 == 0 ? 150 : 4000, seed);
        volume.notReady = seed % 3 == 0 ? 60 : 0;
        volume.collide = seed % 2 == 0;
        volume.fragmentMax = seed % 5 == 0 ? 3 : 1000;
        fs = volume.fs;
        root = new Node(1, Inode.S_IFDIR);
        root.parent = root;
        all = new ArrayList<>(List.of(root));
        int free = volume.free();
        for (int step = 0; step < 800; step++) {
            step();
            if (step % 100 == 99) compare();
        }
        compare();
        // Everything goes: every block and every item comes back.
        wipe(root);
        for (var name : root.xattrs.keySet()) volume.doing(tx -> fs.removexattr(tx, 1, bytes(name), volume.now()));
        deleteOrphans();
        volume.commit();
        Checker.check(volume);
        assertEquals(free, volume.free());
        assertEquals(2, volume.items.size(), () -> "left: " + volume.items.keySet());
    }

    private Node any() {
        return all.get(random.nextInt(all.size()));
    }

    private Node directory() {
        for (int i = 0; i < 20; i++) {
            var node = any();
            if (node.directory()) return node;
        }
        return root;
    }

    private Node file() {
        for (int i = 0; i < 50; i++) {
            var node = any();
            if (node.type == Inode.S_IFREG) return node;
        }
        return null;
    }

    private String name() {
        return "n" + random.nextInt(12);
    }

    private static byte[] bytes(String name) {
        return name.getBytes(StandardCharsets.UTF_8);
    }

    // The model's answer is null or an errno; the volume must have the same.
    private <T> T same(Errno expected, Supplier<T> call) {
        try {
            T result = call.get();
            assertEquals(null, expected);
            return result;
        } catch (Errno.Failure failure) {
            assertEquals(expected, failure.errno());
            return null;
        }
    }

    private void step() {
        switch (random.nextInt(23)) {
            case 0, 1, 2 -> make(Inode.S_IFREG);
            case 3 -> make(Inode.S_IFDIR);
            case 4 -> make(Inode.S_IFLNK);
            case 5 -> link();
            case 6, 7 -> remove(false);
            case 8 -> remove(true);
            case 9, 10 -> rename();
            case 11, 12, 13, 14 -> write();
            case 15, 16 -> truncate();
            case 17 -> fallocate();
            case 18, 19 -> xattr();
            case 20 -> deleteOrphans();
            case 21 -> copy();
            default -> volume.commit();
        }
    }

    private Errno livingDirectory(Node dir) {
        if (!dir.directory()) return Errno.ENOTDIR;
        return dir.links == 0 && dir != root ? Errno.ENOENT : null;
    }

    private void make(int type) {
        var dir = random.nextInt(8) == 0 ? any() : directory();
        String name = name();
        var expected = livingDirectory(dir);
        if (expected == null && dir.names.containsKey(name)) expected = Errno.EEXIST;
        var inode = same(expected, () -> volume.calling(tx -> switch (type) {
            case Inode.S_IFREG -> fs.create(tx, dir.ino, bytes(name), 0644, Caller.ROOT, volume.now());
            case Inode.S_IFDIR -> fs.mkdir(tx, dir.ino, bytes(name), 0755, Caller.ROOT, volume.now());
            default -> fs.symlink(tx, dir.ino, bytes(name), bytes("to " + name), Caller.ROOT, volume.now());
        }));
        if (inode == null) return;
        var node = new Node(inode.ino, type);
        node.links = 1;
        node.parent = dir;
        node.target = "to " + name;
        dir.names.put(name, node);
        all.add(node);
    }

    private void link() {
        var node = any();
        var dir = directory();
        String name = name();
        var expected = livingDirectory(dir);
        if (expected == null && node.directory()) expected = Errno.EPERM;
        if (expected == null && node.links == 0) expected = Errno.ENOENT;
        if (expected == null && dir.names.containsKey(name)) expected = Errno.EEXIST;
        if (same(expected, () -> volume.calling(tx -> fs.link(tx, node.ino, dir.ino, bytes(name), volume.now()))) == null) return;
        node.links++;
        dir.names.put(name, node);
    }

    private void remove(boolean directory) {
        var dir = directory();
        String name = name();
        var node = dir.names.get(name);
        var expected = node == null ? Errno.ENOENT : directory && !node.directory() ? Errno.ENOTDIR
                : !directory && node.directory() ? Errno.EISDIR
                : directory && !node.names.isEmpty() ? Errno.ENOTEMPTY : null;
        same(expected, () -> volume.calling(tx -> directory ? fs.rmdir(tx, dir.ino, bytes(name), volume.now())
                : fs.unlink(tx, dir.ino, bytes(name), volume.now())));
        if (expected != null) return;
        dir.names.remove(name);
        dropped(node);
    }

    private void dropped(Node node) {
        if (--node.links > 0) return;
        // Half of them stay open for a while, and in use.
        orphans.add(node);
    }

    private boolean within(Node dir, Node ancestor) {
        for (; ; dir = dir.parent) {
            if (dir == ancestor) return true;
            if (dir == root || dir.links == 0) return false;
        }
    }

    private void rename() {
        var from = directory();
        var to = random.nextBoolean() ? from : directory();
        String fromName = name(), toName = name();
        int flags = random.nextInt(4) == 0 ? new int[] {1, 2, 4, 5}[random.nextInt(4)] : 0;
        boolean exchange = flags == FileSystem.RENAME_EXCHANGE, whiteout = (flags & FileSystem.RENAME_WHITEOUT) != 0;
        var moved = from.names.get(fromName);
        var other = to.names.get(toName);
        Errno expected = null;
        if (moved == null || to != root && to.links == 0 || exchange && other == null) expected = Errno.ENOENT;
        else if ((flags & FileSystem.RENAME_NOREPLACE) != 0 && other != null) expected = Errno.EEXIST;
        else if (moved != other) {
            if (from != to && moved.directory() && within(to, moved)) expected = Errno.EINVAL;
            else if (from != to && exchange && other.directory() && within(from, other)) expected = Errno.EINVAL;
            else if (other != null && !exchange) {
                if (moved.directory() && !other.directory()) expected = Errno.ENOTDIR;
                else if (!moved.directory() && other.directory()) expected = Errno.EISDIR;
                else if (!other.names.isEmpty()) expected = Errno.ENOTEMPTY;
            }
        }
        same(expected, () -> volume.calling(tx -> fs.rename(tx, from.ino, bytes(fromName), to.ino, bytes(toName), flags,
                Caller.ROOT, volume.now())));
        if (expected != null || moved == other) return;
        // A name that is there keeps its place whatever it comes to name, and so does an entry whatever it comes to be named.
        if (from == to && other == null && !whiteout) {
            renameInPlace(from, fromName, toName);
            return;
        }
        to.names.put(toName, moved);
        moved.parent = to;
        if (exchange) {
            from.names.put(fromName, other);
            other.parent = from;
            return;
        }
        if (whiteout) leaveWhiteout(from, fromName);
        else from.names.remove(fromName);
        if (other != null) dropped(other);
    }

    private void leaveWhiteout(Node dir, String name) {
        var inode = volume.calling(tx -> fs.lookup(tx, dir.ino, bytes(name)));
        assertEquals(Inode.S_IFCHR, inode.mode);
        assertEquals(0, inode.rdev);
        var node = new Node(inode.ino, Inode.S_IFCHR);
        node.links = 1;
        node.parent = dir;
        dir.names.put(name, node);
        all.add(node);
    }

    private static void renameInPlace(Node dir, String fromName, String toName) {
        var before = new LinkedHashMap<>(dir.names);
        dir.names.clear();
        before.forEach((name, node) -> dir.names.put(name.equals(fromName) ? toName : name, node));
    }

    private void write() {
        var node = file();
        if (node == null) return;
        int offset = random.nextInt(3) == 0 ? node.contents.length : random.nextInt(FILE_MAX);
        if (random.nextInt(3) == 0) offset = offset / 4096 * 4096;
        var data = new byte[1 + random.nextInt(random.nextBoolean() ? 300 : 20_000)];
        for (int i = 0; i < data.length; i++) data[i] = (byte) (random.nextInt(255) + 1);
        long version = volume.inode(node.ino).dataVersion;
        try {
            int done = 0;
            while (done < data.length) {
                int written = (int) volume.write(node.ino, offset + done, Arrays.copyOfRange(data, done, data.length));
                int end = offset + done + written;
                if (end > node.contents.length) node.contents = Arrays.copyOf(node.contents, end);
                System.arraycopy(data, done, node.contents, offset + done, written);
                done += written;
            }
            assertEquals(true, volume.inode(node.ino).dataVersion > version);
        } catch (Errno.Failure failure) {
            assertEquals(Errno.ENOSPC, failure.errno());
            assertEquals(0, volume.free());
        }
    }

    private void truncate() {
        var node = file();
        if (node == null) return;
        int size = random.nextInt(FILE_MAX);
        volume.setattr(node.ino, SetAttr.NONE.size(size));
        node.contents = Arrays.copyOf(node.contents, size);
    }

    private void fallocate() {
        var node = file();
        if (node == null) return;
        int offset = random.nextInt(FILE_MAX), length = 1 + random.nextInt(40_000);
        int mode = switch (random.nextInt(5)) {
            case 0 -> 0;
            case 1 -> FileSystem.FALLOC_KEEP_SIZE;
            case 2 -> FileSystem.FALLOC_ZERO_RANGE;
            case 3 -> FileSystem.FALLOC_ZERO_RANGE | FileSystem.FALLOC_KEEP_SIZE;
            default -> FileSystem.FALLOC_PUNCH_HOLE | FileSystem.FALLOC_KEEP_SIZE;
        };
        try {
            volume.fallocate(node.ino, mode, offset, length);
        } catch (Errno.Failure failure) {
            assertEquals(Errno.ENOSPC, failure.errno());
            assertEquals(0, volume.free());
            // Not atomic: what was done of it is found out by looking.
            node.contents = volume.read(node.ino, 0, 1 << 20);
            return;
        }
        int end = offset + length;
        if ((mode & FileSystem.FALLOC_KEEP_SIZE) == 0 && end > node.contents.length)
            node.contents = Arrays.copyOf(node.contents, end);
        if ((mode & ~FileSystem.FALLOC_KEEP_SIZE) != 0 && offset < node.contents.length)
            Arrays.fill(node.contents, offset, Math.min(end, node.contents.length), (byte) 0);
    }

    private void copy() {
        var from = file();
        var to = file();
        if (from == null || from == to) return;
        int fromAt = random.nextInt(FILE_MAX), toAt = random.nextInt(FILE_MAX), length = random.nextInt(60_000);
        if (random.nextBoolean()) {
            fromAt = fromAt / 4096 * 4096;
            toAt = toAt / 4096 * 4096;
        }
        int expected = Math.clamp(from.contents.length - fromAt, 0, length);
        try {
            assertEquals(expected, volume.copy(from.ino, fromAt, to.ino, toAt, length));
        } catch (Errno.Failure failure) {
            assertEquals(Errno.ENOSPC, failure.errno());
            assertEquals(0, volume.free());
            to.contents = volume.read(to.ino, 0, 1 << 20);
            return;
        }
        if (expected == 0) return;
        if (toAt + expected > to.contents.length) to.contents = Arrays.copyOf(to.contents, toAt + expected);
        System.arraycopy(from.contents, fromAt, to.contents, toAt, expected);
    }

    private void xattr() {
        var node = any();
        String name = "user.x" + random.nextInt(6);
        if (random.nextInt(3) == 0) {
            var expected = node.xattrs.containsKey(name) ? null : Errno.ENODATA;
            same(expected, () -> {
                volume.doing(tx -> fs.removexattr(tx, node.ino, bytes(name), volume.now()));
                return null;
            });
            node.xattrs.remove(name);
            return;
        }
        var value = new byte[random.nextInt(4) == 0 ? random.nextInt(65_536) : random.nextInt(100)];
        for (int i = 0; i < value.length; i++) value[i] = (byte) random.nextInt(256);
        int flags = random.nextInt(3);
        boolean there = node.xattrs.containsKey(name);
        var expected = flags == 1 && there ? Errno.EEXIST : flags == 2 && !there ? Errno.ENODATA : null;
        same(expected, () -> {
            volume.doing(tx -> fs.setxattr(tx, node.ino, bytes(name), value, flags, volume.now()));
            return null;
        });
        if (expected == null) node.xattrs.put(name, value);
    }

    private void deleteOrphans() {
        if (random.nextBoolean()) {
            long[] some = orphans.stream().filter(_ -> random.nextInt(3) > 0).mapToLong(node -> node.ino).toArray();
            volume.calling(tx -> fs.deleteSmallOrphans(tx, some));
        }
        for (long ino = 0; (ino = next(ino)) != 0; ) {
            long orphan = ino;
            for (long from = 0; from != FileSystem.STEPS_DONE; ) {
                long at = from;
                from = volume.calling(tx -> fs.deleteOrphanStep(tx, orphan, at));
            }
        }
        all.removeAll(orphans);
        orphans.clear();
        volume.commit();
    }

    private long next(long after) {
        return volume.calling(tx -> fs.nextOrphan(tx, after));
    }

    private void wipe(Node dir) {
        for (var name : List.copyOf(dir.names.keySet())) {
            var node = dir.names.get(name);
            if (node.directory()) wipe(node);
            volume.calling(tx -> node.directory() ? fs.rmdir(tx, dir.ino, bytes(name), volume.now())
                    : fs.unlink(tx, dir.ino, bytes(name), volume.now()));
        }
    }

    // ---- comparing

    private void compare() {
        Checker.check(volume);
        var orphansFound = new TreeSet<Long>();
        for (long ino = 0; (ino = next(ino)) != 0; ) orphansFound.add(ino);
        var orphansExpected = new TreeSet<Long>();
        orphans.forEach(node -> orphansExpected.add(node.ino));
        assertEquals(orphansExpected, orphansFound);
        for (var node : all) compare(node);
        paths();
        walk();
    }

    private void compare(Node node) {
        var inode = volume.inode(node.ino);
        assertEquals(node.type, inode.mode & Inode.S_IFMT);
        switch (node.type) {
            case Inode.S_IFREG -> {
                assertEquals(node.contents.length, inode.size);
                assertEquals(node.links, inode.nlink);
                assertArrayEquals(node.contents, volume.read(node.ino, 0, 1 << 20), "contents of " + node.ino);
                seek(node);
            }
            case Inode.S_IFDIR -> {
                if (node != root && node.links == 0) break;
                list(node);
                var parent = volume.calling(tx -> fs.lookup(tx, node.ino, bytes("..")));
                assertEquals(node.parent.ino, parent.ino);
                for (int i = 0; i < 12; i++) {
                    String name = "n" + i;
                    var expected = node.names.get(name);
                    var found = same(expected == null ? Errno.ENOENT : null,
                            () -> volume.calling(tx -> fs.lookup(tx, node.ino, bytes(name))));
                    if (expected != null) assertEquals(expected.ino, found.ino);
                }
            }
            case Inode.S_IFCHR -> assertEquals(node.links, inode.nlink);
            default -> assertEquals(node.target,
                    new String(volume.calling(tx -> fs.readlink(tx, node.ino)), StandardCharsets.UTF_8));
        }
        var names = new TreeSet<String>();
        byte[] list = volume.calling(tx -> fs.listxattr(tx, node.ino));
        for (var name : new String(list).split("\0"))
            if (!name.isEmpty()) names.add(name);
        assertEquals(node.xattrs.keySet(), names);
        node.xattrs.forEach((name, value) -> assertArrayEquals(value,
                volume.calling(tx -> fs.getxattr(tx, node.ino, bytes(name)))));
    }

    // Bytes that are not zero must never be in what SEEK_HOLE and SEEK_DATA call a hole.
    private void seek(Node node) {
        long at = 0;
        while (at < node.contents.length) {
            long from = at;
            long data;
            try {
                data = volume.calling(tx -> fs.lseek(tx, node.ino, from, FileSystem.SEEK_DATA));
            } catch (Errno.Failure failure) {
                assertEquals(Errno.ENXIO, failure.errno());
                data = node.contents.length;
            }
            for (long i = at; i < data; i++) assertEquals(0, node.contents[(int) i], "data in a hole");
            if (data == node.contents.length) break;
            long dataAt = data;
            at = volume.calling(tx -> fs.lseek(tx, node.ino, dataAt, FileSystem.SEEK_HOLE));
            assertEquals(true, at > data);
        }
    }

    // In creation order, a few at a time, going on from the last cookie.
    private void list(Node node) {
        var found = new ArrayList<String>();
        boolean plus = random.nextBoolean();
        long[] after = {0};
        for (boolean more = true; more; ) {
            var part = new ArrayList<String>();
            int room = 1 + random.nextInt(5);
            long[] last = {after[0]};
            volume.doing(tx -> {
                part.clear();
                fs.readdir(tx, node.ino, after[0], plus, 3, (ino, type, cookie, name, inode) -> {
                    if (part.size() == room) return false;
                    part.add(new String(name) + "=" + ino);
                    if (plus && cookie > 2) assertEquals(ino, inode.ino);
                    last[0] = cookie;
                    return true;
                });
            });
            after[0] = last[0];
            found.addAll(part);
            more = !part.isEmpty();
        }
        var expected = new ArrayList<String>(List.of(".=" + node.ino, "..=" + node.parent.ino));
        node.names.forEach((name, child) -> expected.add(name + "=" + child.ino));
        assertEquals(expected, found);
    }

    private void paths() {
        var expected = new IdentityHashMap<Node, TreeSet<String>>();
        collect(root, "", expected);
        for (var node : all) {
            if (node == root) continue;
            var found = new TreeSet<String>();
            long[] after = {0, 0};
            while (true) {
                var path = volume.calling(tx -> fs.inoPath(tx, node.ino, after[0], after[1]));
                if (path == null) break;
                found.add(new String(path.bytes()));
                after[0] = path.dir();
                after[1] = path.pos();
            }
            assertEquals(expected.getOrDefault(node, new TreeSet<>()), found);
        }
    }

    private void collect(Node dir, String prefix, Map<Node, TreeSet<String>> into) {
        dir.names.forEach((name, node) -> {
            into.computeIfAbsent(node, _ -> new TreeSet<>()).add(prefix + name);
            if (node.directory()) collect(node, prefix + name + "/", into);
        });
    }

    private void walk() {
        volume.commit();
        for (boolean data : new boolean[] {false, true}) {
            var found = new HashMap<Long, Long>();
            volume.doing(tx -> {
                found.clear();
                long[] before = {0};
                fs.walkInodes(tx, data, 0, 0, -1, -1, (seq, ino) -> {
                    assertEquals(null, found.put(ino, seq));
                    assertEquals(true, seq >= before[0]);
                    before[0] = seq;
                    return true;
                });
            });
            var expected = new HashMap<Long, Long>();
            for (var node : all) {
                var inode = volume.inode(node.ino);
                if (!data) expected.put(node.ino, inode.metaSeq);
                else if (inode.isRegular()) expected.put(node.ino, inode.dataSeq);
            }
            assertEquals(expected, found);
        }
    }
}
