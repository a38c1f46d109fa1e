package dev.cairn.block;

import java.util.ArrayList;
import java.util.List;

/// Consecutive blocks of one device, in that device's own block size: 64 KiB of metadata, or 4 KiB of data.
///
/// @param start the first block, counted from the start of the device
/// @param count how many, at least 1
public record Extent(long start, long count) {
    public Extent {
        if (start < 0 || count < 1 || start + count < 0)
            throw new IllegalArgumentException("extent of %d blocks at block %d".formatted(count, start));
    }

    /// The block after the last one.
    public long end() {
        return start + count;
    }

    public boolean contains(long block) {
        return block >= start && block < end();
    }

    public boolean overlaps(Extent other) {
        return start < other.end() && other.start < end();
    }

    /// The same blocks in order, at most so many in each.
    public List<Extent> pieces(long most) {
        if (count <= most) return List.of(this);
        var pieces = new ArrayList<Extent>();
        for (long at = start; at < end(); at += most) pieces.add(new Extent(at, Math.min(most, end() - at)));
        return pieces;
    }

    @Override
    public String toString() {
        return count + "@" + start;
    }
}
