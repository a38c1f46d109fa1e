package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class WriteGateTest {
    private static final int BLOCK = 4096;

    private final WriteGate gate = new WriteGate();

    private static final class Writer implements WriteGate.Writer {
        final WriteGate.Place place = new WriteGate.Place(this);
        final int came;
        long offset, bytes;
        boolean waits, inside;

        Writer(int came, long offset, long bytes) {
            this.came = came;
            this.offset = offset;
            this.bytes = bytes;
        }

        boolean touchesBlocksOf(Writer other) {
            return offset / BLOCK * BLOCK < Math.ceilDiv(other.offset + other.bytes, BLOCK) * BLOCK
                    && other.offset / BLOCK * BLOCK < Math.ceilDiv(offset + bytes, BLOCK) * BLOCK;
        }

        @Override
        public void handOver() {
            waits = true;
        }

        @Override
        public void resumeWrite() {
            assertThat(waits).isTrue();
            waits = false;
            inside = true;
        }
    }

    private Writer enter(int came, long ino, long offset, long bytes) {
        var writer = new Writer(came, offset, bytes);
        writer.inside = gate.enter(writer.place, ino, offset, bytes);
        assertThat(writer.waits).isNotEqualTo(writer.inside);
        return writer;
    }

    private void leave(Writer writer) {
        writer.inside = false;
        DataRequest.goOn(gate.leave(writer.place));
    }

    @Test
    void writes_of_one_block_are_one_after_the_other_and_others_side_by_side() {
        Writer first = enter(1, 5, 0, 512), second = enter(2, 5, 512, 512), aside = enter(3, 5, BLOCK, 1), elsewhere = enter(4, 6, 0, 512);
        assertThat(List.of(first.inside, second.inside, aside.inside, elsewhere.inside)).containsExactly(true, false, true, true);
        leave(aside);
        assertThat(second.inside).isFalse();
        leave(first);
        assertThat(second.inside).isTrue();
    }

    @Test
    void who_needs_the_file_alone_waits_for_all_and_all_wait_for_it() {
        Writer before = enter(1, 5, 0, 1), alone = new Writer(2, 0, Long.MAX_VALUE - 2L * BLOCK);
        assertThat(gate.enterAlone(alone.place, 5)).isFalse();
        assertThat(alone.place.alone()).isTrue();
        Writer far = enter(3, 5, 1L << 40, 1), nonsense = enter(4, 5, -1, Long.MAX_VALUE);
        assertThat(far.inside).isFalse();
        leave(before);
        assertThat(alone.inside).isTrue();
        assertThat(far.inside).isFalse();
        leave(alone);
        assertThat(far.inside).isTrue();
        assertThat(nonsense.inside).isFalse();
        leave(far);
        assertThat(nonsense.inside).isTrue();
    }

    @Property
    void nobody_is_beside_one_who_touches_its_blocks_and_nobody_waits_for_nothing(@ForAll long seed, @ForAll @IntRange(min = 1, max = 60) int steps) {
        var random = new Random(seed);
        var here = new ArrayList<Writer>();
        for (int step = 0; step < steps; step++) {
            var inside = here.stream().filter(writer -> writer.inside).toList();
            if (!inside.isEmpty() && random.nextInt(3) == 0) {
                var leaving = inside.get(random.nextInt(inside.size()));
                here.remove(leaving);
                leave(leaving);
            } else {
                here.add(enter(step, 5, random.nextInt(20 * BLOCK), 1 + random.nextInt(3 * BLOCK)));
            }
            for (var writer : here) {
                boolean inTheWay = here.stream().anyMatch(other -> other.came < writer.came && other.touchesBlocksOf(writer));
                assertThat(writer.inside).isNotEqualTo(inTheWay);
            }
        }
        while (!here.isEmpty()) {
            var next = here.stream().filter(writer -> writer.inside).findFirst().orElseThrow();
            here.remove(next);
            leave(next);
        }
        var last = enter(steps, 5, 0, 1);
        assertThat(last.inside).isTrue();
        leave(last);
    }
}
