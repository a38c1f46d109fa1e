package dev.cairn.node;

import dev.cairn.proto.Resized;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One node while it runs. Its parts start in this order, so that whoever finds the HTTP address finds a node that can say
/// how far it is: HTTP, volume (devices, quorum slot), mounts. They stop in the reverse one, so that nothing is lost:
/// mounts (which commits), quorum slot, devices, HTTP.
final class Node implements AdminHttp.Control, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Node.class);

    /// Opens the volume; `unmounted` is told each mount that ended without being told to.
    interface Opener {
        Volume open(NodeConfig config, StateDirectory state, PrometheusMeterRegistry meters, java.util.function.Consumer<Path> unmounted)
                throws IOException;
    }

    private final NodeConfig config;
    private final StateDirectory state;
    private final PrometheusMeterRegistry meters;
    private final HistoryRecorder history;
    private final long startedNanos = System.nanoTime();
    private final CompletableFuture<Integer> end = new CompletableFuture<>();
    private final List<Path> wanted = new ArrayList<>();    // mounts that should be there; guarded by this

    private final List<Path> lost = new ArrayList<>();      // those of them that ended by themselves; guarded by this

    private AdminHttp http;
    private volatile Volume volume;
    private volatile boolean started;
    private boolean stopped;    // guarded by this: a second order to stop finds nothing to do

    private Node(NodeConfig config, StateDirectory state, PrometheusMeterRegistry meters) {
        this.config = config;
        this.state = state;
        this.meters = meters;
        history = new HistoryRecorder(this::status, meters);
    }

    /// Returns when every configured mount serves.
    static Node start(NodeConfig config, StateDirectory state, PrometheusMeterRegistry meters, Opener opener) throws IOException {
        var node = new Node(config, state, meters);
        try {
            node.http = AdminHttp.start(config.http(), state, node);
            state.announce(ProcessHandle.current().pid(), node.http.address());
            var volume = opener.open(config, state, meters, node::ended);
            node.volume = volume;
            LOG.info("volume {} on {} and {}, {}", volume.fsid(), config.volume().meta(), config.volume().data(), volume.server());
            NodeMetrics.bind(node, meters);
            node.history.start();
            for (var mount : config.mounts()) node.mount(mount);
            node.started = true;
            return node;
        } catch (IOException | RuntimeException | Error e) {
            try {
                node.close();
            } catch (IOException | RuntimeException second) {
                e.addSuppressed(second);
            }
            throw e;
        }
    }

    /// Completed with the process's exit code when the node is to end; by then nothing is mounted any more.
    CompletableFuture<Integer> end() {
        return end;
    }

    // ---- orders

    private void mount(NodeConfig.Mount mount) throws IOException {
        synchronized (this) {
            if (stopped) throw new IllegalStateException("the node is stopping");
            // One that somebody else unmounted is still wanted, which is why it is reported as missing; now it comes back.
            wanted.removeAll(lost);
            lost.clear();
            if (wanted.contains(mount.dir())) throw new IllegalStateException(mount.dir() + " is mounted already");
            if (!wanted.isEmpty()) throw new IllegalStateException("the volume is mounted at " + wanted.getFirst() + " already");
            wanted.add(mount.dir());
        }
        try {
            open().mount(mount);
        } catch (IOException | RuntimeException e) {
            synchronized (this) {
                wanted.remove(mount.dir());
            }
            throw e;
        }
        LOG.info("mounted at {}", mount.dir());
    }

    @Override
    public void mount(Path dir) {
        var like = config.mounts().isEmpty() ? new NodeConfig.Mount(dir, false, NodeConfig.ROOT) : config.mounts().getFirst();
        try {
            mount(like.at(dir));
        } catch (IOException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    @Override
    public Optional<String> unmount(Path dir, boolean lazy) {
        synchronized (this) {
            if (!wanted.contains(dir)) throw new IllegalStateException(dir + " is not mounted by this node");
        }
        var lost = takeAway(dir, lazy);
        if (config.stopWhenUnmounted()) endWith(0);
        return lost;
    }

    private Optional<String> takeAway(Path dir, boolean lazy) {
        Optional<String> lost;
        try {
            lost = open().unmount(dir, lazy);
        } catch (IOException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
        gone(dir);
        lost.ifPresentOrElse(LOG::error, () -> LOG.info("unmounted {}", dir));
        return lost;
    }

    // The mount ended by umount(8), or because its connection broke: its volume has committed what there was.
    private void ended(Path dir) {
        LOG.info("{} has been unmounted", dir);
        if (config.stopWhenUnmounted()) {
            gone(dir);
            endWith(0);
        } else {
            synchronized (this) {
                lost.add(dir);
            }
        }
    }

    private synchronized void gone(Path dir) {
        wanted.remove(dir);
        lost.remove(dir);
    }

    @Override
    public void sync() {
        try {
            open().sync();
        } catch (IOException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    @Override
    public CheckedVolume check() {
        try {
            return open().check();
        } catch (IOException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    @Override
    public Resized resize(OptionalLong metadataBytes, OptionalLong dataBytes) {
        Resized resized;
        try {
            resized = open().resize(metadataBytes, dataBytes);
        } catch (IOException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
        if (resized.getMetadataBlocks() != resized.getMetadataBlocksBefore() || resized.getDataBlocks() != resized.getDataBlocksBefore())
            LOG.info("the volume has grown from {} to {} metadata blocks and from {} to {} data blocks", resized.getMetadataBlocksBefore(),
                    resized.getMetadataBlocks(), resized.getDataBlocksBefore(), resized.getDataBlocks());
        return resized;
    }

    @Override
    public Optional<String> stop(boolean lazy) {
        Optional<String> lost = Optional.empty();
        for (var dir : List.copyOf(mounted())) {
            var lostHere = takeAway(dir, lazy);
            if (lost.isEmpty()) lost = lostHere;
        }
        endWith(lost.isEmpty() ? 0 : 1);
        return lost;
    }

    /// By a signal: nobody is there to be told that a mount is in use.
    void stopWhateverUsesIt() {
        stop(true);
    }

    private void endWith(int code) {
        // On a thread of its own: the answer to who asked for it goes out first.
        end.completeAsync(() -> code, CompletableFuture.delayedExecutor(50, java.util.concurrent.TimeUnit.MILLISECONDS));
    }

    private synchronized boolean hasLost(Path dir) {
        return lost.contains(dir);
    }

    private synchronized List<Path> mounted() {
        return new ArrayList<>(wanted);
    }

    private Volume open() {
        var open = volume;
        if (open == null) throw new IllegalStateException("the node is still opening its devices and journal");
        return open;
    }

    // ---- what it says about itself

    /// How many requests its mount has served; 0 without one.
    long requests() {
        return open().requests();
    }

    @Override
    public NodeStatus status() {
        var open = volume;
        var uptime = Duration.ofNanos(System.nanoTime() - startedNanos);
        long pid = ProcessHandle.current().pid();
        var address = http == null ? "" : http.address();
        if (open == null)
            return new NodeStatus(pid, version(), state.dir(), "", config.slot(), java.util.OptionalLong.empty(), "not started yet",
                    address, uptime, List.of(), Optional.empty(),
                    List.of(new Condition(Condition.Name.STARTING, "it is opening its devices and journal")));
        var mounts = open.mounts();
        var conditions = new ArrayList<>(open.conditions());
        var expected = mounted();
        for (var dir : expected)
            if (mounts.stream().noneMatch(mount -> mount.dir().equals(dir)))
                conditions.add(hasLost(dir) ? new Condition(Condition.Name.MOUNT_ENDED, dir + " is not mounted any more")
                        : new Condition(Condition.Name.STARTING, dir + " is being mounted"));
        if (!started) conditions.add(new Condition(Condition.Name.STARTING, "it is about to mount"));
        else if (expected.isEmpty() && !config.mounts().isEmpty())
            conditions.add(new Condition(Condition.Name.NOT_MOUNTED, "the volume is not mounted"));
        return new NodeStatus(pid, version(), state.dir(), open.fsid(), config.slot(), open.term(), open.server(), address, uptime,
                mounts, open.space(), List.copyOf(conditions));
    }

    @Override
    public String metrics() {
        return meters.scrape();
    }

    @Override
    public java.util.Map<String, Object> history(long sinceMillis) {
        return history.since(sinceMillis);
    }

    private static String version() {
        var version = Node.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }

    @Override
    public void close() throws IOException {
        synchronized (this) {
            if (stopped) return;
            stopped = true;
        }
        history.close();
        try {
            var open = volume;
            if (open != null) {
                for (var dir : mounted()) {
                    open.unmount(dir, true);
                    gone(dir);
                }
                open.close();
            }
        } finally {
            state.withdraw();
            if (http != null) http.close();
        }
    }
}
