package dev.cairn.fuse;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Gives each reader of /dev/fuse a CPU of its own while there are as many busy clients, and leaves them to the scheduler
/// otherwise.
///
/// A request that wakes a thread on another CPU costs several times one that stays. The kernel wakes the reader that has waited
/// longest, and the scheduler leaves it where it ran last: with as many clients as CPUs, and readers that stay apart, each
/// client soon has a reader on its own CPU. With fewer clients than CPUs pinned readers only get into the way of whatever
/// else runs there, and large pieces of data take longer than waking anybody. Figures are in docs/benchmarks.md.
///
/// Readers are not placed where there are more than [ClientCounts] tells clients apart, or where clients are of another PID
/// namespace than the mount.
final class ReaderPlaces implements Runnable {
    private static final Logger log = LoggerFactory.getLogger(ReaderPlaces.class);
    private static final long LOOK_MILLIS = 10;
    /// Looks without a request after which it looks no more, until there is one.
    private static final int IDLE_LOOKS = 100;
    /// A client with more has its requests come one upon the other.
    private static final long REQUESTS_PER_SECOND = 4_000;
    /// Looks in a row that find as many clients as readers, before readers are placed, and that do not, before they are let go.
    private static final int LOOKS_TO_PLACE = 2, LOOKS_TO_LET_GO = 5;

    private final List<DeviceReader> readers;
    private final Supplier<int[]> cpus;
    private final CpuPins pins;
    private final CountDownLatch stop = new CountDownLatch(1);
    private final RequestBell bell = new RequestBell();
    private int[] seen = new int[ClientCounts.PLACES];
    private boolean placed;
    private int looksOtherwise, idleLooks;

    /// @param cpus those that readers may have; asked when they are given out
    /// @param pins for the readers' own pins
    ReaderPlaces(List<DeviceReader> readers, Supplier<int[]> cpus, CpuPins pins) {
        this.readers = List.copyOf(readers);
        this.cpus = cpus;
        this.pins = pins;
    }

    /// Called by a reader when it has counted a request of a client.
    void clientCame() {
        bell.ring();
    }

    void stop() {
        stop.countDown();
        bell.ring();
        pins.stop();
    }

    @Override
    public void run() {
        if (readers.size() < 2 || cpus.get().length < 2) return;
        boolean pinsRun = false;
        long lookedAt = System.nanoTime();
        try {
            while (!stop.await(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
                long now = System.nanoTime();
                look(clients(now - lookedAt));
                lookedAt = now;
                if (placed && !pinsRun) {
                    pinsRun = true;
                    Thread.ofPlatform().daemon().name("cairn-fuse-pins").start(pins);
                }
                if (!placed && idleLooks == IDLE_LOOKS) {
                    rest();
                    lookedAt = System.nanoTime();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void rest() {
        bell.restWhile(() -> stop.getCount() > 0 && Arrays.equals(counts(), seen));
        seen = counts();
        idleLooks = 0;
    }

    private int[] counts() {
        var counts = new int[ClientCounts.PLACES];
        for (var reader : readers) reader.clients().addTo(counts);
        return counts;
    }

    /// Those whose requests came one upon the other since the last call, so many nanoseconds ago.
    int clients(long nanos) {
        var counts = counts();
        int clients = 0;
        for (int at = 0; at < counts.length; at++)
            if ((counts[at] - seen[at]) * 1_000_000_000L > REQUESTS_PER_SECOND * nanos) clients++;
        idleLooks = Arrays.equals(counts, seen) ? Math.min(idleLooks + 1, IDLE_LOOKS) : 0;
        seen = counts;
        return clients;
    }

    /// So many clients have had requests one upon the other.
    void look(int clients) {
        looksOtherwise = placed == clients >= readers.size() ? 0 : looksOtherwise + 1;
        if (looksOtherwise < (placed ? LOOKS_TO_LET_GO : LOOKS_TO_PLACE)) return;
        looksOtherwise = 0;
        placed = !placed;
        log.debug("{} readers {}", readers.size(), placed ? "have a CPU each" : "go everywhere");
        var given = placed ? cpus.get() : new int[] {DeviceReader.ANYWHERE};
        for (int i = 0; i < readers.size() && given.length > 0; i++) readers.get(i).place(given[i % given.length]);
    }
}
