package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.zip.CRC32C;

/// A directory on one file system on which a sequence of [RandomCall] is played: its open files, its users, and how
/// everything in it looks.
final class World implements AutoCloseable {
    static final int SLOTS = 6, USERS = 3;
    private static final char SHARED_FROM = 'c';

    private final String top;
    /// Where names of this process are in a directory that others use at the same time; null when all take turns.
    private final String shared;
    private final Posix[] users;
    private final int[] slots = new int[SLOTS];
    private final int number;
    private final List<OtherProcess> others;
    private final Times times = new Times();
    private final boolean fineTimes;

    /// A new directory, shared with other processes, which have open files of their own.
    ///
    /// @param number of this world among those that the other processes know at the same time
    static World made(String top, int number, List<OtherProcess> others) {
        PosixTest.ok(Posix.SELF.mkdir(top, 0777));
        var world = new World(top, number, others);
        for (var other : others) other.begin(number, top);
        return world;
    }

    /// The same directory, as another process sees it.
    static World joined(String top) {
        return new World(top, 0, List.of());
    }

    /// A part of a directory, for one of several processes that work there at the same time: a subdirectory for itself, and
    /// names of its own in another one. Every name that begins with a letter from [#SHARED_FROM] on is among the latter.
    static World beside(String directory, int process) {
        return new World(directory + "/" + process, directory + "/all/" + process + "-", 0, List.of());
    }

    /// Plain users need root; without it every call is made by whoever runs the test.
    private World(String top, int number, List<OtherProcess> others) {
        this(top, null, number, others);
    }

    private World(String top, String shared, int number, List<OtherProcess> others) {
        this.top = top;
        this.shared = shared;
        fineTimes = shared != null || Times.areFine(top);
        this.number = number;
        this.others = others;
        var self = Posix.SELF;
        users = Posix.isRoot()
                ? new Posix[] {self, Posix.as(PosixTest.ALICE, PosixTest.ALICE, PosixTest.STAFF), Posix.as(PosixTest.BOB, PosixTest.STAFF)}
                : new Posix[] {self, self, self};
        Arrays.fill(slots, -1);
    }

    /// What a call answers in one of the other processes; 0 is this one.
    String in(int process, RandomCall call) {
        return process == 0 || others.isEmpty() ? call.on(this) : others.get((process - 1) % others.size()).play(number, call);
    }

    Posix user(int number) {
        return users[number];
    }

    String path(String name) {
        return (shared != null && !name.isEmpty() && name.charAt(0) >= SHARED_FROM ? shared : top + "/") + name;
    }

    /// What a symlink says: wherever it is moved to, it leads to no name of another process.
    String target(String name) {
        return (shared == null ? "" : shared.substring(shared.lastIndexOf('/') + 1)) + name;
    }

    /// The file that all append to.
    String shared() {
        return shared == null ? "/nothing shared" : top + "/../log";
    }

    int slot(int number) {
        return slots[number];
    }

    /// Puts an open file into a slot and closes the one that was there.
    String put(int number, long fd) {
        if (fd < 0) return answer(fd);
        close(number);
        slots[number] = (int) fd;
        return "open";
    }

    String close(int number) {
        if (slots[number] < 0) return "nothing to close";
        long result = Posix.SELF.close(slots[number]);
        slots[number] = -1;
        return answer(result);
    }

    /// What stat says, but for what file systems may see differently: blocks, sizes of directories, the time of day.
    String look(String name) {
        var stat = Posix.SELF.lstat(path(name));
        return stat == null ? answer(Posix.SELF.statAnswer(path(name), AT_SYMLINK_NOFOLLOW)) : look(stat);
    }

    static String look(Stat stat) {
        return "%o links %d owner %d:%d%s%s".formatted(stat.mode(), stat.nlink(), stat.uid(), stat.gid(),
                stat.type() == S_IFDIR ? "" : " size " + stat.size(), Times.isSet(stat.mtime()) ? " mtime " + stat.mtime() : "");
    }

    /// Of a file that has just been cut to nothing: it has no blocks, but for the one in which ext4 keeps attributes.
    String emptied(String name) {
        var stat = Posix.SELF.lstat(path(name));
        if (stat == null || stat.type() != S_IFREG) return "";
        long most = xattrs(name).isEmpty() ? 0 : stat.blockSize() / 512;
        return stat.blocks() <= most ? "" : ", " + stat.blocks() + " blocks";
    }

    /// Which times have moved since this was last asked, of everything that has a name or is open here.
    String moved() {
        var all = new LinkedHashMap<String, Stat>();
        all.put("top", Posix.SELF.lstat(top));
        stats("", all);
        for (int i = 0; i < SLOTS; i++) if (slots[i] >= 0) all.put("slot " + i, Posix.SELF.fstat(slots[i]));
        var moved = times.moved(all);
        if (!fineTimes) Times.awaitAfter(Instant.now());
        return moved;
    }

    // Without listing a directory, which would itself move a time.
    private void stats(String below, Map<String, Stat> all) {
        for (int i = 0; i < RandomSequence.LETTERS.length(); i++) {
            var name = below + RandomSequence.LETTERS.charAt(i);
            var stat = Posix.SELF.lstat(path(name));
            if (stat == null) continue;
            all.put(name, stat);
            if (stat.type() == S_IFDIR) stats(name + "/", all);
        }
    }

    /// Everything below the top, one line for each name.
    List<String> everything() {
        var lines = new ArrayList<String>();
        everything("", lines);
        lines.addAll(openFiles());
        for (int i = 0; i < others.size(); i++) lines.add("process " + (i + 1) + ": " + in(i + 1, new RandomCall.OpenFiles()));
        return lines;
    }

    List<String> openFiles() {
        var lines = new ArrayList<String>();
        for (int i = 0; i < SLOTS; i++)
            if (slots[i] >= 0) {
                var stat = Posix.SELF.fstat(slots[i]);
                lines.add("slot " + i + ": " + look(stat) + (stat.type() == S_IFREG ? " " + content(slots[i]) : ""));
            }
        return lines;
    }

    private void everything(String below, List<String> lines) {
        for (var entry : new TreeSet<>(names(below))) {
            var name = below.isEmpty() ? entry : below + "/" + entry;
            var stat = Posix.SELF.lstat(path(name));
            if (stat == null) {
                lines.add(name + ": listed, but " + look(name));
                continue;
            }
            lines.add(name + ": " + look(stat) + (stat.type() == S_IFREG ? " " + content(name) : "")
                    + (stat.type() == S_IFLNK ? " -> " + Posix.SELF.readlink(path(name)) : "") + " " + xattrs(name));
            if (stat.type() == S_IFDIR) everything(name, lines);
        }
    }

    /// The names in a directory, as they come.
    List<String> names(String name) {
        long fd = Posix.SELF.open(path(name), O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0) return List.of(answer(fd));
        try {
            var all = new ArrayList<String>();
            for (var some = Posix.SELF.getdents((int) fd, 2000); !some.isEmpty(); some = Posix.SELF.getdents((int) fd, 2000))
                some.forEach(entry -> all.add(entry.name()));
            all.removeAll(List.of(".", ".."));
            return all;
        } finally {
            Posix.SELF.close((int) fd);
        }
    }

    String xattrs(String name) {
        var listed = Posix.SELF.listxattr(path(name));
        if (listed == null) return answer(Posix.SELF.listxattr(path(name), 0));
        var all = new TreeMap<String, String>();
        for (var attribute : listed) if (!attribute.startsWith("security.")) all.put(attribute, digest(Posix.SELF.getxattr(path(name), attribute)));
        return all.isEmpty() ? "" : all.toString();
    }

    private String content(String name) {
        long fd = Posix.SELF.open(path(name), O_RDONLY, 0);
        if (fd < 0) return answer(fd);
        try {
            return contentRead((int) fd);
        } finally {
            Posix.SELF.close((int) fd);
        }
    }

    // By way of its own description: the slot may be open for writing only.
    private static String content(int fd) {
        long reader = Posix.SELF.open("/proc/self/fd/" + fd, O_RDONLY, 0);
        if (reader < 0) return answer(reader);
        try {
            return contentRead((int) reader);
        } finally {
            Posix.SELF.close((int) reader);
        }
    }

    private static String contentRead(int fd) {
        return digest(Posix.SELF.pread(fd, 1 << 20, 0)) + ", holes " + RandomCall.Holes.holes(fd, 0);
    }

    static String digest(byte[] data) {
        if (data == null) return "none";
        var crc = new CRC32C();
        crc.update(data);
        return data.length + " bytes " + Long.toHexString(crc.getValue());
    }

    void closeFiles() {
        for (int i = 0; i < SLOTS; i++) close(i);
    }

    @Override
    public void close() {
        closeFiles();
        for (var other : others) other.end(number);
        remove("");
        PosixTest.ok(Posix.SELF.rmdir(top));
    }

    private void remove(String below) {
        for (var entry : names(below)) {
            var name = below.isEmpty() ? entry : below + "/" + entry;
            if (Posix.SELF.rmdir(path(name)) >= 0 || Posix.SELF.unlink(path(name)) >= 0) continue;
            remove(name);
            PosixTest.ok(Posix.SELF.rmdir(path(name)));
        }
    }
}
