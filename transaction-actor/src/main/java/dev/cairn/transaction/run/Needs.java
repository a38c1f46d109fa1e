package dev.cairn.transaction.run;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// What one operation needs from the runs: the blocks its current attempt found missing, and the blocks that were loaded
/// for its earlier attempts. The latter are held here until [#clear], so that an operation gets on even if the cache is
/// too small to keep them that long. Belongs to one operation; used by one thread at a time.
public final class Needs {
    /// One thing to load: a data block, a bloom block, or the whole index (at the ordinal of its first block).
    record Need(Run run, int ordinal) {
        int blocks() {
            return ordinal == run.indexOrdinal() && run.indexBlocks > 0 ? run.indexBlocks : 1;
        }
    }

    record BlockId(long runId, int ordinal) {}

    private final Map<BlockId, Need> missing = new LinkedHashMap<>();
    /// Of the missing, those that no answer depends on yet: what is wrong with them is not told.
    private final Set<BlockId> ahead = new HashSet<>();
    private final Map<BlockId, Decoded> held = new HashMap<>();
    private final ItemView view = new ItemView();

    /// Begins an attempt: nothing is missing yet.
    public void begin() {
        missing.clear();
        ahead.clear();
    }

    /// The operation has ended: lets go of all blocks too. The object may be used for another operation.
    public void clear() {
        missing.clear();
        ahead.clear();
        held.clear();
    }

    /// Nothing was found missing in this attempt.
    public boolean isEmpty() {
        return missing.isEmpty();
    }

    /// How many things are missing.
    public int size() {
        return missing.size();
    }

    void note(Run run, int ordinal) {
        var id = new BlockId(run.id, ordinal);
        if (!missing.containsKey(id)) missing.put(id, new Need(run, ordinal));
        ahead.remove(id);
    }

    /// A walk will probably get there.
    void noteAhead(Run run, int ordinal) {
        var id = new BlockId(run.id, ordinal);
        if (missing.containsKey(id)) return;
        missing.put(id, new Need(run, ordinal));
        ahead.add(id);
    }

    boolean isAhead(Need need) {
        return ahead.contains(new BlockId(need.run.id, need.ordinal));
    }

    List<Need> missing() {
        return new ArrayList<>(missing.values());
    }

    void hold(Need need, Decoded block) {
        held.put(new BlockId(need.run.id, need.ordinal), block);
    }

    Decoded held(Run run, int ordinal) {
        return held.isEmpty() ? null : held.get(new BlockId(run.id, ordinal));
    }

    ItemView view() {
        return view;
    }
}
