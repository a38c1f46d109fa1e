package dev.cairn.quorum;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.proto.Farewell;
import dev.cairn.proto.MergeAvailable;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.ServerSnapshot;
import dev.cairn.transaction.ServerProtocol.FromMount;
import dev.cairn.transaction.ServerProtocol.ToMount;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.serialization.SerializationExtension;
import org.apache.pekko.serialization.SerializerWithStringManifest;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class CairnSerializerTest {
    private static final ActorTestKit KIT = ActorTestKit.create();

    @AfterAll
    static void stop() {
        KIT.shutdownTestKit();
    }

    private static SerializerWithStringManifest serializerOf(Object object) throws Exception {
        return (SerializerWithStringManifest) SerializationExtension.get(Adapter.toClassic(KIT.system()))
                .findSerializerFor(object);
    }

    @Test
    void everything_that_is_sent_or_kept_comes_back_as_it_was() throws Exception {
        var mount = KIT.<ToMount>createTestProbe().getRef();
        var request = ServerRequest.newBuilder().setFsid(1).setRid(-5).setFarewell(Farewell.getDefaultInstance()).build();
        for (var object : new Object[] {new FromMount(request, mount),
                new ToMount(ServerMessage.newBuilder().setTerm(3).setMergeAvailable(MergeAvailable.getDefaultInstance()).build()),
                ServerEvent.newBuilder().setNr(9).build(), ServerSnapshot.newBuilder().setTerm(2).build()}) {
            var serializer = serializerOf(object);
            assertThat(serializer).isInstanceOf(CairnSerializer.class);
            assertThat(serializer.fromBinary(serializer.toBinary(object), serializer.manifest(object))).isEqualTo(object);
        }
    }

    @Test
    void garbage_and_newer_formats_are_refused() throws Exception {
        var serializer = serializerOf(ServerEvent.getDefaultInstance());
        assertThatThrownBy(() -> serializer.fromBinary(new byte[] {1, 2, 3}, "event/1"))
                .isInstanceOf(java.io.NotSerializableException.class);
        assertThatThrownBy(() -> serializer.fromBinary(new byte[] {(byte) 0xff, 2, 3}, "from-mount/1"))
                .isInstanceOf(java.io.NotSerializableException.class);
        assertThatThrownBy(() -> serializer.fromBinary(new byte[0], "event/2"))
                .isInstanceOf(java.io.NotSerializableException.class).hasMessageContaining("newer");
    }
}
