package dev.cairn.transaction;

import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import java.util.Collection;
import java.util.TreeMap;
import java.util.function.Consumer;

/// A mount's side of its conversation with whichever server there is: numbers requests, remembers the unanswered ones for
/// resending, and takes each answer once. No actor, no clock.
final class ServerSession {
    static final int PROTOCOL = 1;

    private record Waiting(ServerRequest request, Consumer<ServerReply> then) {}

    private final long fsid;
    private final long rid;
    private final TreeMap<Long, Waiting> waiting = new TreeMap<>();
    private long lastNumber;
    private long term;

    ServerSession(long fsid, long rid) {
        this.fsid = fsid;
        this.rid = rid;
    }

    /// @param body a request with only its body set
    /// @param then gets the answer, once; on the coordinator
    /// @return the request to send now; it is among [#unanswered] until its answer is [#taken]
    ServerRequest next(ServerRequest.Builder body, Consumer<ServerReply> then) {
        var request = body.setProtocol(PROTOCOL).setFsid(fsid).setRid(rid).setRequestNr(++lastNumber).build();
        waiting.put(lastNumber, new Waiting(request, then));
        return request;
    }

    /// Oldest first: to be sent again to a new server, or after a time without an answer.
    Collection<ServerRequest> unanswered() {
        return waiting.values().stream().map(Waiting::request).toList();
    }

    /// Whether a message of a server of this term is to be listened to. Terms only rise.
    boolean accepts(long messageTerm) {
        if (messageTerm < term) return false;
        term = messageTerm;
        return true;
    }

    long term() {
        return term;
    }

    /// Hands an answer to whoever asked; a second answer to the same request is nothing new.
    void taken(ServerReply reply) {
        var asked = waiting.remove(reply.getRequestNr());
        if (asked != null) asked.then().accept(reply);
    }
}
