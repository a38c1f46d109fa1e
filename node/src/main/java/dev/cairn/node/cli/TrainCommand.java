package dev.cairn.node.cli;

import dev.cairn.node.NodeConfig;
import dev.cairn.node.NodeTraining;
import dev.cairn.quorum.FileTree;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "train-aot", hidden = true,
        description = {"Starts a node on a volume of its own, uses it a little and stops it, for the JVM to write down what it loaded.",
            "A node and the commands are different JVMs: a recording for each."})
final class TrainCommand extends Cairn.Subcommand {
    private static final String SIZE = "256M";

    @Option(names = "--commands", description = "Record what commands do, on a node in a process of its own.")
    boolean commands;

    @Override
    public Integer call() throws IOException {
        var dir = Files.createTempDirectory("cairn-train");
        try {
            var state = dir.resolve("state");
            var mount = Files.createDirectories(dir.resolve("mnt"));
            return commands ? trainCommands(state, mount) : trainNode(new dev.cairn.node.StateDirectory(state), mount);
        } finally {
            FileTree.delete(dir);
        }
    }

    private int trainNode(dev.cairn.node.StateDirectory state, Path mount) throws IOException {
        state.create();
        new NewVolume(environment(), state).make(SIZE, SIZE, mount);
        return NodeTraining.run(NodeConfig.load(state.config()), environment().variables());
    }

    /// Where nothing can be mounted `up` fails, with most of what is to be recorded behind it.
    private int trainCommands(Path state, Path mount) {
        var quiet = new Environment(new PrintStream(OutputStream.nullOutputStream()), environment().err(),
                environment().variables(), environment().cwd(), environment().volume());
        var dir = mount.toString();
        boolean up = Cairn.run(quiet, "up", "--state", state.toString(), "--meta-size", SIZE, "--data-size", SIZE, dir) == Cairn.OK;
        if (up) {
            for (var command : new String[] {"sync", "df", "stat"}) Cairn.run(quiet, command, dir);
            Cairn.run(quiet, "status", "--json", "--state", state.toString());
        }
        // Also of a node that did not become usable.
        int down = Cairn.run(quiet, "down", "--lazy", "--state", state.toString());
        return up ? down : Cairn.OK;
    }
}
