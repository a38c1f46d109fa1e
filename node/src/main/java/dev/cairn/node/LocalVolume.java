package dev.cairn.node;

import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;

/// A volume whose devices are on this machine.
final class LocalVolume {
    private LocalVolume() {}

    static Volume open(NodeConfig config, StateDirectory state, MeterRegistry meters, Consumer<Path> unmounted) throws IOException {
        throw new IOException("this build has no quorum node and no mounts yet");
    }
}
