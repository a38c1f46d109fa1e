package dev.cairn.node;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The last hour of a node in numbers, for its page: a sample every few seconds, the oldest forgotten, about 100 KiB in all.
/// A sample is one number for each of [#COLUMNS]. Counters are as they stand: whoever draws them takes differences, and takes
/// one that has fallen for one that began again.
final class History {
    static final List<String> COLUMNS = List.of("at_millis",
            "metadata_total", "metadata_used", "metadata_free", "metadata_reserved", "metadata_held",
            "data_total", "data_used", "data_free", "data_reserved", "data_held",
            "inodes", "mounts", "commits", "commit_micros", "requests", "request_micros", "waiting", "merge_debt", "enospc");

    private final int samplesMax;
    private final long intervalSeconds;
    private final ArrayDeque<long[]> samples = new ArrayDeque<>();

    History(int samplesMax, long intervalSeconds) {
        this.samplesMax = samplesMax;
        this.intervalSeconds = intervalSeconds;
    }

    synchronized void add(long... sample) {
        if (sample.length != COLUMNS.size()) throw new IllegalArgumentException(sample.length + " numbers for " + COLUMNS.size() + " columns");
        if (samples.size() == samplesMax) samples.removeFirst();
        samples.addLast(sample);
    }

    /// Samples taken after `millis`, oldest first, so that a page that stays open asks for what is new only.
    synchronized Map<String, Object> since(long millis) {
        var json = new LinkedHashMap<String, Object>();
        json.put("interval_seconds", intervalSeconds);
        json.put("columns", COLUMNS);
        json.put("rows", samples.stream().filter(sample -> sample[0] > millis)
                .map(sample -> Arrays.stream(sample).boxed().toList()).toList());
        return json;
    }
}
