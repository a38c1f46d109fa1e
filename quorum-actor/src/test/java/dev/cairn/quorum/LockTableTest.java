package dev.cairn.quorum;

import static dev.cairn.proto.LockMode.LOCK_NONE;
import static dev.cairn.proto.LockMode.LOCK_READ;
import static dev.cairn.proto.LockMode.LOCK_WRITE;
import static dev.cairn.proto.LockMode.LOCK_WRITE_ONLY;
import static org.assertj.core.api.Assertions.assertThat;

import dev.cairn.proto.LockMode;
import dev.cairn.proto.LockName;
import dev.cairn.quorum.LockTable.Effect.Grant;
import dev.cairn.quorum.LockTable.Effect.Revoke;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class LockTableTest {
    private static final LockName NAME = name(1);
    private final LockTable table = new LockTable();

    @Test
    void readers_share_and_a_writer_waits_until_they_have_answered() {
        assertThat(table.acquire(1, 1, NAME, LOCK_READ)).containsExactly(new Grant(1, 1, NAME, LOCK_READ));
        assertThat(table.acquire(2, 1, NAME, LOCK_READ)).containsExactly(new Grant(2, 1, NAME, LOCK_READ));
        assertThat(table.acquire(3, 1, NAME, LOCK_WRITE))
                .containsExactly(new Revoke(1, NAME, LOCK_NONE), new Revoke(2, NAME, LOCK_NONE));
        // Nobody overtakes the writer.
        assertThat(table.acquire(4, 1, NAME, LOCK_READ)).isEmpty();
        assertThat(table.release(1, NAME, LOCK_NONE)).isEmpty();
        assertThat(table.unanswered()).containsExactly(new Revoke(2, NAME, LOCK_NONE));
        assertThat(table.release(2, NAME, LOCK_NONE))
                .containsExactly(new Grant(3, 1, NAME, LOCK_WRITE), new Revoke(3, NAME, LOCK_READ));
        assertThat(table.release(3, NAME, LOCK_READ)).containsExactly(new Grant(4, 1, NAME, LOCK_READ));
        assertThat(table.held(3, NAME)).isEqualTo(LOCK_READ);
    }

    @Test
    void a_mount_upgrades_what_it_holds_alone_without_a_revoke() {
        table.acquire(1, 1, NAME, LOCK_READ);
        assertThat(table.acquire(1, 2, NAME, LOCK_WRITE)).containsExactly(new Grant(1, 2, NAME, LOCK_WRITE));
        assertThat(table.acquire(1, 3, NAME, LOCK_READ)).containsExactly(new Grant(1, 3, NAME, LOCK_WRITE));
    }

    @Test
    void two_readers_that_both_want_to_write_get_it_in_turn() {
        table.acquire(1, 1, NAME, LOCK_READ);
        table.acquire(2, 1, NAME, LOCK_READ);
        assertThat(table.acquire(1, 2, NAME, LOCK_WRITE)).containsExactly(new Revoke(2, NAME, LOCK_NONE));
        assertThat(table.acquire(2, 2, NAME, LOCK_WRITE)).isEmpty();
        assertThat(table.release(2, NAME, LOCK_NONE))
                .containsExactly(new Grant(1, 2, NAME, LOCK_WRITE), new Revoke(1, NAME, LOCK_NONE));
        assertThat(table.release(1, NAME, LOCK_NONE)).containsExactly(new Grant(2, 2, NAME, LOCK_WRITE));
    }

    @Test
    void blind_writers_share_but_not_with_readers() {
        table.acquire(1, 1, NAME, LOCK_WRITE_ONLY);
        assertThat(table.acquire(2, 1, NAME, LOCK_WRITE_ONLY)).containsExactly(new Grant(2, 1, NAME, LOCK_WRITE_ONLY));
        assertThat(table.acquire(3, 1, NAME, LOCK_READ))
                .containsExactly(new Revoke(1, NAME, LOCK_NONE), new Revoke(2, NAME, LOCK_NONE));
        table.drop(1);
        assertThat(table.drop(2)).containsExactly(new Grant(3, 1, NAME, LOCK_READ));
    }

    @Test
    void nothing_is_granted_before_every_known_mount_has_said_what_it_holds() {
        table.expect(List.of(1L, 2L));
        assertThat(table.acquire(1, 1, NAME, LOCK_WRITE)).isEmpty();
        table.adopt(2, NAME, LOCK_READ);
        assertThat(table.known(2)).containsExactly(new Revoke(2, NAME, LOCK_NONE));
        assertThat(table.release(2, NAME, LOCK_NONE)).containsExactly(new Grant(1, 1, NAME, LOCK_WRITE));
    }

    /// Whatever is asked, answered late or dropped: never two holders that exclude each other, and everyone is served.
    @RepeatedTest(200)
    void any_history_keeps_exclusion_and_serves_everyone(RepetitionInfo run) {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var held = new TreeMap<Long, TreeMap<Long, LockMode>>();     // by group, by mount
        var waiting = new HashSet<String>();
        var revokes = new ArrayList<Revoke>();
        long nr = 0;
        for (int step = 0; step < 600 || !revokes.isEmpty(); step++) {
            List<LockTable.Effect> effects;
            long rid = 1 + random.nextInt(4);
            int dice = random.nextInt(10);
            if (step < 600 && dice < 5) {
                var name = name(random.nextInt(3));
                var mode = List.of(LOCK_READ, LOCK_WRITE, LOCK_WRITE_ONLY).get(random.nextInt(3));
                waiting.add(rid + " " + ++nr);
                effects = table.acquire(rid, nr, name, mode);
            } else if (dice < 9 && !revokes.isEmpty()) {
                var revoke = revokes.remove(random.nextInt(revokes.size()));
                lower(held, revoke.rid(), revoke.name(), revoke.keep());
                effects = table.release(revoke.rid(), revoke.name(), revoke.keep());
            } else if (dice == 9 && random.nextInt(20) == 0) {
                held.values().forEach(holders -> holders.remove(rid));
                revokes.removeIf(revoke -> revoke.rid() == rid);
                waiting.removeIf(waiter -> waiter.startsWith(rid + " "));
                effects = table.drop(rid);
            } else {
                continue;
            }
            for (var effect : effects)
                switch (effect) {
                    case Grant grant -> {
                        assertThat(waiting.remove(grant.rid() + " " + grant.requestNr())).isTrue();
                        var holders = held.computeIfAbsent(grant.name().getGroup(), _ -> new TreeMap<>());
                        holders.put(grant.rid(), grant.mode());
                        holders.forEach((other, mode) -> {
                            if (other != grant.rid()) assertThat(LockTable.compatible(mode, grant.mode())).isTrue();
                        });
                    }
                    case Revoke revoke -> revokes.add(revoke);
                }
        }
        assertThat(waiting).isEmpty();
    }

    private static void lower(TreeMap<Long, TreeMap<Long, LockMode>> held, long rid, LockName name, LockMode keep) {
        var holders = held.getOrDefault(name.getGroup(), new TreeMap<>());
        if (keep == LOCK_NONE) holders.remove(rid);
        else holders.computeIfPresent(rid, (_, mode) -> mode == LOCK_WRITE ? keep : mode);
    }

    private static LockName name(long group) {
        return LockName.newBuilder().setKind(LockName.Kind.INODE_GROUP).setGroup(group).build();
    }
}
