package dev.cairn.quorum;

import com.typesafe.config.ConfigFactory;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerReply;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.VolumeGeometry;
import dev.cairn.transaction.ServerProtocol;
import dev.cairn.transaction.ServerProtocol.FromMount;
import dev.cairn.transaction.ServerProtocol.ToMount;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.receptionist.Receptionist;

/// A node of one slot as the tests see it: a real cluster, a real journal, messages serialized although they stay here.
final class TestNode implements AutoCloseable {
    static final long FSID = 0xfeed_0001L;
    static final VolumeGeometry GEOMETRY = VolumeGeometry.newBuilder().setFsid(FSID).setMetadataBlocks(20_000)
            .setMetadataFirst(4).setDataBlocks(1 << 20).setDataFirst(16).build();

    final QuorumNode node;
    final LinkedBlockingQueue<ServerStatus> statuses = new LinkedBlockingQueue<>();
    final AtomicInteger markedBorn = new AtomicInteger();
    private final AtomicInteger names = new AtomicInteger();

    TestNode(Path directory, boolean journalBorn) {
        this(directory, journalBorn, freePort());
    }

    TestNode(Path directory, boolean journalBorn, int port) {
        node = QuorumNode.start(new QuorumNode.Settings(FSID, GEOMETRY, VolumeDevices.fixed(GEOMETRY), List.of(new QuorumSlot(0, "127.0.0.1", port)), 0,
                directory, ServerSettings.DEFAULT, journalBorn, markedBorn::incrementAndGet, Fencing.NONE_NEEDED,
                statuses::add, ConfigFactory.parseString("pekko.actor.serialize-messages = on")));
    }

    static int freePort() {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    ServerStatus serving() throws Exception {
        return node.serving().toCompletableFuture().get(30, TimeUnit.SECONDS);
    }

    /// As a mount finds it.
    ActorRef<FromMount> server() throws Exception {
        var found = new CompletableFuture<ActorRef<FromMount>>();
        node.system().systemActorOf(Behaviors.<Receptionist.Listing>setup(context -> {
            context.getSystem().receptionist().tell(
                    Receptionist.subscribe(ServerProtocol.serviceKey(FSID), context.getSelf()));
            return Behaviors.receiveMessage(listing -> {
                listing.getServiceInstances(ServerProtocol.serviceKey(FSID)).forEach(found::complete);
                return Behaviors.same();
            });
        }), "finder-" + names.incrementAndGet(), Props.empty());
        return found.get(30, TimeUnit.SECONDS);
    }

    Mount mount(long rid) throws Exception {
        return new Mount(rid);
    }

    /// A mount that knows only how to ask.
    final class Mount {
        final long rid;
        final LinkedBlockingQueue<ServerMessage> heard = new LinkedBlockingQueue<>();
        final ActorRef<FromMount> server = server();
        final ActorRef<ToMount> self = node.system().systemActorOf(Behaviors.<ToMount>receiveMessage(message -> {
            heard.add(message.message());
            return Behaviors.same();
        }), "mount-" + names.incrementAndGet(), Props.empty());
        long nr;

        Mount(long rid) throws Exception {
            this.rid = rid;
        }

        ServerRequest.Builder request() {
            return ServerRequest.newBuilder().setProtocol(1).setFsid(FSID).setRid(rid).setRequestNr(++nr);
        }

        void tell(ServerRequest request) {
            server.tell(new FromMount(request, self));
        }

        ServerReply ask(ServerRequest request) throws Exception {
            tell(request);
            return reply(request.getRequestNr());
        }

        ServerReply reply(long requestNr) throws Exception {
            long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
            while (System.nanoTime() < deadline) {
                var message = heard.poll(1, TimeUnit.SECONDS);
                if (message != null && message.hasReply() && message.getReply().getRequestNr() == requestNr)
                    return message.getReply();
            }
            throw new AssertionError("no answer to request " + requestNr + "; heard " + heard);
        }
    }

    @Override
    public void close() {
        node.stop();
    }
}
