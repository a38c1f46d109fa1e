package dev.cairn.it;

import dev.cairn.block.DeviceException;
import dev.cairn.block.simulated.Recording;
import dev.cairn.block.simulated.SimulatedDevice;
import dev.cairn.filesystem.Caller;
import dev.cairn.filesystem.DataIo;
import dev.cairn.filesystem.DataPlan;
import dev.cairn.filesystem.FileSystem;
import dev.cairn.filesystem.Outcome;
import dev.cairn.filesystem.Time;
import dev.cairn.proto.LockName;
import dev.cairn.proto.ServerEvent;
import dev.cairn.proto.ServerMessage;
import dev.cairn.proto.ServerRequest;
import dev.cairn.proto.VolumeGeometry;
import dev.cairn.quorum.Decision;
import dev.cairn.quorum.ServerCore;
import dev.cairn.quorum.ServerSettings;
import dev.cairn.quorum.ServerState;
import dev.cairn.quorum.journal.CarriedData;
import dev.cairn.transaction.Coordinator;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.MountClient;
import dev.cairn.transaction.MountListener;
import dev.cairn.transaction.Operation;
import dev.cairn.transaction.ServerProtocol;
import dev.cairn.transaction.Tx;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.receptionist.Receptionist;

/// A whole volume on simulated devices in one JVM: the real server core, mount client and file system; a journal that is a
/// list. Everything that reaches the devices or the journal is numbered in one order, so that a test can cut the power
/// at any instant and start a new volume from what is left.
final class SimulatedVolume implements AutoCloseable {
    static final long FSID = 0x5eed_cafe_0000_0001L;
    private static final long METADATA_FIRST = 4, DATA_FIRST = 64;

    /// An event of the journal, durable since the instant `at` of the recording.
    record Journalled(long at, ServerEvent event) {}

    final SimulatedDevice metadata;
    final SimulatedDevice data;
    final List<Journalled> journal = new CopyOnWriteArrayList<>();
    final FileSystem files = new FileSystem();
    private final ActorTestKit kit = ActorTestKit.create();
    private final Recording recording;
    private final DataIo io;
    final MountClient mount;
    private final CompletableFuture<String> failed = new CompletableFuture<>();

    private SimulatedVolume(SimulatedDevice metadata, SimulatedDevice data, List<ServerEvent> past, long incarnation,
            long cacheBytes, long dirtyBytes) {
        this.metadata = metadata;
        this.data = data;
        this.recording = metadata.recording();
        var state = new ServerState();
        past.forEach(state::apply);
        restoreData(past);
        kit.spawn(server(state), "server");
        mount = mount(incarnation, cacheBytes, dirtyBytes, () -> {});
        io = new DataIo(mount.data());
        run(Operation.Hold.ALLOCATE, tx -> {
            files.format(tx, now());
            return null;
        });
    }

    private MountClient mount(long incarnation, long cacheBytes, long dirtyBytes, Runnable registered) {
        return MountClient.start(kit.system(), new MountClient.Options(FSID, "node", incarnation, metadata, data, cacheBytes,
                dirtyBytes, Duration.ofHours(1), 2, true, new SimpleMeterRegistry(), new MountListener() {
                    @Override
                    public void registered() {
                        registered.run();
                    }

                    @Override
                    public void failed(String why) {
                        failed.complete(why);
                    }

                    @Override
                    public void revoked(LockName name, LockMode keep) {}
                }));
    }

    /// Another mount of a fresh volume, that does nothing of its own accord.
    MountClient idleMount() {
        var registered = new CompletableFuture<Void>();
        var idle = mount(1, 1 << 20, 1 << 20, () -> registered.complete(null));
        await(registered);
        return idle;
    }

    // As the journal does at its start: here it never forgets.
    private void restoreData(List<ServerEvent> past) {
        var carried = new CarriedData();
        for (var event : past) {
            var said = CarriedData.of(event);
            if (said != null) carried.add(said);
        }
        carried.writeTo(new CarriedData.Device() {
            @Override
            public void write(long byteOffset, byte[] bytes) {
                try (var arena = Arena.ofConfined()) {
                    data.write(byteOffset, arena.allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes)));
                } catch (DeviceException e) {
                    throw new AssertionError(e);
                }
            }

            @Override
            public void flush() {
                flushData();
            }
        });
    }

    private void flushData() {
        try {
            data.flush();
        } catch (DeviceException e) {
            throw new AssertionError(e);
        }
    }

    static SimulatedVolume fresh(long metadataBlocks, long dataBlocks) {
        var recording = new Recording();
        return new SimulatedVolume(SimulatedDevice.create("metadata", 65536, metadataBlocks, recording),
                SimulatedDevice.create("data", 4096, dataBlocks, recording), List.of(), 1, 16 << 20, 32 << 20);
    }

    /// A new incarnation of the node on what a crash has left.
    static SimulatedVolume after(SimulatedDevice metadata, SimulatedDevice data, List<ServerEvent> past) {
        return new SimulatedVolume(metadata, data, past, 2, 1 << 20, 32 << 20);
    }

    private Behavior<ServerProtocol.FromMount> server(ServerState state) {
        return Behaviors.setup(context -> {
            var core = new ServerCore(state, ServerSettings.DEFAULT);
            var mounts = new HashMap<Long, ActorRef<ServerProtocol.ToMount>>();
            var geometry = VolumeGeometry.newBuilder().setFsid(FSID).setMetadataBlocks(metadata.blocks())
                    .setMetadataFirst(METADATA_FIRST).setDataBlocks(data.blocks()).setDataFirst(DATA_FIRST).build();
            carryOut(core.startTerm(geometry, 0, System.nanoTime()), mounts);
            context.getSystem().receptionist().tell(
                    Receptionist.register(ServerProtocol.serviceKey(FSID), context.getSelf()));
            return Behaviors.receive(ServerProtocol.FromMount.class).onAnyMessage(message -> {
                // As over the network: only bytes arrive.
                var request = ServerRequest.parseFrom(message.request().toByteArray());
                mounts.put(request.getRid(), message.replyTo());
                carryOut(core.decide(request, System.nanoTime()), mounts);
                return Behaviors.same();
            }).build();
        });
    }

    private void carryOut(Decision decision, Map<Long, ActorRef<ServerProtocol.ToMount>> mounts) throws IOException {
        for (var event : decision.events()) {
            var said = CarriedData.of(event);
            if (said != null && said.getFlushFirst()) flushData();
        }
        long at = recording.now();
        for (var event : decision.events()) journal.add(new Journalled(at, event));
        for (var send : decision.sends()) {
            var mount = mounts.get(send.getRid());
            if (mount != null) mount.tell(new ServerProtocol.ToMount(ServerMessage.parseFrom(send.toByteArray())));
        }
    }

    List<ServerEvent> journalAt(long instant) {
        var events = new ArrayList<ServerEvent>();
        for (var entry : journal) if (entry.at() <= instant) events.add(entry.event());
        return events;
    }

    // ---- operations, each waited for

    <T> T run(Operation.Hold hold, Function<Tx, T> body) {
        var outcome = new CompletableFuture<T>();
        mount.submit(new Operation() {
            private T result;
            // The kernel's next request may be in the same object by then.
            private boolean over;

            @Override
            public String name() {
                if (over) throw new IllegalStateException("the operation has ended and belongs to its maker again");
                return "test";
            }

            @Override
            public Hold hold() {
                if (over) throw new IllegalStateException("the operation has ended and belongs to its maker again");
                return hold;
            }

            @Override
            public void run(Tx tx) {
                result = body.apply(tx);
            }

            @Override
            public void done() {
                over = true;
                outcome.complete(result);
            }

            @Override
            public void failed(Errno errno) {
                over = true;
                outcome.completeExceptionally(errno.failure());
            }
        });
        return await(outcome);
    }

    private <T> T await(CompletableFuture<T> outcome) {
        try {
            return outcome.get(20, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Errno.Failure failure) throw failure;
            throw new AssertionError(e);
        } catch (TimeoutException | InterruptedException e) {
            throw new AssertionError("no answer; the mount's status is " + mount.status() + ", " + failed, e);
        }
    }

    void commit() {
        var outcome = new CompletableFuture<Errno>();
        Consumer<Errno> done = outcome::complete;
        mount.submit(new Coordinator.Commit(done));
        var error = await(outcome);
        if (error != null) throw error.failure();
    }

    long create(long dir, String name) {
        return run(Operation.Hold.ALLOCATE, tx -> files.create(tx, dir, name.getBytes(), 0100644, Caller.ROOT, now())).ino;
    }

    long mkdir(long dir, String name) {
        return run(Operation.Hold.ALLOCATE, tx -> files.mkdir(tx, dir, name.getBytes(), 0755, Caller.ROOT, now())).ino;
    }

    /// Removes a name, and the inode when that was its last.
    void unlink(long dir, String name) {
        var inode = run(Operation.Hold.MODIFY, tx -> files.unlink(tx, dir, name.getBytes(), now()));
        if (inode.nlink == 0) deleteOrphan(inode.ino);
    }

    void rename(long dir, String from, String to) {
        var replaced = run(Operation.Hold.MODIFY,
                tx -> files.rename(tx, dir, from.getBytes(), dir, to.getBytes(), 0, Caller.ROOT, now()));
        if (replaced != null && replaced.nlink == 0) deleteOrphan(replaced.ino);
    }

    private void deleteOrphan(long ino) {
        for (long from = 0; from != FileSystem.STEPS_DONE; ) {
            long at = from;
            from = run(Operation.Hold.MODIFY, tx -> files.deleteOrphanStep(tx, ino, at));
        }
    }

    /// What a mount does at its start with the orphans of dead ones.
    void deleteOrphans() {
        for (long ino = 0; ; ) {
            long after = ino;
            ino = run(Operation.Hold.READ, tx -> files.nextOrphan(tx, after));
            if (ino == 0) return;
            deleteOrphan(ino);
        }
    }

    void write(long ino, long offset, byte[] bytes) {
        var plan = new DataPlan();
        try (var arena = Arena.ofConfined()) {
            for (int done = 0; done < bytes.length; ) {
                int from = done;
                plan.release();
                if (run(Operation.Hold.ALLOCATE, tx -> files.planWrite(tx, ino, offset + from, bytes.length - from, plan)) == Outcome.AGAIN)
                    continue;
                var part = arena.allocate(plan.bytes(), 4096);
                MemorySegment.copy(bytes, from, part, ValueLayout.JAVA_BYTE, 0, (int) plan.bytes());
                io.write(plan, part);
                if (run(Operation.Hold.MODIFY, tx -> files.finishWrite(tx, plan, now(), null)) == Outcome.DONE)
                    done += (int) plan.bytes();
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        } finally {
            plan.release();
        }
    }

    byte[] read(long ino) {
        var plan = new DataPlan();
        try (var arena = Arena.ofConfined()) {
            long size = run(Operation.Hold.READ, tx -> files.getattr(tx, ino)).size;
            var bytes = new byte[(int) size];
            for (int done = 0; done < size; ) {
                int from = done;
                plan.release();
                run(Operation.Hold.READ, tx -> {
                    files.planRead(tx, ino, from, size - from, plan);
                    return null;
                });
                var part = arena.allocate(plan.bytes(), 4096);
                io.read(plan, part);
                MemorySegment.copy(part, ValueLayout.JAVA_BYTE, 0, bytes, done, (int) plan.bytes());
                done += (int) plan.bytes();
            }
            return bytes;
        } catch (IOException e) {
            throw new AssertionError(e);
        } finally {
            plan.release();
        }
    }

    /// name -> ino
    Map<String, Long> list(long dir) {
        return run(Operation.Hold.READ, tx -> {
            var names = new HashMap<String, Long>();
            files.readdir(tx, dir, 2, false, 1000, (ino, _, _, name, _) -> {
                names.put(new String(name), ino);
                return true;
            });
            return names;
        });
    }

    static Time now() {
        long nanos = System.currentTimeMillis() * 1_000_000;
        return new Time(nanos / 1_000_000_000, (int) (nanos % 1_000_000_000));
    }

    /// As a process that is killed: nothing is committed any more.
    @Override
    public void close() {
        kit.shutdownTestKit();
    }
}
