package dev.cairn.transaction.run;

import dev.cairn.proto.Manifest;
import dev.cairn.proto.ManifestDelta;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Key;
import java.util.Collection;

public final class RunSet {
    private RunSet() {}

    public static RunSet of(Manifest manifest) {
        throw new UnsupportedOperationException();
    }

    public long version() {
        throw new UnsupportedOperationException();
    }

    /// Whether `delta` says something new that can be applied: it begins at or before this version and ends after it.
    public boolean canApply(ManifestDelta delta) {
        throw new UnsupportedOperationException();
    }

    public RunSet apply(ManifestDelta delta) {
        throw new UnsupportedOperationException();
    }

    /// This mount's own commit: `newest` (or null when only space changed) goes on top of the commit logs.
    public RunSet with(RunRef newest, Collection<Long> removedRunIds, long version) {
        throw new UnsupportedOperationException();
    }

    /// The newest version of `key`: null when no run holds it; a deletion is an answer too. The view is the one of `needs`
    /// and shows something else after the next `get` with the same `needs`.
    ///
    /// @throws dev.cairn.transaction.NotReady after noting in `needs` what has to be loaded
    public ItemView get(Key key, BlockCache cache, Needs needs) {
        throw new UnsupportedOperationException();
    }

    /// As [#get], but neither throws nor answers: only notes what is missing.
    ///
    /// @return whether nothing is
    public boolean want(Key key, BlockCache cache, Needs needs) {
        throw new UnsupportedOperationException();
    }

    /// A walk over the newest versions from `first` to `last`, both included; deletions are shown. Belongs to the attempt.
    ///
    /// @throws dev.cairn.transaction.NotReady as [#get], here and in [RunCursor#next]
    public RunCursor seek(Key first, Key last, BlockCache cache, Needs needs) {
        throw new UnsupportedOperationException();
    }
}
