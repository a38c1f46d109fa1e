package dev.cairn.fuse;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/// How many requests a reader has had from each of its clients, that is threads that wait for their replies, told apart by
/// the last bits of their numbers. Two that share a place look like one; so do all that are of another PID namespace than the
/// mount, whose number is 0. Written by the reader, read by others at any time.
final class ClientCounts {
    static final int PLACES = 256;
    private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(int[].class);

    private final int[] counts = new int[PLACES];

    /// Whoever sees that nothing has been counted may rest, and looks at what is counted after he has said so: so this is
    /// written before the reader looks for him.
    void count(int thread) {
        int at = thread & PLACES - 1;
        COUNT.setVolatile(counts, at, counts[at] + 1);
    }

    /// Adds these to `sums`, place by place; they go round after 2^32.
    void addTo(int[] sums) {
        for (int at = 0; at < PLACES; at++) sums[at] += (int) COUNT.getVolatile(counts, at);
    }
}
