package dev.cairn.block;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Decides whose I/O is let in, and when a fence holds. A fence of `rid, epoch` refuses that mount's requests of this
/// and earlier epochs; it holds only when those that were let in before have ended, because the server gives the
/// mount's locks away on its word. No clock, no I/O.
///
/// @param <T> who asks for fences
final class FenceTable<T> {
    private final Map<Long, Long> fenced = new HashMap<>();                // rid: the highest refused epoch
    private final Map<BlockStorage.Caller, Integer> inside = new HashMap<>();

    private record Pending<T>(long rid, long epoch, T who) {}

    private final List<Pending<T>> pending = new ArrayList<>();

    boolean refuses(BlockStorage.Caller caller) {
        var epoch = fenced.get(caller.rid());
        return epoch != null && caller.epoch() <= epoch;
    }

    void enter(BlockStorage.Caller caller) {
        inside.merge(caller, 1, Integer::sum);
    }

    /// @return those whose fences hold from now on
    List<T> leave(BlockStorage.Caller caller) {
        inside.computeIfPresent(caller, (_, count) -> count == 1 ? null : count - 1);
        return holding();
    }

    /// A fence with an older epoch than one already known changes nothing.
    ///
    /// @return those whose fences hold from now on
    List<T> fence(long rid, long epoch, T who) {
        fenced.merge(rid, epoch, Math::max);
        pending.add(new Pending<>(rid, epoch, who));
        return holding();
    }

    private List<T> holding() {
        if (pending.isEmpty()) return List.of();
        var now = new ArrayList<T>();
        pending.removeIf(fence -> {
            for (var caller : inside.keySet())
                if (caller.rid() == fence.rid && caller.epoch() <= fence.epoch) return false;
            now.add(fence.who);
            return true;
        });
        return now;
    }
}
