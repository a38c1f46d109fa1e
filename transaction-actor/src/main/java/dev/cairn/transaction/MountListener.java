package dev.cairn.transaction;

import dev.cairn.proto.LockName;

/// Told by a mount's coordinator, on its thread: must not block.
public interface MountListener {
    /// The server knows the mount; operations run from now on.
    void registered();

    /// The mount has stopped working for good; every operation gets EIO.
    void failed(String why);

    /// A cluster lock goes to another mount, or is lowered to `keep` (null: entirely): what the kernel caches under it has to
    /// be invalidated.
    void revoked(LockName name, LockMode keep);
}
