package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.cairn.filesystem.Caller;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.Time;
import dev.cairn.proto.AdminRequest;
import dev.cairn.proto.InoPath;
import dev.cairn.proto.InodeIndex;
import dev.cairn.proto.StatMore;
import dev.cairn.proto.StatVolume;
import dev.cairn.proto.WalkInodes;
import dev.cairn.transaction.Operation;
import io.micrometer.core.instrument.search.MeterNotFoundException;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A volume in memory behind a real kernel mount, used by ordinary file calls. Needs root and /dev/fuse.
///
/// Nothing here maps a file of the mount into memory: a page fault of this JVM would wait for its own reader threads.
@Timeout(60)
class FuseMountTest {
    @TempDir
    Path directory;
    Path at;
    final MemoryVolume volume = new MemoryVolume(256 << 20);
    final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final CompletableFuture<FuseSession.End> end = new CompletableFuture<>();
    FuseSession session;

    @BeforeEach
    void mount() throws IOException {
        assumeTrue(Linux.effectiveUid() == 0 && Files.isWritable(Path.of("/dev/fuse")), "needs root and /dev/fuse");
        at = directory.resolve("mount point");       // a blank is written \040 in mountinfo
        Files.createDirectory(at);
        session = start();
    }

    final FuseSession start() throws IOException {
        return start(FuseSession.Settings.of(at, "memory", 0xabcL, 0xdefL).transport(Transport.DEV_FUSE));
    }

    FuseSession start(FuseSession.Settings settings) throws IOException {
        return FuseSession.start(settings, volume.fileSystem, volume.dataIo, volume, registry, end::complete);
    }

    @AfterEach
    void unmount() throws Exception {
        try {
            if (session != null && !session.stop(Duration.ofSeconds(20))) throw new AssertionError("the session did not end");
        } finally {
            while (MountCalls.umount2(at.toString(), MountCalls.MNT_DETACH) == 0) {}
            volume.close();
        }
    }

    private static byte[] random(int bytes, long seed) {
        var random = new byte[bytes];
        new SplittableRandom(seed).nextBytes(random);
        return random;
    }

    @Test
    void files_are_written_read_renamed_linked_and_deleted() throws IOException {
        var content = random(3_000_001, 1);
        var file = Files.write(at.resolve("file"), content);
        assertThat(Files.readAllBytes(file)).isEqualTo(content);
        assertThat(Files.size(file)).isEqualTo(content.length);
        assertThatThrownBy(() -> Files.createFile(file)).isInstanceOf(FileAlreadyExistsException.class);

        var sub = Files.createDirectory(at.resolve("sub"));
        var moved = Files.move(file, sub.resolve("moved"));
        assertThat(file).doesNotExist();
        Files.createLink(at.resolve("second"), moved);
        assertThat(Files.getAttribute(moved, "unix:nlink")).isEqualTo(2);
        assertThat(Files.isSameFile(moved, at.resolve("second"))).isTrue();
        Files.writeString(at.resolve("other"), "other");
        Files.move(at.resolve("other"), moved, StandardCopyOption.ATOMIC_MOVE);
        assertThat(moved).hasContent("other");
        assertThat(Files.readAllBytes(at.resolve("second"))).isEqualTo(content);

        assertThatThrownBy(() -> Files.delete(sub)).isInstanceOf(DirectoryNotEmptyException.class);
        Files.delete(moved);
        Files.delete(sub);
        Files.delete(at.resolve("second"));
        assertThatThrownBy(() -> Files.delete(sub)).isInstanceOf(NoSuchFileException.class);
        try (var left = Files.list(at)) {
            assertThat(left).isEmpty();
        }
    }

    private interface Change {
        void make() throws IOException;
    }

    private void isDurable(Change change) throws IOException {
        int before = volume.commits.get();
        change.make();
        assertThat(volume.commits.get()).isGreaterThan(before);
    }

    private void restart(MountFlag flag) throws Exception {
        var settings = session.settings;
        session.stop(Duration.ofSeconds(20));
        session = start(settings.mount(settings.mount().flags(Set.of(flag))));
    }

    private void changeNames() throws IOException {
        Path file = at.resolve("file"), moved = at.resolve("moved"), link = at.resolve("link"), directory = at.resolve("directory");
        isDurable(() -> Files.createFile(file));
        isDurable(() -> Files.createDirectory(directory));
        isDurable(() -> Files.createSymbolicLink(at.resolve("symlink"), moved));
        isDurable(() -> Files.createLink(link, file));
        isDurable(() -> Files.move(file, moved));
        isDurable(() -> Files.delete(link));
        isDurable(() -> Files.delete(directory));
    }

    @Test
    void names_or_everything_is_durable_at_once_where_it_is_mounted_so() throws Exception {
        Files.createFile(at.resolve("before"));
        assertThat(volume.commits).hasValue(0);
        restart(MountFlag.DIRSYNC);
        changeNames();
        var moved = at.resolve("moved");
        int names = volume.commits.get();
        Files.write(moved, random(10_000, 2));
        Files.setPosixFilePermissions(moved, PosixFilePermissions.fromString("rw-------"));
        assertThat(volume.commits).as("what changes no names").hasValue(names);
        Files.delete(moved);
        Files.delete(at.resolve("symlink"));

        restart(MountFlag.SYNC);
        changeNames();
        isDurable(() -> Files.write(moved, random(10_000, 3)));
        isDurable(() -> Files.setPosixFilePermissions(moved, PosixFilePermissions.fromString("r--------")));
        isDurable(() -> Files.setLastModifiedTime(moved, FileTime.fromMillis(77)));
        isDurable(() -> Files.getFileAttributeView(moved, UserDefinedFileAttributeView.class).write("name", ByteBuffer.wrap(new byte[10])));
        try (var channel = FileChannel.open(moved, StandardOpenOption.WRITE)) {
            isDurable(() -> channel.truncate(5));
            isDurable(() -> channel.write(ByteBuffer.wrap(new byte[3])));
        }
        try (var channel = FileChannel.open(moved, StandardOpenOption.WRITE, com.sun.nio.file.ExtendedOpenOption.DIRECT)) {
            isDurable(() -> channel.write(ByteBuffer.allocateDirect(2 * 4096).alignedSlice(4096).limit(4096)));
        }
        try (var source = FileChannel.open(moved); var target = FileChannel.open(at.resolve("copy"), StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
            isDurable(() -> source.transferTo(0, 4096, target));
        }
        names = volume.commits.get();
        assertThat(moved).hasSize(4096);
        assertThat(Files.readAllBytes(moved)).hasSize(4096);
        assertThat(volume.commits).as("what changes nothing").hasValue(names);
    }

    @Test
    void symbolic_links_are_not_followed_where_it_is_mounted_so() throws Exception {
        restart(MountFlag.NOSYMFOLLOW);
        Files.writeString(at.resolve("file"), "content");
        Files.createSymbolicLink(at.resolve("link"), Path.of("file"));
        assertThat(Files.readSymbolicLink(at.resolve("link"))).isEqualTo(Path.of("file"));
        assertThatThrownBy(() -> Files.readString(at.resolve("link"))).hasMessageContaining("Too many levels of symbolic links");
    }

    @Test
    void what_cannot_be_made_durable_at_once_fails() throws Exception {
        restart(MountFlag.SYNC);
        double known = registry.get("cairn_fuse_known_inodes").gauge().value();
        volume.failCommits = true;
        assertThatThrownBy(() -> Files.createFile(at.resolve("file"))).isInstanceOf(FileSystemException.class).hasMessageContaining("Input/output error");
        volume.failCommits = false;
        assertThat(registry.get("cairn_fuse_known_inodes").gauge().value()).as("what the kernel was not told of it cannot forget").isEqualTo(known);
        assertThat(at.resolve("file")).as("it is there all the same").exists();
        isDurable(() -> Files.writeString(at.resolve("file"), "content"));
        assertThat(at.resolve("file")).hasContent("content");
        volume.failCommits = true;
        assertThatThrownBy(() -> Files.move(at.resolve("file"), at.resolve("moved"))).hasMessageContaining("Input/output error");
        assertThat(at.resolve("file")).doesNotExist();
        assertThat(at.resolve("moved")).hasContent("content");
        try (var channel = FileChannel.open(at.resolve("moved"), StandardOpenOption.WRITE)) {
            assertThatThrownBy(() -> channel.truncate(3)).hasMessageContaining("Input/output error");
        }
        assertThat(at.resolve("moved")).hasContent("con");
        volume.failCommits = false;
    }

    @Test
    void while_requests_come_in_a_stream_cpus_are_asked_to_wake_promptly() throws Exception {
        var device = Path.of("/").resolve(CpuLatency.DEVICE);
        assumeTrue(Files.isWritable(device), "needs " + device);
        var settings = session.settings;
        session.stop(Duration.ofSeconds(20));
        session = start(settings.cpuLatency(CpuLatency.of("100us")));
        // The session before may have had a stream, too.
        await().until(() -> !PromptCpusTest.isOpen(device));
        for (int i = 0; !PromptCpusTest.isOpen(device); i++) Files.delete(Files.createFile(at.resolve("file" + i)));
        await().until(() -> !PromptCpusTest.isOpen(device));
        System.gc();
        assertThat(registry.get("cairn_fuse_prompt_cpus_seconds").functionCounter().count()).isBetween(0.02, 60.0);

        Files.createFile(at.resolve("one"));
        session.stop(Duration.ofSeconds(20));
        assertThat(registry.find("cairn_fuse_prompt_cpus_seconds").functionCounter()).isNull();
    }

    @Test
    void attributes_are_kept() throws Exception {
        var file = Files.createFile(at.resolve("file"));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-x--x"));
        Files.setAttribute(file, "unix:uid", 1234);
        Files.setAttribute(file, "unix:gid", 5678);
        run("touch", "-m", "-d", "1965-03-04T05:06:07.123456789Z", file.toString());
        Files.createSymbolicLink(at.resolve("link"), Path.of("file"));
        Files.setAttribute(file, "unix:mode", 04755);

        assertThat(Files.getAttribute(file, "unix:mode")).isEqualTo(0104755);
        assertThat(Files.getAttribute(file, "unix:uid")).isEqualTo(1234);
        assertThat(Files.getAttribute(file, "unix:gid")).isEqualTo(5678);
        assertThat(Files.getLastModifiedTime(file).toInstant()).isEqualTo(Instant.parse("1965-03-04T05:06:07.123456789Z"));
        assertThat(Files.readSymbolicLink(at.resolve("link"))).isEqualTo(Path.of("file"));
        assertThat(Files.readAttributes(at.resolve("link"), "unix:*", LinkOption.NOFOLLOW_LINKS).get("size")).isEqualTo(4L);
    }

    @Test
    void extended_attributes() throws IOException {
        var file = Files.createFile(at.resolve("file"));
        var view = Files.getFileAttributeView(file, UserDefinedFileAttributeView.class);
        var value = random(40_000, 3);
        view.write("large", ByteBuffer.wrap(value));
        view.write("empty", ByteBuffer.allocate(0));
        view.write("small", ByteBuffer.wrap(new byte[] {1, 2, 3}));
        assertThat(view.list()).containsExactlyInAnyOrder("large", "empty", "small");
        var read = ByteBuffer.allocate(view.size("large"));
        view.read("large", read);
        assertThat(read.array()).isEqualTo(value);
        assertThatThrownBy(() -> view.read("large", ByteBuffer.allocate(10))).isInstanceOf(IOException.class);
        view.delete("large");
        assertThat(view.list()).containsExactlyInAnyOrder("empty", "small");
        assertThatThrownBy(() -> view.size("large")).isInstanceOf(IOException.class);
    }

    @Test
    void five_thousand_entries_are_listed_once_each() throws IOException {
        var names = new HashSet<String>();
        for (int i = 0; i < 5000; i++) {
            var name = "entry-" + i + "-" + "x".repeat(i % 100);
            names.add(name);
            Files.createFile(at.resolve(name));
        }
        for (int round = 0; round < 2; round++) {
            var seen = new ArrayList<String>();
            try (var entries = Files.newDirectoryStream(at)) {
                // With stat in between, so that both READDIR and READDIRPLUS are used.
                for (var entry : entries) {
                    assertThat(Files.size(entry)).isZero();
                    seen.add(entry.getFileName().toString());
                }
            }
            assertThat(seen).hasSize(5000).containsExactlyInAnyOrderElementsOf(names);
        }
    }

    @Test
    void holes_appending_and_truncating() throws Exception {
        var file = at.resolve("file");
        try (var channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {1}), 10 << 20);
        }
        assertThat(Files.size(file)).isEqualTo((10 << 20) + 1);
        var bytes = Files.readAllBytes(file);
        assertThat(bytes[10 << 20]).isEqualTo((byte) 1);
        assertThat(Arrays.equals(bytes, 0, 10 << 20, new byte[10 << 20], 0, 10 << 20)).isTrue();

        Files.write(file, new byte[] {2, 3}, StandardOpenOption.APPEND);
        assertThat(Files.size(file)).isEqualTo((10 << 20) + 3);

        var dense = Files.write(at.resolve("dense"), random(5 << 20, 4));
        int before = volume.blocksInUse();
        run("fallocate", "--punch-hole", "--offset", "1000000", "--length", "2000000", dense.toString());
        assertThat(volume.blocksInUse()).isLessThan(before - 480);
        var expected = random(5 << 20, 4);
        Arrays.fill(expected, 1_000_000, 3_000_000, (byte) 0);
        assertThat(Files.readAllBytes(dense)).isEqualTo(expected);
        run("fallocate", "--length", "20000000", at.resolve("reserved").toString());
        assertThat(Files.size(at.resolve("reserved"))).isEqualTo(20_000_000);

        try (var truncated = new RandomAccessFile(dense.toFile(), "rw")) {
            truncated.setLength(12_345);
            truncated.setLength(20_000);
        }
        expected = Arrays.copyOf(Arrays.copyOf(expected, 12_345), 20_000);
        assertThat(Files.readAllBytes(dense)).isEqualTo(expected);
        assertThat(session.awaitReclaimed(Duration.ofSeconds(10))).isTrue();
        assertThat(volume.blocksInUse()).isLessThan(before - 480 + 20_000_000 / 4096 + 1 - 490);
        assertThat(output("cp", "--sparse=always", dense.toString(), at.resolve("copy").toString())).isEmpty();
        assertThat(Files.readAllBytes(at.resolve("copy"))).isEqualTo(expected);
    }

    @Test
    void space_is_reported() throws IOException {
        var store = Files.getFileStore(at);
        assertThat(store.type()).isEqualTo("fuse.cairn");
        assertThat(store.name()).isEqualTo("memory");
        assertThat(store.getTotalSpace()).isEqualTo(256 << 20);
        long free = store.getUsableSpace();
        Files.write(at.resolve("file"), new byte[1 << 20]);
        assertThat(store.getUsableSpace()).isEqualTo(free - (1 << 20));
    }

    @Test
    void a_full_volume_says_so_and_recovers() throws Exception {
        var file = at.resolve("file");
        assertThatThrownBy(() -> {
            try (var out = Files.newOutputStream(file)) {
                for (int i = 0; i < 300; i++) out.write(new byte[1 << 20]);
            }
        }).isInstanceOf(IOException.class).hasMessageContaining("No space left");
        Files.delete(file);
        await().until(() -> volume.blocksInUse() == 0);
        Files.write(file, new byte[100 << 20]);
    }

    @Test
    void an_unlinked_file_lives_until_its_last_user_goes() throws Exception {
        var file = at.resolve("file");
        int items = volume.items();
        try (var channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE,
                StandardOpenOption.READ)) {
            channel.write(ByteBuffer.wrap(random(1 << 20, 5)));
            Files.delete(file);
            assertThat(session.awaitReclaimed(Duration.ofSeconds(10))).isTrue();
            channel.write(ByteBuffer.wrap(random(1 << 20, 6)));
            var read = ByteBuffer.allocate(2 << 20);
            channel.read(read, 0);
            assertThat(Arrays.copyOfRange(read.array(), 0, 1 << 20)).isEqualTo(random(1 << 20, 5));
            assertThat(volume.blocksInUse()).isGreaterThanOrEqualTo(512);
        }
        await().until(() -> volume.blocksInUse() == 0 && volume.items() == items);
    }

    @Test
    void deleted_files_are_freed_together_and_large_ones_alone_and_none_is_left() throws Exception {
        int items = volume.items();
        Files.write(at.resolve("large"), new byte[0]);
        try (var large = new RandomAccessFile(at.resolve("large").toFile(), "rw")) {
            for (int i = 0; i < 10; i++) {
                large.seek(i * 8192L);
                large.write(1);
            }
        }
        for (int i = 0; i < 300; i++) Files.write(at.resolve("small" + i), random(100, i));
        for (int i = 0; i < 150; i++) Files.delete(at.resolve("small" + i));
        Files.delete(at.resolve("large"));
        for (int i = 150; i < 300; i++) Files.delete(at.resolve("small" + i));
        await().until(() -> volume.blocksInUse() == 0 && volume.items() == items);
        assertThat(session.awaitReclaimed(Duration.ofSeconds(10))).isTrue();
    }

    @Test
    void orphans_of_dead_mounts_are_reaped() throws Exception {
        session.stop(Duration.ofSeconds(10));
        int items = volume.items();
        var now = new Time(1, 0);
        for (int i = 0; i < 20; i++) {
            var name = ("orphan" + i).getBytes();
            volume.doing(Operation.Hold.ALLOCATE,
                    tx -> volume.fileSystem.create(tx, FileSystem.ROOT_INO, name, 0100644, Caller.ROOT, now));
            volume.doing(Operation.Hold.MODIFY, tx -> volume.fileSystem.unlink(tx, FileSystem.ROOT_INO, name, now));
        }
        assertThat(volume.items()).isGreaterThan(items);
        session = start();
        session.orphansReaped().get(10, TimeUnit.SECONDS);
        assertThat(volume.items()).isEqualTo(items);
    }

    @Test
    void fsync_waits_for_a_commit() throws IOException {
        int commits = volume.commits.get();
        try (var channel = FileChannel.open(at.resolve("file"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[100]));
            channel.force(true);
            assertThat(volume.commits.get()).isEqualTo(commits + 1);
        }
        try (var channel = FileChannel.open(at, StandardOpenOption.READ)) {
            channel.force(true);
        }
        assertThat(volume.commits.get()).isEqualTo(commits + 2);
    }

    @Test
    void many_threads_while_things_are_missing_and_the_disk_is_slow() throws Exception {
        volume.lacksEvery = 7;
        volume.slowReads = true;
        var tasks = new ArrayList<Callable<Void>>();
        for (int t = 0; t < 8; t++) {
            int thread = t;
            tasks.add(() -> {
                var mine = Files.createDirectory(at.resolve("thread-" + thread));
                for (int i = 0; i < 40; i++) {
                    var content = random(1 + i * 3000, thread * 1000 + i);
                    var file = Files.write(mine.resolve("file-" + i), content);
                    try (var channel = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.READ)) {
                        channel.force(false);
                    }
                    dropCache(file);
                    var moved = Files.move(file, mine.resolve("moved-" + i));
                    assertThat(Files.readAllBytes(moved)).isEqualTo(content);
                    if (i % 2 == 0) Files.delete(moved);
                }
                try (var left = Files.list(mine)) {
                    assertThat(left).hasSize(20);
                }
                return null;
            });
        }
        try (var pool = Executors.newFixedThreadPool(tasks.size())) {
            for (var result : pool.invokeAll(tasks)) result.get();
        }
    }

    /// Truncating to its own size keeps the content; the kernel drops the pages when a file is truncated and grown again.
    private static void dropCache(Path file) throws IOException {
        var content = Files.readAllBytes(file);
        try (var open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(0);
            open.write(content);
        }
    }

    /// A backup that has read the contents before, and goes by times, comes back for them.
    @Test
    void a_write_has_the_time_at_which_it_can_be_read() throws IOException {
        var file = Files.write(at.resolve("file"), random(100_000, 8));
        assertThat(Files.getLastModifiedTime(file).toInstant()).isAfterOrEqualTo(volume.device.lastWritten);
        assertThat(((FileTime) Files.getAttribute(file, "unix:ctime")).toInstant()).isAfterOrEqualTo(volume.device.lastWritten);
    }

    @Test
    void a_device_that_fails_costs_the_call_and_no_more() throws IOException {
        var file = Files.write(at.resolve("file"), random(100_000, 7));
        volume.failWrites = true;
        int blocks = volume.blocksInUse();
        assertThatThrownBy(() -> Files.write(at.resolve("other"), new byte[100_000])).isInstanceOf(IOException.class)
                .hasMessageContaining("Input/output error");
        assertThat(volume.blocksInUse()).isEqualTo(blocks);
        volume.failWrites = false;
        Files.write(at.resolve("other"), new byte[100_000]);
        volume.bug = true;
        assertThatThrownBy(() -> Files.createFile(at.resolve("third"))).isInstanceOf(IOException.class);
        volume.bug = false;
        Files.createFile(at.resolve("third"));
        assertThat(Files.readAllBytes(file)).isEqualTo(random(100_000, 7));
    }

    @Test
    void umount_from_outside_ends_the_session() throws Exception {
        Files.writeString(at.resolve("file"), "content");
        run("umount", at.toString());
        assertThat(end.get(10, TimeUnit.SECONDS)).isEqualTo(FuseSession.End.UNMOUNTED);
        assertThat(at.resolve("file")).doesNotExist();
    }

    @Test
    void a_mount_in_use_is_unmounted_only_by_force() throws Exception {
        var channel = FileChannel.open(at.resolve("file"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        assertThatThrownBy(session::unmount).isInstanceOf(IOException.class).hasMessageContaining("in use");
        channel.write(ByteBuffer.wrap(new byte[10]));
        assertThat(session.stop(Duration.ofSeconds(10))).isTrue();
        assertThatThrownBy(() -> channel.write(ByteBuffer.wrap(new byte[10]))).isInstanceOf(IOException.class);
        assertThatThrownBy(channel::close).isInstanceOf(IOException.class);
        assertThat(end.get(1, TimeUnit.SECONDS)).isIn(FuseSession.End.ABORTED, FuseSession.End.UNMOUNTED);
        session = start();
        assertThat(Files.size(at.resolve("file"))).isEqualTo(10);
    }

    @Test
    void a_mount_point_that_is_taken_is_refused() {
        assertThatThrownBy(this::start).isInstanceOf(IOException.class).hasMessageContaining("mounted already");
        assertThatThrownBy(() -> FuseMount.mount(directory.resolve("nowhere"), MountOptions.of("memory")))
                .isInstanceOf(IOException.class).hasMessageContaining("no such directory");
    }

    @Test
    void what_a_killed_node_left_is_removed() throws Exception {
        session.stop(Duration.ofSeconds(10));
        var node = new ProcessBuilder(ProcessHandle.current().info().command().orElseThrow(),
                "--enable-native-access=ALL-UNNAMED", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
                Bench.class.getName(), at.toString()).inheritIO().start();
        try {
            await().atMost(Duration.ofSeconds(20)).until(() -> Files.readString(Path.of("/proc/self/mountinfo"))
                    .contains("mount\\040point"));
            Files.writeString(at.resolve("file"), "of the other node");
        } finally {
            node.destroyForcibly().waitFor();
        }
        assertThatThrownBy(() -> Files.createFile(at.resolve("another"))).isInstanceOf(IOException.class)
                .hasMessageContaining("endpoint is not connected");
        session = start();
        assertThat(at.resolve("file")).doesNotExist();
        Files.createFile(at.resolve("another"));
    }

    @Test
    void the_command_line_asks_through_an_ioctl() throws IOException {
        var sub = Files.createDirectory(at.resolve("sub"));
        var file = Files.write(sub.resolve("file"), new byte[5000]);
        long ino = (Long) Files.getAttribute(file, "unix:ino");

        var more = AdminIoctl.call(file, AdminRequest.newBuilder().setStatMore(StatMore.getDefaultInstance()).build());
        assertThat(more.getErrno()).isZero();
        assertThat(more.getStatMore().getIno()).isEqualTo(ino);
        assertThat(more.getStatMore().getOnlineBlocks()).isEqualTo(2);

        var volumeReply = AdminIoctl.call(at, AdminRequest.newBuilder().setStatVolume(StatVolume.getDefaultInstance())
                .build()).getStatVolume();
        assertThat(volumeReply.getFsid()).isEqualTo(0xabc);
        assertThat(volumeReply.getRid()).isEqualTo(0xdef);

        var path = AdminIoctl.call(at, AdminRequest.newBuilder().setInoPath(InoPath.newBuilder().setIno(ino)).build())
                .getInoPath();
        assertThat(path.getPath().toStringUtf8()).isEqualTo("sub/file");

        for (int i = 0; i < 1000; i++) Files.createFile(sub.resolve("f" + i));
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        var inodes = new ArrayList<Long>();
        long major = 0, after = 0;
        for (boolean goOn = true; goOn; ) {
            var reply = AdminIoctl.call(at, AdminRequest.newBuilder().setWalkInodes(WalkInodes.newBuilder()
                    .setIndex(InodeIndex.META_SEQ).setFirstMajor(major).setFirstIno(after).setLastMajor(-1).setLastIno(-1))
                    .build());
            assertThat(reply.getErrno()).isZero();
            var rows = reply.getWalkInodes().getRowsList();
            rows.forEach(row -> inodes.add(row.getIno()));
            goOn = reply.getWalkInodes().getMore();
            if (goOn) {
                major = rows.getLast().getMajor();
                after = rows.getLast().getIno() + 1;
            }
        }
        assertThat(inodes).hasSize(1003).doesNotHaveDuplicates().contains(ino);

        assertThat(AdminIoctl.call(at, AdminRequest.getDefaultInstance()).getErrno()).isEqualTo(38);
        assertThatThrownBy(() -> AdminIoctl.call(directory, AdminRequest.getDefaultInstance()))
                .isInstanceOf(IOException.class).hasMessageContaining("not a Cairn mount");
    }

    @Test
    void large_reads_are_answered_with_pages_of_the_device() throws Exception {
        byte[] content = random(3_000_000, 1), other = random(3_000_000, 2);
        // Files that grow in turn lie in pieces.
        try (var a = FileChannel.open(at.resolve("a"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                var b = FileChannel.open(at.resolve("b"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            for (int from = 0; from < content.length; from += 40_000) {
                a.write(ByteBuffer.wrap(content, from, 40_000));
                b.write(ByteBuffer.wrap(other, from, 40_000));
            }
        }
        assertThat(readDirectly("a", 0)).isEqualTo(content);
        assertThat(readDirectly("b", 4096)).isEqualTo(Arrays.copyOfRange(other, 4096, other.length));
        long expected = session.transport() == Transport.DEV_FUSE ? 2L * content.length - 4096 : 0;
        // Counted once they are sent. Requests at the end of a file may be too small to be worth it.
        await().untilAsserted(() -> {
            assertThat(registry.get("cairn_fuse_read_bytes").counter().count()).isEqualTo(2L * content.length - 4096);
            assertThat(registry.get("cairn_fuse_spliced_bytes").counter().count()).isBetween(expected * 0.9, (double) expected);
        });

        volume.failReads = true;
        assertThatThrownBy(() -> readDirectly("a", 0)).hasMessageContaining("Input/output error");
        volume.failReads = false;
        volume.slowReads = true;
        double before = registry.get("cairn_fuse_spliced_bytes").counter().count();
        assertThat(readDirectly("a", 0)).isEqualTo(content);
        if (expected > 0) await().untilAsserted(() ->
                assertThat(registry.get("cairn_fuse_spliced_bytes").counter().count()).isGreaterThan(before + content.length * 0.9));
        try (var hole = FileChannel.open(at.resolve("a"), StandardOpenOption.WRITE)) {
            hole.write(ByteBuffer.wrap(content), 4_000_000);
        }
        var all = Arrays.copyOf(content, 7_000_000);
        System.arraycopy(content, 0, all, 4_000_000, content.length);
        assertThat(readDirectly("a", 0)).isEqualTo(all);
    }

    private byte[] readDirectly(String name, long from) throws IOException {
        try (var channel = FileChannel.open(at.resolve(name), StandardOpenOption.READ, com.sun.nio.file.ExtendedOpenOption.DIRECT)) {
            var buffer = ByteBuffer.allocateDirect((8 << 20) + 4096).alignedSlice(4096);
            for (int n; (n = channel.read(buffer, from + buffer.position())) > 0 && buffer.position() % 4096 == 0; ) ;
            var bytes = new byte[buffer.flip().remaining()];
            buffer.get(bytes);
            return bytes;
        }
    }

    @Test
    void requests_are_counted() throws IOException {
        Files.write(at.resolve("file"), new byte[10_000]);
        // A request is counted, and its opcode's timer made, once its reply has been sent: the caller may be faster.
        await().ignoreException(MeterNotFoundException.class).untilAsserted(() ->
                assertThat(registry.get("cairn_fuse_requests").tag("opcode", "create").timer().count()).isEqualTo(1));
        await().untilAsserted(() -> assertThat(registry.get("cairn_fuse_requests_in_flight").gauge().value()).isZero());
        assertThat(registry.get("cairn_fuse_written_bytes").counter().count()).isEqualTo(10_000);
    }

    private static void run(String... command) throws Exception {
        assertThat(output(command)).isEmpty();
    }

    private static String output(String... command) throws Exception {
        var process = new ProcessBuilder(List.of(command)).redirectErrorStream(true).start();
        var said = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor()).as("%s: %s", List.of(command), said).isZero();
        return said;
    }
}
