package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class CachedPagesTest {
    @Test
    void none_is_missing_and_few_are_taken_for_others() {
        var pages = new CachedPages();
        var random = new SplittableRandom(1);
        long[] inos = random.longs(500).toArray();
        for (long ino : inos) pages.cached(ino);
        for (long ino = 1; ino <= 500; ino++) pages.cached(ino);
        for (long ino : inos) assertThat(pages.mayBe(ino)).isTrue();
        for (long ino = 1; ino <= 500; ino++) assertThat(pages.mayBe(ino)).isTrue();
        assertThat(random.longs(10_000).filter(pages::mayBe).count()).isLessThan(500);
        assertThat(java.util.stream.LongStream.rangeClosed(501, 1500).filter(pages::mayBe).count()).isLessThan(50);
    }
}
