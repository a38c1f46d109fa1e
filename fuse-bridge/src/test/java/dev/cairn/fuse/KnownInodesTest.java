package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

final class KnownInodesTest {
    private final KnownInodes known = new KnownInodes();

    @Test
    void an_unlinked_inode_is_deleted_with_its_last_forget() {
        known.given(7);
        known.given(7);
        known.given(7);
        assertThat(known.unlinked(7)).isFalse();
        assertThat(known.forget(7, 2)).isFalse();
        assertThat(known.forget(7, 1)).isTrue();
        assertThat(known.size()).isZero();
    }

    @Test
    void an_unlinked_inode_that_nobody_knows_is_deleted_at_once() {
        assertThat(known.unlinked(7)).isTrue();
    }

    @Test
    void a_linked_one_is_forgotten_and_stays() {
        known.given(7);
        assertThat(known.unlinked(7)).isFalse();
        known.linked(7);
        assertThat(known.forget(7, 1)).isFalse();
    }

    @Test
    void what_is_left_at_the_end_is_told_once() {
        for (long ino = 1; ino < 3000; ino++) {
            known.given(ino);
            if (ino % 3 == 0) known.unlinked(ino);
        }
        assertThat(known.drainUnlinked()).hasSize(999).contains(3, 2997);
        assertThat(known.drainUnlinked()).isEmpty();
        assertThat(known.size()).isZero();
    }

    /// Steps: 0 to 2 give, 3 forget one, 4 forget all, 5 unlink; on four inodes of two stripes.
    @Property
    void each_unlinked_inode_is_deleted_exactly_when_unknown(
            @ForAll @Size(max = 200) List<@IntRange(min = 0, max = 23) Integer> history) {
        var known = new KnownInodes();
        var counts = new HashMap<Long, Long>();
        var unlinked = new HashSet<Long>();
        for (int step : history) {
            long ino = 1 + step % 4 * 8L;
            long count = counts.getOrDefault(ino, 0L);
            switch (step / 4) {
                case 3, 4 -> {
                    long times = step / 4 == 3 ? Math.min(1, count) : count;
                    if (count == 0) continue;
                    counts.put(ino, count - times);
                    assertThat(known.forget(ino, times)).isEqualTo(count == times && unlinked.contains(ino));
                    if (count == times) unlinked.remove(ino);
                }
                case 5 -> {
                    assertThat(known.unlinked(ino)).isEqualTo(count == 0);
                    if (count > 0) unlinked.add(ino);
                }
                default -> {
                    counts.put(ino, count + 1);
                    known.given(ino);
                }
            }
            assertThat(known.known(ino)).isEqualTo(counts.getOrDefault(ino, 0L) > 0);
        }
    }
}
