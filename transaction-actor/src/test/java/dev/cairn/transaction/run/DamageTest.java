package dev.cairn.transaction.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.block.simulated.SimulatedDevice.Tearing;
import dev.cairn.proto.Manifest;
import dev.cairn.proto.MergeJob;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Item;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.NotReady;
import io.micrometer.core.instrument.Tags;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/// What cannot be trusted is an answer that names it; what is sound stays readable.
class DamageTest {
    private final Volume volume = new Volume(200);
    private final List<Item> items = RunWriterTest.items(new SplittableRandom(3), 1500, 1000, 100);
    private final RunRef run;

    DamageTest() throws DeviceException {
        run = volume.write(items, 0, List.of(new Extent(10, 20)));
        assertThat(run.getDataBlocks()).isGreaterThan(4);
    }

    private static RunSet set(RunRef run) {
        return RunSet.of(Manifest.newBuilder().addRuns(run).build());
    }

    /// Loads until the item is there or something is wrong.
    private static LoadResult readAll(RunSet set, BlockCache cache, Key key) {
        var needs = new Needs();
        var result = new AtomicReference<>(new LoadResult(0, List.of(), List.of()));
        for (int i = 0; i < 4; i++) {
            needs.begin();
            try {
                set.get(key, cache, needs);
                return result.get();
            } catch (NotReady e) {
                cache.load(needs, Runnable::run, result::set);
                if (!result.get().complete()) return result.get();
            }
        }
        throw new AssertionError("no progress");
    }

    private long address(int ordinal) {
        return new Run(run).address(ordinal);
    }

    @RepeatedTest(30)
    void a_flipped_bit_in_any_block_is_reported_with_its_place(RepetitionInfo info) {
        var random = new SplittableRandom(info.getCurrentRepetition());
        int ordinal = switch (info.getCurrentRepetition() % 3) {
            case 0 -> random.nextInt(run.getDataBlocks());
            case 1 -> run.getDataBlocks();
            default -> run.getDataBlocks() + run.getIndexBlocks();
        };
        volume.meta.corrupt(address(ordinal) * RunFormat.BLOCK_BYTES + random.nextInt(RunFormat.BLOCK_BYTES),
                1 << random.nextInt(8));
        int damaged = 0;
        for (int i = 0; i < items.size(); i += 20) {
            var result = readAll(set(run), volume.cache(1 << 20), items.get(i).key());
            if (result.complete()) continue;
            damaged++;
            assertThat(result.stale()).isEmpty();
            assertThat(result.damaged()).hasSize(1);
            assertThat(result.damaged().getFirst()).contains("meta", "block " + address(ordinal), "run %x".formatted(run.getRunId()));
        }
        if (ordinal < run.getDataBlocks()) assertThat(damaged).isBetween(1, items.size() / 40);
        else assertThat(damaged).isEqualTo((items.size() + 19) / 20);

        var job = MergeJob.newBuilder().addInputs(run).setOutputRunId(99).setTargetLevel(1)
                .addSpace(dev.cairn.proto.Extent.newBuilder().setStart(100).setCount(40)).build();
        if (ordinal < run.getDataBlocks())
            assertThatThrownBy(() -> MergeRun.merge(job, volume.meta, Volume.FSID)).isInstanceOf(DeviceException.class)
                    .hasMessageContaining("meta: block " + address(ordinal));
    }

    @Test
    void a_reused_block_is_stale_and_not_damaged() throws Exception {
        volume.write(items.subList(0, 500), 0, List.of(new Extent(10, 20)));
        var result = readAll(set(run), volume.cache(1 << 20), items.get(3).key());
        assertThat(result.damaged()).isEmpty();
        assertThat(result.stale()).isNotEmpty();
    }

    @Test
    void a_failing_read_takes_no_neighbour_with_it() {
        volume.meta.failReads(new Extent(address(2), 1));
        var cache = volume.cache(1 << 24);
        assertThat(readAll(set(run), cache, items.getFirst().key()).complete()).isTrue();
        var needs = new Needs();
        var all = new Run(run);
        for (int i = 0; i < all.blocks(); i++) needs.note(all, i);
        var result = new AtomicReference<LoadResult>();
        cache.load(needs, Runnable::run, result::set);
        assertThat(result.get().damaged()).singleElement().asString().contains("EIO");
        assertThat(result.get().loaded()).isEqualTo(all.blocks() - 1);
        volume.meta.heal();
        assertThat(Volume.scan(set(run), Key.MIN, Key.MAX, cache)).hasSize(items.size());
    }

    /// Power is cut while a run is written over an old one: each block is the old one, the new one, or says that it is
    /// neither; never wrong items.
    @RepeatedTest(20)
    void a_torn_run_never_reads_as_something_else(RepetitionInfo info) throws Exception {
        var random = new SplittableRandom(info.getCurrentRepetition());
        volume.meta.flush();
        var second = volume.write(items.subList(100, 1200), 0, List.of(new Extent(10, 20)));
        var after = volume.meta.crash(Long.MAX_VALUE, random, Tearing.SECTORS_4096);
        var cache = new BlockCache(after, Volume.FSID, 1 << 24, volume.meters, Tags.of("cache", "torn"));
        for (var ref : List.of(run, second)) {
            for (int i = 100; i < 1200; i += 50) {
                var needs = new Needs();
                var key = items.get(i).key();
                if (!readAll(set(ref), cache, key).complete()) continue;
                assertThat(Volume.get(set(ref), key, cache).value()).isEqualTo(items.get(i).value());
            }
        }
    }

    /// Behind a checksum that is right may still be nonsense (a bug elsewhere, an attacker): an answer, no exception.
    @Test
    void nonsense_inside_a_payload_is_damage() {
        for (int seed = 0; seed < 500; seed++) nonsense(new SplittableRandom(seed));
    }

    private void nonsense(SplittableRandom random) {
        var columns = new ItemColumns(1, 1);
        for (var item : items.subList(0, 1 + random.nextInt(40))) columns.add(item.key(), item.seq(), item.value());
        var raw = new byte[columns.rawBytes(columns.count())];
        columns.assemble(columns.count(), raw);
        for (int i = random.nextInt(1, 6); i > 0; i--)
            raw[random.nextInt(Math.min(raw.length, i % 2 == 0 ? 16 : raw.length))] = (byte) random.nextInt();
        if (random.nextInt(4) == 0) raw = java.util.Arrays.copyOf(raw, random.nextInt(raw.length));
        switch (ItemBlock.decode(raw)) {
            case Decoded.Damaged(var why) -> assertThat(why).isNotEmpty();
            case ItemBlock block -> {
                for (int i = 0; i < block.count(); i++) assertThat(block.find(block.key(i))).isEqualTo(i);
                assertThat(block.value(block.count() - 1) == null || block.valueLength(0) <= raw.length).isTrue();
            }
            case Decoded other -> throw new AssertionError(other);
        }
        assertThat(BloomBlock.decode(raw)).isInstanceOf(Decoded.Damaged.class);
        RunIndex.decode(new byte[][] {raw}, 1 + random.nextInt(3));
        assertThat(RunBlocks.decompress(raw, RunFormat.ENCODING_LZ4, 1 + random.nextInt(100_000))).isNotNull();
        assertThat(RunBlocks.decompress(raw, 7, 10)).isInstanceOf(Decoded.Damaged.class);
    }

    @Test
    void references_that_contradict_themselves_are_refused() {
        var bad = new ArrayList<RunRef>();
        bad.add(run.toBuilder().setTrimmedBlocks(run.getDataBlocks()).build());
        bad.add(run.toBuilder().setDataBlocks(run.getDataBlocks() + 1).build());
        bad.add(run.toBuilder().clearExtents().build());
        bad.add(run.toBuilder().setFirstKey(run.getLastKey()).setLastKey(run.getFirstKey()).build());
        bad.add(run.toBuilder().setFirstKey(run.getFirstKey().substring(1)).build());
        bad.add(run.toBuilder().setInlineBlock(run.getFirstKey()).build());
        for (var ref : bad) assertThatThrownBy(() -> set(ref)).isInstanceOf(IllegalArgumentException.class);
        var other = run.toBuilder().setLevel(1).setRunId(77);
        assertThatThrownBy(() -> RunSet.of(Manifest.newBuilder().addRuns(other).addRuns(other.clone().setRunId(78)).build()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("overlap");
    }
}
