package dev.cairn.node.cli;

import com.typesafe.config.Config;
import dev.cairn.node.CheckedVolume;
import dev.cairn.node.LogSetup;
import dev.cairn.node.NodeConfig;
import dev.cairn.node.StateDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "check",
        description = {"Walks a whole volume and says whether everything in it agrees.", "",
            "Every metadata and data block has exactly one owner, every count is right, every name leads to an inode and",
            "back. Changes nothing. A mounted volume is checked by its node, as of the last commit, while it works on; one",
            "whose node does not run is checked on its devices, with the journal in the state directory.",
            "Ends with 0 when all is well and with 1 when there are problems, one line each."})
final class CheckCommand extends StateCommand {
    private static final Duration WITHIN = Duration.ofHours(12);

    @Option(names = "--json", description = "Print JSON.")
    boolean json;

    @Parameters(arity = "0..2", paramLabel = "DIR | META DATA",
            description = "A mount, or the two devices. Default: the volume of the state directory.")
    List<Path> where = List.of();

    @Override
    public Integer call() throws IOException {
        var found = switch (where.size()) {
            case 0 -> state().nodeAlive() ? online(running(state())) : offline();
            case 1 -> online(nodeOf(environment().absolute(where.getFirst())));
            default -> offline(environment().absolute(where.get(0)), environment().absolute(where.get(1)));
        };
        if (json) json(found.toJson());
        else print(found);
        return found.count() == 0 ? Cairn.OK : Cairn.FAILED;
    }

    private void print(CheckedVolume found) {
        found.problems().forEach(problem -> print("%s", problem));
        if (found.count() > found.problems().size()) print("... and %d more", found.count() - found.problems().size());
        var checked = new StringBuilder();
        found.checked().forEach((what, count) -> checked.append(checked.isEmpty() ? "" : ", ").append(count).append(' ').append(what.replace('_', ' ')));
        print("checked %s: %s", checked.isEmpty() ? "a volume that was never used" : checked,
                found.count() == 0 ? "no problems" : found.count() == 1 ? "1 problem" : found.count() + " problems");
    }

    private CheckedVolume offline() throws IOException {
        if (!state().exists()) throw new CommandFailure("there is no volume in " + state().dir() + "; name its mount or its devices, or --state");
        var config = NodeConfig.load(state().config());
        return offline(config.volume().meta(), config.volume().data());
    }

    private CheckedVolume offline(Path meta, Path data) throws IOException {
        // A damaged block is a line of what is printed; the parts below would warn of it as well.
        LogSetup.level(NodeConfig.LogLevel.ERROR);
        return CheckedVolume.offline(meta, data, state().journal());
    }

    private StateDirectory.Running running(StateDirectory state) {
        return state.running().orElseThrow(() -> new CommandFailure("the node is still starting; try again"));
    }

    private StateDirectory.Running nodeOf(Path dir) throws IOException {
        if (stateOption != null) return running(state());
        return running(NodePort.servingAround(environment(), dir).orElseThrow(
                () -> new CommandFailure("no node on this machine serves " + dir + "; 'cairn status' shows what is mounted")));
    }

    private CheckedVolume online(StateDirectory.Running node) throws IOException {
        Config answer = new NodePort(node).check(WITHIN);
        Map<String, Long> checked = new LinkedHashMap<>();
        for (var what : List.of("runs", "metadata_blocks", "items", "inodes", "directories", "names", "xattrs", "extents", "data_blocks", "orphans"))
            if (answer.hasPath("checked." + what)) checked.put(what, answer.getLong("checked." + what));
        return new CheckedVolume(checked, answer.getStringList("problems"), answer.getLong("problem_count"));
    }
}
