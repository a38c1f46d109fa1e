package dev.cairn.quorum;

import com.google.protobuf.ByteString;
import dev.cairn.allocator.SpacePools;
import dev.cairn.proto.RunRef;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// Decides what is merged next. It looks at the state and changes nothing.
///
/// *Rounds* take commit logs into level 1: the oldest ones, together, from the least key to the greatest, job by job. A job
/// writes one run and consumes a prefix of the keys of its inputs, so the next one begins where it ended; commit logs
/// that arrive meanwhile wait for the next round, or a round would never end. Older versions of a key never
/// overtake newer ones: a round holds all commit logs that are older than its newest.
///
/// *Levels* hold eight times as much as the one above. What is too much is pushed down run by run, those first that overlap
/// least; a run that overlaps nothing just changes its level. While metadata is low, everything is pushed down, where
/// deletions are densest first: only at the bottom does a deletion take its victim and itself away. On an idle volume the
/// same is done where it is cheap, so that deleting brings nearly everything back.
///
/// *Tidying* does the rest, when a volume that is not large has been left alone for a while: everything goes into the deepest
/// level there is, and what is not full there is joined with what follows. What the volume takes is then a function of
/// the items that are left, whatever its history: fill it, delete it, and the count of free blocks is what it was.
///
/// Jobs do not share inputs, and one's range of keys in a level holds no run of the other: any number could be out at once.
final class MergePlanner {
    static final int JOBS_MAX = 2;
    /// Fewer logs are not worth a merge: readers ask every log, but merging rewrites what it overlaps. Small ones, as many an
    /// fsync leaves, wait for more, so that a few blocks do not have all of level 1 rewritten with them; but not for ever.
    static final int LOGS_MIN = 4, LOGS_MAX = 10;
    /// Small commits live in the manifest itself; these many weigh as much as one log.
    static final int INLINE_PER_LOG = 32;
    static final long ROUND_INLINE_BYTES_MAX = 4 << 20;
    static final int LEVEL_RATIO = 8;
    /// Commit logs that weigh this part of level 1 are worth rewriting it, when there are enough of them.
    static final int LOG_RATIO = 4;
    /// Extents that a job's space may be in pieces of, and the least that a job can do something with.
    static final int SPACE_EXTENTS_MAX = 256;
    static final long SPACE_BLOCKS_MIN = 4;

    /// How eager: what a busy volume needs, what an idle one can afford, what one does that has been left alone, what a full
    /// one must do.
    enum Zeal { BUSY, IDLE, TIDY, LOW }

    sealed interface Plan {
        /// Nothing in the levels down to this one overlaps the run.
        record Sink(RunRef run, int level) implements Plan {}

        /// @param inputs newest version of a key first
        /// @param round  the commit logs of a round that begins with this job; else empty
        /// @param blocks how much space its output can need
        /// @param tidies only with all that space is it worth anything
        record Job(List<RunRef> inputs, int targetLevel, ByteString from, ByteString through, List<Long> round,
                   long blocks, boolean tidies) implements Plan {}
    }

    private final ServerState state;

    MergePlanner(ServerState state) {
        this.state = state;
    }

    /// What should be done next; null when nothing should, or nothing can until jobs that are out have come back.
    Plan next(Zeal zeal) {
        if (state.tasks().size() >= JOBS_MAX) return null;
        Set<Long> busy = new HashSet<>();     // asked only, never walked
        for (var task : state.tasks().values()) busy.addAll(task.getInputRunIdsList());
        var round = logJob(zeal, busy);
        return round != null ? round : levelJob(zeal, busy);
    }

    /// A cheap look, after every commit: whether [#next] is worth asking.
    boolean mayWant(Zeal zeal) {
        if (state.tasks().size() >= JOBS_MAX) return false;
        if (zeal != Zeal.BUSY || !state.round().isEmpty() || logsPress()) return true;
        for (int level = 1; level < RunTable.LEVELS_MAX; level++)
            if (state.runs().weight(level) > levelBlocks(level)) return true;
        return false;
    }

    /// Commit logs that readers have to ask, inline ones counted for less.
    long debt() {
        int inline = state.runs().inlineLogs();
        return state.runs().logs().size() - inline + inline / INLINE_PER_LOG;
    }

    // Whether a busy volume merges its commit logs.
    private boolean logsPress() {
        long debt = debt();
        return debt >= LOGS_MAX || debt >= LOGS_MIN && logBlocks() * LOG_RATIO >= state.runs().weight(1);
    }

    // Commits in the manifest by what they hold: a hundred of them may fit one block.
    private long logBlocks() {
        var runs = state.runs();
        return runs.weight(0) - runs.inlineLogs() + runs.inlineBytes() / SpacePools.METADATA_BLOCK_BYTES;
    }

    /// How far merging is behind: mounts slow down from 12 logs on, and at 32 do so fully.
    int slowDownPercent() {
        return (int) Math.clamp((debt() - 12) * 5, 0, 100);
    }

    /// What a level should hold at most: level 1 four outputs of a job.
    private long levelBlocks(int level) {
        long blocks = 4 * state.pools().policy().mergeJobBlocks();
        for (int i = 1; i < level; i++) blocks *= LEVEL_RATIO;
        return blocks;
    }

    // ---- commit logs into level 1

    private Plan logJob(Zeal zeal, Set<Long> busy) {
        var logs = state.runs().logs();
        if (logs.isEmpty() || logs.stream().anyMatch(run -> busy.contains(run.getRunId()))) return null;
        boolean begins = state.round().isEmpty();
        List<RunRef> round;
        if (!begins) {
            round = state.round().stream().map(state.runs()::get).toList();
        } else {
            long weight = state.runs().weight(0);
            boolean due = switch (zeal) {
                case BUSY -> logsPress();
                case IDLE -> debt() >= LOGS_MIN || weight * LEVEL_RATIO >= state.runs().weight(1)
                        || dense(logs.stream().mapToLong(RunRef::getDeletions).sum(), items(state.runs().level(1).values()));
                case TIDY, LOW -> true;
            };
            if (!due) return null;
            round = oldestLogs();
        }
        ByteString from = round.getFirst().getFirstKey(), last = round.getFirst().getLastKey();
        for (var run : round) {
            from = Runs.min(from, run.getFirstKey());
            last = Runs.max(last, run.getLastKey());
        }
        var below = below(1, from, last, busy);
        if (below == null) return null;
        var job = job(round, below, 1);
        return begins ? new Plan.Job(job.inputs(), 1, job.from(), job.through(),
                round.stream().map(RunRef::getRunId).toList(), job.blocks(), false) : job;
    }

    private List<RunRef> oldestLogs() {
        var policy = state.pools().policy();
        var oldest = new ArrayList<RunRef>();
        int full = 0;
        long inlineBytes = 0, kept = 0;
        for (var run : state.runs().logs()) {
            if (Runs.isInline(run)) {
                inlineBytes += run.getInlineBlock().size();
            } else {
                full++;
                // Until the round ends: the block in which a job ended, index and filter. The reserve counts on this bound.
                kept += 1 + run.getIndexBlocks() + run.getBloomBlocks();
            }
            if (!oldest.isEmpty() && (full > policy.roundLogs() || kept > policy.mergeJobBlocks() || inlineBytes > ROUND_INLINE_BYTES_MAX)) break;
            oldest.add(run);
        }
        return oldest;
    }

    // ---- one level into the next

    private Plan levelJob(Zeal zeal, Set<Long> busy) {
        int deepest = state.runs().deepest();
        for (int level = 1; level <= deepest; level++) {
            boolean tooMuch = level < RunTable.LEVELS_MAX && state.runs().weight(level) > levelBlocks(level);
            if (!tooMuch && zeal == Zeal.BUSY) continue;
            var plan = bestOf(level, deepest, tooMuch, zeal, busy);
            if (plan != null) return plan;
        }
        return zeal == Zeal.TIDY ? tidyingJob(deepest, busy) : null;
    }

    /// Of the deepest level, when it is all there is: the first run that is not as full as one can be, with those behind it.
    private Plan tidyingJob(int deepest, Set<Long> busy) {
        if (deepest == 0 || state.runs().weight() != state.runs().weight(deepest) || !busy.isEmpty()) return null;
        var runs = List.copyOf(state.runs().level(deepest).values());
        for (int i = 0; i < runs.size(); i++) {
            boolean last = i == runs.size() - 1;
            if (runs.get(i).getTidy() && (last || runs.get(i).getFull())) continue;
            var job = job(List.of(runs.get(i)), runs.subList(i + 1, runs.size()), deepest);
            return new Plan.Job(job.inputs(), deepest, job.from(), job.through(), List.of(),
                    state.pools().policy().mergeJobBlocks(), true);
        }
        return null;
    }

    /// Deletions weigh next to nothing, but what they delete may be a whole level: they are worth a merge with it when they
    /// take a good part of its items away. History that goes wrong otherwise: everything is deleted, merging stops as soon as
    /// metadata is not low any more, and the volume stays nearly full for ever.
    private static boolean dense(long deletions, long itemsBelow) {
        return deletions > 0 && deletions * LEVEL_RATIO >= itemsBelow;
    }

    private static long items(Collection<RunRef> runs) {
        return runs.stream().mapToLong(RunRef::getItems).sum();
    }

    private record Candidate(RunRef run, long deletionsPerBlock, long overlap) {}

    /// With low metadata, where deletions are densest; always, where the least is rewritten for what is pushed down.
    private static final Comparator<Candidate> DENSEST = Comparator.comparingLong(Candidate::deletionsPerBlock).reversed();
    private static final Comparator<Candidate> CHEAPEST = Comparator
            .<Candidate>comparingLong(candidate -> candidate.overlap() * 1000 / Math.max(1, Runs.weight(candidate.run())))
            .thenComparing(candidate -> candidate.run().getRunId(), Long::compareUnsigned);

    private Plan bestOf(int level, int deepest, boolean tooMuch, Zeal zeal, Set<Long> busy) {
        var candidates = new ArrayList<Candidate>();
        for (var run : state.runs().level(level).values()) {
            if (busy.contains(run.getRunId())) continue;
            var overlapped = level == RunTable.LEVELS_MAX ? List.<RunRef>of()
                    : state.runs().overlapping(level + 1, run.getFirstKey(), run.getLastKey());
            long overlap = overlapped.stream().mapToLong(Runs::weight).sum();
            var candidate = new Candidate(run, run.getDeletions() / Math.max(1, Runs.weight(run)), overlap);
            boolean wanted = tooMuch || switch (zeal) {
                case BUSY -> false;
                case IDLE -> run.getDeletions() > 0
                        && (Runs.weight(run) * LEVEL_RATIO >= overlap || dense(run.getDeletions(), items(overlapped)));
                case TIDY, LOW -> level < deepest || run.getDeletions() > 0;
            };
            if (wanted) candidates.add(candidate);
        }
        candidates.sort(zeal == Zeal.BUSY ? CHEAPEST : DENSEST.thenComparing(CHEAPEST));
        for (var candidate : candidates) {
            var plan = push(candidate.run(), level, deepest, tooMuch, busy);
            if (plan != null) return plan;
        }
        return null;
    }

    private Plan push(RunRef run, int level, int deepest, boolean tooMuch, Set<Long> busy) {
        boolean overlapsDeeper = false;
        for (int below = level + 1; below <= deepest; below++)
            overlapsDeeper |= !state.runs().overlapping(below, run.getFirstKey(), run.getLastKey()).isEmpty();
        // Nothing older is left below: written once more by itself, the run loses its deletions.
        if (!overlapsDeeper && run.getDeletions() > 0) return job(List.of(run), List.of(), level);
        if (level == RunTable.LEVELS_MAX || (level == deepest && !tooMuch)) return null;
        // Asked of all that is there: a run that reaches into a busy one is merged up to where that begins.
        if (state.runs().overlapping(level + 1, run.getFirstKey(), run.getLastKey()).isEmpty()) return new Plan.Sink(run, level + 1);
        var below = below(level + 1, run.getFirstKey(), run.getLastKey(), busy);
        return below == null ? null : job(List.of(run), below, level + 1);
    }

    // ---- jobs

    /// The runs of a level that a job over `[first, last]` meets, in key order; null when the first of them is busy. The list
    /// ends before the next busy one.
    private List<RunRef> below(int level, ByteString first, ByteString last, Set<Long> busy) {
        var below = new ArrayList<RunRef>();
        for (var run : state.runs().overlapping(level, first, last)) {
            if (busy.contains(run.getRunId())) {
                // A job needs keys of its own before the busy run begins.
                if (below.isEmpty() && !Runs.before(first, run.getFirstKey())) return null;
                break;
            }
            below.add(run);
        }
        return below;
    }

    /// Bounded from above before the first run of the target level that is not among the inputs, and has keys that the
    /// upper inputs may have as well.
    private Plan.Job job(List<RunRef> upper, List<RunRef> below, int targetLevel) {
        long most = state.pools().policy().mergeJobBlocks();
        var lower = new ArrayList<RunRef>();
        long weight = 0;
        for (var run : below) {
            if (weight >= most) break;     // the output cannot reach it
            lower.add(run);
            weight += Runs.weight(run);
        }
        ByteString from = upper.getFirst().getFirstKey();
        for (var run : upper) from = Runs.min(from, run.getFirstKey());
        if (!lower.isEmpty()) from = Runs.min(from, lower.getFirst().getFirstKey());

        Set<Long> inputs = new HashSet<>();
        for (var run : upper) inputs.add(run.getRunId());
        for (var run : lower) inputs.add(run.getRunId());
        ByteString through = Runs.LAST_KEY;
        for (var run : state.runs().overlapping(targetLevel, from, Runs.LAST_KEY))
            if (!inputs.contains(run.getRunId())) {
                through = Runs.below(run.getFirstKey());
                break;
            }
        var chosen = new ArrayList<RunRef>();
        for (int i = upper.size() - 1; i >= 0; i--)     // newest first
            if (!Runs.before(through, upper.get(i).getFirstKey())) {
                chosen.add(upper.get(i));
                weight += Runs.weight(upper.get(i));
            }
        chosen.addAll(lower);
        return new Plan.Job(chosen, targetLevel, from, through, List.of(), Math.clamp(weight + 3, SPACE_BLOCKS_MIN, most), false);
    }
}
