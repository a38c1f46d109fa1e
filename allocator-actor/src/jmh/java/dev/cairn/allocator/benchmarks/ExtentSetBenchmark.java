package dev.cairn.allocator.benchmarks;

import dev.cairn.allocator.ExtentSet;
import dev.cairn.block.Extent;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/// What taking and returning an extent costs when ten million are free, and what they take in memory and in a snapshot. Run by
///
///     mvn -B -pl allocator-actor -am -Pbenchmarks test -Dtest=ExtentSetBenchmark -Dsurefire.failIfNoSpecifiedTests=false
///
/// A volume as it is after years: the gaps between free extents and their lengths are random, and the set was shaken by a
/// million takes and returns (a tenth as many as extents), so that its leaves are as full as splits leave them. Each call works on [#BATCH] random
/// places and reports the time of one; what it took is returned, or taken again, between the calls.
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(0)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
public class ExtentSetBenchmark {
    private static final int EXTENTS = Integer.getInteger("cairn.extents", 10_000_000), BATCH = 10_000, LENGTH_MAX = 32;

    @State(Scope.Benchmark)
    public static class Free {
        private final SplittableRandom random = new SplittableRandom(1);
        private final Extent[] taken = new Extent[BATCH];
        private boolean out;
        private ExtentSet set;
        private long end;

        @Setup
        public void fill() {
            long before = heap();
            set = new ExtentSet();
            for (int i = 0; i < EXTENTS; i++) {
                long length = 1 + random.nextInt(LENGTH_MAX);
                set.add(end, length);
                end += length + 1 + random.nextInt(LENGTH_MAX);
            }
            System.out.printf("filled in order:  %d extents, %.1f bytes each%n", set.extents(), (heap() - before) / (double) set.extents());
            for (int i = 0; i < EXTENTS / 10; i++) {
                var extent = set.takeUpTo(1 + random.nextInt(4), random.nextLong(end));
                if (i % 2 == 0) set.add(extent);
            }
            System.out.printf("after a tenth as many random takes:  %d extents, %.1f bytes each, in a snapshot %.1f%n", set.extents(),
                    (heap() - before) / (double) set.extents(), set.encode().length / (double) set.extents());
        }

        private static long heap() {
            System.gc();
            return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
        }

        void takeNear() {
            for (int i = 0; i < BATCH; i++) taken[i] = set.takeUpTo(8, random.nextLong(end));
            out = true;
        }

        void takeFits() {
            for (int i = 0; i < BATCH; i++) taken[i] = set.takeFit(24, random.nextLong(end));
            out = true;
        }

        void giveBack() {
            for (int i = 0; i < BATCH; i++) set.add(taken[i]);
            out = false;
        }
    }

    @State(Scope.Benchmark)
    public static class AllBack {
        @Setup(Level.Invocation)
        public void prepare(Free free) {
            if (free.out) free.giveBack();
        }
    }

    @State(Scope.Benchmark)
    public static class SomeTaken {
        @Setup(Level.Invocation)
        public void prepare(Free free) {
            if (!free.out) free.takeNear();
        }
    }

    /// Near a goal, as a file goes on: what follows from there, else the next that is large enough.
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public void take_near_a_goal(Free free, AllBack all) {
        free.takeNear();
    }

    /// A fixed length at or behind a goal.
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public void take_a_fit(Free free, AllBack all) {
        free.takeFits();
    }

    /// To where it was taken from; ten thousand others have been taken meanwhile.
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public void give_back(Free free, SomeTaken some) {
        free.giveBack();
    }

    @Test
    void run() throws RunnerException {
        new Runner(new OptionsBuilder().include(ExtentSetBenchmark.class.getName()).build()).run();
    }
}
