package dev.cairn.quorum;

import dev.cairn.proto.LockMode;
import dev.cairn.proto.LockName;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;

/// Who holds which cluster lock, and who waits for it. Soft state: a new term begins with an empty table, and the mounts
/// bring what they hold.
///
///     free --acquire--> held --revoke sent, released--> free or weaker
///                       held --released by itself-----> free or weaker
///
/// Requests for one lock are served in the order in which they came. A request that conflicts with holders makes them
/// be asked to give way, and waits; nobody overtakes it, so it is granted as soon as they have answered. Read goes with
/// read and write-only with write-only; nothing else is held by two mounts at once.
final class LockTable {
    sealed interface Effect {
        /// Tell the mount that it holds the lock in `mode`, which may be more than it asked for.
        record Grant(long rid, long requestNr, LockName name, LockMode mode) implements Effect {}

        record Revoke(long rid, LockName name, LockMode keep) implements Effect {}
    }

    private record Waiter(long rid, long requestNr, LockMode mode) {}

    private static final class Lock {
        final LockName name;
        final TreeMap<Long, LockMode> holders = new TreeMap<>();
        final ArrayDeque<Waiter> waiters = new ArrayDeque<>();
        /// Revokes that have not been answered: by rid, what the holder may keep.
        final TreeMap<Long, LockMode> revoked = new TreeMap<>();

        Lock(LockName name) {
            this.name = name;
        }
    }

    private record Id(int kind, long group) implements Comparable<Id> {
        static Id of(LockName name) {
            return new Id(name.getKindValue(), name.getGroup());
        }

        @Override
        public int compareTo(Id other) {
            return kind != other.kind ? Integer.compare(kind, other.kind) : Long.compareUnsigned(group, other.group);
        }
    }

    private final TreeMap<Id, Lock> locks = new TreeMap<>();
    /// Mounts of earlier terms that have not said yet what they hold: until then, only one of them alone gets anything.
    private final TreeSet<Long> unknown = new TreeSet<>();

    // ---- a new term

    void expect(Collection<Long> rids) {
        unknown.addAll(rids);
    }

    boolean isUnknown(long rid) {
        return unknown.contains(rid);
    }

    /// The mount has said what it holds. Mounts that got their locks from the same server cannot contradict each other.
    void adopt(long rid, LockName name, LockMode mode) {
        locks.computeIfAbsent(Id.of(name), _ -> new Lock(name)).holders.put(rid, mode);
    }

    List<Effect> known(long rid) {
        return unknown.remove(rid) ? serveAll() : List.of();
    }

    /// Whether some mount waits only because others have not said what they hold.
    boolean waitsForUnknown() {
        return !unknown.isEmpty() && locks.values().stream()
                .anyMatch(lock -> !lock.waiters.isEmpty() && othersUnknown(lock.waiters.peek().rid()));
    }

    // ---- requests

    List<Effect> acquire(long rid, long requestNr, LockName name, LockMode mode) {
        var lock = locks.computeIfAbsent(Id.of(name), _ -> new Lock(name));
        var held = lock.holders.get(rid);
        if (held != null && !lock.revoked.containsKey(rid) && union(held, mode) == held)
            return List.of(new Effect.Grant(rid, requestNr, name, held));
        if (lock.waiters.stream().noneMatch(waiter -> waiter.rid() == rid && waiter.requestNr() == requestNr))
            lock.waiters.add(new Waiter(rid, requestNr, mode));
        var effects = new ArrayList<Effect>();
        serve(lock, effects);
        return effects;
    }

    /// The mount keeps at most `keep` from now on, asked or not.
    List<Effect> release(long rid, LockName name, LockMode keep) {
        var lock = locks.get(Id.of(name));
        if (lock == null) return List.of();
        var held = lock.holders.get(rid);
        if (held != null) {
            if (keep == LockMode.LOCK_NONE) lock.holders.remove(rid);
            else if (held == LockMode.LOCK_WRITE) lock.holders.put(rid, keep);
        }
        lock.revoked.remove(rid);
        var effects = new ArrayList<Effect>();
        serve(lock, effects);
        forgetIfFree(lock);
        return effects;
    }

    /// The mount is gone, and its I/O is refused: whatever it held is free.
    List<Effect> drop(long rid) {
        unknown.remove(rid);
        for (var lock : locks.values()) {
            lock.holders.remove(rid);
            lock.revoked.remove(rid);
            lock.waiters.removeIf(waiter -> waiter.rid() == rid);
        }
        return serveAll();
    }

    /// Revokes that wait for their answers, to be sent once more: the first one may have been lost with a connection.
    List<Effect> unanswered() {
        var effects = new ArrayList<Effect>();
        for (var lock : locks.values())
            lock.revoked.forEach((rid, keep) -> effects.add(new Effect.Revoke(rid, lock.name, keep)));
        return effects;
    }

    // ---- serving

    private List<Effect> serveAll() {
        var effects = new ArrayList<Effect>();
        for (var lock : List.copyOf(locks.values())) {
            serve(lock, effects);
            forgetIfFree(lock);
        }
        return effects;
    }

    private void serve(Lock lock, List<Effect> effects) {
        while (!lock.waiters.isEmpty()) {
            var first = lock.waiters.peek();
            if (othersUnknown(first.rid())) return;
            var held = lock.holders.get(first.rid());
            var wanted = held == null ? first.mode() : union(held, first.mode());
            boolean clear = true;
            for (var holder : lock.holders.entrySet()) {
                if (holder.getKey() == first.rid() || compatible(holder.getValue(), wanted)) continue;
                clear = false;
                var keep = wanted == LockMode.LOCK_READ && holder.getValue() == LockMode.LOCK_WRITE
                        ? LockMode.LOCK_READ : LockMode.LOCK_NONE;
                var asked = lock.revoked.get(holder.getKey());
                // A stronger demand replaces one that is under way; a weaker one is contained in it.
                if (asked == keep || asked == LockMode.LOCK_NONE) continue;
                lock.revoked.put(holder.getKey(), keep);
                effects.add(new Effect.Revoke(holder.getKey(), lock.name, keep));
            }
            // Its own answer to an earlier revoke is still on its way and would take back what is granted now.
            if (!clear || lock.revoked.containsKey(first.rid())) return;
            lock.waiters.poll();
            lock.holders.put(first.rid(), wanted);
            effects.add(new Effect.Grant(first.rid(), first.requestNr(), lock.name, wanted));
        }
    }

    private boolean othersUnknown(long rid) {
        return unknown.size() > (unknown.contains(rid) ? 1 : 0);
    }

    private void forgetIfFree(Lock lock) {
        if (lock.holders.isEmpty() && lock.waiters.isEmpty()) locks.remove(Id.of(lock.name));
    }

    static boolean compatible(LockMode a, LockMode b) {
        return a == b && a != LockMode.LOCK_WRITE;
    }

    /// The least mode that allows what both allow.
    static LockMode union(LockMode a, LockMode b) {
        return a == b ? a : LockMode.LOCK_WRITE;
    }

    // ---- questions

    int size() {
        return locks.size();
    }

    /// Or NONE.
    LockMode held(long rid, LockName name) {
        var lock = locks.get(Id.of(name));
        var mode = lock == null ? null : lock.holders.get(rid);
        return mode == null ? LockMode.LOCK_NONE : mode;
    }
}
