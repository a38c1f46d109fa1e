package dev.cairn.node.cli;

import dev.cairn.node.NodeConfig;
import dev.cairn.node.NodeRunner;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "node",
        description = {"Runs a node in the foreground: its quorum slot, its mounts and its HTTP, until it is told to stop.", "",
            "SIGTERM and SIGINT unmount, commit and end with 0. CONFIG is described in docs/configuration.md."})
final class NodeCommand extends Cairn.Subcommand {
    @Option(names = "--background", hidden = true, description = "Leave the session of whoever started this.")
    boolean background;

    @Parameters(paramLabel = "CONFIG", description = "Configuration file (HOCON).")
    Path config;

    @Override
    public Integer call() {
        return NodeRunner.run(NodeConfig.load(environment().absolute(config)), environment().variables(), background);
    }
}
