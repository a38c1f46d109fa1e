package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

final class InitNegotiationTest {
    private boolean parallel;
    private final MemorySegment in = Arena.ofAuto().allocate(64), out = Arena.ofAuto().allocate(80);

    private InitNegotiation negotiate(int major, int minor, long flags, CachePolicy cache) throws IOException {
        in.set(U32, INIT_IN_MAJOR, major);
        in.set(U32, INIT_IN_MINOR, minor);
        in.set(U32, INIT_IN_MAX_READAHEAD, 128 << 10);
        in.set(U32, INIT_IN_FLAGS, (int) flags);
        in.set(U32, INIT_IN_FLAGS2, (int) (flags >>> 32));
        return InitNegotiation.of(in, 0, 64, cache, false, parallel, false);
    }

    @Test
    void the_smaller_minor_is_spoken() throws IOException {
        assertThat(negotiate(7, 99, -1, CachePolicy.singleMount()).minor()).isEqualTo(45);
        assertThat(negotiate(7, 31, -1, CachePolicy.singleMount()).minor()).isEqualTo(31);
    }

    @Test
    void an_old_kernel_or_another_major_is_refused_with_a_reason() {
        assertThatThrownBy(() -> negotiate(7, 30, -1, CachePolicy.singleMount())).isInstanceOf(IOException.class)
                .hasMessage("the kernel speaks FUSE 7.30; Cairn needs at least 7.31 (Linux 5.4)");
        assertThatThrownBy(() -> negotiate(8, 0, -1, CachePolicy.singleMount())).isInstanceOf(IOException.class);
        assertThatThrownBy(() -> InitNegotiation.of(in, 0, 12, CachePolicy.singleMount(), false, false, false))
                .isInstanceOf(IOException.class);
    }

    @Test
    void nothing_is_asked_that_the_kernel_does_not_offer() throws IOException {
        long offered = BIG_WRITES | NO_OPEN_SUPPORT | WRITEBACK_CACHE;
        assertThat(negotiate(7, 45, offered, CachePolicy.singleMount()).flags()).isEqualTo(BIG_WRITES | NO_OPEN_SUPPORT);
    }

    @Test
    void opens_are_messages_only_where_direct_writes_are_to_be_parallel() throws IOException {
        assertThat(negotiate(7, 45, -1, CachePolicy.singleMount()).zeroMessageOpen()).isTrue();
        parallel = true;
        var negotiated = negotiate(7, 45, -1, CachePolicy.singleMount());
        assertThat(negotiated.zeroMessageOpen()).isFalse();
        assertThat(negotiated.zeroMessageOpendir()).isTrue();
        assertThat(negotiated.has(DIRECT_IO_ALLOW_MMAP)).isTrue();
    }

    @Test
    void never_writeback_and_pages_are_dropped_on_remote_changes_only_where_there_are_any() throws IOException {
        var alone = negotiate(7, 45, -1, CachePolicy.singleMount());
        var shared = negotiate(7, 45, -1, CachePolicy.sharedVolume());
        assertThat(alone.has(WRITEBACK_CACHE) || shared.has(WRITEBACK_CACHE)).isFalse();
        assertThat(alone.has(EXPLICIT_INVAL_DATA)).isTrue();
        assertThat(alone.has(AUTO_INVAL_DATA)).isFalse();
        assertThat(shared.has(EXPLICIT_INVAL_DATA)).isFalse();
        assertThat(shared.has(AUTO_INVAL_DATA)).isTrue();
    }

    @Test
    void the_reply_fills_its_struct() throws IOException {
        out.fill((byte) 0x55);
        assertThat(negotiate(7, 40, -1, CachePolicy.singleMount()).write(out, 16)).isEqualTo(64);
        assertThat(out.get(U32, 16 + INIT_OUT_MINOR)).isEqualTo(40);
        assertThat(out.get(U32, 16 + INIT_OUT_MAX_READAHEAD)).isEqualTo(128 << 10);
        assertThat(out.get(U32, 16 + INIT_OUT_MAX_WRITE)).isEqualTo(1 << 20);
        assertThat(out.get(U16, 16 + INIT_OUT_MAX_PAGES)).isEqualTo((short) 256);
        assertThat(out.get(U64, 16 + INIT_OUT_BYTES - 8)).isZero();
        assertThat(out.get(U64, 0)).isEqualTo(0x5555555555555555L);
    }
}
