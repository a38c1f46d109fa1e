package dev.cairn.quorum;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.ServerSnapshot;
import dev.cairn.transaction.ServerProtocol.FromMount;
import dev.cairn.transaction.ServerProtocol.ToMount;
import java.io.IOException;
import java.io.NotSerializableException;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.SerializerWithStringManifest;

/// Cairn's messages and events as bytes: protobuf throughout. The manifest is the kind and the version of the format; a
/// version that this program does not know is refused by name instead of being read wrongly.
///
///     FromMount   string: the actor that wants the answers, then a ServerRequest (length before each)
///     ToMount     a ServerMessage
///     events and snapshots   themselves
public final class CairnSerializer extends SerializerWithStringManifest {
    /// Journals hold this number: never change it.
    static final int ID = 0x6361_6972;
    private static final String FROM_MOUNT = "from-mount/1", TO_MOUNT = "to-mount/1", EVENT = "event/1",
            SNAPSHOT = "snapshot/1";

    private final ExtendedActorSystem system;
    /// Made at first use: the typed system is not there yet when serializers are.
    private volatile ActorRefResolver resolver;

    public CairnSerializer(ExtendedActorSystem system) {
        this.system = system;
    }

    private ActorRefResolver resolver() {
        if (resolver == null) resolver = ActorRefResolver.get(Adapter.toTyped(system));
        return resolver;
    }

    @Override
    public int identifier() {
        return ID;
    }

    @Override
    public String manifest(Object object) {
        return switch (object) {
            case FromMount _ -> FROM_MOUNT;
            case ToMount _ -> TO_MOUNT;
            case ServerEvent _ -> EVENT;
            case ServerSnapshot _ -> SNAPSHOT;
            default -> throw new IllegalArgumentException("no manifest for " + object.getClass().getName());
        };
    }

    @Override
    public byte[] toBinary(Object object) {
        return switch (object) {
            case FromMount message -> toBinary(message);
            case ToMount message -> message.message().toByteArray();
            case ServerEvent event -> event.toByteArray();
            case ServerSnapshot snapshot -> snapshot.toByteArray();
            default -> throw new IllegalArgumentException("no format for " + object.getClass().getName());
        };
    }

    private byte[] toBinary(FromMount message) {
        var replyTo = resolver().toSerializationFormat(message.replyTo());
        var bytes = new byte[CodedOutputStream.computeStringSizeNoTag(replyTo)
                + CodedOutputStream.computeMessageSizeNoTag(message.request())];
        var out = CodedOutputStream.newInstance(bytes);
        try {
            out.writeStringNoTag(replyTo);
            out.writeMessageNoTag(message.request());
        } catch (IOException e) {
            throw new IllegalStateException("an array of the computed size was too small", e);
        }
        out.checkNoSpaceLeft();
        return bytes;
    }

    @Override
    public Object fromBinary(byte[] bytes, String manifest) throws NotSerializableException {
        try {
            return switch (manifest) {
                case FROM_MOUNT -> {
                    var in = CodedInputStream.newInstance(bytes);
                    var replyTo = in.readStringRequireUtf8();
                    var request = ServerRequest.parseFrom(in.readByteArray());
                    yield new FromMount(request, resolver().resolveActorRef(replyTo));
                }
                case TO_MOUNT -> new ToMount(ServerMessage.parseFrom(bytes));
                case EVENT -> ServerEvent.parseFrom(bytes);
                case SNAPSHOT -> ServerSnapshot.parseFrom(bytes);
                default -> throw new NotSerializableException(
                        "message kind '" + manifest + "' is not known here: another node runs a newer Cairn");
            };
        } catch (InvalidProtocolBufferException e) {
            throw notSerializable(manifest, bytes, e);
        } catch (IOException e) {
            if (e instanceof NotSerializableException already) throw already;
            throw notSerializable(manifest, bytes, e);
        }
    }

    private static NotSerializableException notSerializable(String manifest, byte[] bytes, IOException e) {
        return new NotSerializableException("%d bytes of kind '%s': %s".formatted(bytes.length, manifest, e.getMessage()));
    }
}
