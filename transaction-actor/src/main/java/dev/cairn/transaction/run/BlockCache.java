package dev.cairn.transaction.run;

import dev.cairn.block.BlockDevice;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

public final class BlockCache {
    static final class Slots {}

    public BlockCache(BlockDevice meta, long fsid, long bytesMax, MeterRegistry meters, Tags tags) {}

    Slots slots(Run run) {
        throw new UnsupportedOperationException();
    }

    /// Reads everything that `needs` lacks, at once on `io`; then holds it in `needs`, caches it, and calls `whenDone`
    /// exactly once, on one of those threads (or the caller's, when nothing has to be read).
    public void load(Needs needs, Executor io, Consumer<LoadResult> whenDone) {
        throw new UnsupportedOperationException();
    }

    /// Lets go of the blocks of runs that `live` no longer lists.
    public void retain(RunSet live) {
        throw new UnsupportedOperationException();
    }

    public long bytes() {
        throw new UnsupportedOperationException();
    }
}
