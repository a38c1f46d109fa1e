package dev.cairn.node;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The nodes of this user on this machine, so that `umount DIR` finds the one that serves a directory: a directory that
/// does not outlive the machine's uptime, with one symbolic link to the state directory for each node, named by its pid.
/// A link proves nothing; [StateDirectory#nodeAlive] does.
public final class RunningNodes {
    private final Path dir;

    RunningNodes(Path dir) {
        this.dir = dir;
    }

    public static RunningNodes of(Map<String, String> environment) {
        var runtime = environment.get("XDG_RUNTIME_DIR");
        if (ThisUser.isRoot()) return new RunningNodes(Path.of("/run/cairn"));
        if (runtime != null && runtime.startsWith("/")) return new RunningNodes(Path.of(runtime, "cairn"));
        return new RunningNodes(Path.of("/tmp", "cairn-" + ThisUser.uid()));
    }

    void register(long pid, Path state) throws IOException {
        if (!Files.isDirectory(dir, LinkOption.NOFOLLOW_LINKS))
            Files.createDirectories(dir, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        // In /tmp anybody could have made it first.
        if (!ThisUser.owns(dir)) throw new IOException(dir + " belongs to another user: remove it or set XDG_RUNTIME_DIR");
        var link = dir.resolve(Long.toString(pid));
        try {
            Files.createSymbolicLink(link, state);
        } catch (FileAlreadyExistsException ofAnEarlierProcessWithThisPid) {
            Files.delete(link);
            Files.createSymbolicLink(link, state);
        }
    }

    void deregister(long pid) throws IOException {
        Files.deleteIfExists(dir.resolve(Long.toString(pid)));
    }

    /// State directories of nodes that live; links to others are removed.
    public List<StateDirectory> list() throws IOException {
        var alive = new ArrayList<StateDirectory>();
        if (!Files.isDirectory(dir, LinkOption.NOFOLLOW_LINKS) || !ThisUser.owns(dir)) return alive;
        try (var links = Files.newDirectoryStream(dir)) {
            for (var link : links) {
                if (!Files.isSymbolicLink(link)) continue;
                var state = new StateDirectory(Files.readSymbolicLink(link));
                if (Files.isDirectory(state.dir()) && state.nodeAlive()) alive.add(state);
                else Files.deleteIfExists(link);
            }
        }
        return alive;
    }
}
