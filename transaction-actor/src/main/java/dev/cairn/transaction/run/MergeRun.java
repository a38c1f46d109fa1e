package dev.cairn.transaction.run;

import com.google.protobuf.ByteString;
import dev.cairn.block.BlockDevice;
import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.proto.CompleteMerge;
import dev.cairn.proto.MergeJob;
import dev.cairn.proto.MergedInput;
import dev.cairn.transaction.Key;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;

/// Carries out one merge job: from several runs to one, in key order, keeping the newest version of each key.
///
/// All versions that the inputs hold of a key are consumed together, so an input is always consumed up to some key and
/// live above it: that is what raising its window says. The job ends at `through_key`, when its space is full, or when
/// the inputs are.
///
/// A deletion is kept as long as a run in `older` covers its key: dropped earlier, an older version would come back.
public final class MergeRun {
    /// Read buffers of all inputs together.
    private static final int BUFFERED_BLOCKS = 256;

    private MergeRun() {}

    /// Blocks on the disk: call it on an I/O thread. The output has been flushed when it returns.
    ///
    /// @throws DeviceException when an input is damaged or a device fails; nothing has changed then: give the job back.
    ///                         An input that holds another run's blocks is reported like damage; the job is old then
    /// @throws IllegalArgumentException when the job contradicts itself
    public static CompleteMerge merge(MergeJob job, BlockDevice meta, long fsid) throws DeviceException {
        var through = job.getThroughKey().isEmpty() ? Key.MAX : Key.of(job.getThroughKey().toByteArray());
        var space = new ArrayList<Extent>();
        for (var extent : job.getSpaceList()) space.add(new Extent(extent.getStart(), extent.getCount()));
        var older = new KeyRanges(job.getOlderList());
        var inputs = new ArrayList<Input>();
        try (var output = new RunWriter(meta, fsid, job.getOutputRunId(), space)) {
            var heap = new MergeHeap<Input>(job.getInputsCount());
            int buffered = Math.clamp(BUFFERED_BLOCKS / Math.max(1, job.getInputsCount()), 1, IoBuffers.BLOCKS);
            for (var ref : job.getInputsList()) {
                var input = new Input(inputs.size(), new Run(ref), meta, fsid, buffered);
                inputs.add(input);
                if (input.begin()) heap.add(input);
            }
            while (!heap.isEmpty()) {
                var newest = heap.top();
                var block = newest.block;
                int at = newest.at;
                if (block.compare(at, through) > 0) break;
                boolean kept = !block.deleted(at) || older.hold(block, at);
                if (kept) {
                    if (!output.fits(block.valueLength(at))) {
                        if (output.items() > 0) break;
                        throw new IllegalArgumentException("job %d: its space of %d blocks does not hold one item"
                                .formatted(job.getJobId(), space.stream().mapToLong(Extent::count).sum()));
                    }
                    output.add(block, at);
                }
                do {
                    if (heap.top().next()) heap.topMoved();
                    else heap.removeTop();
                } while (!heap.isEmpty() && heap.top().block.compare(heap.top().at, block, at) == 0);
            }
            var result = CompleteMerge.newBuilder().setJobId(job.getJobId());
            if (output.items() > 0) {
                result.setOutput(output.finish(0, job.getTargetLevel()));
                meta.flush();
            }
            for (var input : inputs) result.addInputs(input.report());
            return result.build();
        } finally {
            for (var input : inputs) input.close();
        }
    }

    /// One run, read from front to back.
    private static final class Input extends MergeHeap.Source {
        private final Run run;
        private final BlockDevice meta;
        private final long fsid;
        private final int bufferedMax;
        private MemorySegment buffer;
        /// The blocks in the buffer: `bufferedCount` from `bufferedFrom` on.
        private int bufferedFrom, bufferedCount;
        /// Of `block`.
        private int ordinal;

        Input(int rank, Run run, BlockDevice meta, long fsid, int bufferedMax) {
            super(rank);
            this.run = run;
            this.meta = meta;
            this.fsid = fsid;
            this.bufferedMax = bufferedMax;
            if (run.inline == null) buffer = IoBuffers.take();
        }

        /// Goes to the first item of the live window; false when there is none.
        boolean begin() throws DeviceException {
            ordinal = run.trimmed;
            for (block = load(); block != null; ordinal++, block = load()) {
                at = block.lowerBound(run.firstKey);
                if (at < block.count()) return live();
            }
            return false;
        }

        boolean next() throws DeviceException {
            if (++at < block.count()) return live();
            ordinal++;
            at = 0;
            block = load();
            return block != null && live();
        }

        /// Above its window nothing of a run is live.
        private boolean live() {
            if (block.compare(at, run.lastKey) > 0) block = null;
            return block != null;
        }

        private ItemBlock load() throws DeviceException {
            if (ordinal >= run.dataBlocks) return null;
            if (run.inline != null) return run.inline;
            if (ordinal >= bufferedFrom + bufferedCount || ordinal < bufferedFrom) {
                bufferedFrom = ordinal;
                bufferedCount = Math.min(bufferedMax, run.dataBlocks - ordinal);
                RunBlocks.read(meta, run, bufferedFrom, bufferedCount, buffer);
            }
            return switch (RunBlocks.decode(fsid, run, ordinal, IoBuffers.block(buffer, ordinal - bufferedFrom))) {
                case ItemBlock items -> items;
                case Decoded.Damaged(var why) -> throw new DeviceException(run.describe(meta, ordinal) + ": " + why);
                case Decoded.Foreign(var why) -> throw new DeviceException(run.describe(meta, ordinal) + ": " + why);
                case Decoded other -> throw new DeviceException(run.describe(meta, ordinal) + ": not items but " + other);
            };
        }

        MergedInput report() {
            var report = MergedInput.newBuilder().setRunId(run.id);
            if (block == null) return report.setExhausted(true).build();
            return report.setFirstKey(ByteString.copyFrom(block.key(at).toBytes())).setTrimmedBlocks(ordinal).build();
        }

        void close() {
            if (buffer != null) IoBuffers.giveBack(buffer);
            buffer = null;
        }
    }
}
