package dev.cairn.node;

import com.typesafe.config.ConfigFactory;
import dev.cairn.block.DeviceException;
import dev.cairn.block.DeviceLabel;
import dev.cairn.block.LocalDevice;
import dev.cairn.block.VolumeDevices;
import dev.cairn.proto.Resized;
import dev.cairn.proto.SpaceReport;
import dev.cairn.proto.VolumeGeometry;
import dev.cairn.quorum.Fencing;
import dev.cairn.quorum.NodeIdentity;
import dev.cairn.quorum.QuorumException;
import dev.cairn.quorum.QuorumNode;
import dev.cairn.quorum.QuorumSlot;
import dev.cairn.quorum.ServerSettings;
import dev.cairn.quorum.ServerState;
import dev.cairn.quorum.ServerStatus;
import dev.cairn.quorum.journal.CarriedData;
import dev.cairn.quorum.journal.JournalException;
import dev.cairn.transaction.CommittedItems;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import java.util.function.ToDoubleFunction;

/// A volume whose devices are on this machine: the devices, the quorum slot with the server, and at most one mount.
final class LocalVolume implements Volume {
    private static final int DEFAULT_PART_OF_HEAP = 4;
    private static final int CHECKS_MAX = 5;
    private static final Duration RESIZED_WITHIN = Duration.ofSeconds(20);
    /// A device that has worked without a failure for this long counts as well again.
    private static final Duration DEVICE_ERROR_HOLDS = Duration.ofMinutes(5);

    private final NodeConfig config;
    private final VolumeDevices devices;
    private final NodeIdentity identity;
    private final QuorumNode quorum;
    private final MeterRegistry meters;
    private final Consumer<Path> unmounted;
    private LocalMount mount;    // null: not mounted; guarded by this

    private LocalVolume(NodeConfig config, VolumeDevices devices, NodeIdentity identity, QuorumNode quorum, MeterRegistry meters,
                        Consumer<Path> unmounted) {
        this.config = config;
        this.devices = devices;
        this.identity = identity;
        this.quorum = quorum;
        this.meters = meters;
        this.unmounted = unmounted;
        countFailures("metadata", devices.metadata());
        countFailures("data", devices.data());
        gauge("cairn.merge.debt", "Metadata blocks of commit logs that wait for a merge", ServerStatus::mergeDebt);
        gauge("cairn.merge.jobs", "Merge jobs that are out with mounts", ServerStatus::mergeJobs);
        gauge("cairn.server.requests", "Requests that this server has taken in its term", ServerStatus::requests);
        gauge("cairn.server.batches", "Batches in which it journalled them", ServerStatus::batches);
        gauge("cairn.server.mounts", "Mounts that the server knows", ServerStatus::mounts);
        gauge("cairn.runs", "Live runs of the volume", status -> status.runsByLevel().stream().mapToInt(Integer::intValue).sum());
    }

    private void countFailures(String kind, LocalDevice device) {
        FunctionCounter.builder("cairn.device.failures", device, one -> one.failures().count())
                .description("Reads, writes, flushes and discards that the device could not carry out").tag("device", kind).register(meters);
    }

    private void gauge(String name, String description, ToDoubleFunction<ServerStatus> value) {
        Gauge.builder(name, quorum, node -> value.applyAsDouble(node.status())).description(description).register(meters);
    }

    /// Errors name the device, the port or the file that is in the way.
    static Volume open(NodeConfig config, StateDirectory state, MeterRegistry meters, Consumer<Path> unmounted) throws IOException {
        if (config.slot().isEmpty())
            throw new IOException("no quorum slot is given, and this version serves one machine, which has to take one: "
                    + "slot = 0 in the configuration, quorum_slot_nr=0 with mount");
        var devices = VolumeDevices.open(config.volume().meta(), config.volume().data());
        NodeIdentity identity = null;
        try {
            identity = NodeIdentity.take(state.dir());
            var quorum = QuorumNode.start(quorumSettings(config, state, devices));
            return new LocalVolume(config, devices, identity, quorum, meters, unmounted);
        } catch (RuntimeException e) {
            if (identity != null) identity.close();
            devices.close();
            // A damaged or full journal is nothing unexpected: its message names the file and says what to do.
            if (e instanceof JournalException) throw new IOException(e.getMessage(), e);
            throw e;
        }
    }

    private static QuorumNode.Settings quorumSettings(NodeConfig config, StateDirectory state, VolumeDevices devices) {
        var label = devices.label();
        var geometry = geometry(label);
        var slots = label.slots().stream().map(slot -> new QuorumSlot(slot.nr(), slot.address(), slot.port())).toList();
        return new QuorumNode.Settings(label.fsid(), geometry, followers(devices), slots, config.slot().getAsInt(), state.journal(), ServerSettings.DEFAULT,
                label.journalBorn(), () -> markJournalBorn(devices), Fencing.NONE_NEEDED, _ -> {}, ConfigFactory.empty());
    }

    static VolumeGeometry geometry(DeviceLabel label) {
        return VolumeGeometry.newBuilder().setFsid(label.fsid())
                .setMetadataBlocks(label.metadata().blocks()).setMetadataFirst(label.metadata().firstUsableBlock())
                .setDataBlocks(label.data().blocks()).setDataFirst(label.data().firstUsableBlock())
                .setDataZoneBlocks(label.dataAllocZoneBlocks()).build();
    }

    static dev.cairn.quorum.VolumeDevices followers(VolumeDevices devices) {
        return new dev.cairn.quorum.VolumeDevices() {
            @Override
            public VolumeGeometry capacity() {
                try {
                    return geometry(devices.label()).toBuilder().setMetadataBlocks(devices.metadata().capacityBlocks())
                            .setDataBlocks(devices.data().capacityBlocks()).build();
                } catch (DeviceException e) {
                    throw new UncheckedIOException(e.getMessage(), e);
                }
            }

            @Override
            public CarriedData.Device data() {
                return new CarriedDataDevice(devices);
            }

            @Override
            public void follow(VolumeGeometry geometry) {
                try {
                    devices.grow(geometry.getMetadataBlocks(), geometry.getDataBlocks());
                } catch (DeviceException e) {
                    throw new UncheckedIOException(e.getMessage(), e);
                }
            }
        };
    }

    private static void markJournalBorn(VolumeDevices devices) {
        try {
            devices.markJournalBorn();
        } catch (DeviceException e) {
            throw new UncheckedIOException("the labels cannot be updated", e);
        }
    }

    // ---- what it says about itself

    @Override
    public String fsid() {
        return devices.label().fsidText();
    }

    @Override
    public OptionalLong term() {
        var mounted = mounted();
        // What the mount has heard is as good: it comes from the server itself.
        long term = Math.max(quorum.status().term(), mounted == null ? 0 : mounted.status().term());
        return term > 0 ? OptionalLong.of(term) : OptionalLong.empty();
    }

    @Override
    public String server() {
        return switch (quorum.status().phase()) {
            case STARTING -> "server starting on this node";
            case SERVING -> "server on this node";
            case REFUSED -> "server refuses to start";
            case STOPPED -> "server stopped";
        };
    }

    @Override
    public List<NodeStatus.Mount> mounts() {
        var mounted = mounted();
        return mounted == null ? List.of()
                : List.of(new NodeStatus.Mount(mounted.dir(), "%016x".formatted(mounted.status().rid()), mounted.status().serving(),
                        mounted.transport().label()));
    }

    // A mount's own word, when there is one: it is what `df` says there. The server counts what the mount has in hand as
    // held, the mount as free.
    @Override
    public Optional<SpaceReport> space() {
        var mounted = mounted();
        if (mounted != null && mounted.status().serving() && mounted.status().space().hasMetadata()) return Optional.of(mounted.status().space());
        var status = quorum.status();
        return status.phase() == ServerStatus.Phase.SERVING && status.space().hasMetadata() ? Optional.of(status.space()) : Optional.empty();
    }

    @Override
    public List<Condition> conditions() {
        var conditions = new ArrayList<Condition>();
        var server = quorum.status();
        server.problem().ifPresent(problem -> conditions.add(new Condition(Condition.Name.SERVER_TROUBLE, problem)));
        if (server.metadataLow()) conditions.add(new Condition(Condition.Name.METADATA_LOW, "what is free of the metadata device is within the reserve"));
        if (server.dataLow()) conditions.add(new Condition(Condition.Name.DATA_LOW, "the data device is full"));
        var mounted = mounted();
        if (mounted != null) {
            var status = mounted.status();
            if (status.failure() != null) conditions.add(new Condition(Condition.Name.MOUNT_FAILED, mounted.dir() + ": " + status.failure()));
            else if (!status.serving()) conditions.add(new Condition(Condition.Name.SERVER_UNREACHABLE, mounted.dir() + " waits for the server"));
            if (status.commitFailure() != null) conditions.add(new Condition(Condition.Name.COMMIT_FAILED, mounted.dir() + ": " + status.commitFailure()));
            if (status.slowDownPercent() > 0)
                conditions.add(new Condition(Condition.Name.MERGE_BEHIND, status.slowDownPercent() + " % of allocating operations are delayed"));
        }
        var damaged = meters.find("cairn.metadata.damaged").counters().stream().mapToDouble(Counter::count).sum();
        if (damaged > 0)
            conditions.add(new Condition(Condition.Name.DEVICE_ERROR, "%.0f metadata blocks could not be trusted since the node started".formatted(damaged)));
        for (var device : List.of(devices.metadata(), devices.data())) {
            var failures = device.failures();
            var ago = Duration.ofNanos(System.nanoTime() - failures.lastNanos());
            if (failures.count() > 0 && ago.compareTo(DEVICE_ERROR_HOLDS) < 0)
                conditions.add(new Condition(Condition.Name.DEVICE_ERROR, "%d failures since the node started, the last one %d s ago: %s"
                        .formatted(failures.count(), ago.toSeconds(), failures.last())));
        }
        return conditions;
    }

    // ---- mounts

    private synchronized LocalMount mounted() {
        return mount;
    }

    @Override
    public void mount(NodeConfig.Mount wanted) throws IOException {
        synchronized (this) {
            if (mount != null) throw new IOException("the volume is mounted at " + mount.dir() + " already");
        }
        long cacheBytes = config.cacheBytes() > 0 ? config.cacheBytes() : Runtime.getRuntime().maxMemory() / DEFAULT_PART_OF_HEAP;
        var made = LocalMount.start(wanted, config.volume().data().toString(), devices, identity, quorum, cacheBytes, meters, this::ended);
        synchronized (this) {
            mount = made;
        }
        // It may have ended before it was noted down.
        if (made.hasEnded()) ended(made);
    }

    private void ended(LocalMount which) {
        synchronized (this) {
            if (mount != which) return;
            mount = null;
        }
        if (!which.endsByOrder()) unmounted.accept(which.dir());
    }

    @Override
    public long requests() {
        var mounted = mounted();
        return mounted == null ? 0 : mounted.requests();
    }

    @Override
    public Optional<String> unmount(Path dir, boolean lazy) throws IOException {
        var mounted = mounted();
        if (mounted == null || !mounted.dir().equals(dir)) return Optional.empty();    // by itself, meanwhile
        var lost = mounted.unmount(lazy);
        synchronized (this) {
            if (mount == mounted) mount = null;
        }
        return lost;
    }

    @Override
    public void sync() throws IOException {
        var mounted = mounted();
        if (mounted != null) mounted.sync();
    }

    // While it walks, merges go on. Their freed blocks rest in a pool of their own before they are written again, so the
    // state of the beginning stays readable for long; when it does not, the walk begins again with a newer one. When there is
    // none, nobody has written the block again: a write was lost.
    @Override
    public CheckedVolume check() throws IOException {
        sync();
        long before = -1;
        for (int attempt = 1; ; attempt++) {
            try {
                var state = ServerState.restore(quorum.look().toCompletableFuture().get());
                long version = state.manifest().getVersion();
                boolean newest = version == before;
                before = version;
                return CheckedVolume.of(state, devices.metadata(), devices.label().fsid(), newest);
            } catch (CommittedItems.Unreadable e) {
                if (attempt == CHECKS_MAX) throw new IOException("the volume changes too fast to be checked: " + e.getMessage(), e);
            } catch (ExecutionException e) {
                throw new IOException("the server does not answer: " + e.getCause().getMessage(), e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted", e);
            }
        }
    }

    @Override
    public Resized resize(OptionalLong metadataBytes, OptionalLong dataBytes) throws IOException {
        boolean whole = metadataBytes.isEmpty() && dataBytes.isEmpty();
        try {
            return quorum.resize(blocks(devices.metadata(), metadataBytes, whole), blocks(devices.data(), dataBytes, whole), RESIZED_WITHIN);
        } catch (QuorumException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private static long blocks(LocalDevice device, OptionalLong bytes, boolean whole) throws IOException {
        if (whole) return device.capacityBlocks();
        if (bytes.isEmpty()) return 0;
        long blocks = bytes.getAsLong() / device.blockBytes();
        // 0 blocks would mean: as it is.
        if (blocks < device.blocks())
            throw new IOException("%s: the volume uses %d blocks of %d bytes (%d bytes) of it and can only grow, not shrink to %d bytes"
                    .formatted(device.name(), device.blocks(), device.blockBytes(), device.blocks() * device.blockBytes(), bytes.getAsLong()));
        long capacity = device.capacityBlocks();
        if (blocks > device.blocks() && blocks > capacity)
            throw new IOException("%s: has %d bytes, fewer than %d: enlarge it first".formatted(device.name(), capacity * device.blockBytes(), bytes.getAsLong()));
        return blocks;
    }

    @Override
    public void close() throws IOException {
        try {
            quorum.stop();
        } finally {
            identity.close();
            devices.close();
        }
    }
}
