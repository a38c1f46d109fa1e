package dev.cairn.filesystem;

/// Somebody whose change of contents or owner takes away what these were trusted with: set-user-id always, set-group-id
/// where the group may execute, and without that only when a stranger to the group does it. Null stands for somebody
/// whose change takes nothing away.
@FunctionalInterface
public interface KillPriv {
    /// Of any group.
    KillPriv BY_MEMBER = _ -> true;

    /// Whether whoever it is may change the mode of a file of this owner by its own right. Asked where nothing but these bits
    /// would change: the kernel says chown(-1, -1), which takes that right, with the same request as "a write follows",
    /// which takes none; the write then takes the bits away itself.
    default boolean mayChangeMode(int owner) {
        return true;
    }

    /// Bits were taken away, if the operation succeeds: the kernel may know the mode as it was.
    default void tookAway() {}

    /// Asked only where it matters. Whoever has the privilege to keep the bit counts as a member.
    boolean isMember(int gid);
}
