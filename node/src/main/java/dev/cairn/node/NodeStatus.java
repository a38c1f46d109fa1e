package dev.cairn.node;

import dev.cairn.proto.Space;
import dev.cairn.proto.SpaceReport;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// What a node says about itself at one moment.
///
/// @param term   of the server, once it is known
/// @param server where the server runs, in words
public record NodeStatus(long pid, String version, Path state, String fsid, OptionalInt slot, OptionalLong term, String server,
                         String http, Duration uptime, List<Mount> mounts, Optional<SpaceReport> space,
                         List<Condition> conditions) {

    /// @param transport how requests travel: `dev-fuse` or `io-uring`
    public record Mount(Path dir, String rid, boolean serving, String transport) {}

    public boolean healthy() {
        return conditions.stream().noneMatch(condition -> condition.name().severity == Condition.Severity.CRITICAL);
    }

    /// `ok`, `warning` or `failed`.
    public String health() {
        if (!healthy()) return "failed";
        return conditions.isEmpty() ? "ok" : "warning";
    }

    /// Usable: every mount that the node is to serve is served, and the server has answered.
    public boolean ready() {
        return healthy() && !starting() && term.isPresent() && mounts.stream().allMatch(Mount::serving);
    }

    private boolean starting() {
        return conditions.stream().anyMatch(condition -> condition.name() == Condition.Name.STARTING);
    }

    public String whyNotReady() {
        for (var condition : conditions)
            if (condition.name().severity == Condition.Severity.CRITICAL || condition.name() == Condition.Name.STARTING) return condition.name().text() + ": " + condition.what();
        if (term.isEmpty()) return "the server has not answered yet";
        for (var mount : mounts)
            if (!mount.serving) return mount.dir + " is not serving yet";
        return "ready";
    }

    public Map<String, Object> toJson() {
        var json = new LinkedHashMap<String, Object>();
        json.put("health", health());
        json.put("pid", pid);
        json.put("version", version);
        json.put("state", state.toString());
        json.put("fsid", fsid);
        json.put("slot", slot.isPresent() ? slot.getAsInt() : null);
        json.put("term", term.isPresent() ? term.getAsLong() : null);
        json.put("server", server);
        json.put("http", http);
        json.put("uptime_seconds", uptime.toSeconds());
        json.put("mounts", mounts.stream().map(mount -> {
            var one = new LinkedHashMap<String, Object>();
            one.put("dir", mount.dir.toString());
            one.put("rid", mount.rid);
            one.put("serving", mount.serving);
            one.put("transport", mount.transport);
            return one;
        }).toList());
        space.ifPresent(report -> {
            var both = new LinkedHashMap<String, Object>();
            both.put("metadata", space(report.getMetadata()));
            both.put("data", space(report.getData()));
            both.put("inodes", report.getInodeCount());
            json.put("space", both);
        });
        json.put("conditions", conditions.stream().map(Condition::toJson).toList());
        return json;
    }

    private static Map<String, Object> space(Space space) {
        var json = new LinkedHashMap<String, Object>();
        json.put("block_bytes", space.getBlockBytes());
        json.put("total", space.getTotal());
        json.put("used", space.getUsed());
        json.put("free", space.getFree());
        json.put("reserved", space.getReserved());
        json.put("held", space.getHeld());
        return json;
    }
}
