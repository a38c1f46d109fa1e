package dev.cairn.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.transaction.Key;
import dev.cairn.transaction.Operation;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// An operation on a cold volume fetches what it will need together, and one on a warm volume does not look twice.
class LookingAheadTest {
    private static final int ITEMS = 4000;

    private static Key key(int n) {
        return new Key((byte) 9, n, (byte) 1, 0, 0);
    }

    @Test
    void what_an_operation_will_need_is_fetched_at_once() {
        try (var volume = SimulatedVolume.fresh(8192, 16384)) {
            var random = new SplittableRandom(1);
            volume.run(Operation.Hold.MODIFY, tx -> {
                for (int n = 0; n < ITEMS; n++) {
                    var value = new byte[400];     // does not compress: a block holds some 150
                    random.nextBytes(value);
                    tx.put(key(n), value);
                }
                return null;
            });
            volume.commit();
            int together = coldAttempts(volume, true), oneByOne = coldAttempts(volume, false);
            assertThat(oneByOne).as("attempts, one restart for each block").isGreaterThanOrEqualTo(8);
            assertThat(together).as("attempts: nothing known, what to look at known, index, blocks").isLessThanOrEqualTo(4);
        }
    }

    /// By a mount that knows nothing yet.
    private static int coldAttempts(SimulatedVolume volume, boolean wanted) {
        try (var cold = SimulatedVolume.after(volume.metadata.restart(), volume.data.restart(), volume.journalAt(Long.MAX_VALUE))) {
            int attempts = attempts(cold, wanted);
            assertThat(attempts(cold, wanted)).as("attempts when all is in memory").isEqualTo(1);
            return attempts;
        }
    }

    private static int attempts(SimulatedVolume volume, boolean wanted) {
        var attempts = new int[1];
        volume.run(Operation.Hold.READ, tx -> {
            attempts[0]++;
            if (wanted) for (int n = 0; n < ITEMS; n += 500) tx.want(key(n));
            for (int n = 0; n < ITEMS; n += 500) assertThat(tx.get(key(n))).hasSize(400);
            return null;
        });
        return attempts[0];
    }
}
