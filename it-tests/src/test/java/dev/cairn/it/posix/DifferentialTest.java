package dev.cairn.it.posix;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The same random calls, of three processes, on the volume under test and on a file system of the kernel (`-Dcairn.posix.reference`, or
/// else the directory for temporary files): every answer and everything left behind is the same. The processes take turns,
/// so that each may do what it likes to the files of all; or they go on at the same time, with files of their own ([AtOnce]).
///
/// A failure names its seed (`-Dcairn.seed` plays that one alone) and the shortest part of its calls that still fails.
/// `-Dcairn.long` plays a million calls each way.
@ExtendWith(VolumeUnderTest.class)
@Timeout(value = 4, unit = TimeUnit.HOURS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DifferentialTest {
    private static final int CALLS = 2000, COMPARE_ALL_EVERY = 200, SHRINK_TRIES = 600;
    private static final Path REFERENCE = Path.of(System.getProperty("cairn.posix.reference", reference()));

    private record Difference(int at, String text) {}

    private static int worlds;
    private static List<OtherProcess> others;
    private int umask;

    @BeforeAll
    static void startOthers() {
        others = List.of(new OtherProcess(), new OtherProcess());
    }

    @AfterAll
    static void endOthers() {
        others.forEach(OtherProcess::close);
    }

    @BeforeEach
    void noMask() {
        umask = Posix.umask(0);
    }

    @AfterEach
    void maskAgain() {
        Posix.umask(umask);
    }

    static LongStream seeds() {
        var given = Long.getLong("cairn.seed");
        if (given != null) return LongStream.of(given);
        // Two that are always the same, and what chance brings: a failure says what it was.
        long fresh = System.nanoTime();
        return System.getProperty("cairn.long") == null ? LongStream.of(1, 2, fresh)
                : new SplittableRandom(fresh).longs(1_000_000 / CALLS);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void two_file_systems_answer_alike(long seed) {
        compare(seed, RandomSequence.inTurns(seed, CALLS), DifferentialTest::difference, 1);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void two_file_systems_answer_processes_alike_that_do_not_wait_for_each_other(long seed) {
        compare(seed, RandomSequence.atOnce(seed, CALLS, others.size() + 1), DifferentialTest::differenceAtOnce, 3);
    }

    /// @param sure how often a part of the calls has to fail in a row: what depends on who was faster cannot be shrunk
    private static void compare(long seed, List<RandomCall> calls, Function<List<RandomCall>, Optional<Difference>> difference, int sure) {
        var found = difference.apply(calls);
        if (found.isEmpty()) return;
        Predicate<List<RandomCall>> fails = some -> IntStream.range(0, sure).allMatch(_ -> difference.apply(some).isPresent());
        var upToThere = calls.subList(0, Math.min(calls.size(), found.get().at + 1));
        if (!fails.test(upToThere)) throw new AssertionError("seed %d, not every time: %s".formatted(seed, found.get().text));
        var smallest = Shrink.smallest(upToThere, fails, SHRINK_TRIES);
        throw new AssertionError("seed %d, %s%nand in short:%n  %s%n%s".formatted(seed, found.get().text,
                smallest.stream().map(Object::toString).collect(Collectors.joining("\n  ")),
                difference.apply(smallest).map(Difference::text).orElse("(which does not fail every time)")));
    }

    /// Plays the calls on both and tells the first difference.
    private static Optional<Difference> difference(List<RandomCall> calls) {
        var name = name();
        try (var tested = World.made(VolumeUnderTest.directory() + name, 0, others);
                var reference = World.made(REFERENCE + name + "-reference", 1, others)) {
            for (int i = 0; i < calls.size(); i++) {
                var expected = calls.get(i).on(reference);
                var actual = calls.get(i).on(tested);
                if (!actual.equals(expected))
                    return Optional.of(new Difference(i, "call %d, %s:%n  expected %s%n  was      %s".formatted(i, calls.get(i), expected, actual)));
                if (i % COMPARE_ALL_EVERY == 0 || i == calls.size() - 1) {
                    var all = state(reference);
                    var here = state(tested);
                    if (!here.equals(all)) return Optional.of(new Difference(i, "after call %d:%n%s".formatted(i, unlike(all, here))));
                }
            }
            return Optional.empty();
        }
    }

    private static Optional<Difference> differenceAtOnce(List<RandomCall> calls) {
        var name = name();
        var expected = AtOnce.outcome(REFERENCE + name + "-reference", calls, others);
        var actual = AtOnce.outcome(VolumeUnderTest.directory() + name, calls, others);
        return actual.equals(expected) ? Optional.empty() : Optional.of(new Difference(calls.size() - 1, "in the end:\n" + unlike(expected, actual)));
    }

    /// The directory for temporary files; where that is mounted with other rules (systemd's: nodev, strictatime) this project's.
    private static String reference() {
        var temporary = System.getProperty("java.io.tmpdir");
        return Posix.SELF.hasDevicesAndRelatime(temporary) ? temporary : Path.of("target").toAbsolutePath().toString();
    }

    private static String name() {
        return "/differential-" + ProcessHandle.current().pid() + "-" + ++worlds;
    }

    /// What the kernel had cached is what the file system says when it is asked anew.
    private static List<String> state(World world) {
        var lines = new ArrayList<>(List.of("moved: " + world.moved()));
        if (Posix.isRoot() && VolumeUnderTest.isMount()) PosixTest.ok(Posix.SELF.forgetCached(VolumeUnderTest.directory()));
        lines.add("moved, after the kernel has forgotten everything: " + world.moved());
        lines.addAll(world.everything());
        return lines;
    }

    private static String unlike(List<String> expected, List<String> actual) {
        return expected.stream().filter(line -> !actual.contains(line)).map(line -> "  expected " + line + "\n").collect(Collectors.joining())
                + actual.stream().filter(line -> !expected.contains(line)).map(line -> "  was      " + line + "\n").collect(Collectors.joining());
    }

    @Test
    void a_failing_list_is_shrunk_to_what_makes_it_fail() {
        var numbers = LongStream.range(0, 1000).boxed().toList();
        assertThat(Shrink.smallest(numbers, some -> some.containsAll(List.of(17L, 500L, 999L)), 10_000)).containsExactly(17L, 500L, 999L);
    }
}
