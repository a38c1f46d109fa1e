package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class PromptCpusTest {
    @TempDir
    Path directory;
    private final AtomicLong requests = new AtomicLong();

    static boolean isOpen(Path file) {
        try (var fds = Files.list(Path.of("/proc/self/fd"))) {
            return fds.anyMatch(fd -> {
                try {
                    return Files.readSymbolicLink(fd).equals(file);
                } catch (IOException e) {
                    return false;       // closed meanwhile
                }
            });
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void request(PromptCpus prompt) {
        requests.incrementAndGet();
        prompt.requestCame();
    }

    private void streamUntil(PromptCpus prompt, BooleanSupplier what) {
        while (!what.getAsBoolean()) request(prompt);
    }

    private static boolean resting(Thread thread) {
        return Arrays.stream(thread.getStackTrace()).anyMatch(frame -> frame.getMethodName().equals("rest"));
    }

    @Test
    void it_asks_while_a_stream_lasts_each_time_there_is_one() throws Exception {
        var device = Files.createFile(directory.toRealPath().resolve("latency"));
        var prompt = new PromptCpus(7, device, requests::get);
        var thread = Thread.ofPlatform().start(prompt);
        for (int round = 0; round < 2; round++) {
            await().until(() -> resting(thread));
            assertThat(isOpen(device)).isFalse();
            streamUntil(prompt, () -> isOpen(device));
            await().until(() -> Files.size(device) > 0);
            assertThat(ByteBuffer.wrap(Files.readAllBytes(device)).order(ByteOrder.nativeOrder()).getInt()).isEqualTo(7);
            await().until(() -> !isOpen(device));
        }
        assertThat(prompt.heldSeconds()).isBetween(0.05, 60.0);
        streamUntil(prompt, () -> isOpen(device));
        prompt.stop();
        thread.join();
        assertThat(isOpen(device)).isFalse();
    }

    @Test
    void a_machine_without_the_device_goes_on_without() throws Exception {
        var prompt = new PromptCpus(0, directory.resolve("none"), requests::get);
        var thread = Thread.ofPlatform().start(prompt);
        streamUntil(prompt, () -> !thread.isAlive());
        request(prompt);
        prompt.stop();
        assertThat(prompt.heldSeconds()).isZero();
    }
}
