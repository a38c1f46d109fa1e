package dev.cairn.transaction;

import dev.cairn.block.BlockDevice;
import dev.cairn.proto.Manifest;
import dev.cairn.transaction.run.BlockCache;
import dev.cairn.transaction.run.LoadResult;
import dev.cairn.transaction.run.Needs;
import dev.cairn.transaction.run.RunCursor;
import dev.cairn.transaction.run.RunSet;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.ArrayList;

/// All items of one version of the manifest, read straight from the device by a thread that may wait. For looking at a
/// volume from outside; mounts have [Tx]. Used by one thread.
public final class CommittedItems {
    /// A block of the manifest cannot be had.
    public static final class Unreadable extends RuntimeException {
        private final boolean stale;

        private Unreadable(LoadResult result) {
            super(String.join("; ", result.damaged().isEmpty() ? result.stale() : result.damaged()));
            stale = result.damaged().isEmpty();
        }

        /// The block belongs to another run by now: the manifest is old, if there is a newer one.
        public boolean stale() {
            return stale;
        }
    }

    private final RunSet runs;
    private final BlockCache cache;
    private final Needs needs = new Needs();

    /// @param cacheBytes heap for decoded blocks
    public CommittedItems(Manifest manifest, BlockDevice metadata, long fsid, long cacheBytes) {
        runs = RunSet.of(manifest);
        cache = new BlockCache(metadata, fsid, cacheBytes, new SimpleMeterRegistry(), Tags.empty());
    }

    /// The value, or null when there is no such item.
    public byte[] get(Key key) {
        while (true) {
            needs.begin();
            try {
                var found = runs.get(key, cache, needs);
                return found == null ? null : found.value();
            } catch (NotReady _) {
                fetch(needs);
            } finally {
                if (needs.isEmpty()) needs.clear();
            }
        }
    }

    /// From `first` to `last`, both included. The cursor never throws [NotReady].
    public Cursor scan(Key first, Key last) {
        return new Walk(first, last);
    }

    private void fetch(Needs lacking) {
        var results = new ArrayList<LoadResult>(1);
        cache.load(lacking, Runnable::run, results::add);
        if (!results.getFirst().complete()) throw new Unreadable(results.getFirst());
    }

    private final class Walk implements Cursor {
        private final Key last;
        private final Needs lacking = new Needs();
        private Key from;
        private RunCursor cursor;
        private Key key;
        private byte[] value;

        Walk(Key first, Key last) {
            from = first;
            this.last = last;
        }

        @Override
        public boolean next() {
            while (true) {
                lacking.begin();
                try {
                    if (cursor == null) cursor = runs.seek(from, last, cache, lacking);
                    while (cursor.next()) {
                        key = cursor.key();
                        value = cursor.value();
                        from = key.next();
                        if (value == null) continue;
                        lacking.clear();
                        return true;
                    }
                    return false;
                } catch (NotReady _) {
                    // A cursor that has thrown is of no use: another one goes on behind the last key.
                    fetch(lacking);
                    cursor = null;
                }
            }
        }

        @Override
        public Key key() {
            return key;
        }

        @Override
        public byte[] value() {
            return value;
        }
    }
}
