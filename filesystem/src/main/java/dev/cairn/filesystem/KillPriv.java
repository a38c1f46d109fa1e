package dev.cairn.filesystem;

/// Somebody whose change of contents or owner takes away what these were trusted with: set-user-id always, set-group-id
/// where the group may execute, and without that only when a stranger to the group does it. Null stands for somebody
/// whose change takes nothing away.
@FunctionalInterface
public interface KillPriv {
    /// Of any group.
    KillPriv BY_MEMBER = _ -> true;

    /// Asked only where it matters. Whoever has the privilege to keep the bit counts as a member.
    boolean isMember(int gid);
}
