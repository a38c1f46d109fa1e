package dev.cairn.transaction.run;

import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Key;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// Whether any of many key ranges holds a key, asked in ascending order of keys.
final class KeyRanges {
    private record Range(Key first, Key last) {}

    /// Disjoint and ascending.
    private final List<Range> ranges = new ArrayList<>();
    private int at;

    /// The live windows of these runs.
    KeyRanges(List<RunRef> runs) {
        var sorted = new ArrayList<Range>(runs.size());
        for (var run : runs)
            sorted.add(new Range(Key.of(run.getFirstKey().toByteArray()), Key.of(run.getLastKey().toByteArray())));
        sorted.sort(Comparator.comparing(Range::first));
        for (var range : sorted) {
            var before = ranges.isEmpty() ? null : ranges.getLast();
            if (before == null || before.last.compareTo(range.first) < 0) ranges.add(range);
            else if (before.last.compareTo(range.last) < 0) ranges.set(ranges.size() - 1, new Range(before.first, range.last));
        }
    }

    /// @param i an item of `block`, not below the one asked about before
    boolean hold(ItemBlock block, int i) {
        while (at < ranges.size() && block.compare(i, ranges.get(at).last) > 0) at++;
        return at < ranges.size() && block.compare(i, ranges.get(at).first) >= 0;
    }
}
