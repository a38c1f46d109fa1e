package dev.cairn.node;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import dev.cairn.filesystem.Preallocation;
import dev.cairn.fuse.CpuLatency;
import dev.cairn.fuse.MountFlag;
import dev.cairn.fuse.Transport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;

/// What one node is to do; docs/configuration.md describes each setting. It checks itself: whoever holds one may use it.
///
/// @param state             a directory of this node alone: journal, log, what other processes need to find it
/// @param slot              the quorum slot that this node takes, as numbered by mkfs; empty: none
/// @param stopWhenUnmounted end when the last mount has been unmounted, as `cairn mount` wants it
/// @param cacheBytes        of the item cache of each mount; 0: a quarter of the heap
public record NodeConfig(Path state, OptionalInt slot, Volume volume, List<Mount> mounts, Http http,
                         boolean stopWhenUnmounted, long cacheBytes, LogLevel logLevel) {
    public static final int SLOT_MAX = 14;
    /// Root's mounts are for everybody; others may only do that where /etc/fuse.conf allows it, so they have to ask for it.
    public static final boolean ROOT = ThisUser.isRoot();

    /// The two devices of the volume on this machine.
    public record Volume(Path meta, Path data) {
        public Volume {
            absolute(meta, "volume.meta");
            absolute(data, "volume.data");
            if (meta.equals(data)) throw new Invalid("volume.meta and volume.data are both " + meta + ": they have to be two devices");
        }
    }

    /// @param readOnly   the kernel refuses all changes
    /// @param allowOther users other than the node's own may use the mount; what they may do is up to modes and ACLs
    /// @param acl        POSIX ACLs count and can be set; otherwise modes alone
    /// @param parallelDirectWrites threads may write one file directly at the same time; opening a file is a message then
    /// @param transport  how requests travel between kernel and node
    /// @param cpuLatency how soon idle CPUs are to wake while requests come in a stream
    /// @param preallocation room on the data device for files that grow
    /// @param flags      what mount(8) calls file system independent options
    public record Mount(Path dir, boolean readOnly, boolean allowOther, boolean acl, boolean parallelDirectWrites, Transport transport,
                        CpuLatency cpuLatency, Preallocation preallocation, Set<MountFlag> flags) {
        public Mount {
            absolute(dir, "mounts.dir");
            flags = Set.copyOf(flags);
        }

        public Mount(Path dir, boolean readOnly, boolean allowOther) {
            this(dir, readOnly, allowOther, true, false, Transport.DEFAULT, CpuLatency.AUTO, Preallocation.DEFAULT, Set.of());
        }

        /// Another mount with the same options.
        public Mount at(Path other) {
            return new Mount(other, readOnly, allowOther, acl, parallelDirectWrites, transport, cpuLatency, preallocation, flags);
        }

        public Mount over(Transport other) {
            return new Mount(dir, readOnly, allowOther, acl, parallelDirectWrites, other, cpuLatency, preallocation, flags);
        }
    }

    /// @param port 0: any free one; chosen once and remembered in the state directory
    public record Http(String address, int port) {
        /// Loopback unless told otherwise: metrics name files' owners to nobody else.
        public static final Http DEFAULT = new Http("127.0.0.1", 0);

        public Http {
            if (address.isBlank()) throw new Invalid("http.address is empty: want an address such as 127.0.0.1");
            if (port < 0 || port > 65535) throw new Invalid("http.port is " + port + ": want 0 to 65535");
        }
    }

    public enum LogLevel { ERROR, WARN, INFO, DEBUG, TRACE }

    /// The message names the file, the setting, what was found and what is wanted.
    public static final class Invalid extends RuntimeException {
        private static final long serialVersionUID = 1;

        public Invalid(String message) {
            super(message);
        }

        Invalid(String message, Throwable cause) {
            super(message, cause);
        }
    }

    public NodeConfig {
        absolute(state, "state");
        mounts = List.copyOf(mounts);
        if (slot.isPresent() && (slot.getAsInt() < 0 || slot.getAsInt() > SLOT_MAX))
            throw new Invalid("slot is " + slot.getAsInt() + ": want 0 to " + SLOT_MAX);
        if (cacheBytes < 0) throw new Invalid("cache.items is negative");
        var dirs = new HashSet<Path>();
        for (var mount : mounts)
            if (!dirs.add(mount.dir)) throw new Invalid("mounts names " + mount.dir + " twice");
        // The kernel caches for as long as locks allow, and one mount for each node is what that has been built for.
        if (mounts.size() > 1) throw new Invalid("mounts names " + mounts.size() + " directories: a node serves one mount");
    }

    public NodeConfig withMounts(List<Mount> others) {
        return new NodeConfig(state, slot, volume, others, http, stopWhenUnmounted, cacheBytes, logLevel);
    }

    // ---- reading

    private static final Set<String> TOP = Set.of("state", "slot", "volume", "mounts", "http", "stop-when-unmounted", "cache", "log");

    public static NodeConfig load(Path file) {
        if (!Files.isRegularFile(file)) throw new Invalid(file + ": no such configuration file");
        if (!Files.isReadable(file)) throw new Invalid(file + ": not readable");
        try {
            return from(ConfigFactory.parseFile(file.toFile()).resolve());
        } catch (ConfigException e) {
            throw new Invalid(file + ": " + oneLine(e.getMessage()));
        } catch (Invalid e) {
            throw new Invalid(file + ": " + e.getMessage());
        }
    }

    static NodeConfig from(Config file) {
        only(file.root(), "", Set.of("cairn"));
        if (!file.hasPath("cairn")) throw new Invalid("there is no section cairn { … }");
        var cairn = file.getConfig("cairn");
        only(cairn.root(), "cairn.", TOP);
        only(cairn, "volume", Set.of("meta", "data"));
        only(cairn, "http", Set.of("address", "port"));
        only(cairn, "cache", Set.of("items"));
        only(cairn, "log", Set.of("level"));
        for (var required : List.of("state", "volume.meta", "volume.data"))
            if (!cairn.hasPath(required)) throw new Invalid("cairn." + required + " is missing");
        var mounts = new ArrayList<Mount>();
        if (cairn.hasPath("mounts")) {
            for (var mount : cairn.getConfigList("mounts")) {
                only(mount.root(), "cairn.mounts.", Set.of("dir", "read-only", "allow-other", "acl", "transport", "cpu-latency", "flags",
                        "data-prealloc-blocks", "data-prealloc-contig-only", "parallel-direct-writes"));
                mounts.add(new Mount(path(mount, "dir"), flag(mount, "read-only", false), flag(mount, "allow-other", ROOT),
                        flag(mount, "acl", true), flag(mount, "parallel-direct-writes", false), transport(mount), cpuLatency(mount), preallocation(mount), mountFlags(mount)));
            }
        }
        return new NodeConfig(
                path(cairn, "state"),
                cairn.hasPath("slot") ? OptionalInt.of(cairn.getInt("slot")) : OptionalInt.empty(),
                new Volume(path(cairn, "volume.meta"), path(cairn, "volume.data")),
                mounts,
                new Http(cairn.hasPath("http.address") ? cairn.getString("http.address") : Http.DEFAULT.address(),
                        cairn.hasPath("http.port") ? cairn.getInt("http.port") : Http.DEFAULT.port()),
                flag(cairn, "stop-when-unmounted", false),
                cairn.hasPath("cache.items") ? size(cairn, "cache.items") : 0,
                cairn.hasPath("log.level") ? level(cairn.getString("log.level")) : LogLevel.INFO);
    }

    private static void only(Config config, String section, Set<String> known) {
        if (config.hasPath(section)) only(config.getObject(section), "cairn." + section + ".", known);
    }

    private static void only(ConfigObject section, String prefix, Set<String> known) {
        for (Map.Entry<String, ConfigValue> setting : section.entrySet())
            if (!known.contains(setting.getKey())) throw new Invalid("unknown setting " + prefix + setting.getKey()
                    + " (known here: " + String.join(", ", known.stream().sorted().toList()) + ")");
    }

    private static Path path(Config config, String name) {
        return Path.of(config.getString(name));
    }

    private static boolean flag(Config config, String name, boolean otherwise) {
        return config.hasPath(name) ? config.getBoolean(name) : otherwise;
    }

    private static Transport transport(Config mount) {
        try {
            return mount.hasPath("transport") ? Transport.of(mount.getString("transport")) : Transport.DEFAULT;
        } catch (IllegalArgumentException e) {
            throw new Invalid("cairn.mounts." + e.getMessage());
        }
    }

    private static CpuLatency cpuLatency(Config mount) {
        try {
            return mount.hasPath("cpu-latency") ? CpuLatency.of(mount.getString("cpu-latency")) : CpuLatency.AUTO;
        } catch (IllegalArgumentException e) {
            throw new Invalid("cairn.mounts." + e.getMessage());
        }
    }

    private static Preallocation preallocation(Config mount) {
        try {
            return new Preallocation(mount.hasPath("data-prealloc-blocks") ? mount.getLong("data-prealloc-blocks") : Preallocation.DEFAULT.blocks(),
                    flag(mount, "data-prealloc-contig-only", Preallocation.DEFAULT.contigOnly()));
        } catch (IllegalArgumentException e) {
            throw new Invalid("cairn.mounts.data-prealloc-blocks: " + e.getMessage());
        }
    }

    private static long size(Config config, String name) {
        try {
            return Bytes.parse(config.getString(name));
        } catch (IllegalArgumentException e) {
            throw new Invalid("cairn." + name + ": " + e.getMessage());
        }
    }

    private static Set<MountFlag> mountFlags(Config mount) {
        var flags = EnumSet.noneOf(MountFlag.class);
        if (mount.hasPath("flags")) for (var text : mount.getStringList("flags"))
            flags.add(MountFlag.of(text).orElseThrow(() -> new Invalid("cairn.mounts.flags has '" + text + "': want any of "
                    + Arrays.stream(MountFlag.values()).map(MountFlag::text).collect(Collectors.joining(", ")))));
        return flags;
    }

    private static LogLevel level(String text) {
        for (var level : LogLevel.values())
            if (level.name().equalsIgnoreCase(text)) return level;
        throw new Invalid("cairn.log.level is '" + text + "': want error, warn, info, debug or trace");
    }

    private static void absolute(Path path, String name) {
        if (!path.isAbsolute()) throw new Invalid(name + " is '" + path + "': want an absolute path");
    }

    private static String oneLine(String message) {
        return message.replace('\n', ' ').strip();
    }

    // ---- writing

    /// The text of a configuration file that reads back as this.
    public String toHocon() {
        var text = new StringBuilder();
        text.append("cairn {\n");
        text.append("  state = ").append(Json.line(state)).append('\n');
        slot.ifPresent(nr -> text.append("  slot = ").append(nr).append('\n'));
        text.append("  volume {\n    meta = ").append(Json.line(volume.meta))
                .append("\n    data = ").append(Json.line(volume.data)).append("\n  }\n");
        text.append("  mounts = [");
        for (var mount : mounts)
            text.append("\n    { dir = ").append(Json.line(mount.dir)).append(", read-only = ").append(mount.readOnly)
                    .append(", allow-other = ").append(mount.allowOther).append(", acl = ").append(mount.acl)
                    .append(", parallel-direct-writes = ").append(mount.parallelDirectWrites)
                    .append(", transport = ").append(mount.transport.label())
                    .append(", cpu-latency = ").append(mount.cpuLatency.label())
                    .append(", data-prealloc-blocks = ").append(mount.preallocation.blocks())
                    .append(", data-prealloc-contig-only = ").append(mount.preallocation.contigOnly())
                    .append(", flags = ").append(mount.flags.stream().map(MountFlag::text).sorted().toList()).append(" }\n  ");
        text.append("]\n");
        text.append("  http { address = ").append(Json.line(http.address)).append(", port = ").append(http.port).append(" }\n");
        text.append("  stop-when-unmounted = ").append(stopWhenUnmounted).append('\n');
        if (cacheBytes > 0) text.append("  cache.items = ").append(Bytes.exact(cacheBytes)).append('\n');
        text.append("  log.level = ").append(logLevel.name().toLowerCase(Locale.ROOT)).append('\n');
        return text.append("}\n").toString();
    }
}
