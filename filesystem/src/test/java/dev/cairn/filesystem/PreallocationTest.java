package dev.cairn.filesystem;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.filesystem.Extents.Mapping;
import dev.cairn.filesystem.Preallocation.Wish;
import org.junit.jupiter.api.Test;

class PreallocationTest {
    private static final Preallocation STREAMS = new Preallocation(32, true), REGIONS = new Preallocation(32, false);

    private static Mapping mapped(long first, long count, long physical) {
        return new Mapping(first, count, physical, 0);
    }

    @Test
    void a_stream_gets_as_much_room_as_it_is_long() {
        assertThat(STREAMS.of(0, null, 0, 1, null)).isEqualTo(new Wish(0, 0, 0));
        assertThat(STREAMS.of(1, mapped(0, 1, 500), 1, 2, null)).isEqualTo(new Wish(501, 0, 0));
        assertThat(STREAMS.of(7, mapped(0, 7, 500), 7, 9, null)).isEqualTo(new Wish(507, 0, 7));
        assertThat(STREAMS.of(100, mapped(0, 100, 500), 100, 101, null)).isEqualTo(new Wish(600, 0, 32));
        // Not into what is there already, and not for a file with holes.
        assertThat(STREAMS.of(100, mapped(0, 100, 500), 100, 101, mapped(110, 1, 9))).isEqualTo(new Wish(600, 0, 9));
        assertThat(STREAMS.of(50, mapped(90, 10, 500), 100, 101, null)).isEqualTo(new Wish(510, 0, 0));
        assertThat(new Preallocation(0, true).of(100, mapped(0, 100, 500), 100, 101, null)).isEqualTo(new Wish(600, 0, 0));
    }

    @Test
    void a_region_is_one_place_whatever_comes_first() {
        assertThat(REGIONS.of(0, null, 0, 1, null)).isEqualTo(new Wish(0, 0, 0));
        assertThat(REGIONS.of(0, null, 74, 76, null)).isEqualTo(new Wish(0, 10, 20));
        assertThat(REGIONS.of(2, mapped(74, 2, 900), 80, 81, null)).isEqualTo(new Wish(906, 0, 15));
        assertThat(REGIONS.of(2, null, 70, 71, mapped(74, 2, 900))).isEqualTo(new Wish(896, 0, 3));
        assertThat(REGIONS.of(2, mapped(0, 2, 900), 70, 71, null)).isEqualTo(new Wish(0, 6, 25));
        assertThat(REGIONS.of(2, mapped(62, 3, 900), 65, 66, null)).isEqualTo(new Wish(903, 0, 30));
    }

    @Test
    void nobody_asks_for_less_than_nothing() {
        assertThatThrownBy(() -> new Preallocation(-1, true)).isInstanceOf(IllegalArgumentException.class);
    }
}
