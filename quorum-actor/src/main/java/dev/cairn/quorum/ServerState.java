package dev.cairn.quorum;

import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerSnapshot;

/// All that the server of a volume knows and must not forget: built by events, and by nothing else.
public final class ServerState {
    /// Events carry numbers, and one that was applied already is passed over: [ServerCore] applies its events as it
    /// decides them, and the journal hands them over once more when they have been persisted.
    public void apply(ServerEvent event) {
        throw new UnsupportedOperationException();
    }

    public ServerSnapshot snapshot() {
        throw new UnsupportedOperationException();
    }

    public static ServerState restore(ServerSnapshot snapshot) {
        throw new UnsupportedOperationException();
    }

    /// Whether mkfs's geometry has been recorded: false only before the very first term.
    public boolean initialized() {
        return false;
    }

    public long term() {
        return 0;
    }
}
