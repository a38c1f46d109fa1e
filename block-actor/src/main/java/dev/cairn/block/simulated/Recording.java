package dev.cairn.block.simulated;

import java.util.SortedSet;
import java.util.TreeSet;

/// Numbers what happens on one or more devices in one common order, so that a power cut at an instant hits all of them
/// at the same instant: [SimulatedDevice#crash] of each device with the same number.
public final class Recording {
    private long next;
    private final SortedSet<Long> flushes = new TreeSet<>();

    /// The instant after everything recorded so far.
    public synchronized long now() {
        return next;
    }

    /// The instants right after each successful flush of any of the devices, in order.
    public synchronized SortedSet<Long> flushBoundaries() {
        return new TreeSet<>(flushes);
    }

    synchronized long tick(boolean flush) {
        long at = next++;
        if (flush) flushes.add(next);
        return at;
    }
}
