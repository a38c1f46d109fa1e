package dev.cairn.transaction.run;

import dev.cairn.proto.Manifest;
import dev.cairn.proto.ManifestDelta;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.NotReady;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// The live runs of a volume, as one version of the manifest lists them. Immutable.
///
///     level 0    commit logs, overlapping; the newest is asked first
///     level 1…   the tree: within a level runs do not overlap, so at most one can hold a key
///
/// Versions of a key come in that order: commits are ordered, and a merge takes the older versions down with it. So the
/// first hit is the newest version.
public final class RunSet {
    private static final int LEVEL_MAX = 63;
    private static final Run[] NONE = {};
    private static final int ABSENT = -1, MISSING = -2;

    private final long version;
    /// Newest first.
    private final Run[] logs;
    /// levels[0] is level 1. Each sorted by key.
    private final Run[][] levels;

    private RunSet(long version, Run[] logs, Run[][] levels) {
        this.version = version;
        this.logs = logs;
        this.levels = levels;
    }

    /// @throws IllegalArgumentException when the manifest contradicts itself
    public static RunSet of(Manifest manifest) {
        return new RunSet(0, NONE, new Run[0][]).changed(Set.of(), manifest.getRunsList(), manifest.getVersion());
    }

    public long version() {
        return version;
    }

    /// Commit logs, and runs of the tree.
    public int logCount() {
        return logs.length;
    }

    public int treeRunCount() {
        return Arrays.stream(levels).mapToInt(level -> level.length).sum();
    }

    /// Whether `delta` says something new that can be applied: it begins at or before this version and ends after it.
    public boolean canApply(ManifestDelta delta) {
        return Long.compareUnsigned(delta.getFromVersion(), version) <= 0
                && Long.compareUnsigned(delta.getToVersion(), version) > 0;
    }

    /// @throws IllegalArgumentException when it cannot be applied, or the result contradicts itself
    public RunSet apply(ManifestDelta delta) {
        if (!canApply(delta))
            throw new IllegalArgumentException("a change from manifest %d to %d, but this is %d"
                    .formatted(delta.getFromVersion(), delta.getToVersion(), version));
        return changed(new HashSet<>(delta.getRemovedRunIdsList()), delta.getUpsertedList(), delta.getToVersion());
    }

    /// This mount's own commit: `newest` goes on top of the commit logs, some of which it replaces.
    public RunSet with(RunRef newest, Collection<Long> removedLogIds, long newVersion) {
        if (newest.getLevel() != 0) throw new IllegalArgumentException("run %x of a commit: level %d".formatted(newest.getRunId(), newest.getLevel()));
        // As often as files are fsynced, and the tree may be large.
        var left = removedLogIds.isEmpty() ? this : without(removedLogIds);
        var newLogs = new Run[left.logs.length + 1];
        newLogs[0] = new Run(newest);
        System.arraycopy(left.logs, 0, newLogs, 1, left.logs.length);
        return new RunSet(newVersion, newLogs, levels);
    }

    /// The same version without some of its commit logs: for whoever has their items elsewhere.
    public RunSet without(Collection<Long> logIds) {
        if (logIds.isEmpty()) return this;
        var left = new HashSet<>(logIds);
        return new RunSet(version, Arrays.stream(logs).filter(run -> !left.contains(run.id)).toArray(Run[]::new), levels);
    }

    private RunSet changed(Set<Long> removed, List<RunRef> upserted, long newVersion) {
        if (removed.isEmpty() && upserted.isEmpty()) return new RunSet(newVersion, logs, levels);
        // In the order given, which for commit logs is the order of the commits.
        var news = new LinkedHashMap<Long, Run>();
        for (var ref : upserted)
            if (news.put(ref.getRunId(), new Run(ref)) != null)
                throw new IllegalArgumentException("run %x is listed twice".formatted(ref.getRunId()));
        var newLogs = changedLogs(removed, news);
        var byLevel = new TreeMap<Integer, List<Run>>();
        for (var run : news.values()) {
            if (run.level > LEVEL_MAX) throw new IllegalArgumentException("run %x: level %d".formatted(run.id, run.level));
            if (run.level > 0) byLevel.computeIfAbsent(run.level, _ -> new ArrayList<>()).add(run);
        }
        int count = Math.max(levels.length, byLevel.isEmpty() ? 0 : byLevel.lastKey());
        var newLevels = new Run[count][];
        for (int i = 0; i < count; i++)
            newLevels[i] = changedLevel(i < levels.length ? levels[i] : NONE, removed, news,
                    byLevel.getOrDefault(i + 1, List.of()));
        return new RunSet(newVersion, newLogs, newLevels);
    }

    /// A log that is listed again keeps its place: only its window has moved.
    private Run[] changedLogs(Set<Long> removed, Map<Long, Run> news) {
        var result = new ArrayList<Run>(logs.length + 1);
        var listedAgain = new HashSet<Long>();
        for (var run : logs) {
            var moved = news.get(run.id);
            if (moved != null) listedAgain.add(run.id);
            if (moved != null && moved.level == 0) result.add(moved);
            else if (moved == null && !removed.contains(run.id)) result.add(run);
        }
        for (var run : news.values()) if (run.level == 0 && !listedAgain.contains(run.id)) result.addFirst(run);
        return result.toArray(NONE);
    }

    private static Run[] changedLevel(Run[] level, Set<Long> removed, Map<Long, Run> news, List<Run> added) {
        boolean same = added.isEmpty();
        for (int i = 0; same && i < level.length; i++)
            same = !removed.contains(level[i].id) && !news.containsKey(level[i].id);
        if (same) return level;
        var result = new ArrayList<Run>(level.length + added.size());
        for (var run : level) if (!removed.contains(run.id) && !news.containsKey(run.id)) result.add(run);
        result.addAll(added);
        // Nearly sorted already, which is the case the library's sort is good at.
        result.sort(Comparator.comparing((Run run) -> run.firstKey));
        for (int i = 1; i < result.size(); i++)
            if (result.get(i - 1).lastKey.compareTo(result.get(i).firstKey) >= 0)
                throw new IllegalArgumentException("runs %x and %x overlap on level %d"
                        .formatted(result.get(i - 1).id, result.get(i).id, result.get(i).level));
        return result.toArray(NONE);
    }

    /// The place of the first run of a level that does not end before `key`; the level's length when all do.
    static int firstEndingAtOrAfter(Run[] level, Key key) {
        int low = 0, high = level.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (level[middle].lastKey.compareTo(key) < 0) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    /// Whether a run is live, on whatever level it is by now; its last key never changes.
    boolean lists(long runId, Key lastKey) {
        for (var run : logs) if (run.id == runId) return true;
        for (var level : levels) {
            int i = firstEndingAtOrAfter(level, lastKey);
            if (i < level.length && level[i].id == runId) return true;
        }
        return false;
    }

    /// The newest version of `key`: null when no run holds it; a deletion is an answer too. The view is the one of `needs`
    /// and shows something else after the next `get` with the same `needs`.
    ///
    /// @throws NotReady after noting in `needs` what has to be loaded, for older runs too: one round instead of one for
    ///                  each run
    public ItemView get(Key key, BlockCache cache, Needs needs) {
        int found = find(key, cache, needs);
        if (found == MISSING) throw NotReady.INSTANCE;
        return found == ABSENT ? null : needs.view();
    }

    /// As [#get], but neither throws nor answers: only notes what is missing.
    ///
    /// @return whether nothing is
    public boolean want(Key key, BlockCache cache, Needs needs) {
        return find(key, cache, needs) != MISSING;
    }

    private int find(Key key, BlockCache cache, Needs needs) {
        long hash = RunFormat.probeHash(key);
        boolean complete = true;
        for (var run : logs) {
            if (!run.covers(key)) continue;
            int at = probe(run, key, hash, cache, needs);
            if (at == MISSING) complete = false;
            else if (at >= 0) return complete ? at : MISSING;
        }
        for (var level : levels) {
            int i = firstEndingAtOrAfter(level, key);
            if (i == level.length || level[i].firstKey.compareTo(key) > 0) continue;
            int at = probe(level[i], key, hash, cache, needs);
            if (at == MISSING) complete = false;
            else if (at >= 0) return complete ? at : MISSING;
        }
        return complete ? ABSENT : MISSING;
    }

    /// @return where the item is in its block, which the view of `needs` shows then; or [#ABSENT] or [#MISSING]
    private static int probe(Run run, Key key, long hash, BlockCache cache, Needs needs) {
        ItemBlock block;
        if (run.inline != null) {
            block = run.inline;
        } else {
            int ordinal = 0;
            if (run.dataBlocks > 1) {
                boolean missing = false;
                if (run.bloomBlocks > 0) {
                    int bloomAt = run.bloomOrdinal(hash);
                    var bloom = (BloomBlock) cache.get(run, bloomAt, needs);
                    if (bloom == null) {
                        needs.note(run, bloomAt);
                        missing = true;
                    } else if (!bloom.mayContain(hash)) {
                        return ABSENT;
                    }
                }
                var index = (RunIndex) cache.get(run, run.indexOrdinal(), needs);
                if (index == null) {
                    needs.note(run, run.indexOrdinal());
                    missing = true;
                }
                if (missing) return MISSING;
                ordinal = index.blockOf(key);
                if (ordinal < run.trimmed) return ABSENT;
            }
            block = (ItemBlock) cache.get(run, ordinal, needs);
            if (block == null) {
                needs.note(run, ordinal);
                return MISSING;
            }
        }
        int at = block.find(key);
        if (at >= 0) needs.view().show(block, at);
        return at;
    }

    /// A walk over the newest versions from `first` to `last`, both included; deletions are shown. Belongs to the attempt.
    ///
    /// @throws NotReady as [#get], here and in [RunCursor#next]
    public RunCursor seek(Key first, Key last, BlockCache cache, Needs needs) {
        var overlapping = new ArrayList<Run>();
        for (var run : logs)
            if (run.firstKey.compareTo(last) <= 0 && run.lastKey.compareTo(first) >= 0) overlapping.add(run);
        return new RunCursor(overlapping, levels, first, last, cache, needs);
    }
}
