package dev.cairn.fuse;

import static dev.cairn.fuse.FuseProtocol.U64;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.lang.foreign.Arena;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CpuPinsTest {
    private final CpuPins pins = new CpuPins();
    private final CountDownLatch end = new CountDownLatch(1);

    @BeforeEach
    void there_are_several_cpus() {
        assumeThat(CpuPins.ofProcess()).hasSizeGreaterThan(1);
    }

    @AfterEach
    void end() {
        pins.stop();
        end.countDown();
    }

    @Test
    void threads_that_a_pinned_one_starts_do_not_stay_on_its_cpu() {
        int thread = threadThat(() -> {
            assertThat(pins.pin(CpuPins.ofProcess()[0])).isZero();
            return threadThat(CpuCalls::threadId);
        });
        assertThat(cpusOf(thread)).isEqualTo(1);
        Thread.ofPlatform().daemon().start(pins);
        Awaitility.await().untilAsserted(() -> assertThat(cpusOf(thread)).isGreaterThan(1));
    }

    @Test
    void what_one_mount_pinned_another_of_the_process_leaves_alone() {
        int thread = threadThat(() -> {
            assertThat(pins.pin(CpuPins.ofProcess()[0])).isZero();
            return CpuCalls.threadId();
        });
        var other = new CpuPins();
        look(other);
        assertThat(cpusOf(thread)).isEqualTo(1);
        assertThat(pins.pinned()).isEqualTo(1);
        assertThat(other.pinned()).isZero();
    }

    @Test
    void a_thread_that_gave_its_pin_back_goes_everywhere() {
        int thread = threadThat(() -> {
            assertThat(pins.pin(CpuPins.ofProcess()[0])).isZero();
            pins.unpin();
            return CpuCalls.threadId();
        });
        assertThat(cpusOf(thread)).isGreaterThan(1);
        assertThat(pins.pinned()).isZero();
    }

    @Test
    void one_that_may_not_run_there_is_not_counted() {
        threadThat(() -> {
            assertThat(pins.pin(CpuCalls.CPU_MASK_BYTES * 8 - 1)).isNegative();
            return CpuCalls.threadId();
        });
        assertThat(pins.pinned()).isZero();
    }

    // It looks before it finds that it is to stop.
    private static void look(CpuPins other) {
        other.stop();
        other.run();
    }

    /// A thread that has done this, said its number, and stays until the end.
    private int threadThat(IntSupplier begins) {
        var number = new CompletableFuture<Integer>();
        Thread.ofPlatform().daemon().start(() -> {
            try {
                number.complete(begins.getAsInt());
                end.await();
            } catch (InterruptedException | RuntimeException | Error e) {
                number.completeExceptionally(e);
            } finally {
                pins.unpin();
            }
        });
        return number.orTimeout(20, TimeUnit.SECONDS).join();
    }

    private static int cpusOf(int thread) {
        try (var arena = Arena.ofConfined()) {
            var mask = arena.allocate(CpuCalls.CPU_MASK_BYTES, 8);
            assertThat(CpuCalls.affinity(thread, mask)).isZero();
            int cpus = 0;
            for (long at = 0; at < mask.byteSize(); at += 8) cpus += Long.bitCount(mask.get(U64, at));
            return cpus;
        }
    }
}
