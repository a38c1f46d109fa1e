package dev.cairn.block;

import dev.cairn.block.MetadataBlock.Damaged;
import dev.cairn.block.MetadataBlock.Expected;
import dev.cairn.block.MetadataBlock.Foreign;
import dev.cairn.block.MetadataBlock.Kind;
import dev.cairn.block.MetadataBlock.Whole;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class MetadataBlockTest {
    private static final Expected HERE = new Expected(0xfeed, 77, 1234);

    private static MemorySegment sealed(int length, long seed) {
        var block = Arena.ofAuto().allocate(MetadataBlock.BYTES);
        var random = new SplittableRandom(seed);
        for (int i = 0; i < MetadataBlock.BYTES; i++) block.set(ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
        MetadataBlock.seal(block, HERE, Kind.INDEX, 5, length, 200, 100_000);
        return block;
    }

    @Property(tries = 200)
    void what_was_sealed_is_read(@ForAll @IntRange(max = MetadataBlock.PAYLOAD_BYTES_MAX) int length,
            @ForAll long seed) {
        var block = sealed(length, seed);
        var whole = (Whole) MetadataBlock.read(block, HERE);
        assertThat(whole.payload().byteSize()).isEqualTo(length);
        assertThat(whole.kind()).isEqualTo(Kind.INDEX);
        assertThat(whole.ordinal()).isEqualTo(5);
        assertThat(whole.encoding()).isEqualTo(200);
        assertThat(whole.rawBytes()).isEqualTo(100_000);
    }

    @Property(tries = 2000)
    void every_flipped_bit_is_seen(@ForAll @IntRange(max = MetadataBlock.BYTES * 8 - 1) int bit) {
        var block = sealed(40_000, 1);
        flip(block, bit);
        assertThat(MetadataBlock.read(block, HERE)).isInstanceOf(Damaged.class);
    }

    @Test
    void every_flipped_bit_of_the_header_is_seen() {
        var block = sealed(40_000, 1);
        for (int bit = 0; bit < MetadataBlock.HEADER_BYTES * 8; bit++) {
            flip(block, bit);
            assertThat(MetadataBlock.read(block, HERE)).isInstanceOf(Damaged.class);
            flip(block, bit);
        }
        assertThat(MetadataBlock.read(block, HERE)).isInstanceOf(Whole.class);
    }

    @Property(tries = 200)
    void a_block_torn_between_two_runs_is_damaged(@ForAll @IntRange(min = 1, max = 127) int sectors) {
        var block = sealed(65_000, 1);
        var other = Arena.ofAuto().allocate(MetadataBlock.BYTES);
        MetadataBlock.payload(other).fill((byte) 3);
        MetadataBlock.seal(other, new Expected(0xfeed, 77, 1235), Kind.ITEMS, 0, 65_000, 0, 65_000);
        MemorySegment.copy(other, 0, block, 0, sectors * 512L);
        assertThat(MetadataBlock.read(block, HERE)).isInstanceOf(Damaged.class);
    }

    @Test
    void another_runs_block_is_foreign_and_a_misplaced_one_is_damaged() {
        var block = sealed(10, 1);
        assertThat(MetadataBlock.read(block, new Expected(0xfeed, 77, 9))).isInstanceOf(Foreign.class);
        assertThat(((Damaged) MetadataBlock.read(block, new Expected(0xfeed, 78, 1234))).why()).contains("misplaced");
        assertThat(((Damaged) MetadataBlock.read(block, new Expected(1, 77, 1234))).why()).contains("volume");
        block.fill((byte) 0);
        assertThat(((Damaged) MetadataBlock.read(block, HERE)).why()).contains("zeros");
    }

    private static void flip(MemorySegment block, int bit) {
        block.set(ValueLayout.JAVA_BYTE, bit / 8,
                (byte) (block.get(ValueLayout.JAVA_BYTE, bit / 8) ^ 1 << bit % 8));
    }
}
