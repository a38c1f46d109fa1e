package dev.cairn.fuse;

import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A thread that reads requests from /dev/fuse, one at a time, and takes each as far as it goes without waiting. The way
/// of everything where there are no rings; of FORGET, INTERRUPT and what comes before the rings are ready where there are.
final class DeviceReader implements Runnable, ReplyLine {
    private static final Logger log = LoggerFactory.getLogger(FuseSession.class);

    /// The kernel sends a FORGET for each deleted file. Beside rings nothing else keeps this thread awake, so it would be
    /// woken for each; after this pause it reads all that have come meanwhile as one BATCH_FORGET.
    private static final long GATHER_NANOS = 1_000_000;

    static final int ANYWHERE = -1;

    private final FuseSession session;
    private final int fd;
    private final boolean ofKernel;
    private final CpuPins pins;
    private final boolean besideRings;
    private final IntConsumer onEnd;
    /// The CPU it is to stay on, told by [ReaderPlaces], and the one it stays on.
    private volatile int place = ANYWHERE;
    private int placed = ANYWHERE;
    private final ClientCounts clients = new ClientCounts();

    /// @param pins        for its own; null: it is never placed
    /// @param besideRings what has no caller waiting may wait a little
    /// @param onEnd       told the errno that ended the connection, 0 or positive, when this reader stops
    DeviceReader(FuseSession session, FuseMount mount, CpuPins pins, boolean besideRings, IntConsumer onEnd) {
        this.session = session;
        fd = mount.fd();
        ofKernel = mount.isOfKernel();
        this.pins = pins;
        this.besideRings = besideRings;
        this.onEnd = onEnd;
    }

    /// It is to stay on this CPU, or go [#ANYWHERE]; it will when it has done what it is doing.
    void place(int cpu) {
        place = cpu;
    }

    int place() {
        return place;
    }

    /// Its requests that somebody waits for and that take little time by themselves, by who waits.
    ClientCounts clients() {
        return clients;
    }

    @Override
    public void run() {
        int errno = Linux.EINVAL;
        try {
            errno = readUntilTheEnd();
        } finally {
            end(errno);
        }
    }

    private void end(int errno) {
        try {
            if (placed != ANYWHERE) pins.unpin();
        } finally {
            onEnd.accept(errno);
        }
    }

    private int readUntilTheEnd() {
        var request = session.take(this);
        for (;;) {
            long n = request.read(fd);
            if (n <= 0) {
                // ENOENT: the request was interrupted before it could be read.
                if (n == -Linux.EINTR || n == -Linux.ENOENT || n == -Linux.EAGAIN) continue;
                session.give(request);
                return (int) -n;
            }
            if (pins != null && request.isQuick(n)) {
                clients.count(request.caller());
                session.clientCame();
            }
            try {
                if (!request.begin(n)) request = session.take(this);
                else if (besideRings && FuseProtocol.isOneWay(request.opcode)) LockSupport.parkNanos(GATHER_NANOS);
            } catch (RuntimeException e) {
                // Whose the slot is now cannot be told: it is not used again.
                log.error("{}: a request was lost by a bug; its caller waits until it is interrupted",
                        session.mountPoint(), e);
                request = session.take(this);
            }
            if (place != placed) move();
        }
    }

    private void move() {
        placed = place;
        int r = 0;
        if (placed == ANYWHERE) pins.unpin();
        else r = pins.pin(placed);
        if (r < 0) log.debug("{}: a reader is not on CPU {}: {}", session.mountPoint(), placed, Linux.describe(-r));
    }

    @Override
    public long send(RequestSlot slot, int bytes) {
        return slot.writeTo(fd, bytes);
    }

    @Override
    public long sendPayload(RequestSlot slot, long bytes) {
        return slot.writePayloadTo(fd, bytes);
    }

    @Override
    public boolean takesPipes() {
        return true;
    }

    @Override
    public long sendPipe(RequestSlot slot, ReplyPipe pipe, long bytes) {
        return ofKernel ? pipe.sendTo(fd, bytes) : slot.writePipeTo(fd, pipe, bytes);
    }

    @Override
    public void ended(FuseRequest request) {
        session.give(request);
    }
}
