package dev.cairn.quorum;

import dev.cairn.proto.SpaceReport;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/// What an operator sees of a volume's server. Published by the server's node at each change of phase and at ticks.
///
/// @param phase       what the server is doing
/// @param problem     why it does not serve, or what is wrong although it does
/// @param term        0 before the first one
/// @param runsByLevel number of live runs, level 0 (commit logs) first
/// @param mergeDebt   metadata blocks of commit logs that wait for a merge
/// @param mergeJobs   that are out with mounts
public record ServerStatus(Phase phase, Optional<String> problem, Instant since, long term, int slot, int mounts,
        SpaceReport space, boolean metadataLow, boolean dataLow, List<Integer> runsByLevel, long mergeDebt,
        int mergeJobs, long requests, long batches) {
    public enum Phase {
        /// Recovering from the journal, or waiting before it is tried again.
        STARTING,
        SERVING,
        /// Will not start before somebody repairs something.
        REFUSED,
        STOPPED
    }

    public static ServerStatus of(Phase phase, Optional<String> problem, int slot) {
        return new ServerStatus(phase, problem, Instant.now(), 0, slot, 0, SpaceReport.getDefaultInstance(), false, false,
                List.of(), 0, 0, 0, 0);
    }

    ServerStatus withProblem(Optional<String> other) {
        return other.isEmpty() ? this : new ServerStatus(phase, other, since, term, slot, mounts, space, metadataLow, dataLow,
                runsByLevel, mergeDebt, mergeJobs, requests, batches);
    }
}
