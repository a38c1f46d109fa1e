package dev.cairn.transaction;

import dev.cairn.transaction.run.RunCursor;

/// Live items of a key range: the mount's dirty tables, newest first, laid over the committed runs.
///
/// The newest table may be changed during the walk: then it is looked up anew at the next step, and walked on otherwise.
final class MergedCursor implements Cursor {
    private static final int RUNS = -1;

    private final ItemTable[] tables;
    private final ItemTree.Walk[] walks;
    /// The first item of each table that has not been passed: its key, and what the table knows its value by.
    private final Key[] heads;
    private final long[] references;
    private final int[] changes;
    private final RunCursor runs;
    private final Key last;
    private boolean runsDone;
    private boolean started;
    /// The key walked to, or before the first step the one to begin with, and which table it is from, or [#RUNS].
    private Key position;
    private int from = RUNS;

    /// @param tables newest first; nulls are left out
    MergedCursor(ItemTable[] tables, RunCursor runs, Key first, Key last) {
        this.tables = tables;
        this.walks = new ItemTree.Walk[tables.length];
        this.heads = new Key[tables.length];
        this.references = new long[tables.length];
        this.changes = new int[tables.length];
        this.runs = runs;
        this.last = last;
        this.position = first;
    }

    @Override
    public boolean next() {
        while (advance()) if (!(from == RUNS ? runs.deleted() : ItemTable.isDeleted(references[from]))) return true;
        return false;
    }

    // To the next key in order, deleted or not.
    private boolean advance() {
        if (!started) runsDone = !runs.next();
        Key best = null;
        int source = RUNS;
        for (int n = 0; n < tables.length; n++) {
            if (tables[n] == null) continue;
            step(n);
            if (heads[n] == null || best != null && heads[n].compareTo(best) >= 0) continue;
            best = heads[n];
            source = n;
        }
        // The runs stand at the first key not yet passed; they step on only when that key has been.
        while (started && !runsDone && runs.compareKey(position) <= 0) runsDone = !runs.next();
        started = true;
        if (!runsDone && (best == null || runs.compareKey(best) < 0)) {
            best = runs.key();
            source = RUNS;
        }
        if (best == null || best.compareTo(last) > 0) return false;
        position = best;
        from = source;
        return true;
    }

    // To the table's first item that has not been passed.
    private void step(int n) {
        if (walks[n] == null || changes[n] != tables[n].changes()) {
            changes[n] = tables[n].changes();
            walks[n] = tables[n].from(position, !started);
        } else if (heads[n] == null || heads[n].compareTo(position) > 0) {
            return;
        }
        boolean there = walks[n].next();
        heads[n] = there ? walks[n].key() : null;
        if (there) references[n] = walks[n].reference();
    }

    @Override
    public Key key() {
        return position;
    }

    // A table keeps values that are replaced until the attempt has ended.
    @Override
    public byte[] value() {
        return from == RUNS ? runs.value() : tables[from].valueOf(references[from]);
    }
}
