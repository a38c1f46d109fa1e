package dev.cairn.it.posix;

import dev.cairn.it.posix.RandomCall.AppendShared;
import dev.cairn.it.posix.RandomCall.Elsewhere;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// A directory in which several processes play their calls at the same time. None touches a name of another, so what each
/// is answered, and what is there in the end, does not depend on who was faster; but many of the names are in one
/// directory, and all append to one file.
///
///     0/ 1/ 2/   each process's own
///     all/       names of all, which begin with the process's number
///     log        records of all
final class AtOnce {
    private static final int WORLD = 2;

    private AtOnce() {}

    /// @param calls each of them [Elsewhere]: process 0 is this one
    /// @return every answer and everything left behind, one line each
    static List<String> outcome(String directory, List<RandomCall> calls, List<OtherProcess> others) {
        try (var whole = World.made(directory, WORLD + 1, List.of())) {
            for (int i = 0; i <= others.size(); i++) PosixTest.ok(Posix.SELF.mkdir(directory + "/" + i, 0777));
            PosixTest.ok(Posix.SELF.mkdir(directory + "/all", 0777));
            Posix.SELF.close(PosixTest.ok(Posix.SELF.open(directory + "/log", Linux.O_WRONLY | Linux.O_CREAT, 0666)));
            for (int i = 0; i < others.size(); i++) others.get(i).beginBeside(WORLD, directory, i + 1);
            var mine = World.beside(directory, 0);
            var playing = new ArrayList<CompletableFuture<List<String>>>();
            try {
                for (int i = 0; i < others.size(); i++) playing.add(others.get(i).playing(WORLD, of(i + 1, calls)));
                var lines = answers(0, calls, of(0, calls).stream().map(call -> call.on(mine)).toList());
                for (int i = 0; i < others.size(); i++) lines.addAll(answers(i + 1, calls, playing.get(i).join()));
                lines.addAll(whole.everything());
                lines.removeIf(line -> line.startsWith("log:"));
                lines.add(records(directory + "/log", calls));
                return lines;
            } finally {
                playing.forEach(one -> one.handle((_, _) -> null).join());
                others.forEach(other -> other.end(WORLD));
                mine.closeFiles();
            }
        }
    }

    private static List<RandomCall> of(int process, List<RandomCall> calls) {
        var its = new ArrayList<RandomCall>();
        for (var call : calls) if (call instanceof Elsewhere(var who, var what) && who == process) its.add(what);
        its.add(new RandomCall.OpenFiles());
        return its;
    }

    private static List<String> answers(int process, List<RandomCall> calls, List<String> answers) {
        var its = of(process, calls);
        var lines = new ArrayList<String>();
        for (int i = 0; i < its.size(); i++) lines.add("process %d, its call %d, %s: %s".formatted(process, i, its.get(i), answers.get(i)));
        return lines;
    }

    /// Each is there once, whole, and after those that its process wrote before.
    private static String records(String file, List<RandomCall> calls) {
        var missing = new ArrayList<String>();
        for (var call : calls) if (call instanceof Elsewhere(_, AppendShared append)) missing.add(append.text());
        int fd = PosixTest.ok(Posix.SELF.open(file, Linux.O_RDONLY, 0));
        var text = PosixTest.text(Posix.SELF.pread(fd, (int) Posix.SELF.fstat(fd).size(), 0));
        Posix.SELF.close(fd);
        var last = new HashMap<Character, Integer>();
        for (var record : text.isEmpty() ? new String[0] : text.split("(?<=\n)")) {
            if (!missing.remove(record)) return "log: not what anybody wrote, or for the second time: " + record;
            int number = Integer.parseInt(record.substring(2, record.indexOf(' ')));
            if (number < last.getOrDefault(record.charAt(0), -1)) return "log: too late: " + record;
            last.put(record.charAt(0), number);
        }
        return "log: missing " + missing;
    }
}
