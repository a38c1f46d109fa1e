package dev.cairn.node.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/// The command `cairn`: what all its subcommands share.
@Command(name = "cairn",
        description = "Cairn, a clustered archival file system.",
        synopsisSubcommandLabel = "COMMAND",
        footer = {"", "'cairn COMMAND --help' explains each. On failure a command says why in one line and ends with 1,",
                  "after a wrong command line with 2; CAIRN_DEBUG=1 adds the stack trace."},
        versionProvider = Cairn.Version.class)
public final class Cairn implements Callable<Integer> {
    public static final int OK = 0, FAILED = 1, USAGE = 2, NOT_RUNNING = 3;

    private static final List<Class<? extends Subcommand>> SUBCOMMANDS = List.of(UpCommand.class, DownCommand.class, StatusCommand.class,
            MkfsCommand.class, NodeCommand.class, MountCommand.class, UmountCommand.class,
            DfCommand.class, StatCommand.class, FiemapCommand.class, WalkInodesCommand.class, InoPathCommand.class, SyncCommand.class,
            CheckCommand.class, ResizeCommand.class, TrainCommand.class);

    final Environment environment;

    @CommandLine.Option(names = {"-h", "--help"}, usageHelp = true, description = "Say what the command does and end.")
    boolean help;

    @CommandLine.Option(names = "--version", versionHelp = true, description = "Print the version and end.")
    boolean version;

    @Spec
    CommandSpec spec;

    Cairn(Environment environment) {
        this.environment = environment;
    }

    @Override
    public Integer call() {
        spec.commandLine().usage(environment.out());
        return USAGE;
    }

    /// Runs one command line in the environment of this process; returns its exit code.
    public static int run(String... args) {
        // Buffered: a walk may print a billion lines.
        var out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16), false);
        return run(new Environment(out, System.err, System.getenv(), Path.of("").toAbsolutePath(),
                dev.cairn.fuse.AdminIoctl::call), args);
    }

    static int run(Environment environment, String... args) {
        var out = new java.io.PrintWriter(environment.out(), true);
        var err = new java.io.PrintWriter(environment.err(), true);
        int code = commandLine(environment, args)
                .setOut(out)
                .setErr(err)
                .setUsageHelpAutoWidth(false)
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setAbbreviatedOptionsAllowed(false)
                .setOverwrittenOptionsAllowed(false)
                .setParameterExceptionHandler((e, _) -> {
                    var command = e.getCommandLine().getCommandSpec().qualifiedName();
                    err.println(command + ": " + oneLine(e.getMessage()) + " (see " + command + " --help)");
                    if (environment.debug()) e.printStackTrace(err);
                    return USAGE;
                })
                .setExecutionExceptionHandler((e, line, _) -> {
                    err.println(line.getCommandSpec().qualifiedName() + ": " + oneLine(describe(e)));
                    if (environment.debug()) e.printStackTrace(err);
                    return e instanceof CommandFailure failure ? failure.exitCode() : FAILED;
                })
                .execute(Arrays.stream(args).map(Cairn::positionOfMinusOne).toArray(String[]::new));
        if (environment.out().checkError() && code == OK) {
            environment.err().println("cairn: cannot write the output");
            return FAILED;
        }
        return code;
    }

    /// Knows the subcommand that is called, or all of them where none is: finding out what sixteen of them look like takes
    /// longer than most of them do.
    private static CommandLine commandLine(Environment environment, String... args) {
        var line = new CommandLine(new Cairn(environment));
        var called = SUBCOMMANDS.stream().filter(type -> args.length > 0 && name(type).equals(args[0])).toList();
        for (var type : called.isEmpty() ? SUBCOMMANDS : called) line.addSubcommand(type);
        for (var subcommand : line.getSubcommands().values()) {
            var usage = subcommand.getCommandSpec().usageMessage();
            usage.description(paragraphs(usage.description()));
        }
        return line;
    }

    /// Descriptions are broken where the source's lines end. picocli breaks them anew for the terminal, each by itself: what
    /// belongs together is put together before. Lines that begin with a space stay as they are.
    private static String[] paragraphs(String... lines) {
        var paragraphs = new ArrayList<String>();
        boolean goesOn = false;
        for (var text : lines) {
            boolean prose = !text.isBlank() && text.charAt(0) != ' ';
            if (prose && goesOn) paragraphs.add(paragraphs.removeLast() + " " + text);
            else paragraphs.add(text);
            goesOn = prose && !text.endsWith(":");
        }
        return paragraphs.toArray(String[]::new);
    }

    private static String name(Class<? extends Subcommand> type) {
        return type.getAnnotation(Command.class).name();
    }

    // A position of walk-inodes may begin with -1, which would be read as an option.
    private static String positionOfMinusOne(String arg) {
        return arg.equals("-1") || arg.startsWith("-1.") ? "max" + arg.substring(2) : arg;
    }

    private static String describe(Exception e) {
        return switch (e) {
            case CommandFailure failure -> failure.getMessage();
            case dev.cairn.node.NodeConfig.Invalid invalid -> invalid.getMessage();
            case java.nio.file.NoSuchFileException missing -> missing.getFile() + ": no such file or directory";
            case java.nio.file.AccessDeniedException denied -> denied.getFile() + ": permission denied";
            case java.nio.file.FileSystemException io -> io.getMessage();
            case java.io.IOException io when io.getMessage() != null -> io.getMessage();
            case java.io.UncheckedIOException io -> io.getMessage() + ": " + io.getCause().getMessage();
            default -> "this should not have happened: " + e + " (CAIRN_DEBUG=1 shows where)";
        };
    }

    private static String oneLine(String text) {
        return text == null ? "no reason given" : text.strip().replaceAll("\\s*\\R\\s*", " ");
    }

    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"cairn " + current()};
        }

        /// From the JAR's manifest; absent when run from classes.
        static String current() {
            var version = Cairn.class.getPackage().getImplementationVersion();
            return version == null ? "development" : version;
        }
    }

    /// What every subcommand is.
    abstract static class Subcommand implements Callable<Integer> {
        @ParentCommand
        Cairn cairn;

        @Spec
        CommandSpec spec;

        @CommandLine.Option(names = "--help", usageHelp = true, description = "Say what this command does and end.")
        boolean help;

        Environment environment() {
            return cairn.environment;
        }

        void print(String format, Object... args) {
            environment().out().printf(java.util.Locale.ROOT, format + "\n", args);
        }

        void json(Object value) {
            environment().out().println(dev.cairn.node.Json.pretty(value));
        }

        Progress progress() {
            return new Progress(environment().err(), spec.qualifiedName());
        }

        /// A wrong command line that the option parser could not see.
        RuntimeException usage(String message) {
            return new CommandLine.ParameterException(spec.commandLine(), message);
        }
    }
}
