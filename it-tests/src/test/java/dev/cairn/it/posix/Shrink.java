package dev.cairn.it.posix;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/// Delta debugging: of a list that fails, a shorter one that still does and from which nothing can be left out.
final class Shrink {
    private Shrink() {}

    /// `fails` is asked often; it must answer the same for the same list. No more than `tries` questions are asked.
    static <T> List<T> smallest(List<T> failing, Predicate<List<T>> fails, int tries) {
        var current = new ArrayList<>(failing);
        int asked = 0;
        for (int part = Math.max(1, current.size() / 2); asked < tries; ) {
            boolean shorter = false;
            for (int from = Math.max(0, current.size() - part); asked < tries; from -= part) {
                int start = Math.max(0, from);
                var without = new ArrayList<>(current);
                without.subList(start, Math.min(without.size(), start + part)).clear();
                asked++;
                if (without.size() < current.size() && fails.test(without)) {
                    current = without;
                    shorter = true;
                }
                if (start == 0) break;
            }
            if (part == 1 && !shorter) break;
            if (!shorter || part > current.size()) part = Math.max(1, Math.min(part, current.size()) / 2);
        }
        return current;
    }
}
