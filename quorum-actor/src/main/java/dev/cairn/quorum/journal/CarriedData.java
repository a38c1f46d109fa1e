package dev.cairn.quorum.journal;

import dev.cairn.proto.DataPatch;
import dev.cairn.proto.JournalCarried;
import dev.cairn.proto.ServerEvent;
import java.util.ArrayList;
import java.util.List;

/// File data that small commits have carried into the journal instead of flushing the data device: it is in the device
/// already, but perhaps only in its cache. Collects what would have to be written again if the power went now.
///
/// The rule: an entry that says so was made after a flush that covers everything carried before it. What has been carried
/// since the last such entry is written again, in order, before anybody uses the device. That never harms, as long as all of it
/// is of one mount:
///
/// * A block that the file still has gets what it held at its last fsync. A later overwrite in place that was not fsynced
///   may be lost, as without the journal.
/// * A block that has been given to another file since: that file's own commit either carried its data, and comes later in
///   this order, or flushed, and ended the list. Or it only allocated the block, which then reads as zeros whatever it holds,
///   until a commit that carries or flushes what is written to all of it. If nothing has been committed, nobody refers to it.
///
/// With several mounts neither would hold: one's flush may have begun before the other's data was written, so it ends nothing
/// of the other's, and a block that changed hands would get back what its former owner had there. So while there are several
/// the journal flushes the device instead of carrying, and it does so once when a mount comes or goes: what is pending is
/// always of the only mount there is.
public final class CarriedData {
    /// The data device, where the journal's node has it. Both may block, and throw [java.io.UncheckedIOException].
    public interface Device {
        void write(long byteOffset, byte[] bytes);

        void flush();
    }

    private final List<DataPatch> pending = new ArrayList<>();

    /// What an event says of file data; null when nothing.
    public static JournalCarried of(ServerEvent event) {
        if (event.hasMountJoined() || event.hasMountGone()) return JournalCarried.newBuilder().setFlushFirst(true).build();
        var log = event.getLogRecorded();
        if (log.getDataCount() == 0 && !log.getDataFlushed()) return null;
        return JournalCarried.newBuilder().setFlushed(log.getDataFlushed()).setFlushFirst(log.getDataFlushFirst())
                .addAllData(log.getDataList()).build();
    }

    /// The next entry in the journal's order.
    public void add(JournalCarried carried) {
        if (carried.getFlushed() || carried.getFlushFirst()) pending.clear();
        if (!carried.getFlushFirst()) pending.addAll(carried.getDataList());
    }

    public boolean isEmpty() {
        return pending.isEmpty();
    }

    /// After it, nothing is pending.
    public void writeTo(Device device) {
        for (var patch : pending) device.write(patch.getByteOffset(), patch.getBytes().toByteArray());
        if (!pending.isEmpty()) device.flush();
        pending.clear();
    }
}
