package dev.cairn.allocator;

/// How much metadata the server keeps back, and how large refills are: computed from the size of the volume and the
/// number of mounts, so that a device of 64 MiB works and one of 64 GiB is not wasteful.
///
/// Everything but file data is copy-on-write, so freeing needs allocating: deletions are written into a commit log, and
/// only merging that log brings blocks back. What can be needed between "the volume is low" and the first block that comes
/// back, at worst, when a mount has nothing in hand at the moment of the flag:
///
/// * its *share*, filled to the target once, so that it can commit deletions at all;
/// * one *full commit log*, written out of the share while that is being filled again: a transaction is cut when it has used
///   up half of the share, so no commit log is larger than the target;
/// * one *merge job*: the blocks of its output are granted before its inputs are freed. A mount works at one job at a time.
///
/// The server's own writes go into its journal, in the slots' state directories, and take no block of the device. It keeps
/// what merging needs to get on whatever the mounts do, the *floor*, of which no refill takes anything:
///
///     floor = 3 × job    two jobs that are out at once, and what half-merged commit logs still occupy
///
/// A commit log that has been merged in part keeps the block in which the last job ended, its index and its filter until
/// nothing of it is left; merging takes no more logs together than keep a job's blocks (`MergePlanner`). A merge that is
/// complete never leaves more than it began with, but for what is said of levels below. So with fewer than two jobs out, a
/// whole job's blocks are free, always: the floor, less the other job, less what half-merged logs keep. That is the end of
/// the floor's argument, and
///
///     reserve(mounts) = 2 × job + max(1, mounts) × (target + log + job)        with log = target
///
/// is at least the floor and a share and a log for each mount. Mounts that need more than that while nothing has come back
/// wait for merging, which gets on. `ReservePolicyTest` plays the worst that mounts and merging may do.
///
/// Not in the formula: a run of a *level* of which a job has consumed a part keeps its index, its filter and the block in
/// which the job ended until the rest is consumed as well: at most 3 blocks of a run of 16, and 69 of one of 1024. A job
/// leaves at most two such runs: its one upper input, and the one lower input that it was in when its space was full, for
/// lower inputs follow each other in key order, and those before are consumed to their ends. By so much, and its own index
/// and filter, can a job leave less than there was. The next job on these keys frees it, and so do the eager merges of low
/// metadata and tidying, but how many runs are in this state at once is bounded by nothing. They count as used, so what `df`
/// says stays true, and what was there before the flag is none of the reserve's; what is not proved is that no row of such
/// jobs after the flag, however long, uses up the floor. Rewriting these runs whenever they keep more than a job's blocks
/// would bound it, and would make every large volume write up to twice as much for its merges, since each job that fills its
/// space leaves one. What was seen: 1.5 million extents deleted on a full volume, at a floor of 48 blocks, never left fewer
/// than 29 beside those of the jobs that were out.
///
/// | device | target | job | reserve, 1 mount | 3 mounts |
/// | --- | --- | --- | --- | --- |
/// | 64 MiB | 32 | 16 | 112 of 1024, 10.9 % | 272 |
/// | 1 GiB | 512 | 256 | 1792 of 16384, 10.9 % | 4352 |
/// | 64 GiB | 4096 | 1024 | 11264 of 1048576, 1.1 % | 29696 |
///
/// @param metadataBlocks size of the metadata device, in 64 KiB blocks
/// @param dataBlocks     size of the data device, in 4 KiB blocks
public record ReservePolicy(long metadataBlocks, long dataBlocks) {
    /// mkfs refuses less unless it is told to go on: 256 MiB hold the reserve of six mounts twice.
    public static final long METADATA_BLOCKS_MIN = 4096;
    /// 64 MiB of data: sixteen refills of at least 4 MiB.
    public static final long DATA_BLOCKS_MIN = 16384;

    public ReservePolicy {
        if (metadataBlocks < 1 || dataBlocks < 1)
            throw new IllegalArgumentException("%d metadata and %d data blocks".formatted(metadataBlocks, dataBlocks));
    }

    /// A mount's metadata share is refilled up to this: a transaction's worth of runs, at most 256 MiB.
    public long metadataTarget() {
        return Math.clamp(metadataBlocks / 32, 32, 4096);
    }

    /// Below this it is refilled. Half, so that a share never falls to where a commit has to be forced in ordinary use.
    public long metadataLowMark() {
        return metadataTarget() / 2;
    }

    /// Blocks for the one output run of a merge job.
    public long mergeJobBlocks() {
        return Math.clamp(metadataBlocks / 64, 16, 1024);
    }

    /// Commit logs that are merged together at most; fewer when what they keep while half merged would exceed a job's blocks.
    public int roundLogs() {
        return (int) Math.clamp(mergeJobBlocks() / 16, 4, 32);
    }

    /// What refills leave alone.
    public long mergeFloor() {
        return 3 * mergeJobBlocks();
    }

    /// The largest run that a commit writes.
    public long commitLogBlocks() {
        return metadataTarget();
    }

    /// A mount's data share is refilled up to this: at most 1 GiB, so that large files seldom wait for a refill.
    public long dataTarget() {
        return Math.clamp(dataBlocks / 16, 64, 262_144);
    }

    public long dataLowMark() {
        return dataTarget() / 4;
    }

    /// Metadata blocks that allocating operations never get. At most half of the device: with more mounts than it was made
    /// for, a volume is tight before it is useless.
    public long reserve(int mounts) {
        long each = metadataTarget() + commitLogBlocks() + mergeJobBlocks();
        return Math.min(metadataBlocks / 2, 2 * mergeJobBlocks() + Math.max(1, mounts) * each);
    }
}
