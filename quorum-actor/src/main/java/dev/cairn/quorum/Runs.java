package dev.cairn.quorum;

import com.google.protobuf.ByteString;
import dev.cairn.block.Extent;
import dev.cairn.proto.RunRef;
import dev.cairn.transaction.Key;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/// Questions about one run reference, and about keys as the bytes that messages carry.
final class Runs {
    static final Comparator<ByteString> KEY_ORDER = ByteString.unsignedLexicographicalComparator();
    static final ByteString LAST_KEY = filled((byte) -1);

    private Runs() {}

    static boolean isInline(RunRef run) {
        return !run.getInlineBlock().isEmpty();
    }

    /// Blocks of its own that it was written with.
    static long ownBlocks(RunRef run) {
        return isInline(run) ? 0 : (long) run.getDataBlocks() + run.getIndexBlocks() + run.getBloomBlocks();
    }

    /// What it weighs in a merge: live blocks; an inline run will fill one at most.
    static long weight(RunRef run) {
        return isInline(run) ? 1 : ownBlocks(run) - run.getTrimmedBlocks();
    }

    /// Where its blocks `[from, to)`, counted in the run's own order, live on the device.
    static List<Extent> blocks(RunRef run, long from, long to) {
        var found = new ArrayList<Extent>();
        long at = 0;
        for (var extent : run.getExtentsList()) {
            long low = Math.max(from, at), high = Math.min(to, at + extent.getCount());
            if (low < high) found.add(new Extent(extent.getStart() + low - at, high - low));
            at += extent.getCount();
        }
        return found;
    }

    static List<Extent> liveBlocks(RunRef run) {
        return blocks(run, run.getTrimmedBlocks(), Long.MAX_VALUE);
    }

    static boolean before(ByteString a, ByteString b) {
        return KEY_ORDER.compare(a, b) < 0;
    }

    static ByteString min(ByteString a, ByteString b) {
        return before(b, a) ? b : a;
    }

    static ByteString max(ByteString a, ByteString b) {
        return before(a, b) ? b : a;
    }

    static boolean overlaps(RunRef run, ByteString first, ByteString last) {
        return !before(last, run.getFirstKey()) && !before(run.getLastKey(), first);
    }

    /// The key just below; there is one below every key but the very first.
    static ByteString below(ByteString key) {
        byte[] bytes = key.toByteArray();
        for (int i = bytes.length - 1; i >= 0; i--)
            if (bytes[i]-- != 0) return ByteString.copyFrom(bytes);
        throw new IllegalStateException("no key is below the first one");
    }

    /// What is wrong with a reference that came from outside, or null: keys, counts and extents that contradict each other.
    static String contradiction(RunRef run) {
        if (run.getFirstKey().size() != Key.BYTES || run.getLastKey().size() != Key.BYTES)
            return "its keys have %d and %d bytes".formatted(run.getFirstKey().size(), run.getLastKey().size());
        if (before(run.getLastKey(), run.getFirstKey())) return "its last key is before its first";
        if (Long.compareUnsigned(run.getMinSeq(), run.getMaxSeq()) > 0) return "its least seq is above its greatest";
        if (run.getTrimmedBlocks() != 0) return "it has been trimmed already";
        long blocks = 0;
        for (var extent : run.getExtentsList()) {
            if (badExtent(extent)) return "it has %d blocks at %d".formatted(extent.getCount(), extent.getStart());
            blocks += extent.getCount();
        }
        if (isInline(run)) return blocks == 0 ? null : "it is inline and has %d blocks".formatted(blocks);
        if (run.getDataBlocks() < 1 || run.getIndexBlocks() < 0 || run.getBloomBlocks() < 0)
            return "it has %d data blocks".formatted(run.getDataBlocks());
        if (blocks != ownBlocks(run)) return "its extents hold %d blocks, not %d".formatted(blocks, ownBlocks(run));
        return null;
    }

    static boolean badExtent(dev.cairn.proto.Extent extent) {
        return extent.getStart() < 0 || extent.getCount() < 1 || extent.getStart() + extent.getCount() < 0
                || extent.getCount() > 1L << 40;
    }

    static Extent extent(dev.cairn.proto.Extent extent) {
        return new Extent(extent.getStart(), extent.getCount());
    }

    static List<Extent> extents(List<dev.cairn.proto.Extent> extents) {
        return extents.stream().map(Runs::extent).toList();
    }

    static List<dev.cairn.proto.Extent> messages(List<Extent> extents) {
        return extents.stream().map(extent -> dev.cairn.proto.Extent.newBuilder()
                .setStart(extent.start()).setCount(extent.count()).build()).toList();
    }

    static String name(long runId) {
        return "run %x".formatted(runId);
    }

    private static ByteString filled(byte value) {
        var bytes = new byte[Key.BYTES];
        Arrays.fill(bytes, value);
        return ByteString.copyFrom(bytes);
    }
}
