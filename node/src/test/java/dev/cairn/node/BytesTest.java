package dev.cairn.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.junit.jupiter.api.Test;

class BytesTest {
    @Test
    void suffixes_are_binary() {
        assertThat(Bytes.parse("4096")).isEqualTo(4096);
        assertThat(Bytes.parse("1K")).isEqualTo(1024);
        assertThat(Bytes.parse("3m")).isEqualTo(3L << 20);
        assertThat(Bytes.parse("64GiB")).isEqualTo(64L << 30);
        assertThat(Bytes.parse("2T")).isEqualTo(2L << 40);
        assertThat(Bytes.parse("1P")).isEqualTo(1L << 50);
    }

    @Test
    void what_is_no_size_is_named() {
        for (var text : new String[] {"", "G", "-1", "1.5G", "1X", "0x10", "12 G"})
            assertThatThrownBy(() -> Bytes.parse(text)).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("'" + text + "'");
        assertThatThrownBy(() -> Bytes.parse("9223372036854775807K")).hasMessageContaining("larger than any device");
        assertThatThrownBy(() -> Bytes.parse("9999999999999999999")).hasMessageContaining("larger than any device");
    }

    @Test
    void sizes_for_people() {
        assertThat(Bytes.human(0)).isEqualTo("0B");
        assertThat(Bytes.human(1023)).isEqualTo("1023B");
        assertThat(Bytes.human(1536)).isEqualTo("1.5K");
        assertThat(Bytes.human(300L << 20)).isEqualTo("300M");
        assertThat(Bytes.human((1L << 30) - 1)).isEqualTo("1.0G");
        assertThat(Bytes.human(Long.MAX_VALUE)).isEqualTo("8192P");
    }

    @Property
    void an_exact_size_reads_back(@ForAll @LongRange(min = 0) long bytes) {
        assertThat(Bytes.parse(Bytes.exact(bytes))).isEqualTo(bytes);
    }
}
