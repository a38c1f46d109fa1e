package dev.cairn.filesystem;

/// A point in time as POSIX keeps it: seconds since 1970, negative before, and 0 to 999 999 999 nanoseconds after them.
public record Time(long sec, int nsec) implements Comparable<Time> {
    public static final Time ZERO = new Time(0, 0);

    public Time {
        if (nsec < 0 || nsec > 999_999_999) throw new IllegalArgumentException("nanoseconds: " + nsec);
    }

    @Override
    public int compareTo(Time other) {
        return sec != other.sec ? Long.compare(sec, other.sec) : Integer.compare(nsec, other.nsec);
    }

    /// The next representable moment; the last one of all has none and stays.
    Time next() {
        if (nsec < 999_999_999) return new Time(sec, nsec + 1);
        return sec == Long.MAX_VALUE ? this : new Time(sec + 1, 0);
    }
}
