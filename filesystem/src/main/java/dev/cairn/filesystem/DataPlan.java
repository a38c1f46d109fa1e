package dev.cairn.filesystem;

import dev.cairn.transaction.DataPin;
import java.util.Arrays;

/// Where the bytes of one read or write are on the data device: filled by [FileSystem#planRead] or
/// [FileSystem#planWrite], carried out by [DataIo]. Made of primitive arrays that grow and stay, so one plan serves a
/// request slot for ever without garbage.
///
/// **Segments** are what the device is asked, in the order of the file's bytes. **Pieces** are what a write found each
/// block to be; [FileSystem#finishWrite] compares them with what the file is by then.
///
/// Holds a [DataPin] from the planning on: call [#release] when the I/O (and the finish or abandon of a write) is over.
public final class DataPlan {
    /// Segment kinds. DATA moves bytes between buffer and device. ZERO of a read fills the buffer with zeros (its device
    /// offset is [#NOWHERE]); ZERO of a write puts zeros on the device and takes nothing from the buffer.
    public static final int DATA = 0, ZERO = 1;
    public static final long NOWHERE = -1;

    // What a piece's blocks were when the write was planned.
    static final int MAPPED = 0, UNWRITTEN = 1, FRESH = 2;

    long ino, offset, bytes;
    boolean write;
    /// The inode's size and zeroFrom as the plan saw them.
    long sizeSeen, zeroFromSeen;
    boolean leftOvers;
    /// All that is written are blocks that no item refers to yet.
    boolean fresh;
    /// Blocks that a punch gives zeros and leaves where they are, from the physical one on; none when the count is 0.
    long keptBlock, keptCount, keptPhysical;
    private DataPin pin;

    private int segments;
    private long[] deviceOffsets = new long[8], lengths = new long[8];
    private byte[] kinds = new byte[8];

    int pieces;
    long[] pieceBlock = new long[4], pieceCount = new long[4], piecePhysical = new long[4];
    byte[] pieceState = new byte[4];

    public long ino() {
        return ino;
    }

    /// Where in the file the first byte belongs.
    public long offset() {
        return offset;
    }

    /// Bytes of the buffer that the plan covers: of a read, less than asked at the end of the file; of a write, less than
    /// asked when space ran out (a short write) or a bound per operation was met.
    public long bytes() {
        return bytes;
    }

    /// Whether a write touches more than the blocks that its bytes are in: no other write of the file may then be between its
    /// plan and its finish.
    public boolean needsFileAlone() {
        return leftOvers;
    }

    public int segments() {
        return segments;
    }

    public int kind(int segment) {
        return kinds[segment];
    }

    /// In bytes from the start of the data device.
    public long deviceOffset(int segment) {
        return deviceOffsets[segment];
    }

    public long length(int segment) {
        return lengths[segment];
    }

    /// Ends the plan: what was freed meanwhile may go to other hands. Harmless when repeated.
    public void release() {
        if (pin != null) {
            pin.release();
            pin = null;
        }
    }

    /// Only as the last step of an attempt, when nothing can throw any more.
    void pin(DataPin taken) {
        if (pin != null) throw new IllegalStateException("the plan's last use was not released");
        pin = taken;
    }

    void reset(long ino, long offset, boolean write) {
        this.ino = ino;
        this.offset = offset;
        this.write = write;
        bytes = 0;
        segments = 0;
        pieces = 0;
        keptCount = 0;
        leftOvers = false;
        fresh = false;
    }

    /// Adds to the last segment when it goes on there.
    void add(int kind, long deviceOffset, long length) {
        if (length == 0) return;
        int last = segments - 1;
        if (last >= 0 && kinds[last] == kind
                && (deviceOffset == NOWHERE ? deviceOffsets[last] == NOWHERE
                        : deviceOffsets[last] != NOWHERE && deviceOffsets[last] + lengths[last] == deviceOffset)) {
            lengths[last] += length;
            return;
        }
        if (segments == kinds.length) {
            deviceOffsets = Arrays.copyOf(deviceOffsets, segments * 2);
            lengths = Arrays.copyOf(lengths, segments * 2);
            kinds = Arrays.copyOf(kinds, segments * 2);
        }
        deviceOffsets[segments] = deviceOffset;
        lengths[segments] = length;
        kinds[segments++] = (byte) kind;
    }

    boolean onlyFreshPieces() {
        for (int i = 0; i < pieces; i++) if (pieceState[i] != FRESH) return false;
        return true;
    }

    void addPiece(int state, long block, long count, long physical) {
        if (pieces == pieceState.length) {
            pieceBlock = Arrays.copyOf(pieceBlock, pieces * 2);
            pieceCount = Arrays.copyOf(pieceCount, pieces * 2);
            piecePhysical = Arrays.copyOf(piecePhysical, pieces * 2);
            pieceState = Arrays.copyOf(pieceState, pieces * 2);
        }
        pieceBlock[pieces] = block;
        pieceCount[pieces] = count;
        piecePhysical[pieces] = physical;
        pieceState[pieces++] = (byte) state;
    }
}
