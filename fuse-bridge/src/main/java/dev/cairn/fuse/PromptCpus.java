package dev.cairn.fuse;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has CPUs wake promptly while requests come in a stream, and lets them sleep as they like at other times. By the kernel's
/// interface for that, PM QoS: whoever has /dev/cpu_dma_latency open asks that no CPU takes longer to wake than the number of
/// microseconds that was written to it. It holds for the machine, and ends with the process, however that ends.
///
/// The price is power and, in a virtual machine, the host's time: with 0 µs idle CPUs poll. [RequestStream] sees to it that this
/// is only while requests come one upon the other; polling keeps no program from a CPU.
final class PromptCpus implements Runnable {
    private static final Logger log = LoggerFactory.getLogger(FuseSession.class);

    private final int micros;
    private final Path device;
    private final LongSupplier requests;
    private final RequestStream stream = new RequestStream();
    private final RequestBell bell = new RequestBell();
    private volatile boolean stopped;
    private volatile Thread thread;
    private FileChannel held;
    private long heldSince;
    private volatile long heldNanos;

    /// @param micros   that a CPU may take to wake
    /// @param device   [CpuLatency#DEVICE]
    /// @param requests how many there have been
    PromptCpus(int micros, Path device, LongSupplier requests) {
        this.micros = micros;
        this.device = device;
        this.requests = requests;
    }

    /// Called for each request, on its thread, when it has been counted.
    void requestCame() {
        bell.ring();
    }

    void stop() {
        stopped = true;
        LockSupport.unpark(thread);
    }

    /// For how long the kernel has been asked, in all.
    double heldSeconds() {
        return heldNanos / 1e9;
    }

    @Override
    public void run() {
        thread = Thread.currentThread();
        try {
            while (!stopped) {
                if (stream.resting()) rest();
                LockSupport.parkNanos(stream.pauseNanos());
                long now = System.nanoTime();
                boolean streams = stream.look(now, requests.getAsLong());
                if (held != null) count(now);
                if (streams && held == null) hold(now);
                else if (!streams && held != null) release();
            }
        } catch (IOException e) {
            log.warn("CPUs are not asked to wake promptly (cpu-latency) until the volume is mounted again: {}", e.toString());
        } finally {
            stopped = true;
            if (held != null) release();
        }
    }

    private void rest() {
        bell.restWhile(() -> !stopped && requests.getAsLong() == stream.seen());
        stream.wake(System.nanoTime(), requests.getAsLong());
    }

    private void count(long now) {
        heldNanos += now - heldSince;
        heldSince = now;
    }

    private void hold(long now) throws IOException {
        held = FileChannel.open(device, StandardOpenOption.WRITE);
        heldSince = now;
        held.write(ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.nativeOrder()).putInt(0, micros));
        log.debug("CPUs wake within {} us", micros);
    }

    private void release() {
        count(System.nanoTime());
        try {
            held.close();
        } catch (IOException e) {
            log.warn("{} could not be closed: {}", device, e.toString());
        }
        held = null;
        log.debug("CPUs may sleep");
    }
}
