package dev.cairn.quorum;

import com.google.protobuf.ByteString;
import dev.cairn.proto.Manifest;
import dev.cairn.proto.ManifestDelta;
import dev.cairn.proto.RunRef;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/// The manifest as the server keeps it: commit logs in the order of their commits, and below them the levels of the
/// tree, whose runs do not overlap within a level. Each change raises the version by one.
final class RunTable {
    static final int LEVELS_MAX = 7;

    private final List<RunRef> logs = new ArrayList<>();
    /// By first key; index 0 stays empty.
    private final List<TreeMap<ByteString, RunRef>> levels = new ArrayList<>();
    private final long[] weights = new long[LEVELS_MAX + 1];
    private int inlineLogs;
    private long inlineBytes;
    private final Map<Long, RunRef> byId = new HashMap<>();    // asked by id only, never walked
    private long version;

    // What changed since the last delta was taken.
    private long deltaFrom;
    private final LinkedHashSet<Long> added = new LinkedHashSet<>();
    private final LinkedHashSet<Long> removed = new LinkedHashSet<>();
    private final LinkedHashMap<Long, RunRef> upserted = new LinkedHashMap<>();

    RunTable() {
        for (int level = 0; level <= LEVELS_MAX; level++) levels.add(new TreeMap<>(Runs.KEY_ORDER));
    }

    static RunTable restore(Manifest manifest) {
        var table = new RunTable();
        for (var run : manifest.getRunsList()) table.insert(run);
        table.version = manifest.getVersion();
        table.takeDelta();
        return table;
    }

    Manifest manifest() {
        var manifest = Manifest.newBuilder().setVersion(version).addAllRuns(logs);
        for (var level : levels) manifest.addAllRuns(level.values());
        return manifest.build();
    }

    long version() {
        return version;
    }

    /// Oldest first.
    List<RunRef> logs() {
        return logs;
    }

    /// Commits in the manifest itself, and their bytes. In [#weight] each counts as the block that it may need in a merge.
    int inlineLogs() {
        return inlineLogs;
    }

    long inlineBytes() {
        return inlineBytes;
    }

    NavigableMap<ByteString, RunRef> level(int level) {
        return levels.get(level);
    }

    /// Blocks that live in a level.
    long weight(int level) {
        return weights[level];
    }

    /// Blocks that live in all of it.
    long weight() {
        return Arrays.stream(weights).sum();
    }

    /// 0 when there are no runs but commit logs.
    int deepest() {
        int level = LEVELS_MAX;
        while (level > 0 && levels.get(level).isEmpty()) level--;
        return level;
    }

    /// Or null.
    RunRef get(long runId) {
        return byId.get(runId);
    }

    /// Runs of a level of the tree that may hold keys of `[first, last]`, in key order.
    Collection<RunRef> overlapping(int level, ByteString first, ByteString last) {
        if (Runs.before(last, first)) return List.of();
        var runs = levels.get(level);
        var floor = runs.floorEntry(first);
        var from = floor != null && !Runs.before(floor.getValue().getLastKey(), first) ? floor.getKey() : first;
        return runs.subMap(from, true, last, true).values();
    }

    // ---- changes

    /// One event's changes are one step of the version.
    void nextVersion() {
        version++;
    }

    void add(RunRef run) {
        insert(run);
        added.add(run.getRunId());
        upserted.put(run.getRunId(), run);
    }

    void remove(long runId) {
        extract(runId);
        upserted.remove(runId);
        if (!added.remove(runId)) removed.add(runId);
    }

    /// A merge has consumed everything before `firstKey`, and `trimmed` leading blocks with it.
    void trim(long runId, ByteString firstKey, int trimmed) {
        var old = byId.get(runId);
        var run = old.toBuilder().setFirstKey(firstKey).setTrimmedBlocks(trimmed)
                .clearTidy().clearFull().build();
        if (old.getLevel() == 0) {
            logs.set(logs.indexOf(old), run);
            byId.put(runId, run);
            weights[0] += Runs.weight(run) - Runs.weight(old);
        } else {
            extract(runId);
            insert(run);
        }
        upserted.put(runId, run);
    }

    void sink(long runId, int level) {
        var run = extract(runId).toBuilder().setLevel(level).build();
        insert(run);
        upserted.put(runId, run);
    }

    private void insert(RunRef run) {
        int level = run.getLevel();
        if (level > LEVELS_MAX || byId.putIfAbsent(run.getRunId(), run) != null)
            throw new IllegalStateException("%s of level %d has no place in the manifest, or one already"
                    .formatted(Runs.name(run.getRunId()), level));
        weights[level] += Runs.weight(run);
        countInline(run, 1);
        if (level == 0) {
            logs.add(run);
            return;
        }
        var neighbours = overlapping(level, run.getFirstKey(), run.getLastKey());
        if (!neighbours.isEmpty())
            throw new IllegalStateException("%s overlaps %s in level %d".formatted(Runs.name(run.getRunId()),
                    Runs.name(neighbours.iterator().next().getRunId()), level));
        levels.get(level).put(run.getFirstKey(), run);
    }

    private void countInline(RunRef run, int times) {
        if (!Runs.isInline(run)) return;
        inlineLogs += times;
        inlineBytes += times * (long) run.getInlineBlock().size();
    }

    private RunRef extract(long runId) {
        var run = byId.remove(runId);
        if (run == null) throw new IllegalStateException(Runs.name(runId) + " is not in the manifest");
        weights[run.getLevel()] -= Runs.weight(run);
        countInline(run, -1);
        if (run.getLevel() == 0) logs.remove(run);
        else levels.get(run.getLevel()).remove(run.getFirstKey());
        return run;
    }

    /// What changed since it was last called; null when nothing did.
    ManifestDelta takeDelta() {
        ManifestDelta delta = null;
        if (version != deltaFrom)
            delta = ManifestDelta.newBuilder().setFromVersion(deltaFrom).setToVersion(version)
                    .addAllRemovedRunIds(removed).addAllUpserted(upserted.values()).build();
        deltaFrom = version;
        added.clear();
        removed.clear();
        upserted.clear();
        return delta;
    }
}
