package dev.cairn.transaction;

import dev.cairn.proto.LockGranted;
import dev.cairn.proto.LockName;
import java.util.ArrayList;
import java.util.List;
import org.agrona.collections.Long2ObjectHashMap;

/// The cluster locks that this mount holds, asks for and is asked to give back. Granted once, kept until revoked.
/// No actor, no clock: what has to be sent is returned, and sent by the coordinator.
///
///     (none) --want--> asked --granted--> held --revoked--> giving back --[commit passed]--> (none) or held lower
///
/// An operation uses a lock from its first look to its end within one attempt, and attempts do not interleave: between two
/// attempts nobody is inside, so a revoke only has to wait for what was dirtied under the lock to be committed.
final class LockClient {
    /// Kinds are below 256 and groups are inode numbers or seqs divided by 1024: both fit one long.
    static long id(LockName.Kind kind, long group) {
        return (long) kind.getNumber() << 56 | group;
    }

    static LockName name(long id) {
        return LockName.newBuilder().setKindValue((int) (id >>> 56)).setGroup(id & (1L << 56) - 1).build();
    }

    static long id(LockName name) {
        return id(name.getKind(), name.getGroup());
    }

    private static final class Lock {
        LockMode held;
        long writeSeq;
        LockMode asked;
        LockMode keepAfterRevoke;
        boolean revoking;
    }

    private final Long2ObjectHashMap<Lock> locks = new Long2ObjectHashMap<>();
    /// The last lock looked at: operations in one directory ask for the same one again and again.
    private long lastId = -1;
    private Lock last;

    private Lock lock(long id) {
        if (id == lastId) return last;
        var lock = locks.get(id);
        if (lock != null) {
            lastId = id;
            last = lock;
        }
        return lock;
    }

    /// Whether an operation may use the lock in this mode now.
    boolean covers(long id, LockMode mode) {
        var lock = lock(id);
        return lock != null && !lock.revoking && covers(lock.held, mode);
    }

    private static boolean covers(LockMode held, LockMode wanted) {
        // Write-only satisfies neither read nor write: another mount may be writing the same range blindly.
        return held == wanted || held == LockMode.WRITE && wanted != null;
    }

    /// Items written under the lock carry at least this seq. 0 when it is not held for writing.
    long writeSeq(long id) {
        var lock = lock(id);
        return lock == null ? 0 : lock.writeSeq;
    }

    /// Says that an operation waits for the lock.
    ///
    /// @return true when the server has to be asked; false when it was asked before, or the lock is being given back (it
    ///         is asked for when that is done)
    boolean want(long id, LockMode mode) {
        var lock = locks.computeIfAbsent(id, _ -> new Lock());
        if (lock.revoking || covers(lock.asked, mode)) return false;
        lock.asked = mode;
        return true;
    }

    void granted(LockGranted grant) {
        var lock = locks.computeIfAbsent(id(grant.getName()), _ -> new Lock());
        lock.held = mode(grant.getMode());
        lock.writeSeq = Math.max(lock.writeSeq, grant.getWriteSeq());
        if (covers(lock.held, lock.asked)) lock.asked = null;
    }

    /// The server wants the lock back, or lowered to `keep` (null: entirely). From now on no operation may use it.
    ///
    /// @return false when it is not held, so that it can be answered at once
    boolean revoke(long id, LockMode keep) {
        var lock = locks.get(id);
        if (lock == null || lock.held == null) return false;
        lock.revoking = true;
        lock.keepAfterRevoke = keep;
        return true;
    }

    /// What was done under the lock is committed and the caches are dropped.
    ///
    /// @return the mode that operations have been waiting for meanwhile and that the server has to be asked for, or null
    LockMode givenBack(long id) {
        var lock = locks.get(id);
        lock.revoking = false;
        lock.held = lock.keepAfterRevoke;
        if (lock.held == null) lock.writeSeq = 0;
        return lock.asked;
    }

    /// All locks held, for registering with a new server.
    List<Long> held() {
        var ids = new ArrayList<Long>();
        locks.forEach((id, lock) -> {
            if (lock.held != null) ids.add(id);
        });
        return ids;
    }

    LockMode mode(long id) {
        var lock = locks.get(id);
        return lock == null ? null : lock.held;
    }

    int heldCount() {
        int n = 0;
        for (var lock : locks.values()) if (lock.held != null) n++;
        return n;
    }

    static LockMode mode(dev.cairn.proto.LockMode mode) {
        return switch (mode) {
            case LOCK_READ -> LockMode.READ;
            case LOCK_WRITE -> LockMode.WRITE;
            case LOCK_WRITE_ONLY -> LockMode.WRITE_ONLY;
            case LOCK_NONE, UNRECOGNIZED -> null;
        };
    }

    static dev.cairn.proto.LockMode mode(LockMode mode) {
        return switch (mode) {
            case READ -> dev.cairn.proto.LockMode.LOCK_READ;
            case WRITE -> dev.cairn.proto.LockMode.LOCK_WRITE;
            case WRITE_ONLY -> dev.cairn.proto.LockMode.LOCK_WRITE_ONLY;
            case null -> dev.cairn.proto.LockMode.LOCK_NONE;
        };
    }
}
