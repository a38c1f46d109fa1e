package dev.cairn.transaction;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.ArrayList;
import org.junit.jupiter.api.Test;

class TurnsTest {
    private final Turns turns = new Turns();

    @Test
    void who_waits_too_long_goes_on_without_a_turn() {
        assertTrue(turns.take());
        assertFalse(turns.take());
        turns.give();
        assertTrue(turns.take());
    }

    @Test
    void only_one_thread_has_its_turn_at_a_time() throws Exception {
        int threads = 4, rounds = 5_000;
        var inside = new int[1];
        var seen = new int[1];
        try (var pool = Executors.newFixedThreadPool(threads)) {
            var all = new ArrayList<Future<Integer>>();
            for (int t = 0; t < threads; t++)
                all.add(pool.submit(() -> {
                    int had = 0;
                    for (int i = 0; i < rounds; i++) {
                        if (!turns.take()) continue;
                        had++;
                        // Unguarded but for the turn.
                        if (++inside[0] != 1) seen[0]++;
                        inside[0]--;
                        turns.give();
                    }
                    return had;
                }));
            int had = 0;
            for (var one : all) had += one.get();
            assertTrue(had > 0);
        }
        assertEquals(0, seen[0]);
        assertEquals(0, inside[0]);
    }
}
