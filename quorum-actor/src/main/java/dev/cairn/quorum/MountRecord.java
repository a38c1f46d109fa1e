package dev.cairn.quorum;

import dev.cairn.proto.KeptReply;
import dev.cairn.proto.ServerReply;
import java.util.TreeMap;

/// What the server remembers of one mount, besides its share of the space.
final class MountRecord {
    /// A mount has a handful of requests under way; a repeat of an older one has been answered and acknowledged long ago.
    static final int REPLIES_KEPT = 64;

    final long rid;
    final String nodeId;
    final long nodeIncarnation;
    private final TreeMap<Long, ServerReply> kept = new TreeMap<>();
    private long forgottenNr;

    MountRecord(long rid, String nodeId, long nodeIncarnation) {
        this.rid = rid;
        this.nodeId = nodeId;
        this.nodeIncarnation = nodeIncarnation;
    }

    void restore(long forgotten, Iterable<KeptReply> replies) {
        forgottenNr = forgotten;
        for (var reply : replies) kept.put(reply.getRequestNr(), reply.getReply());
    }

    /// The first answer to a request that changed something; null when there was none.
    ServerReply kept(long requestNr) {
        return kept.get(requestNr);
    }

    /// Whether an answer to this request may have been given and forgotten.
    boolean forgotten(long requestNr) {
        return Long.compareUnsigned(requestNr, forgottenNr) <= 0;
    }

    void keep(long requestNr, ServerReply reply) {
        kept.put(requestNr, reply);
        if (kept.size() > REPLIES_KEPT) forgottenNr = Math.max(forgottenNr, kept.pollFirstEntry().getKey());
    }

    long forgottenNr() {
        return forgottenNr;
    }

    TreeMap<Long, ServerReply> kept() {
        return kept;
    }
}
