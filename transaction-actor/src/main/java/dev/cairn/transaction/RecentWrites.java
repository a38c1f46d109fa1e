package dev.cairn.transaction;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.cairn.proto.DataPatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// Remembers small writes in place to the data device, until there are too many of them: a commit can then carry them into
/// the journal, whose own flush makes them durable, instead of flushing the device before (`CommitWriter`). Fresh blocks are not
/// remembered here: the transaction that is the first to refer to them knows them.
///
/// Guarded by its own monitor, which a remembered write holds while it goes to the device: so the order of what is
/// remembered is the order on the device.
final class RecentWrites {
    /// What a commit may carry: as much as costs less to write twice than a flush takes.
    static final int BYTES_MAX = 32 << 10;
    /// What may be carried before a commit flushes the device after all. The journal flushes it long before, in the background,
    /// so that it has little to write again after a power loss; this is for one that does not.
    static final int CARRIED_BYTES_MAX = 16 << 20;

    private List<DataPatch> patches = new ArrayList<>();
    private int bytes;
    private volatile boolean tooMany;
    private long carriedBytes;

    /// Only a flush helps, whatever else is written before it. May be asked without the monitor: what was written before the
    /// question is covered by that flush.
    boolean forgets() {
        return tooMany;
    }

    boolean remembers(long length) {
        return !tooMany && bytes + length <= BYTES_MAX;
    }

    void remember(long byteOffset, MemorySegment written) {
        ByteString copy = UnsafeByteOperations.unsafeWrap(written.toArray(ValueLayout.JAVA_BYTE));
        patches.add(DataPatch.newBuilder().setByteOffset(byteOffset).setBytes(copy).build());
        bytes += copy.size();
    }

    /// Something was written that is not remembered: only a flush helps.
    void tooMany() {
        if (tooMany) return;
        tooMany = true;
        patches = new ArrayList<>();
        bytes = 0;
    }

    /// Whether a commit can carry what has been written since the last time, and so many bytes in fresh blocks.
    boolean canBeCarried(long freshBytes) {
        return !tooMany && bytes + freshBytes <= BYTES_MAX && carriedBytes + bytes + freshBytes <= CARRIED_BYTES_MAX;
    }

    /// What has been written since the last time; null when only a flush makes it durable.
    List<DataPatch> take(long freshBytes) {
        if (!canBeCarried(freshBytes)) return null;
        var taken = patches;
        carriedBytes += bytes + freshBytes;
        patches = new ArrayList<>();
        bytes = 0;
        return taken;
    }

    /// A flush begins: it covers everything written before.
    void flushing() {
        tooMany = false;
        patches = new ArrayList<>();
        bytes = 0;
        carriedBytes = 0;
    }
}
