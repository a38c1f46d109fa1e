package dev.cairn.fuse;

import java.util.Set;
import java.util.stream.Collectors;

/// What a mount(8) says about a mount of ours. `default_permissions` is not among them: the kernel always checks modes.
///
/// @param source     what `df` and /proc/self/mounts show as the device, e.g. the data device's path: what fstab names,
///                   so that `mount -a` knows it again
/// @param allowOther others than the mounting user may use it. Root's mounts always should; an ordinary user's need
///                   `user_allow_other` in /etc/fuse.conf
/// @param acl        the kernel checks POSIX ACLs and lets them be set; otherwise only modes count and new ACLs are refused
/// @param parallelDirectWrites several direct writes of one file at the same time, also by programs that wait for each: then
///                   opening a file is a message to the node
public record MountOptions(String source, boolean allowOther, boolean readOnly, boolean acl, boolean parallelDirectWrites, Set<MountFlag> flags) {
    public MountOptions {
        flags = Set.copyOf(flags);
    }

    /// For everybody when root mounts, as any disk file system; otherwise for the user alone.
    public static MountOptions of(String source) {
        return new MountOptions(source, Linux.effectiveUid() == 0, false, true, false, Set.of());
    }

    public MountOptions readOnly(boolean to) {
        return new MountOptions(source, allowOther, to, acl, parallelDirectWrites, flags);
    }

    public MountOptions allowOther(boolean to) {
        return new MountOptions(source, to, readOnly, acl, parallelDirectWrites, flags);
    }

    public MountOptions acl(boolean to) {
        return new MountOptions(source, allowOther, readOnly, to, parallelDirectWrites, flags);
    }

    public MountOptions parallelDirectWrites(boolean to) {
        return new MountOptions(source, allowOther, readOnly, acl, to, flags);
    }

    public MountOptions flags(Set<MountFlag> to) {
        return new MountOptions(source, allowOther, readOnly, acl, parallelDirectWrites, to);
    }

    boolean has(MountFlag flag) {
        return flags.contains(flag);
    }

    /// For mount(2).
    long bits() {
        return flags.stream().mapToLong(flag -> flag.bit).reduce(readOnly ? MountCalls.MS_RDONLY : 0, (a, b) -> a | b);
    }

    /// For mount(2); commas in the source would end it, so it is not part of this.
    String data(int fd, int uid, int gid) {
        return "fd=%d,rootmode=40000,user_id=%d,group_id=%d,max_read=%d,default_permissions%s"
                .formatted(fd, uid, gid, InitNegotiation.READ_BYTES_MAX, allowOther ? ",allow_other" : "");
    }

    /// For fusermount3, where a comma or backslash in a value is escaped.
    String fusermountOptions() {
        return "fsname=" + source.replace("\\", "\\\\").replace(",", "\\,") + ",subtype=" + FuseMount.SUBTYPE
                + ",max_read=" + InitNegotiation.READ_BYTES_MAX + ",default_permissions" + (allowOther ? ",allow_other" : "") + (readOnly ? ",ro" : "")
                // nosuid and nodev it adds by itself.
                + flags.stream().filter(flag -> flag != MountFlag.NOSUID && flag != MountFlag.NODEV).sorted().map(flag -> "," + flag.text()).collect(Collectors.joining());
    }
}
