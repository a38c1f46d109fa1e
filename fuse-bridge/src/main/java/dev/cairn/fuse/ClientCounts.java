package dev.cairn.fuse;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/// How many requests a reader has had from each of its clients, that is threads that wait for their replies, told apart by
/// the last bits of their numbers: two that share a place look like one, which is seldom and no harm. Written by the reader,
/// read by others at any time.
final class ClientCounts {
    static final int PLACES = 64;
    private static final VarHandle COUNT = MethodHandles.arrayElementVarHandle(int[].class);

    private final int[] counts = new int[PLACES];

    /// @param thread its number; 0, the kernel's own, is nobody's
    void count(int thread) {
        int at = thread & PLACES - 1;
        if (thread != 0) COUNT.setOpaque(counts, at, counts[at] + 1);
    }

    /// Adds these to `sums`, place by place; they go round after 2^32.
    void addTo(int[] sums) {
        for (int at = 0; at < PLACES; at++) sums[at] += (int) COUNT.getOpaque(counts, at);
    }
}
