package dev.cairn.transaction.run;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.run.Needs.BlockId;
import dev.cairn.transaction.run.Needs.Need;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Decoded blocks of runs in memory, bounded by their bytes. A block is named by its run and its place in it, and runs
/// are immutable and never named twice, so what is here can never be stale.
///
/// One cache serves one mount. [#get] belongs to the thread of the mount's coordinator and costs a few nanoseconds: each
/// run has an array of [Entry], and a hit only sets a bit. What to evict is decided as SIEVE does: entries in order of
/// arrival, a hand that goes from the oldest to the newest, spares what was used since it last came by, and takes the
/// first that was not. A long walk therefore passes through without driving out what is used again and again.
public final class BlockCache {
    private static final Logger log = LoggerFactory.getLogger(BlockCache.class);

    /// Where the blocks of one run are. Arrays are made when something arrives and dropped when the last block leaves.
    static final class Slots {
        final BlockCache cache;
        final long runId;
        final Key lastKey;
        private final int size;
        /// Let go of by [#retain]: nothing will come here any more.
        volatile boolean dropped;
        /// Written under the cache's lock; read without it: entries are immutable but for their bit.
        private Entry[] entries;
        private int used;

        private Slots(BlockCache cache, Run run) {
            this.cache = cache;
            runId = run.id;
            lastKey = run.lastKey;
            size = run.blocks();
        }

        private int weight() {
            return 64 + 4 * size;
        }
    }

    private static final class Entry {
        final Decoded block;
        final Slots slots;
        final int ordinal;
        boolean used;
        Entry newer, older;

        Entry(Decoded block, Slots slots, int ordinal) {
            this.block = block;
            this.slots = slots;
            this.ordinal = ordinal;
        }

        long weight() {
            return block.heapBytes() + 48;
        }
    }

    /// Some 100 µs of checking and decompressing, at the most.
    private static final int WITHOUT_WAITING_BLOCKS_MAX = 4;

    private record Flight(Need need, CompletableFuture<Decoded> answer) {}

    private final BlockDevice meta;
    private final long fsid;
    private final long bytesMax;
    private final LongAdder hits = new LongAdder(), misses = new LongAdder(), evictions = new LongAdder(),
            damages = new LongAdder();
    /// Blocks being read, so that operations that wait for the same block share one read.
    private final ConcurrentHashMap<BlockId, CompletableFuture<Decoded>> flights = new ConcurrentHashMap<>();

    // All guarded by this.
    private final Map<Long, Slots> slotsByRun = new HashMap<>();
    private Entry newest, oldest, hand;
    private long bytes;

    /// @param bytesMax heap bytes of decoded blocks; what operations under way hold on to comes on top
    /// @param tags     tell the caches of several mounts apart
    public BlockCache(BlockDevice meta, long fsid, long bytesMax, MeterRegistry meters, Tags tags) {
        this.meta = meta;
        this.fsid = fsid;
        this.bytesMax = bytesMax;
        counter(meters, tags, "hits", "Blocks found in memory", hits);
        counter(meters, tags, "misses", "Blocks that had to be fetched", misses);
        counter(meters, tags, "evictions", "Blocks dropped to make room", evictions);
        counter(meters, tags, "damaged", "Blocks that could not be read or trusted", damages);
        Gauge.builder("cairn.block.cache.bytes", this, BlockCache::bytes).tags(tags).baseUnit("bytes")
                .description("Heap bytes of cached blocks").register(meters);
        Gauge.builder("cairn.block.cache.max.bytes", this, cache -> cache.bytesMax).tags(tags).baseUnit("bytes")
                .description("Bound of the block cache").register(meters);
    }

    private static void counter(MeterRegistry meters, Tags tags, String name, String what, LongAdder adder) {
        FunctionCounter.builder("cairn.block.cache." + name, adder, LongAdder::sum).tags(tags).description(what)
                .register(meters);
    }

    /// The block if it is in memory or held by the operation, else null.
    Decoded get(Run run, int ordinal, Needs needs) {
        var entries = run.slots(this).entries;
        if (entries != null) {
            var entry = entries[ordinal];
            if (entry != null) {
                if (!entry.used) entry.used = true;
                hits.increment();
                return entry.block;
            }
        }
        var held = needs.held(run, ordinal);
        if (held == null) misses.increment();
        else hits.increment();
        return held;
    }

    synchronized Slots slots(Run run) {
        return slotsByRun.computeIfAbsent(run.id, _ -> new Slots(this, run));
    }

    /// Fetches what `needs` lacks on the calling thread if it is little and the device has it in memory: a change of
    /// threads would cost more than the reading. Where this answers false, [#load] is still to be called; it also finds
    /// the words for what is wrong.
    ///
    /// @return whether nothing is lacking any more: the operation may be run again at once
    public boolean loadWithoutWaiting(Needs needs) {
        var wanted = needs.missing();
        if (wanted.stream().mapToInt(Need::blocks).sum() > WITHOUT_WAITING_BLOCKS_MAX) return false;
        var buffer = IoBuffers.take();
        try {
            for (var need : wanted) {
                var run = need.run();
                for (int i = 0; i < need.blocks(); i++)
                    if (!meta.readWithoutWaiting(run.address(need.ordinal() + i) * RunFormat.BLOCK_BYTES,
                            IoBuffers.block(buffer, i))) return false;
                var block = decode(need, buffer, 0);
                if (block instanceof Decoded.Damaged || block instanceof Decoded.Foreign) return false;
                insert(run, need.ordinal(), block);
                needs.hold(need, block);
            }
            return true;
        } catch (DeviceException e) {
            log.debug("{}: left to the I/O threads", meta.name(), e);
            return false;
        } finally {
            IoBuffers.giveBack(buffer);
        }
    }

    /// Reads everything that `needs` lacks, at once on `io`; then holds it in `needs`, caches it, and calls `whenDone`
    /// exactly once, on one of those threads (or the caller's, when nothing has to be read). Until then `needs` must be
    /// left alone.
    public void load(Needs needs, Executor io, Consumer<LoadResult> whenDone) {
        var wanted = needs.missing();
        var answers = new ArrayList<CompletableFuture<Decoded>>(wanted.size());
        var ours = new ArrayList<Flight>();
        for (var need : wanted) {
            var mine = new CompletableFuture<Decoded>();
            var theirs = flights.putIfAbsent(new BlockId(need.run().id, need.ordinal()), mine);
            if (theirs == null) ours.add(new Flight(need, mine));
            answers.add(theirs == null ? mine : theirs);
        }
        for (var batch : batches(ours)) {
            try {
                io.execute(() -> read(batch));
            } catch (RejectedExecutionException e) {
                for (var flight : batch) land(flight, new Decoded.Damaged("not read: the I/O threads have stopped"));
            }
        }
        CompletableFuture.allOf(answers.toArray(CompletableFuture[]::new))
                .thenRun(() -> report(needs, wanted, answers, whenDone));
    }

    private void report(Needs needs, List<Need> wanted, List<CompletableFuture<Decoded>> answers,
            Consumer<LoadResult> whenDone) {
        int loaded = 0;
        var stale = new ArrayList<String>();
        var damaged = new ArrayList<String>();
        for (int i = 0; i < wanted.size(); i++) {
            var need = wanted.get(i);
            switch (answers.get(i).join()) {
                case Decoded.Foreign _ when needs.isAhead(need) -> { }
                case Decoded.Damaged _ when needs.isAhead(need) -> { }
                case Decoded.Foreign(var why) -> stale.add(need.run().describe(meta, need.ordinal()) + ": " + why);
                case Decoded.Damaged(var why) -> damaged.add(need.run().describe(meta, need.ordinal()) + ": " + why);
                case Decoded block -> {
                    needs.hold(need, block);
                    loaded++;
                }
            }
        }
        try {
            whenDone.accept(new LoadResult(loaded, stale, damaged));
        } catch (RuntimeException e) {
            log.error("{}: what waited for blocks failed to go on", meta.name(), e);
        }
    }

    /// Blocks of one run in a row are read together, up to what a buffer holds.
    private static List<List<Flight>> batches(List<Flight> flights) {
        flights.sort(Comparator.comparingLong((Flight f) -> f.need.run().id).thenComparingInt(f -> f.need.ordinal()));
        var batches = new ArrayList<List<Flight>>();
        Need before = null;
        int blocks = 0;
        for (var flight : flights) {
            var need = flight.need;
            boolean follows = before != null && before.run().id == need.run().id
                    && before.ordinal() + before.blocks() == need.ordinal()
                    && blocks + need.blocks() <= IoBuffers.BLOCKS;
            if (!follows) {
                batches.add(new ArrayList<>());
                blocks = 0;
            }
            batches.getLast().add(flight);
            blocks += need.blocks();
            before = need;
        }
        return batches;
    }

    private void read(List<Flight> batch) {
        var buffer = IoBuffers.take();
        int done = 0;
        try {
            var first = batch.getFirst().need;
            if (first.blocks() > IoBuffers.BLOCKS) {
                land(batch.getFirst(), index(first, buffer));
                return;
            }
            int count = batch.stream().mapToInt(f -> f.need.blocks()).sum();
            RunBlocks.read(meta, first.run(), first.ordinal(), count, buffer);
            for (int at = 0; done < batch.size(); done++) {
                var need = batch.get(done).need;
                land(batch.get(done), decode(need, buffer, at));
                at += need.blocks();
            }
        } catch (DeviceException e) {
            if (batch.size() == 1) {
                land(batch.getFirst(), new Decoded.Damaged(e.getMessage()));
            } else {
                // One bad block must not take its neighbours with it.
                for (var flight : batch) read(List.of(flight));
            }
        } catch (RuntimeException | Error e) {
            log.error("{}: reading blocks of run {} failed", meta.name(),
                    Long.toHexString(batch.getFirst().need.run().id), e);
            for (; done < batch.size(); done++) land(batch.get(done), new Decoded.Damaged("not read: " + e));
        } finally {
            IoBuffers.giveBack(buffer);
        }
    }

    private Decoded decode(Need need, MemorySegment buffer, int at) {
        var run = need.run();
        if (need.ordinal() != run.indexOrdinal() || run.indexBlocks == 0)
            return RunBlocks.decode(fsid, run, need.ordinal(), IoBuffers.block(buffer, at));
        var payloads = new byte[run.indexBlocks][];
        for (int i = 0; i < payloads.length; i++) {
            var opened = RunBlocks.open(fsid, run, need.ordinal() + i, IoBuffers.block(buffer, at + i));
            if (!(opened instanceof Decoded.Payload(var raw))) return opened;
            payloads[i] = raw;
        }
        return RunIndex.decode(payloads, run.dataBlocks);
    }

    /// An index larger than a buffer.
    private Decoded index(Need need, MemorySegment buffer) throws DeviceException {
        var run = need.run();
        var payloads = new byte[run.indexBlocks][];
        for (int i = 0; i < payloads.length; i++) {
            RunBlocks.read(meta, run, need.ordinal() + i, 1, buffer);
            var opened = RunBlocks.open(fsid, run, need.ordinal() + i, IoBuffers.block(buffer, 0));
            if (!(opened instanceof Decoded.Payload(var raw))) return opened;
            payloads[i] = raw;
        }
        return RunIndex.decode(payloads, run.dataBlocks);
    }

    private void land(Flight flight, Decoded answer) {
        var need = flight.need;
        switch (answer) {
            case Decoded.Foreign _ -> { }
            case Decoded.Damaged(var why) -> {
                damages.increment();
                log.warn("{}: {}", need.run().describe(meta, need.ordinal()), why);
            }
            case Decoded block -> insert(need.run(), need.ordinal(), block);
        }
        // First out of the way, then answered: who asks later reads anew, and damage may have been repaired by then.
        flights.remove(new BlockId(need.run().id, need.ordinal()), flight.answer);
        flight.answer.complete(answer);
    }

    private synchronized void insert(Run run, int ordinal, Decoded block) {
        var slots = slotsByRun.computeIfAbsent(run.id, _ -> new Slots(this, run));
        if (slots.entries == null) {
            slots.entries = new Entry[slots.size];
            bytes += slots.weight();
        }
        if (slots.entries[ordinal] != null) return;
        var entry = new Entry(block, slots, ordinal);
        slots.entries[ordinal] = entry;
        slots.used++;
        bytes += entry.weight();
        entry.older = newest;
        if (newest != null) newest.newer = entry;
        newest = entry;
        if (oldest == null) oldest = entry;
        while (bytes > bytesMax && oldest != null) evict();
    }

    private void evict() {
        var entry = hand == null ? oldest : hand;
        while (entry.used) {
            entry.used = false;
            entry = entry.newer == null ? oldest : entry.newer;
        }
        remove(entry);
        evictions.increment();
    }

    private void remove(Entry entry) {
        if (hand == entry || hand == null) hand = entry.newer;
        if (entry.older == null) oldest = entry.newer;
        else entry.older.newer = entry.newer;
        if (entry.newer == null) newest = entry.older;
        else entry.newer.older = entry.older;
        bytes -= entry.weight();
        var slots = entry.slots;
        slots.entries[entry.ordinal] = null;
        if (--slots.used == 0) {
            slots.entries = null;
            bytes -= slots.weight();
        }
    }

    /// Lets go of the blocks of runs that `live` no longer lists; without it they would only age out.
    public synchronized void retain(RunSet live) {
        for (var each = slotsByRun.values().iterator(); each.hasNext(); ) {
            var slots = each.next();
            if (live.lists(slots.runId, slots.lastKey)) continue;
            slots.dropped = true;
            if (slots.entries != null)
                for (var entry : slots.entries.clone()) if (entry != null) remove(entry);
            each.remove();
        }
    }

    public synchronized long bytes() {
        return bytes;
    }
}
