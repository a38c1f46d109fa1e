package dev.cairn.transaction.run;

import java.util.List;

/// What came of [BlockCache#load].
///
/// @param loaded  how many blocks are there now
/// @param stale   blocks that hold another run by now: the manifest that named them is old. One sentence for each.
///                With the newest manifest in hand a stale block is damage.
/// @param damaged blocks that cannot be read or trusted, one sentence for each, naming device, block, run and reason: EIO
///                for the operation that needs them. A block that is just being reused may look torn or discarded, so
///                damage found with an old manifest is believed only when it is found again with the newest one.
public record LoadResult(int loaded, List<String> stale, List<String> damaged) {
    /// The operation may be run again and will find what it asked for.
    public boolean complete() {
        return stale.isEmpty() && damaged.isEmpty();
    }
}
