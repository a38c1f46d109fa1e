package dev.cairn.quorum.journal;

import java.util.Objects;

/// A voter of the journal's Raft group: a quorum slot, and where its Raft peer listens. With a single peer nothing listens.
public record JournalPeer(int slot, String host, int port) {
    public JournalPeer {
        Objects.requireNonNull(host);
        if (slot < 0) throw new IllegalArgumentException("slot " + slot);
    }

    String id() {
        return "slot-" + slot;
    }
}
