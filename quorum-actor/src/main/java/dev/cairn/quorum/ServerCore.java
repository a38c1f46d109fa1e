package dev.cairn.quorum;

import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.VolumeGeometry;

/// Decides what the server answers: state and request in, [Decision] out; no clock, no I/O, no threads.
///
/// The core applies its events to the state as it decides them, so the state runs ahead of the journal by the decisions
/// that are not persisted yet: several requests may be decided one after the other and persisted as one batch. When
/// persisting fails, state and core are worthless: throw both away and build them from the journal again.
/// One core lives for one term; it holds the soft state (locks, leases).
public final class ServerCore {
    public ServerCore(ServerState state, ServerSettings settings) {
    }

    /// First call of a term, after the journal has been replayed; its events are persisted before any request is decided.
    public Decision startTerm(VolumeGeometry geometry, int slot, long nowNanos) {
        throw new UnsupportedOperationException();
    }

    public Decision decide(ServerRequest request, long nowNanos) {
        throw new UnsupportedOperationException();
    }

    /// Every [ServerSettings#tick]: ends leases, repeats revokes, offers merge jobs.
    public Decision tick(long nowNanos) {
        throw new UnsupportedOperationException();
    }
}
