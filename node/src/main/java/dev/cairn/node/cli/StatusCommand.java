package dev.cairn.node.cli;

import com.typesafe.config.Config;
import dev.cairn.node.Bytes;
import dev.cairn.node.Condition;
import dev.cairn.node.Json;
import dev.cairn.node.StateDirectory;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "status",
        description = {"Says how a volume's node is: process, slot, term, mounts, space, what is wrong and what to do about it.", "",
            "Ends with 0 when all is well, 1 when something is wrong, 3 when no node runs."})
final class StatusCommand extends StateCommand {
    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Override
    public Integer call() throws IOException {
        var state = state();
        var running = state.exists() ? state.running() : java.util.Optional.<StateDirectory.Running>empty();
        if (running.isEmpty()) return notRunning(state);
        NodePort.Answer answer;
        try {
            answer = new NodePort(running.get()).get("/status");
        } catch (IOException e) {
            return problem(state, new Condition(Condition.Name.NOT_ANSWERING,
                    "the node with pid " + running.get().pid() + " does not answer at " + running.get().http() + " (" + e.getMessage() + ")"), Cairn.FAILED);
        }
        var status = answer.json();
        if (json) environment().out().print(answer.body());
        else render(status).forEach(line -> print("%s", line));
        boolean starting = status.getConfigList("conditions").stream()
                .anyMatch(condition -> condition.getString("name").equals(Condition.Name.STARTING.text()));
        return status.getString("health").equals("failed") || starting ? Cairn.FAILED : Cairn.OK;
    }

    private int notRunning(StateDirectory state) {
        String what;
        if (!state.exists()) what = "there is no volume in " + state.dir();
        else if (state.nodeAlive()) what = "the node is starting, see " + state.log();
        else what = "the node does not run" + state.failure().map(why -> "; it ended because: " + why).orElse("");
        return problem(state, new Condition(Condition.Name.NOT_RUNNING, what), Cairn.NOT_RUNNING);
    }

    private int problem(StateDirectory state, Condition condition, int code) {
        if (json) {
            var map = new LinkedHashMap<String, Object>();
            map.put("health", "failed");
            map.put("state", state.dir().toString());
            map.put("mounts", List.of());
            map.put("conditions", List.of(condition.toJson()));
            environment().out().println(Json.pretty(map));
        } else {
            print("health     failed");
            print("state      %s", state.dir());
            print("problem    %s: %s", condition.name().text(), condition.what());
            print("           what to do: %s", condition.name().action);
        }
        return code;
    }

    static List<String> render(Config status) {
        var lines = new java.util.ArrayList<String>();
        lines.add("health     " + status.getString("health"));
        lines.add("node       pid %d, version %s, up %s".formatted(status.getLong("pid"), status.getString("version"),
                age(Duration.ofSeconds(status.getLong("uptime_seconds")))));
        lines.add("volume     %s, state in %s".formatted(status.getString("fsid"), status.getString("state")));
        lines.add("server     %s, %s, %s".formatted(
                status.getIsNull("slot") ? "no slot here" : "slot " + status.getInt("slot"),
                status.getIsNull("term") ? "no term yet" : "term " + status.getLong("term"), status.getString("server")));
        var mounts = status.getConfigList("mounts");
        if (mounts.isEmpty()) lines.add("mount      none");
        for (var mount : mounts)
            lines.add("mount      %s, %s over %s (rid %s)".formatted(mount.getString("dir"),
                    mount.getBoolean("serving") ? "serving" : "not serving", mount.getString("transport"), mount.getString("rid")));
        for (var kind : List.of("metadata", "data")) {
            if (!status.hasPath("space." + kind)) continue;
            var space = status.getConfig("space." + kind);
            long block = space.getLong("block_bytes");
            lines.add("%-10s %s free of %s (used %s, reserved %s, held by mounts %s)".formatted(kind,
                    Bytes.human(space.getLong("free") * block), Bytes.human(space.getLong("total") * block),
                    Bytes.human(space.getLong("used") * block), Bytes.human(space.getLong("reserved") * block),
                    Bytes.human(space.getLong("held") * block)));
        }
        lines.add("metrics    http://%s/metrics".formatted(status.getString("http")));
        for (var condition : status.getConfigList("conditions")) {
            lines.add("problem    %s: %s".formatted(condition.getString("name"), condition.getString("what")));
            lines.add("           what to do: " + condition.getString("action"));
        }
        return lines;
    }

    private static String age(Duration age) {
        if (age.toDays() > 0) return "%d d %d h".formatted(age.toDays(), age.toHoursPart());
        if (age.toHours() > 0) return "%d h %d min".formatted(age.toHours(), age.toMinutesPart());
        if (age.toMinutes() > 0) return "%d min".formatted(age.toMinutes());
        return "%d s".formatted(age.toSeconds());
    }
}
