package dev.cairn.transaction.run;

import com.google.protobuf.ByteString;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Item;

public final class InlineRun {
    private InlineRun() {}

    /// Whether that many items are sure to fit; `rawBytes` as for [RunWriter#blocksNeededAtMost].
    public static boolean fits(long items, long rawBytes) {
        throw new UnsupportedOperationException();
    }

    /// @param sorted strictly ascending keys, at least one
    public static RunRef of(Iterable<Item> sorted, long runId, long ownerRid) {
        throw new UnsupportedOperationException();
    }

    static Decoded decode(ByteString inline) {
        throw new UnsupportedOperationException();
    }
}
