package dev.cairn.node.cli;

import dev.cairn.filesystem.Preallocation;
import dev.cairn.fuse.CpuLatency;
import dev.cairn.fuse.MountFlag;
import dev.cairn.fuse.Transport;
import dev.cairn.node.Bytes;
import dev.cairn.node.NodeConfig;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// The text behind `mount -o`: names and name=value, separated by commas.
///
/// @param slot  empty: none, a mount that is no member of the quorum
/// @param state empty: a directory named by the volume's fsid
record MountOptions(Path metaDevice, OptionalInt slot, java.util.Optional<Path> state, NodeConfig.Http http, boolean readOnly,
                    boolean allowOther, boolean acl, boolean parallelDirectWrites, Transport transport, CpuLatency cpuLatency, Preallocation preallocation,
                    Set<MountFlag> flags, long cacheBytes, NodeConfig.LogLevel logLevel) {
    private static final Set<String> WITH_VALUE = Set.of("metadev_path", "quorum_slot_nr", "state", "http", "cache", "log", "transport", "cpu_latency",
            "data_prealloc_blocks", "data_prealloc_contig_only");
    private static final Set<String> PLAIN = Set.of("ro", "rw", "allow_other", "noallow_other", "acl", "noacl", "parallel_direct_writes",
            "suid", "nosuid", "dev", "nodev", "exec", "noexec", "symfollow", "nosymfollow", "atime", "noatime", "relatime", "diratime", "nodiratime",
            "sync", "async", "dirsync");
    private static final List<List<String>> OPPOSITES = List.of(List.of("ro", "rw"), List.of("allow_other", "noallow_other"),
            List.of("acl", "noacl"), List.of("suid", "nosuid"), List.of("dev", "nodev"), List.of("exec", "noexec"),
            List.of("symfollow", "nosymfollow"), List.of("atime", "noatime"), List.of("relatime", "noatime"), List.of("diratime", "nodiratime"), List.of("sync", "async"));
    /// What mount(8) and fstab say to themselves and pass on; and what changes nothing here: times are never only in memory
    /// for longer than what they belong to (lazytime), nobody is
    /// told a version (iversion), and locks are advisory, as in every Linux since 5.15 (mand).
    private static final Pattern FOR_MOUNT = Pattern.compile("defaults|_netdev|nofail|auto|noauto|(user|nouser|users|owner|group|comment)(=.*)?|[xX]-.*"
            + "|silent|loud|norelatime|nostrictatime|(no)?lazytime|(no)?iversion|(no)?mand");

    /// Throws IllegalArgumentException that names the option and what is wrong with it.
    static MountOptions parse(List<String> texts, Environment environment) {
        var given = new HashMap<String, String>();
        for (var text : texts)
            for (var option : text.split(",")) add(option, given);
        for (var pair : OPPOSITES)
            if (given.keySet().containsAll(pair)) throw new IllegalArgumentException("options " + pair.getFirst() + " and " + pair.getLast() + " contradict each other");
        if (!given.containsKey("metadev_path")) throw new IllegalArgumentException("option metadev_path=META is missing: which device holds the volume's metadata");
        return new MountOptions(
                environment.absolute(Path.of(given.get("metadev_path"))),
                slot(given),
                java.util.Optional.ofNullable(given.get("state")).map(Path::of).map(environment::absolute),
                http(given.get("http")),
                given.containsKey("ro"),
                given.containsKey("allow_other") || NodeConfig.ROOT && !given.containsKey("noallow_other"),
                !given.containsKey("noacl"),
                given.containsKey("parallel_direct_writes"),
                given.containsKey("transport") ? Transport.of(given.get("transport")) : Transport.DEFAULT,
                given.containsKey("cpu_latency") ? CpuLatency.of(given.get("cpu_latency")) : CpuLatency.AUTO,
                preallocation(given.get("data_prealloc_blocks"), given.get("data_prealloc_contig_only")),
                Arrays.stream(MountFlag.values()).filter(flag -> given.containsKey(flag.text())).collect(Collectors.toUnmodifiableSet()),
                cache(given.get("cache")),
                log(given.get("log")));
    }

    private static void add(String option, Map<String, String> given) {
        if (option.isBlank() || FOR_MOUNT.matcher(option).matches()) return;
        if (option.equals("strictatime"))
            throw new IllegalArgumentException("option strictatime cannot be had: most reads are answered by the kernel's cache, which tells nobody; the default is relatime");
        int equals = option.indexOf('=');
        var name = equals < 0 ? option : option.substring(0, equals);
        if (WITH_VALUE.contains(name)) {
            if (equals < 0 || equals == option.length() - 1) throw new IllegalArgumentException("option " + name + " wants a value: " + name + "=…");
        } else if (PLAIN.contains(name)) {
            if (equals >= 0) throw new IllegalArgumentException("option " + name + " takes no value");
        } else {
            var known = new TreeSet<>(WITH_VALUE);
            known.addAll(PLAIN);
            throw new IllegalArgumentException("unknown option '" + name + "' (known: " + String.join(", ", known) + ")");
        }
        if (given.put(name, equals < 0 ? "" : option.substring(equals + 1)) != null)
            throw new IllegalArgumentException("option " + name + " is given twice");
    }

    private static OptionalInt slot(Map<String, String> given) {
        var text = given.get("quorum_slot_nr");
        if (text == null) return OptionalInt.empty();
        try {
            int slot = Integer.parseInt(text);
            if (slot == -1) return OptionalInt.empty();
            if (slot >= 0 && slot <= NodeConfig.SLOT_MAX) return OptionalInt.of(slot);
        } catch (NumberFormatException e) {
            // Said below.
        }
        throw new IllegalArgumentException("quorum_slot_nr is '" + text + "': want 0 to " + NodeConfig.SLOT_MAX + ", or -1 for none");
    }

    private static NodeConfig.Http http(String text) {
        if (text == null) return NodeConfig.Http.DEFAULT;
        int colon = text.lastIndexOf(':');
        try {
            int port = Integer.parseInt(text.substring(colon + 1));
            return new NodeConfig.Http(colon < 0 ? NodeConfig.Http.DEFAULT.address() : text.substring(0, colon), port);
        } catch (NumberFormatException | NodeConfig.Invalid e) {
            throw new IllegalArgumentException("http is '" + text + "': want a port or ADDRESS:PORT");
        }
    }

    private static Preallocation preallocation(String blocks, String contigOnly) {
        long count = Preallocation.DEFAULT.blocks();
        try {
            if (blocks != null) count = Long.parseLong(blocks);
            if (contigOnly != null && !contigOnly.equals("0") && !contigOnly.equals("1"))
                throw new IllegalArgumentException("data_prealloc_contig_only is '" + contigOnly + "': want 0 or 1");
            return new Preallocation(count, contigOnly == null ? Preallocation.DEFAULT.contigOnly() : contigOnly.equals("1"));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("data_prealloc_blocks is '" + blocks + "': want a number of blocks of 4 KiB");
        }
    }

    private static long cache(String text) {
        if (text == null) return 0;
        try {
            return Bytes.parse(text);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("cache: " + e.getMessage());
        }
    }

    private static NodeConfig.LogLevel log(String text) {
        if (text == null) return NodeConfig.LogLevel.INFO;
        try {
            return NodeConfig.LogLevel.valueOf(text.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("log is '" + text + "': want error, warn, info, debug or trace");
        }
    }
}
