package dev.cairn.node;

import dev.cairn.proto.Resized;
import dev.cairn.proto.SpaceReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// The open volume of a node, as [Node] sees it: its devices, its quorum slot and its mounts. [LocalVolume] is the real
/// one.
interface Volume {
    String fsid();

    /// The server's, once it has been heard.
    OptionalLong term();

    /// Where the server is, in words.
    String server();

    List<NodeStatus.Mount> mounts();

    Optional<SpaceReport> space();

    List<Condition> conditions();

    /// Returns when the mount serves.
    void mount(NodeConfig.Mount mount) throws IOException;

    /// The kernel's, through the mount that there is, since it was mounted.
    long requests();

    /// Takes the mount away, commits, and says farewell to the server. A mount in use is refused, unless `lazy`, and so is one
    /// whose changes cannot be committed now but perhaps later.
    ///
    /// @return what has become of changes that could not be committed, for an operator; empty when all is durable
    Optional<String> unmount(Path dir, boolean lazy) throws IOException;

    /// Commits everything done so far through any mount.
    void sync() throws IOException;

    /// Walks everything that is committed by now.
    CheckedVolume check() throws IOException;

    /// Grows what the volume uses of its devices to so many bytes, rounded down to blocks; one that is not named stays as it
    /// is, and without any both grow to the size that the devices have.
    Resized resize(OptionalLong metadataBytes, OptionalLong dataBytes) throws IOException;

    /// Ends the quorum slot and closes the devices; the mounts have gone before.
    void close() throws IOException;
}
