package dev.cairn.block;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/// What mkfs shall make.
///
/// @param metaBytes how much of the metadata device to use; empty: all of it
/// @param dataBytes how much of the data device to use; empty: all of it
/// @param minimumMetaBytes below this the reserve leaves too little; a policy of the caller
/// @param minimumDataBytes the same for data
/// @param allowSmall accept less than those minimums (but not less than [VolumeFormat#META_BYTES_MIN] and
///        [VolumeFormat#DATA_BYTES_MIN])
/// @param dataAllocZoneBlocks data blocks of a zone that one mount fills by itself while there are any; 0: no zones
/// @param force overwrite a file system, partition table or Cairn label that is there; never one in use
public record FormatRequest(Path metaPath, Path dataPath, OptionalLong metaBytes, OptionalLong dataBytes,
        List<QuorumSlot> slots, long dataAllocZoneBlocks, long minimumMetaBytes, long minimumDataBytes, boolean allowSmall, boolean force) {
    public FormatRequest {
        slots = List.copyOf(slots);
    }
}
