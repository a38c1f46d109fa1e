package dev.cairn.transaction;

import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerRequest;
import java.util.Objects;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.receptionist.ServiceKey;

/// How a mount and the server of its volume meet and talk. What they say is defined in `cairn/server.proto`; here is only
/// the envelope that the actor system carries, between JVMs or within one.
///
/// A mount subscribes to [#serviceKey] at the receptionist. The listing holds the running server, or nothing while there
/// is none; during a change of servers it may hold both for a moment, and the terms in the answers tell them apart.
public final class ServerProtocol {
    private ServerProtocol() {}

    /// A request, and the mount that wants the answers. The server also pushes to the `replyTo` of the latest request.
    public record FromMount(ServerRequest request, ActorRef<ToMount> replyTo) {
        public FromMount {
            Objects.requireNonNull(request);
            Objects.requireNonNull(replyTo);
        }
    }

    public record ToMount(ServerMessage message) {
        public ToMount {
            Objects.requireNonNull(message);
        }
    }

    /// Where the server of the volume `fsid` is listed once it has recovered and answers.
    public static ServiceKey<FromMount> serviceKey(long fsid) {
        return ServiceKey.create(FromMount.class, "cairn-server-%016x".formatted(fsid));
    }
}
