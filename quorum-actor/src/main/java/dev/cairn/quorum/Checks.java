package dev.cairn.quorum;

import dev.cairn.allocator.ExtentSet;
import dev.cairn.allocator.HolderId;
import dev.cairn.allocator.SpacePools;
import dev.cairn.proto.CommitLog;
import dev.cairn.proto.CompleteMerge;
import dev.cairn.proto.MergeTask;
import dev.cairn.proto.RunRef;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Set;

/// Says what in a request contradicts the server's state, before anything is decided about it: null when nothing does.
/// What passes here can be applied without a broken invariant.
final class Checks {
    private final ServerState state;

    Checks(ServerState state) {
        this.state = state;
    }

    // ---- commits

    String commit(long rid, CommitLog commit) {
        var holder = HolderId.mount(rid);
        var leavingMetadata = new ArrayList<>(commit.getRun().getExtentsList());
        leavingMetadata.addAll(commit.getMetadataReturnedList());
        var notHeld = takenFrom(state.pools().metadataShare(holder), leavingMetadata, "metadata", holder);
        if (commit.hasRun()) {
            var run = commit.getRun();
            var wrong = Runs.contradiction(run);
            if (wrong == null && run.getLevel() != 0) wrong = "it is of level " + run.getLevel();
            if (wrong == null && run.getOwnerRid() != rid) wrong = "its owner is mount %016x".formatted(run.getOwnerRid());
            if (wrong == null && state.runs().get(run.getRunId()) != null) wrong = "there is one of that name";
            if (wrong == null) wrong = notHeld;
            if (wrong != null) return "%s is committed, but %s".formatted(Runs.name(run.getRunId()), wrong);
        }
        if (notHeld != null) return notHeld;
        Set<Long> replaced = new HashSet<>();
        for (long runId : commit.getReplacedInlineRunsList()) {
            var run = state.runs().get(runId);
            if (!replaced.add(runId)) return Runs.name(runId) + " is replaced twice";
            if (run != null && (run.getOwnerRid() != rid || !Runs.isInline(run) || run.getLevel() != 0))
                return Runs.name(runId) + " is replaced, but it is not an inline commit of this mount";
        }
        var share = state.pools().dataShare(holder);
        var leaving = new ArrayList<>(commit.getDataAllocatedList());
        leaving.addAll(commit.getDataReturnedList());
        var wrong = takenFrom(share, leaving, "data", holder);
        return wrong != null ? wrong : freedData(share, commit);
    }

    /// Whether the extents are in the set, each block once.
    private static String takenFrom(ExtentSet set, Iterable<dev.cairn.proto.Extent> extents, String kind, HolderId holder) {
        var taken = new ExtentSet();
        for (var message : extents) {
            if (Runs.badExtent(message)) return "%s extent of %d blocks at %d".formatted(kind, message.getCount(), message.getStart());
            var extent = Runs.extent(message);
            if (taken.overlaps(extent)) return "%s blocks %s are named twice".formatted(kind, extent);
            if (!set.contains(extent)) return "%s blocks %s are not in the share of %s".formatted(kind, extent, holder);
            taken.add(extent);
        }
        return null;
    }

    /// What is freed must be in use, or come into use with this very commit.
    private String freedData(ExtentSet share, CommitLog commit) {
        if (commit.getDataFreedCount() == 0) return null;
        var freed = new ExtentSet();
        for (var message : commit.getDataFreedList()) {
            if (Runs.badExtent(message)) return "data extent of %d blocks at %d".formatted(message.getCount(), message.getStart());
            if (freed.overlaps(Runs.extent(message))) return "data blocks %s are freed twice".formatted(Runs.extent(message));
            freed.add(Runs.extent(message));
        }
        commit.getDataAllocatedList().forEach(extent -> share.remove(Runs.extent(extent)));
        try {
            for (var message : commit.getDataFreedList())
                if (!state.pools().dataIsUsed(Runs.extent(message)))
                    return "data blocks %s are freed, but they are not in use".formatted(Runs.extent(message));
            return null;
        } finally {
            commit.getDataAllocatedList().forEach(extent -> share.add(Runs.extent(extent)));
        }
    }

    // ---- merges

    String merge(MergeTask task, CompleteMerge merge) {
        var inputs = new HashSet<Long>();
        boolean consumed = false;
        for (var input : merge.getInputsList()) {
            if (!task.getInputRunIdsList().contains(input.getRunId()) || !inputs.add(input.getRunId()))
                return Runs.name(input.getRunId()) + " is not an input of the job, or is reported twice";
            var run = state.runs().get(input.getRunId());
            if (run == null || input.getExhausted()) {
                consumed = true;     // a run that its mount has replaced needs no further thought
                continue;
            }
            var key = input.getFirstKey();
            if (key.size() != run.getFirstKey().size() || Runs.before(key, run.getFirstKey()) || Runs.before(run.getLastKey(), key))
                return Runs.name(input.getRunId()) + " would begin outside of its keys";
            if (input.getTrimmedBlocks() < run.getTrimmedBlocks() || input.getTrimmedBlocks() >= Math.max(1, run.getDataBlocks()))
                return "%s would lose blocks up to %d, of %d".formatted(Runs.name(input.getRunId()),
                        input.getTrimmedBlocks(), run.getDataBlocks());
            if (Runs.isInline(run) && input.getTrimmedBlocks() != 0)
                return Runs.name(input.getRunId()) + " is inline and has no blocks to lose";
            if (merge.hasOutput() && !Runs.before(merge.getOutput().getLastKey(), key))
                return Runs.name(input.getRunId()) + " would keep keys that the output covers";
            consumed |= Runs.before(run.getFirstKey(), key);
        }
        for (long runId : task.getInputRunIdsList())
            if (state.runs().get(runId) != null && !inputs.contains(runId)) return Runs.name(runId) + " is not reported";
        if (!consumed) return "nothing was consumed";
        return merge.hasOutput() ? output(task, merge.getOutput(), inputs) : null;
    }

    private String output(MergeTask task, RunRef output, Set<Long> inputs) {
        var wrong = Runs.contradiction(output);
        if (wrong == null && Runs.isInline(output)) wrong = "it is inline";
        if (wrong == null && (output.getRunId() != task.getOutputRunId() || output.getLevel() != task.getTargetLevel()
                || output.getOwnerRid() != 0))
            wrong = "it is not the run that was asked for";
        if (wrong == null && (Runs.before(output.getFirstKey(), task.getFromKey())
                || Runs.before(task.getThroughKey(), output.getLastKey())))
            wrong = "it has keys outside of the job";
        var holder = HolderId.job(task.getJobId());
        if (wrong == null)
            wrong = takenFrom(state.pools().metadataShare(holder), output.getExtentsList(), "metadata", holder);
        if (wrong == null)
            for (var run : state.runs().overlapping(task.getTargetLevel(), output.getFirstKey(), output.getLastKey()))
                if (!inputs.contains(run.getRunId())) wrong = "it overlaps " + Runs.name(run.getRunId());
        return wrong == null ? null : "the output is refused: " + wrong;
    }
}
