package dev.cairn.transaction;

import dev.cairn.transaction.run.RunCursor;
import java.util.Iterator;

/// Live items of a key range: the mount's dirty tables, newest first, laid over the committed runs.
///
/// An operation may change the newest table while it walks (a truncate deletes the extents it finds): then that table is
/// looked up anew at the next step, and iterated otherwise.
final class MergedCursor implements Cursor {
    private final ItemTable[] tables;
    private final Item[] heads;
    private final Iterator<Item>[] iterators;
    private final int[] changes;
    private final RunCursor runs;
    private final Key last;
    private boolean runsDone;
    private Key position;
    private boolean started;
    private Item current;

    /// @param tables newest first; nulls are left out
    @SuppressWarnings({"unchecked", "rawtypes"})
    MergedCursor(ItemTable[] tables, RunCursor runs, Key first, Key last) {
        this.tables = tables;
        this.heads = new Item[tables.length];
        this.iterators = new Iterator[tables.length];
        this.changes = new int[tables.length];
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
            step(n);
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

    // To the table's first item that has not been passed.
    private void step(int n) {
        if (iterators[n] == null || changes[n] != tables[n].changes()) {
            changes[n] = tables[n].changes();
            iterators[n] = tables[n].from(position, !started);
            heads[n] = next(n);
        } else if (heads[n] != null && heads[n].key().compareTo(position) <= 0) {
            heads[n] = next(n);
        }
    }

    private Item next(int n) {
        return iterators[n].hasNext() ? iterators[n].next() : null;
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
