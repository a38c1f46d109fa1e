package dev.cairn.transaction.run;

import com.google.protobuf.ByteString;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.block.simulated.SimulatedDevice;
import dev.cairn.proto.CompleteMerge;
import dev.cairn.proto.Manifest;
import dev.cairn.proto.ManifestDelta;
import dev.cairn.proto.MergeJob;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.NotReady;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SortedMap;
import java.util.SplittableRandom;
import java.util.TreeMap;

/// What the server and a mount do with runs, in the simplest way that is right: a device, its free blocks, a manifest.
final class Volume {
    static final long FSID = 0x1122334455667788L;
    final SimulatedDevice meta;
    final BitSet taken = new BitSet();
    final List<RunRef> runs = new ArrayList<>();
    final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    RunSet set = RunSet.of(Manifest.getDefaultInstance());
    long version, nextId = 1;
    boolean listsTrimmedBlocks = true;

    Volume(int blocks) {
        meta = SimulatedDevice.create("meta", RunFormat.BLOCK_BYTES, blocks);
    }

    BlockCache cache(long bytes) {
        return new BlockCache(meta, FSID, bytes, meters, Tags.of("cache", "" + nextId++));
    }

    /// In pieces of at most `piece` blocks, wherever there is room.
    List<Extent> allocate(int count, int piece, SplittableRandom random) {
        var space = new ArrayList<Extent>();
        int from = random.nextInt((int) meta.blocks() / 2);
        while (count > 0) {
            int start = taken.nextClearBit(from);
            if (start >= meta.blocks()) {
                from = 0;
                continue;
            }
            int length = 1;
            while (length < Math.min(count, piece) && start + length < meta.blocks() && !taken.get(start + length)) length++;
            taken.set(start, start + length);
            space.add(new Extent(start, length));
            count -= length;
            from = start + length;
        }
        return space;
    }

    void free(long start, long count) {
        taken.clear((int) start, (int) (start + count));
    }

    void freeUnused(List<Extent> space, RunRef used) {
        for (var extent : space) free(extent.start(), extent.count());
        if (used != null)
            for (var extent : used.getExtentsList())
                taken.set((int) extent.getStart(), (int) (extent.getStart() + extent.getCount()));
    }

    static long rawBytes(Iterable<Item> items) {
        long bytes = 0;
        for (var item : items) bytes += Item.bytesInRun(item.deleted() ? 0 : item.value().length);
        return bytes;
    }

    RunRef write(List<Item> items, int level, List<Extent> space) throws DeviceException {
        try (var writer = new RunWriter(meta, FSID, nextId++, space)) {
            for (var item : items) writer.add(item.key(), item.seq(), item.value());
            return writer.finish(level == 0 ? 7 : 0, level);
        }
    }

    RunRef commit(SortedMap<Key, Item> items, boolean inline, SplittableRandom random) throws DeviceException {
        var list = List.copyOf(items.values());
        RunRef ref;
        if (inline && InlineRun.fits(list.size(), rawBytes(list))) {
            ref = InlineRun.of(list, nextId++, 7);
        } else {
            int blocks = (int) RunWriter.blocksNeededAtMost(list.size(), rawBytes(list));
            var space = allocate(blocks, 1 + random.nextInt(8), random);
            ref = write(list, 0, space);
            freeUnused(space, ref);
        }
        runs.add(ref);
        set = set.with(ref, List.of(), ++version);
        return ref;
    }

    static Key first(RunRef run) {
        return Key.of(run.getFirstKey().toByteArray());
    }

    static Key last(RunRef run) {
        return Key.of(run.getLastKey().toByteArray());
    }

    /// The oldest `count` logs into level 1, or one run of level 1 into level 2; null when there is nothing to do.
    MergeJob job(int fromLevel, int count, int spaceBlocks, SplittableRandom random) {
        var from = new ArrayList<>(runs.stream().filter(run -> run.getLevel() == fromLevel).toList());
        while (from.size() > count) from.remove(fromLevel == 0 ? from.size() - 1 : random.nextInt(from.size()));
        if (from.isEmpty()) return null;
        var low = from.stream().map(Volume::first).min(Key::compareTo).get();
        var high = from.stream().map(Volume::last).max(Key::compareTo).get();
        var job = MergeJob.newBuilder().setJobId(nextId++).setTargetLevel(fromLevel + 1).setOutputRunId(nextId++)
                .setFromKey(ByteString.copyFrom(low.toBytes()));
        from.reversed().forEach(job::addInputs);
        for (var run : runs) {
            boolean overlaps = first(run).compareTo(high) <= 0 && last(run).compareTo(low) >= 0;
            if (run.getLevel() == fromLevel + 1 && overlaps) job.addInputs(run);
            if (run.getLevel() > fromLevel + 1)
                job.addOlder(run.toBuilder().clearExtents().clearInlineBlock().build());
        }
        for (var extent : allocate(spaceBlocks, 1 + random.nextInt(8), random))
            job.addSpace(dev.cairn.proto.Extent.newBuilder().setStart(extent.start()).setCount(extent.count()));
        return job.build();
    }

    void apply(MergeJob job, CompleteMerge done) {
        var delta = ManifestDelta.newBuilder().setFromVersion(version).setToVersion(++version);
        for (var extent : job.getSpaceList()) free(extent.getStart(), extent.getCount());
        if (done.hasOutput()) {
            for (var extent : done.getOutput().getExtentsList())
                taken.set((int) extent.getStart(), (int) (extent.getStart() + extent.getCount()));
            runs.add(done.getOutput());
            delta.addUpserted(done.getOutput());
        }
        for (var input : done.getInputsList()) {
            int i = 0;
            while (runs.get(i).getRunId() != input.getRunId()) i++;
            var run = runs.get(i);
            int trimmed = input.getTrimmedBlocks() - run.getTrimmedBlocks();
            if (input.getExhausted()) {
                boolean listed = total(run) == run.getDataBlocks() + run.getIndexBlocks() + run.getBloomBlocks();
                freeFront(run, listed ? run.getTrimmedBlocks() : 0, Integer.MAX_VALUE);
                runs.remove(i);
                delta.addRemovedRunIds(input.getRunId());
            } else {
                boolean listed = total(run) == run.getDataBlocks() + run.getIndexBlocks() + run.getBloomBlocks();
                freeFront(run, listed ? run.getTrimmedBlocks() : 0, trimmed);
                var moved = run.toBuilder().setFirstKey(input.getFirstKey()).setTrimmedBlocks(input.getTrimmedBlocks());
                if (!listsTrimmedBlocks && run.getInlineBlock().isEmpty())
                    cut(moved, listed ? input.getTrimmedBlocks() : trimmed);
                runs.set(i, moved.build());
                delta.addUpserted(moved);
            }
        }
        set = set.apply(delta.build());
    }

    private static long total(RunRef run) {
        return run.getExtentsList().stream().mapToLong(dev.cairn.proto.Extent::getCount).sum();
    }

    private void freeFront(RunRef run, long skip, long count) {
        for (var extent : run.getExtentsList())
            for (long i = 0; i < extent.getCount() && count > 0; i++)
                if (skip > 0) {
                    skip--;
                } else {
                    free(extent.getStart() + i, 1);
                    count--;
                }
    }

    private static void cut(RunRef.Builder run, long count) {
        var extents = new ArrayList<>(run.getExtentsList());
        run.clearExtents();
        for (var extent : extents) {
            long gone = Math.min(count, extent.getCount());
            count -= gone;
            if (gone < extent.getCount())
                run.addExtents(extent.toBuilder().setStart(extent.getStart() + gone).setCount(extent.getCount() - gone));
        }
    }

    Manifest manifest() {
        return Manifest.newBuilder().setVersion(version).addAllRuns(runs).build();
    }

    // ---- reading, with as many attempts as it takes

    interface Attempt<T> {
        T run(Needs needs);
    }

    static <T> T attempts(BlockCache cache, int most, Attempt<T> attempt) {
        var needs = new Needs();
        for (int i = 0; i < most; i++) {
            needs.begin();
            try {
                return attempt.run(needs);
            } catch (NotReady e) {
                if (needs.isEmpty()) throw new AssertionError("not ready, but nothing is missing");
                cache.load(needs, Runnable::run, result -> {
                    if (!result.complete()) throw new AssertionError(result.toString());
                });
            }
        }
        throw new AssertionError("no progress in " + most + " attempts");
    }

    static Item get(RunSet set, Key key, BlockCache cache) {
        return attempts(cache, 4, needs -> {
            var view = set.get(key, cache, needs);
            return view == null ? null : view.item();
        });
    }

    static TreeMap<Key, Item> scan(RunSet set, Key first, Key last, BlockCache cache) {
        return attempts(cache, 10_000, needs -> {
            var items = new TreeMap<Key, Item>();
            var cursor = set.seek(first, last, cache, needs);
            Key before = null;
            while (cursor.next()) {
                var item = cursor.item();
                if (before != null && before.compareTo(item.key()) >= 0) throw new AssertionError(item + " after " + before);
                before = item.key();
                items.put(item.key(), item);
            }
            return items;
        });
    }
}
