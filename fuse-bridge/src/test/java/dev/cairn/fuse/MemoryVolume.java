package dev.cairn.fuse;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.Time;
import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import dev.cairn.transaction.Coordinator;
import dev.cairn.transaction.Cursor;
import dev.cairn.transaction.DataPin;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.NotReady;
import dev.cairn.transaction.Operation;
import dev.cairn.transaction.Tx;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/// A volume in memory with a coordinator that works as the real one does: on the submitter's thread when it is free,
/// otherwise on the thread that is inside. Can be told to lack things, so that operations end later and elsewhere.
final class MemoryVolume implements Submitter, Tx, AutoCloseable {
    final FileSystem fileSystem = new FileSystem();
    final DataIo dataIo;
    final AtomicInteger commits = new AtomicInteger();
    final Device device;
    /// Every so many attempts one finds something missing, and is repeated by another thread; 0: never.
    volatile int lacksEvery;
    /// Reads pretend to wait for the disk.
    volatile boolean slowReads;
    volatile boolean failWrites, failReads, failCommits, bug;

    private final Arena arena = Arena.ofShared();
    private final TreeMap<Key, byte[]> items = new TreeMap<>();
    private final BitSet blocksInUse = new BitSet();
    private final ConcurrentLinkedQueue<Coordinator.Command> mailbox = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean inside = new AtomicBoolean();
    private final ScheduledExecutorService fetcher = Executors.newSingleThreadScheduledExecutor();
    private final int blocks;
    private long nextInode = 2, seq = 10, inodes;
    private int attempts, getsUntilNotReady, blockHint = 1;

    private record Undo(Key key, byte[] value) {}

    private final ArrayDeque<Undo> undo = new ArrayDeque<>();
    private final ArrayList<Extent> taken = new ArrayList<>(), returned = new ArrayList<>();
    private long inodesBefore, nextInodeBefore;

    MemoryVolume(long bytes) {
        blocks = (int) (bytes / 4096);
        device = new Device(Linux.map(arena, bytes));
        dataIo = new DataIo(device);
        doing(Operation.Hold.ALLOCATE, tx -> fileSystem.format(tx, new Time(1_700_000_000, 0)));
    }

    int blocksInUse() {
        return calling(tx -> blocksInUse.cardinality());
    }

    int items() {
        return calling(tx -> items.size());
    }

    void doing(Operation.Hold hold, java.util.function.Consumer<Tx> body) {
        calling(tx -> {
            body.accept(tx);
            return null;
        });
    }

    <T> T calling(java.util.function.Function<Tx, T> body) {
        var result = new CompletableFuture<T>();
        submit(new Operation() {
            private T value;

            @Override
            public String name() {
                return "test";
            }

            @Override
            public Hold hold() {
                return Hold.MODIFY;
            }

            @Override
            public void run(Tx tx) {
                value = body.apply(tx);
            }

            @Override
            public void done() {
                result.complete(value);
            }

            @Override
            public void failed(Errno errno) {
                result.completeExceptionally(errno.failure());
            }
        });
        try {
            return result.get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- the coordinator

    @Override
    public void submit(Coordinator.Command command) {
        mailbox.add(command);
        while (!mailbox.isEmpty() && inside.compareAndSet(false, true)) {
            try {
                for (Coordinator.Command next; (next = mailbox.poll()) != null; ) carryOut(next);
            } finally {
                inside.set(false);
            }
        }
    }

    private void carryOut(Coordinator.Command command) {
        switch (command) {
            case Operation operation -> run(operation);
            case Coordinator.Commit commit -> {
                commits.incrementAndGet();
                seq += 1000;
                var errno = failCommits ? Errno.EIO : null;
                if (lacksEvery == 0) commit.done().accept(errno);
                else fetcher.schedule(() -> commit.done().accept(errno), 1, TimeUnit.MILLISECONDS);
            }
            default -> throw new IllegalArgumentException(command.toString());
        }
    }

    private void run(Operation operation) {
        undo.clear();
        taken.clear();
        returned.clear();
        inodesBefore = inodes;
        nextInodeBefore = nextInode;
        try {
            if (bug) throw new IllegalStateException("a bug, on purpose");
            getsUntilNotReady = lacksEvery > 0 && ++attempts % lacksEvery == 0 ? attempts / lacksEvery % 6 : -1;
            operation.run(this);
        } catch (NotReady e) {
            undo();
            fetcher.schedule(() -> submit(operation), 50, TimeUnit.MICROSECONDS);
            return;
        } catch (Errno.Failure e) {
            undo();
            operation.failed(e.errno());
            return;
        } catch (RuntimeException e) {
            undo();
            operation.failed(Errno.EIO);
            return;
        }
        for (var extent : returned) blocksInUse.clear((int) extent.start(), (int) extent.end());
        operation.done();
    }

    private void undo() {
        for (Undo step; (step = undo.pollLast()) != null; ) {
            if (step.value == null) items.remove(step.key);
            else items.put(step.key, step.value);
        }
        for (var extent : taken) blocksInUse.clear((int) extent.start(), (int) extent.end());
        inodes = inodesBefore;
        nextInode = nextInodeBefore;
    }

    // ---- Tx

    @Override
    public void lockInode(long ino, LockMode mode) {}

    @Override
    public void lockIndex(boolean data, long seq, LockMode mode) {}

    @Override
    public void lockOrphans(LockMode mode) {}

    @Override
    public void lockRename() {}

    @Override
    public byte[] get(Key key) {
        if (getsUntilNotReady >= 0 && getsUntilNotReady-- == 0) throw NotReady.INSTANCE;
        return items.get(key);
    }

    @Override
    public void want(Key key) {}

    @Override
    public Cursor scan(Key first, Key last) {
        var entries = items.subMap(first, true, last, true).entrySet().iterator();
        return new Cursor() {
            private Map.Entry<Key, byte[]> entry;

            @Override
            public boolean next() {
                if (!entries.hasNext()) return false;
                entry = entries.next();
                return true;
            }

            @Override
            public Key key() {
                return entry.getKey();
            }

            @Override
            public byte[] value() {
                return entry.getValue();
            }
        };
    }

    @Override
    public void create(Key key, byte[] value) {
        put(key, value);
    }

    @Override
    public void put(Key key, byte[] value) {
        undo.add(new Undo(key, items.put(key, value)));
    }

    @Override
    public void delete(Key key) {
        var old = items.remove(key);
        if (old != null) undo.add(new Undo(key, old));
    }

    @Override
    public long seq() {
        return seq;
    }

    @Override
    public long committedSeq() {
        return seq - 1;
    }

    @Override
    public long allocateInode(boolean directory) {
        return nextInode++;
    }

    @Override
    public void countInodes(int delta) {
        inodes += delta;
    }

    @Override
    public Extent reserveData(long count, long goal) {
        int start = blocksInUse.nextClearBit(goal > 0 ? (int) goal : blockHint);
        if (start >= blocks) start = blocksInUse.nextClearBit(1);
        if (start >= blocks) throw Errno.ENOSPC.failure();
        int used = blocksInUse.nextSetBit(start);
        var extent = new Extent(start, Math.min(count, (used < 0 ? blocks : used) - start));
        blocksInUse.set(start, (int) extent.end());
        blockHint = (int) extent.end();
        taken.add(extent);
        return extent;
    }

    @Override
    public void referData(Extent reserved) {}

    @Override
    public void returnData(Extent reserved) {
        returned.add(reserved);
    }

    @Override
    public void freeData(Extent freed) {
        returned.add(freed);
    }

    @Override
    public DataPin pinData() {
        return () -> {};
    }

    @Override
    public boolean metadataLow() {
        return false;
    }

    @Override
    public boolean metadataScarce() {
        return false;
    }

    @Override
    public SpaceReport space() {
        return SpaceReport.newBuilder().setInodeCount(inodes)
                .setMetadata(Space.newBuilder().setBlockBytes(65_536).setTotal(1000).setFree(900))
                .setData(Space.newBuilder().setBlockBytes(4096).setTotal(blocks).setFree(blocks - blocksInUse.cardinality()))
                .build();
    }

    @Override
    public void close() {
        fetcher.shutdownNow();
        arena.close();
    }

    final class Device implements BlockDevice {
        private final MemorySegment bytes;
        volatile Instant lastWritten = Instant.MIN;

        Device(MemorySegment bytes) {
            this.bytes = bytes;
        }

        @Override
        public String name() {
            return "memory";
        }

        @Override
        public int blockBytes() {
            return 4096;
        }

        @Override
        public long blocks() {
            return blocks;
        }

        @Override
        public void read(long byteOffset, MemorySegment into) throws DeviceException {
            if (failReads) throw new DeviceException("memory: no read of " + into.byteSize() + " bytes, on purpose");
            MemorySegment.copy(bytes, byteOffset, into, 0, into.byteSize());
        }

        @Override
        public boolean readWithoutWaiting(long byteOffset, MemorySegment into) throws DeviceException {
            if (slowReads) return false;
            read(byteOffset, into);
            return true;
        }

        @Override
        public boolean readsToPipes() {
            return true;
        }

        @Override
        public boolean isCached(long byteOffset, long bytes) {
            return !slowReads;
        }

        @Override
        public boolean readToPipe(long byteOffset, long count, int pipe) {
            try (var scratch = Arena.ofConfined()) {
                return !failReads && Linux.write(Linux.errnoMemory(scratch), pipe, bytes.asSlice(byteOffset), count) == count;
            }
        }

        @Override
        public void write(long byteOffset, MemorySegment from) throws DeviceException {
            if (failWrites) throw new DeviceException("memory: no write of " + from.byteSize() + " bytes, on purpose");
            MemorySegment.copy(from, 0, bytes, byteOffset, from.byteSize());
            lastWritten = Instant.now();
        }

        @Override
        public void flush() {}

        @Override
        public void discard(Extent extent) {}

        @Override
        public void close() {}
    }
}
