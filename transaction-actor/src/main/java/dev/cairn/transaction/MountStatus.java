package dev.cairn.transaction;

import dev.cairn.proto.SpaceReport;

/// How a mount is doing, for `cairn status`, `/health` and metrics; published a few times a second.
///
/// @param serving         registered with a server, the lease is valid, nothing has failed
/// @param failure         why the mount has stopped working for good, or null
/// @param commitFailure   why the last commit failed (it is tried again), or null
/// @param transactionSeq  the open transaction
/// @param dirtyHeapBytes  memory that uncommitted items take
/// @param waiting         operations that wait for blocks, locks, a commit or the server
/// @param slowDownPercent how many of a hundred allocating operations are delayed because merging lags behind
/// @param space           what `statfs(2)` and `cairn df` on this mount say; empty before it is registered
public record MountStatus(long rid, long term, boolean serving, String failure, String commitFailure, long transactionSeq,
                          long dirtyHeapBytes, int waiting, int slowDownPercent, SpaceReport space) {}
