package dev.cairn.transaction;

import java.time.Duration;

/// Spreads the slowing down of a mount that outruns merging evenly over its allocating operations: at n percent, n of a
/// hundred operations wait for [#DELAY].
final class SlowDown {
    /// The tick of Pekko's timers; anything shorter would be rounded up to it.
    static final Duration DELAY = Duration.ofMillis(10);

    private int percent;
    private int debt;

    void set(int newPercent) {
        percent = Math.clamp(newPercent, 0, 100);
        if (percent == 0) debt = 0;
    }

    int percent() {
        return percent;
    }

    /// Whether the next allocating operation is to wait.
    boolean next() {
        debt += percent;
        if (debt < 100) return false;
        debt -= 100;
        return true;
    }
}
