package dev.cairn.quorum;

import dev.cairn.block.Extent;
import dev.cairn.proto.CompleteMerge;
import dev.cairn.proto.MergeAvailable;
import dev.cairn.proto.MergeJob;
import dev.cairn.proto.MergeRecorded;
import dev.cairn.proto.MergeTask;
import dev.cairn.proto.RunRef;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerReply;
import java.util.ArrayList;

/// The part of the server's core that gives merge jobs out and takes them back. What to merge is [MergePlanner]'s.
final class MergeDesk {
    /// Changes of level alone that one claim may bring with it.
    private static final int SUNK_AT_ONCE = 8;
    /// Without a commit for so long, a volume is idle and can be tidied.
    private static final long IDLE_NANOS = 3_000_000_000L;
    /// Without one for longer than mounts leave between commits, nobody is writing, and even rewriting everything disturbs
    /// nobody. The more there is to write, the longer the wait: on average it is some 12 MiB/s, and never of a large volume.
    private static final long TIDY_NANOS = 6_000_000_000L, TIDY_NANOS_PER_BLOCK = 5_000_000L;
    static final long TIDY_BLOCKS_MAX = 4096;
    private static final int SCARCE_PART = 4;
    /// A volume that was low so short a time ago is being emptied: the rest of what was deleted does not wait until it is idle.
    private static final long EMPTIED_NANOS = 30_000_000_000L;
    private static final long OFFER_AGAIN_NANOS = 100_000_000L;
    /// An abandoned job met a damaged block or a sick device: given out again at once it would only spin.
    private static final long ABANDONED_NANOS = 5_000_000_000L;

    private final ServerState state;
    private final Checks checks;
    private final MergePlanner planner;
    private long lastCommit;
    private long emptiedUntil;
    private long noOfferBefore;
    private long lastOffered;     // the rid that the last offer went to

    MergeDesk(ServerState state, Checks checks) {
        this.state = state;
        this.checks = checks;
        planner = new MergePlanner(state);
    }

    void heardCommit(long nowNanos) {
        if (lastCommit == 0) noOfferBefore = emptiedUntil = nowNanos;
        lastCommit = nowNanos;
    }

    int slowDownPercent() {
        return planner.slowDownPercent();
    }

    private MergePlanner.Zeal zeal(long nowNanos) {
        if (state.pools().metadataLow(state.mountCount())) {
            emptiedUntil = nowNanos + EMPTIED_NANOS;
            return MergePlanner.Zeal.LOW;
        }
        long weight = state.runs().weight(), idle = nowNanos - lastCommit;
        if (weight <= TIDY_BLOCKS_MAX && idle > TIDY_NANOS + weight * TIDY_NANOS_PER_BLOCK) return MergePlanner.Zeal.TIDY;
        // Where space is getting scarce, what brings it back is worth as much trouble as on an idle volume.
        boolean scarce = state.pools().metadataFreeBlocks() < state.pools().policy().metadataBlocks() / SCARCE_PART;
        return scarce || nowNanos - emptiedUntil < 0 || idle > IDLE_NANOS ? MergePlanner.Zeal.IDLE : MergePlanner.Zeal.BUSY;
    }

    /// Says to one mount that there is work: to `preferred`, or in turn.
    void offer(Step step, long preferred, long nowNanos) {
        if (state.mountCount() == 0 || nowNanos - noOfferBefore < 0 || !planner.mayWant(zeal(nowNanos))
                || planner.next(zeal(nowNanos)) == null) return;
        var next = state.mounts().higherKey(lastOffered);
        long rid = preferred != 0 ? preferred : next != null ? next : state.mounts().firstKey();
        lastOffered = rid;
        noOfferBefore = nowNanos + OFFER_AGAIN_NANOS;
        step.send(rid, ServerMessage.newBuilder().setMergeAvailable(MergeAvailable.getDefaultInstance()));
    }

    void claim(Step step, long rid, long nr, long nowNanos) {
        var plan = planner.next(zeal(nowNanos));
        for (int i = 0; i < SUNK_AT_ONCE && plan instanceof MergePlanner.Plan.Sink(RunRef run, int level); i++) {
            step.emit(ServerEvent.newBuilder().setRunSunk(
                    ServerEvent.RunSunk.newBuilder().setRunId(run.getRunId()).setLevel(level)));
            plan = planner.next(zeal(nowNanos));
        }
        var task = plan instanceof MergePlanner.Plan.Job job ? assign(step, rid, job) : null;
        if (task == null) {
            // Free space in too many pieces: nothing presses, and asking at every tick would not mend it.
            if (plan instanceof MergePlanner.Plan.Job job && job.tidies()) noOfferBefore = nowNanos + ABANDONED_NANOS;
            step.reply(rid, nr, ServerReply.newBuilder().setMergeJob(MergeJob.getDefaultInstance()));
        } else {
            step.keep(rid, nr, ServerReply.newBuilder().setMergeJob(MergeJob.newBuilder().setJobId(task.getJobId())));
            step.reply(rid, nr, ServerReply.newBuilder().setMergeJob(message(task)));
        }
        step.pushManifest(0);
    }

    private MergeTask assign(Step step, long rid, MergePlanner.Plan.Job job) {
        var pools = state.pools();
        step.swapIfDue();
        var space = pools.chooseMetadataOfBoth(job.blocks(), MergePlanner.SPACE_EXTENTS_MAX);
        if (space.stream().mapToLong(Extent::count).sum() < (job.tidies() ? job.blocks() : MergePlanner.SPACE_BLOCKS_MIN)) return null;
        var task = MergeTask.newBuilder().setJobId(state.nextJobId()).setRid(rid)
                .addAllInputRunIds(job.inputs().stream().map(RunRef::getRunId).toList())
                .setTargetLevel(job.targetLevel()).setFromKey(job.from()).setThroughKey(job.through())
                .setOutputRunId(step.seq()).addAllSpace(Runs.messages(space)).build();
        step.emit(ServerEvent.newBuilder().setMergeAssigned(
                ServerEvent.MergeAssigned.newBuilder().setTask(task).addAllRoundRunIds(job.round())));
        return task;
    }

    /// The job as its first answer had it, while it is out; else the answer has arrived, and nothing is to be done.
    MergeJob again(long jobId) {
        var task = state.tasks().get(jobId);
        return task == null ? MergeJob.getDefaultInstance() : message(task);
    }

    private MergeJob message(MergeTask task) {
        var job = MergeJob.newBuilder().setJobId(task.getJobId()).setTargetLevel(task.getTargetLevel())
                .setFromKey(task.getFromKey()).setThroughKey(task.getThroughKey())
                .setOutputRunId(task.getOutputRunId()).addAllSpace(task.getSpaceList());
        for (long runId : task.getInputRunIdsList()) {
            var run = state.runs().get(runId);
            if (run != null) job.addInputs(run);
        }
        // Levels below hold older versions only. So do commit logs above newer ones: a round takes the oldest of them.
        for (var run : older(task))
            job.addOlder(RunRef.newBuilder().setRunId(run.getRunId()).setLevel(run.getLevel())
                    .setFirstKey(run.getFirstKey()).setLastKey(run.getLastKey()));
        return job.build();
    }

    private ArrayList<RunRef> older(MergeTask task) {
        var older = new ArrayList<RunRef>();
        for (int level = task.getTargetLevel() + 1; level <= RunTable.LEVELS_MAX; level++)
            older.addAll(state.runs().overlapping(level, task.getFromKey(), task.getThroughKey()));
        return older;
    }

    /// @return what contradicts the state, or null
    String complete(Step step, long rid, long nr, CompleteMerge merge, long nowNanos) {
        var task = state.tasks().get(merge.getJobId());
        if (task == null || task.getRid() != rid) return "job %d is not out with this mount".formatted(merge.getJobId());
        var wrong = checks.merge(task, merge);
        if (wrong != null) {
            // The worker is done with it either way: somebody else shall try.
            dropped(step, task.getJobId(), nowNanos);
            return wrong;
        }
        var applied = ServerEvent.MergeApplied.newBuilder().setJobId(merge.getJobId()).addAllInputs(merge.getInputsList());
        if (merge.hasOutput()) {
            applied.setOutput(merge.getOutput());
            applied.getOutputBuilder().setTidy(merge.getOutput().getDeletions() == 0).setFull(full(task, merge));
            // Whatever it still calls a deletion has no victim: counted, it would be rewritten over and over.
            if (older(task).isEmpty()) applied.getOutputBuilder().clearDeletions();
        }
        step.emit(ServerEvent.newBuilder().setMergeApplied(applied));
        recorded(step, rid, nr, planner.next(zeal(nowNanos)) != null);
        step.pushManifest(0);
        return null;
    }

    /// Whether the job had the largest space there is, and it was not enough.
    private boolean full(MergeTask task, CompleteMerge merge) {
        long space = task.getSpaceList().stream().mapToLong(dev.cairn.proto.Extent::getCount).sum();
        return space >= state.pools().policy().mergeJobBlocks() && merge.getInputsList().stream()
                .anyMatch(input -> !input.getExhausted() && !Runs.before(task.getThroughKey(), input.getFirstKey()));
    }

    String abandon(Step step, long rid, long nr, long jobId, long nowNanos) {
        var task = state.tasks().get(jobId);
        if (task == null || task.getRid() != rid) return "job %d is not out with this mount".formatted(jobId);
        dropped(step, jobId, nowNanos);
        recorded(step, rid, nr, false);
        return null;
    }

    private void dropped(Step step, long jobId, long nowNanos) {
        step.emit(ServerEvent.newBuilder().setMergeDropped(ServerEvent.MergeDropped.newBuilder().setJobId(jobId)));
        noOfferBefore = nowNanos + ABANDONED_NANOS;
    }

    private static void recorded(Step step, long rid, long nr, boolean more) {
        var reply = ServerReply.newBuilder().setMergeRecorded(MergeRecorded.newBuilder().setMore(more));
        step.keep(rid, nr, reply);
        step.reply(rid, nr, reply);
    }
}
