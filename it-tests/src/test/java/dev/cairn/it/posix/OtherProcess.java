package dev.cairn.it.posix;

import java.io.EOFException;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/// Another process that plays calls, one at a time, on worlds that both know: it has its own descriptors and locks.
/// [#main] is the process itself: it reads orders from its standard input and answers each with a text.
final class OtherProcess implements AutoCloseable {
    private sealed interface Order extends Serializable {}

    private record Begin(int world, String top) implements Order {}

    private record BeginBeside(int world, String directory, int process) implements Order {}

    private record PlayAll(int world, List<RandomCall> calls) implements Order {}

    private record Play(int world, RandomCall call) implements Order {}

    private record End(int world) implements Order {}

    private final Process process;
    private final ObjectOutputStream orders;
    private final ObjectInputStream answers;

    OtherProcess() {
        try {
            process = new ProcessBuilder(ProcessHandle.current().info().command().orElseThrow(), "-Xmx64m", "-XX:+UseSerialGC",
                    "--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path"), OtherProcess.class.getName())
                    .redirectError(ProcessBuilder.Redirect.INHERIT).start();
            orders = new ObjectOutputStream(process.getOutputStream());
            orders.flush();
            answers = new ObjectInputStream(process.getInputStream());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void begin(int world, String top) {
        ask(new Begin(world, top));
    }

    /// As one of several that work in a directory at the same time.
    void beginBeside(int world, String directory, int process) {
        ask(new BeginBeside(world, directory, process));
    }

    /// One after another, while others do something else. Until it is complete nothing else may be asked.
    CompletableFuture<List<String>> playing(int world, List<RandomCall> calls) {
        // Not on the common pool: it has one thread where there are two CPUs, and those who wait there do so in a row.
        return CompletableFuture.supplyAsync(() -> List.of(ask(new PlayAll(world, calls)).split("\0", -1)), task -> Thread.ofPlatform().start(task));
    }

    String play(int world, RandomCall call) {
        return ask(new Play(world, call));
    }

    void end(int world) {
        ask(new End(world));
    }

    private String ask(Order order) {
        try {
            orders.writeObject(order);
            orders.flush();
            orders.reset();
            return (String) answers.readObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }

    /// The end of its orders is its own.
    @Override
    public void close() {
        try {
            orders.close();
            if (!process.waitFor(10, TimeUnit.SECONDS)) process.destroyForcibly();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            process.destroyForcibly();
        }
    }

    public static void main(String[] arguments) throws IOException, ClassNotFoundException {
        Posix.umask(0);
        Map<Integer, World> worlds = new HashMap<>();
        var answers = new ObjectOutputStream(System.out);
        answers.flush();
        var orders = new ObjectInputStream(System.in);
        for (Order order; (order = next(orders)) != null; ) {
            answers.writeObject(switch (order) {
                case Begin(var world, var top) -> {
                    worlds.put(world, World.joined(top));
                    yield "";
                }
                case BeginBeside(var world, var directory, var process) -> {
                    worlds.put(world, World.beside(directory, process));
                    yield "";
                }
                case PlayAll(var world, var calls) -> calls.stream().map(call -> call.on(worlds.get(world))).collect(Collectors.joining("\0"));
                case Play(var world, var call) -> call.on(worlds.get(world));
                case End(var world) -> {
                    worlds.remove(world).closeFiles();
                    yield "";
                }
            });
            answers.flush();
            answers.reset();
        }
    }

    private static Order next(ObjectInputStream orders) throws IOException, ClassNotFoundException {
        try {
            return (Order) orders.readObject();
        } catch (EOFException e) {
            return null;
        }
    }
}
