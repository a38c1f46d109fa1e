package dev.cairn.quorum.journal;

import com.google.protobuf.UnsafeByteOperations;
import dev.cairn.proto.PersistedObject;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.serialization.Serialization;
import org.apache.pekko.serialization.SerializationExtension;
import org.apache.pekko.serialization.Serializers;

/// Objects as the journal keeps them: the bytes and name that their configured serializer gives.
final class Persisted {
    private final Serialization serialization;

    Persisted(ActorSystem system) {
        serialization = SerializationExtension.get(system);
    }

    PersistedObject toBytes(Object object, String eventManifest) {
        var serializer = serialization.findSerializerFor(object);
        return PersistedObject.newBuilder().setSerializerId(serializer.identifier())
                .setManifest(Serializers.manifestFor(serializer, object)).setEventManifest(eventManifest)
                .setBytes(UnsafeByteOperations.unsafeWrap(serializer.toBinary(object))).build();
    }

    Object toObject(PersistedObject object) {
        var read = serialization.deserialize(object.getBytes().toByteArray(), object.getSerializerId(), object.getManifest());
        if (read.isFailure()) throw new JournalException("a journal entry of serializer %d, manifest %s cannot be read"
                .formatted(object.getSerializerId(), object.getManifest()), read.failed().get());
        return read.get();
    }
}
