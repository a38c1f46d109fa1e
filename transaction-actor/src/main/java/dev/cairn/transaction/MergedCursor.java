package dev.cairn.transaction;

import dev.cairn.transaction.run.RunCursor;
import java.util.Map;

/// Live items of a key range: the mount's dirty tables, newest first, laid over the committed runs.
///
/// The tables are looked up anew at each step and not iterated, because an operation may change the newest one while it
/// walks (a truncate deletes the extents it finds).
final class MergedCursor implements Cursor {
    private final ItemTable[] tables;
    private final Item[] heads;
    private final RunCursor runs;
    private final Key last;
    private boolean runsDone;
    private Key position;
    private boolean started;
    private Item current;

    /// @param tables newest first; nulls are left out
    MergedCursor(ItemTable[] tables, RunCursor runs, Key first, Key last) {
        this.tables = tables;
        this.heads = new Item[tables.length];
        this.runs = runs;
        this.last = last;
        this.position = first;
    }

    @Override
    public boolean next() {
        while (advance()) if (!current.deleted()) return true;
        return false;
    }

    // To the next key in order, deleted or not.
    private boolean advance() {
        if (!started) runsDone = !runs.next();
        Item best = null;
        for (int n = 0; n < tables.length; n++) {
            if (tables[n] == null) continue;
            heads[n] = item(started ? tables[n].higher(position) : tables[n].ceiling(position));
            if (heads[n] != null && (best == null || heads[n].key().compareTo(best.key()) < 0)) best = heads[n];
        }
        // The runs stand at the first key not yet passed; they step on only when that key has been.
        while (started && !runsDone && runs.key().compareTo(position) <= 0) runsDone = !runs.next();
        started = true;
        if (!runsDone && (best == null || runs.key().compareTo(best.key()) < 0)) best = runs.item();
        if (best == null || best.key().compareTo(last) > 0) return false;
        current = best;
        position = best.key();
        return true;
    }

    private static Item item(Map.Entry<Key, Item> entry) {
        return entry == null ? null : entry.getValue();
    }

    @Override
    public Key key() {
        return current.key();
    }

    @Override
    public byte[] value() {
        return current.value();
    }
}
