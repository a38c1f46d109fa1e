package dev.cairn.node.cli;

import dev.cairn.node.NodeConfig;
import dev.cairn.node.NodeTraining;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Comparator;
import picocli.CommandLine.Command;

@Command(name = "train-aot", hidden = true,
        description = "Starts a node on a volume of its own, uses it a little and stops it, for the JVM to write down what it loaded.")
final class TrainCommand extends Cairn.Subcommand {
    private static final String SIZE = "64M";

    @Override
    public Integer call() throws IOException {
        var dir = Files.createTempDirectory("cairn-train");
        try {
            var state = new dev.cairn.node.StateDirectory(dir.resolve("state"));
            var mount = Files.createDirectories(dir.resolve("mnt"));
            state.create();
            new NewVolume(environment(), state).make(SIZE, SIZE, mount);
            return NodeTraining.run(NodeConfig.load(state.config()), environment().variables());
        } finally {
            try (var files = Files.walk(dir)) {
                for (var file : files.sorted(Comparator.reverseOrder()).toList()) Files.deleteIfExists(file);
            }
        }
    }
}
