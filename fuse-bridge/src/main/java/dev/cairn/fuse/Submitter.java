package dev.cairn.fuse;

import dev.cairn.transaction.Coordinator;

/// Gives work to the mount's coordinator. Usually the coordinator runs on the calling thread, so that the work has ended
/// when `submit` returns; it may also end later, on any other thread.
@FunctionalInterface
public interface Submitter {
    void submit(Coordinator.Command command);
}
