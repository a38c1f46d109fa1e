package dev.cairn.allocator;

/// Who has blocks in hand that are neither free nor used yet.
///
/// @param id the mount's rid, or the number of the merge job
public record HolderId(Kind kind, long id) implements Comparable<HolderId> {
    public enum Kind { MOUNT, JOB }

    public static HolderId mount(long rid) {
        return new HolderId(Kind.MOUNT, rid);
    }

    public static HolderId job(long id) {
        return new HolderId(Kind.JOB, id);
    }

    @Override
    public int compareTo(HolderId other) {
        int byKind = kind.compareTo(other.kind);
        return byKind != 0 ? byKind : Long.compareUnsigned(id, other.id);
    }

    @Override
    public String toString() {
        return kind == Kind.MOUNT ? "mount %016x".formatted(id) : "merge job " + id;
    }
}
