package dev.cairn.quorum.journal;

import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.actor.AbstractExtensionId;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.apache.pekko.actor.Extension;
import org.apache.pekko.actor.ExtensionIdProvider;

/// Where the plugins of one actor system find its journal. The node opens the journal while the actor system starts, so
/// it may come later than the plugins: they wait for the future.
public final class JournalExtension implements Extension {
    private static final Id ID = new Id();

    private final CompletableFuture<RatisJournal> journal = new CompletableFuture<>();

    public static JournalExtension of(ActorSystem system) {
        return ID.get(system);
    }

    public void provide(RatisJournal opened) {
        journal.complete(opened);
    }

    CompletableFuture<RatisJournal> journal() {
        return journal;
    }

    public static final class Id extends AbstractExtensionId<JournalExtension> implements ExtensionIdProvider {
        @Override
        public Id lookup() {
            return ID;
        }

        @Override
        public JournalExtension createExtension(ExtendedActorSystem system) {
            return new JournalExtension();
        }
    }
}
