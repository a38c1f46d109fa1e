package dev.cairn.quorum;

import dev.cairn.quorum.journal.RatisJournal;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/// Held for a short time after the journal's group has confirmed that no later server has claimed the journal. The time is
/// shorter than it takes the cluster to find this node dead, and counts from the question, not from the answer.
final class JournalLease implements AnswerLease {
    private static final Duration HELD = Duration.ofMillis(1_500);

    private final CompletableFuture<RatisJournal> journal;
    private final String persistenceId;
    private final AtomicBoolean asking = new AtomicBoolean();
    private volatile long confirmedAt = System.nanoTime() - HELD.toNanos();

    JournalLease(CompletableFuture<RatisJournal> journal, long fsid) {
        this.journal = journal;
        this.persistenceId = ServerTerm.persistenceId(fsid);
    }

    @Override
    public boolean held() {
        return System.nanoTime() - confirmedAt < HELD.toNanos();
    }

    @Override
    public void renew() {
        if (!asking.compareAndSet(false, true)) return;
        long asked = System.nanoTime();
        journal.thenCompose(opened -> opened.confirm(persistenceId)).whenComplete((latest, failure) -> {
            asking.set(false);
            // No majority, or a successor: the lease runs out, which is its purpose.
            if (failure == null && latest) confirmedAt = asked;
        });
    }
}
