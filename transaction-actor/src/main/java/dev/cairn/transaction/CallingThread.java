package dev.cairn.transaction;

import com.typesafe.config.Config;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.dispatch.DispatcherPrerequisites;
import org.apache.pekko.dispatch.ExecutorServiceConfigurator;
import org.apache.pekko.dispatch.ExecutorServiceFactory;

/// Runs an actor's mailbox on the thread that sends to it, so that a request is decoded, executed and answered without a
/// thread hop (a hop costs three to four times as much as the request: `fuse-facts.md`, speed, 1).
///
/// Only within [#tell]: a thread that merely tells (a timer, a Pekko dispatcher) has its message run by a thread of this
/// executor's own. The same for an actor that blocks (one that fsyncs a journal), unless the thread has come by
/// [#tellWaiting], which says that nobody waits for its return: so a commit goes from its flush through the server and its
/// journal and back to the mount without waking another thread. A sender that finds the mailbox already running elsewhere
/// returns at once; its message is run by the thread inside. So that this thread gets back to its own work under load, it
/// passes the mailbox on to an own thread of the executor after [#BATCHES_MAX] messages.
public final class CallingThread {
    /// Few, because the caller's own reply may be waiting for its return; more than one, because a hand-over costs a wake-up.
    static final int BATCHES_MAX = 16;
    /// For a thread that nobody waits for: a commit's way through server and journal takes some 20.
    private static final int WAITING_BATCHES_MAX = 100;

    private static final ThreadLocal<Trampoline> TRAMPOLINE = ThreadLocal.withInitial(Trampoline::new);

    private CallingThread() {}

    /// Tells, with the receiving mailbox run before this returns when no other thread is inside it. Mailboxes that this makes
    /// run are run by the outermost call.
    public static <T> void tell(ActorRef<T> to, T message) {
        TRAMPOLINE.get().tell(to, message, false);
    }

    /// As [#tell], on a thread that may block for as long as I/O takes: actors that do are run on it as well.
    public static <T> void tellWaiting(ActorRef<T> to, T message) {
        TRAMPOLINE.get().tell(to, message, true);
    }

    /// Whether the calling thread is within [#tell], or one of an executor's own.
    static boolean isInside() {
        return TRAMPOLINE.get().inside;
    }

    private static final class Trampoline {
        private final ArrayDeque<Runnable> batches = new ArrayDeque<>(4);
        private final ArrayDeque<Executor> owners = new ArrayDeque<>(4);
        private boolean inside;
        private boolean mayWait;

        <T> void tell(ActorRef<T> to, T message, boolean waiting) {
            if (inside) {
                to.tell(message);
                return;
            }
            enter(waiting);
            try {
                to.tell(message);
                runBatches();
            } finally {
                leave();
            }
        }

        /// On an executor's own thread.
        void run(Runnable batch, boolean waiting) {
            enter(waiting);
            try {
                batch.run();
                runBatches();
            } finally {
                leave();
            }
        }

        private void enter(boolean waiting) {
            inside = true;
            mayWait = waiting;
        }

        private void runBatches() {
            int most = mayWait ? WAITING_BATCHES_MAX : BATCHES_MAX;
            for (int n = 0; !batches.isEmpty(); n++) {
                var owner = owners.poll();
                var batch = batches.poll();
                if (n < most) batch.run();
                else owner.handOver(batch);
            }
        }

        private void leave() {
            inside = false;
            // After a batch that has thrown: a mailbox that is not run would never be scheduled again.
            while (!batches.isEmpty()) owners.poll().handOver(batches.poll());
        }

        boolean accept(Executor owner, Runnable batch) {
            if (!inside || owner.waits && !mayWait) return false;
            owners.add(owner);
            batches.add(batch);
            return true;
        }
    }

    /// Named in a dispatcher's `executor` setting; see this module's reference.conf. The dispatcher's `may-wait` says that its
    /// actors block, `thread` names the thread that runs them when no calling one does.
    public static final class Configurator extends ExecutorServiceConfigurator {
        private final Config config;

        public Configurator(Config config, DispatcherPrerequisites prerequisites) {
            super(config, prerequisites);
            this.config = config;
        }

        @Override
        public ExecutorServiceFactory createExecutorServiceFactory(String id, ThreadFactory threadFactory) {
            return () -> new Executor(config.getString("thread"), config.getBoolean("may-wait"));
        }
    }

    private static final class Executor extends AbstractExecutorService {
        private final ExecutorService own;
        private final boolean waits;

        Executor(String thread, boolean waits) {
            own = Executors.newSingleThreadExecutor(Thread.ofPlatform().name(thread).daemon(true).factory());
            this.waits = waits;
        }

        @Override
        public void execute(Runnable batch) {
            if (!TRAMPOLINE.get().accept(this, batch)) handOver(batch);
        }

        void handOver(Runnable batch) {
            own.execute(() -> TRAMPOLINE.get().run(batch, waits));
        }

        @Override
        public void shutdown() {
            own.shutdown();
        }

        @Override
        public List<Runnable> shutdownNow() {
            return own.shutdownNow();
        }

        @Override
        public boolean isShutdown() {
            return own.isShutdown();
        }

        @Override
        public boolean isTerminated() {
            return own.isTerminated();
        }

        @Override
        public boolean awaitTermination(long timeout, TimeUnit unit) throws InterruptedException {
            return own.awaitTermination(timeout, unit);
        }
    }
}
