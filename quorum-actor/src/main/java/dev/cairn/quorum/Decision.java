package dev.cairn.quorum;

import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import java.util.List;

/// What the server does about one input, in this order: refuse the I/O of the fenced mounts at the storage, persist all
/// events as one batch, send the messages. A message that left before its events were durable could promise space or a
/// commit that a successor knows nothing of.
///
/// @param fenced rids of mounts that are given up for dead
/// @param events already applied to the [ServerState] (see [ServerCore]); to be persisted together
/// @param sends  each addressed by its rid
public record Decision(List<Long> fenced, List<ServerEvent> events, List<ServerMessage> sends) {
    public static final Decision NOTHING = new Decision(List.of(), List.of(), List.of());

    public Decision {
        fenced = List.copyOf(fenced);
        events = List.copyOf(events);
        sends = List.copyOf(sends);
    }

    /// Two decisions made one after the other, to be persisted as one batch.
    public Decision then(Decision next) {
        return new Decision(join(fenced, next.fenced), join(events, next.events), join(sends, next.sends));
    }

    private static <T> List<T> join(List<T> a, List<T> b) {
        if (a.isEmpty()) return b;
        if (b.isEmpty()) return a;
        var both = new java.util.ArrayList<T>(a.size() + b.size());
        both.addAll(a);
        both.addAll(b);
        return both;
    }
}
