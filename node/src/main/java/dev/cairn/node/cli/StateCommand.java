package dev.cairn.node.cli;

import dev.cairn.node.StateDirectory;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/// A command about the volume of one state directory.
abstract class StateCommand extends Cairn.Subcommand {
    @Option(names = "--state", paramLabel = "STATE",
            description = {"Directory with the volume and everything that its node keeps.",
                "Default: $XDG_DATA_HOME/cairn or ~/.local/share/cairn."})
    Path stateOption;

    StateDirectory state() {
        var environment = environment();
        return new StateDirectory(stateOption == null ? environment.defaultState() : environment.absolute(stateOption));
    }

    /// A command line for the user to copy: with --state exactly when this one had it.
    String commandLine(String command) {
        var launcher = System.getProperty("cairn.launcher");
        var name = "cairn";
        if (launcher != null) {
            var path = Path.of(launcher);
            name = path.getParent().equals(environment().cwd()) ? "./" + path.getFileName() : launcher;
        }
        return name + " " + command + (stateOption == null ? "" : " --state " + stateOption);
    }
}
