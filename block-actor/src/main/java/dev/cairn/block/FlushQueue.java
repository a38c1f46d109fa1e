package dev.cairn.block;

import java.util.ArrayList;
import java.util.List;

/// Decides which flush answers whom. A flush covers the writes acknowledged before it began, so who asks while one
/// runs is answered by the next, and all who ask meanwhile share it. No clock, no I/O.
///
///     idle --ask--> running --ask--> running, some wait --finished--> running for those who waited
///       ^--------------finished---------'
///
/// @param <T> who asks
final class FlushQueue<T> {
    private List<T> answered = List.of();      // by the flush that runs; empty exactly when none runs
    private List<T> waiting = new ArrayList<>();

    /// @return whether a flush has to be started now
    boolean ask(T who) {
        waiting.add(who);
        return !running() && next();
    }

    /// What the end of a flush means.
    ///
    /// @param answer those whom it answers, whether it went well or not
    /// @param startNext whether another has to be started now
    record Finished<T>(List<T> answer, boolean startNext) {}

    Finished<T> finished() {
        var answer = answered;
        answered = List.of();
        return new Finished<>(answer, !waiting.isEmpty() && next());
    }

    boolean running() {
        return !answered.isEmpty();
    }

    private boolean next() {
        answered = waiting;
        waiting = new ArrayList<>();
        return true;
    }
}
