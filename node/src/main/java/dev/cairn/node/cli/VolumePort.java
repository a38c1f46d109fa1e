package dev.cairn.node.cli;

import dev.cairn.proto.AdminReply;
import dev.cairn.proto.AdminRequest;
import java.io.IOException;
import java.nio.file.Path;

/// Asks a mounted volume something, through any file or directory of the mount.
@FunctionalInterface
public interface VolumePort {
    /// The reply may carry an errno; an IOException says that the path could not be asked at all.
    AdminReply call(Path path, AdminRequest request) throws IOException;
}
