package dev.cairn.node;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.Extent;
import dev.cairn.block.LocalDevice;
import dev.cairn.block.VolumeDevices;
import dev.cairn.filesystem.VolumeCheck;
import dev.cairn.quorum.QuorumSlot;
import dev.cairn.quorum.RecordedState;
import dev.cairn.quorum.ServerState;
import dev.cairn.transaction.CommittedItems;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/// What a check of a volume has found: the server's account of all blocks against itself, and all items against that.
///
/// @param checked how much was looked at
/// @param problems a sentence each; `count` may be more
public record CheckedVolume(Map<String, Long> checked, List<String> problems, long count) {
    private static final long CACHE_BYTES = 64 << 20;

    /// A volume whose node does not run.
    ///
    /// @param journal of the slot that served it
    public static CheckedVolume offline(Path meta, Path data, Path journal) throws IOException {
        try (var devices = VolumeDevices.open(meta, data, LocalDevice.Mode.READ_ONLY)) {
            var label = devices.label();
            if (label.slots().size() != 1) throw new IOException("a volume with " + label.slots().size() + " quorum slots can be checked online only");
            var slot = label.slots().getFirst();
            var state = RecordedState.read(journal, label.fsid(), new QuorumSlot(slot.nr(), slot.address(), slot.port()));
            if (state == null && label.journalBorn())
                throw new IOException(journal + " holds nothing of this volume; --state names the directory that its node had");
            if (state == null) return new CheckedVolume(Map.of(), List.of(), 0);
            return of(state, devices.metadata(), label.fsid(), true);
        }
    }

    /// @param newest nothing can have happened since
    /// @throws CommittedItems.Unreadable when the state has grown old under the walk
    static CheckedVolume of(ServerState state, BlockDevice metadata, long fsid, boolean newest) {
        var problems = new ArrayList<String>();
        try {
            state.verify();
        } catch (IllegalStateException e) {
            problems.add(e.getMessage());
        }
        var found = VolumeCheck.run(new CommittedItems(state.manifest(), metadata, fsid, CACHE_BYTES), account(state), newest);
        var checked = new LinkedHashMap<String, Long>();
        checked.put("runs", (long) state.manifest().getRunsCount());
        checked.put("metadata_blocks", state.geometry().getMetadataBlocks());
        checked.putAll(found.checked());
        problems.addAll(found.problems());
        return new CheckedVolume(checked, problems, found.count() + problems.size() - found.problems().size());
    }

    private static VolumeCheck.Account account(ServerState state) {
        return new VolumeCheck.Account() {
            @Override
            public long dataBlocks() {
                return state.geometry().getDataBlocks();
            }

            @Override
            public long dataFirst() {
                return state.geometry().getDataFirst();
            }

            @Override
            public long inodes() {
                return state.inodeCount();
            }

            @Override
            public void unusedData(BiConsumer<String, Extent> visitor) {
                state.unusedData(visitor);
            }
        };
    }

    public Map<String, Object> toJson() {
        var json = new LinkedHashMap<String, Object>();
        json.put("sound", count == 0);
        json.put("checked", checked);
        json.put("problem_count", count);
        json.put("problems", problems);
        return json;
    }
}
