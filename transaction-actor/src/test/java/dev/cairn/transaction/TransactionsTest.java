package dev.cairn.transaction;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.cairn.allocator.MountShare;
import dev.cairn.block.Extent;
import dev.cairn.block.simulated.SimulatedDevice;
import dev.cairn.proto.InodeGrant;
import dev.cairn.proto.LockGranted;
import dev.cairn.proto.LockName;
import dev.cairn.proto.Manifest;
import dev.cairn.proto.RunRef;
import dev.cairn.proto.SpaceGrant;
import dev.cairn.transaction.run.BlockCache;
import dev.cairn.transaction.run.InlineRun;
import dev.cairn.transaction.run.LoadResult;
import dev.cairn.transaction.run.RunSet;
import dev.cairn.transaction.run.RunWriter;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/// A mount's transactions against a map: whatever is open, frozen, carried inline or in runs, an operation sees the newest
/// version, and an attempt that ends early leaves nothing.
class TransactionsTest {
    private static final long FSID = 7, RID = 8;
    private final SimulatedDevice device = SimulatedDevice.create("metadata", 65536, 4096);
    private final BlockCache cache = new BlockCache(device, FSID, 1 << 20, new SimpleMeterRegistry(), Tags.empty());
    private final Transactions transactions = new Transactions(new MountShare(), cache, 1 << 20);
    private final Attempt attempt = new Attempt(transactions);
    private final Lacking lacking = new Lacking();
    private long nextSeq = 3;
    private long version = 1;

    TransactionsTest() {
        transactions.share.granted(SpaceGrant.newBuilder()
                .addMetadata(dev.cairn.proto.Extent.newBuilder().setStart(4).setCount(2000))
                .addData(dev.cairn.proto.Extent.newBuilder().setStart(64).setCount(100)).build());
        transactions.otherNumbers.grant(InodeGrant.newBuilder().setFirst(1024).setCount(2048).build());
        transactions.start(RunSet.of(Manifest.newBuilder().setVersion(version).build()), 1, 2);
    }

    private static Key key(int n) {
        return new Key((byte) 1, n % 7, (byte) 2, n, 0);
    }

    private Transaction freezeAndWrite(boolean inline) throws Exception {
        var frozen = transactions.freeze();
        if (frozen.items.isEmpty()) return frozen;
        pendingInline = inline && transactions.fitsInline();
        if (pendingInline) pendingRun = InlineRun.of(frozen.items.inOrder(), frozen.seq, RID);
        else {
            var space = transactions.takeRunSpace();
            try (var writer = new RunWriter(device, FSID, frozen.seq, space)) {
                for (var item : transactions.runItems()) writer.add(item.key(), item.seq(), item.value());
                pendingRun = writer.finish(RID, 0);
            }
            transactions.usedRunSpace(space, pendingRun);
        }
        return frozen;
    }

    private RunRef pendingRun;
    private boolean pendingInline;

    private void pass() {
        version++;
        var runs = pendingRun == null ? transactions.runs()
                : transactions.runs().with(pendingRun, pendingInline ? List.of() : transactions.carriedRuns(), version);
        // A new server tells a mount that registers again its manifest, and answers what the old one had journalled after that.
        if (version % 5 == 0) transactions.follow(runs);
        transactions.passed(version % 5 == 0 ? transactions.runs() : runs, pendingRun != null && pendingInline ? pendingRun.getRunId() : 0, nextSeq++);
        pendingRun = null;
    }

    /// As the coordinator: what is missing is loaded, and the body runs again.
    private void operate(java.util.function.Consumer<Tx> body) throws Exception {
        while (true) {
            attempt.begin(lacking);
            try {
                body.accept(attempt);
                attempt.succeed();
                lacking.needs.clear();
                return;
            } catch (NotReady _) {
                attempt.undo();
                var loaded = new CompletableFuture<LoadResult>();
                cache.load(lacking.needs, Runnable::run, loaded::complete);
                assertThat(loaded.get().complete()).as("%s", loaded.get()).isTrue();
            } catch (Errno.Failure failure) {
                attempt.undo();
                lacking.needs.clear();
                throw failure;
            }
        }
    }

    @RepeatedTest(40)
    void every_station_of_a_commit_shows_the_newest_version_of_each_item(RepetitionInfo run) throws Exception {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var model = new TreeMap<Key, byte[]>();
        for (int step = 0; step < 300; step++) {
            switch (random.nextInt(10)) {
                case 0 -> {
                    if (transactions.mayFreeze()) freezeAndWrite(random.nextBoolean());
                }
                case 1 -> {
                    if (transactions.frozen != null) pass();
                }
                case 2 -> failedOperation(random);
                case 3 -> walk(random, model);
                default -> change(random, model);
            }
        }
        walkAll(model);
    }

    private void change(SplittableRandom random, TreeMap<Key, byte[]> model) throws Exception {
        var puts = new TreeMap<Key, byte[]>();
        for (int n = random.nextInt(1, 30); n > 0; n--)
            puts.put(key(random.nextInt(200)), random.nextInt(3) == 0 ? null : new byte[random.nextInt(100)]);
        operate(tx -> {
            for (var put : puts.entrySet()) {
                assertThat(tx.get(put.getKey())).isEqualTo(model.get(put.getKey()));
                putOrDelete(tx, put.getKey(), put.getValue());
                assertThat(tx.get(put.getKey())).isEqualTo(put.getValue());
            }
        });
        puts.forEach((key, value) -> {
            if (value == null) model.remove(key);
            else model.put(key, value);
        });
    }

    private static void putOrDelete(Tx tx, Key key, byte[] value) {
        if (value == null) tx.delete(key);
        else if (value.length % 4 > 0 && tx.get(key) == null) tx.create(key, value);
        else tx.put(key, value);
    }

    private void failedOperation(SplittableRandom random) throws Exception {
        long bytes = transactions.open.items.bytesInRun(), heap = transactions.open.items.heapBytes();
        try {
            operate(tx -> {
                for (int n = 0; n < 20; n++) {
                    var key = key(random.nextInt(200));
                    putOrDelete(tx, key, random.nextInt(3) == 0 ? null : new byte[random.nextInt(5)]);
                    if (random.nextInt(3) == 0) tx.delete(key);
                }
                tx.allocateInode(false);
                tx.referData(tx.reserveData(3, 0));
                throw Errno.ENOENT.failure();
            });
        } catch (Errno.Failure _) {
            assertThat(transactions.share.dataBlocks()).isEqualTo(100);
            assertThat(transactions.otherNumbers.left()).isEqualTo(2048);
            assertThat(transactions.open.items.bytesInRun()).isEqualTo(bytes);
            assertThat(transactions.open.items.heapBytes()).isEqualTo(heap);
        }
    }

    @Test
    void what_is_created_and_deleted_in_one_transaction_leaves_nothing_behind() throws Exception {
        operate(tx -> tx.create(key(1), new byte[10]));
        operate(tx -> tx.put(key(1), new byte[20]));
        operate(tx -> tx.delete(key(1)));
        assertThat(transactions.open.dirty()).isFalse();
        assertThat(transactions.open.items.bytesInRun()).isZero();
    }

    @Test
    void a_transaction_without_items_writes_no_run_however_much_is_carried() throws Exception {
        for (int n = 0; n < Transactions.INLINE_COMMITS_MAX; n++) {
            int number = n;
            operate(tx -> tx.create(key(number), new byte[10]));
            freezeAndWrite(true);
            pass();
        }
        operate(tx -> {
            var blocks = tx.reserveData(3, 0);
            tx.referData(blocks);
            tx.freeData(blocks);
        });
        assertThat(transactions.open.dirty()).isTrue();
        transactions.freeze();
        assertThat(transactions.fitsInline()).isTrue();
        pass();
        operate(tx -> tx.put(key(0), new byte[5]));
        transactions.freeze();
        assertThat(transactions.fitsInline()).isFalse();
    }

    @Test
    void what_an_earlier_transaction_may_have_keeps_its_deletion() throws Exception {
        operate(tx -> tx.create(key(1), new byte[10]));
        freezeAndWrite(true);
        operate(tx -> tx.delete(key(1)));
        assertThat(transactions.open.items.value(key(1))).isSameAs(ItemTable.DELETED);
        operate(tx -> tx.create(key(1), new byte[10]));
        operate(tx -> tx.delete(key(1)));
        assertThat(transactions.open.items.value(key(1))).isSameAs(ItemTable.DELETED);
        operate(tx -> tx.delete(key(2)));
        assertThat(transactions.open.items.value(key(2))).as("nobody said that it was not there").isSameAs(ItemTable.DELETED);
    }

    private void walk(SplittableRandom random, TreeMap<Key, byte[]> model) throws Exception {
        var first = key(random.nextInt(200));
        var last = key(random.nextInt(200));
        if (first.compareTo(last) > 0) return;
        var found = new ArrayList<Key>();
        boolean deleteWhileWalking = random.nextBoolean(), looksAfterwards = random.nextBoolean();
        // What has been passed may be written again, and replaced before it is looked at.
        boolean putWhileWalking = !deleteWhileWalking && random.nextBoolean();
        operate(tx -> {
            found.clear();
            for (var cursor = tx.scan(first, last); cursor.next(); ) {
                found.add(cursor.key());
                if (!looksAfterwards) assertThat(cursor.value()).isEqualTo(model.get(cursor.key()));
                if (deleteWhileWalking) tx.delete(cursor.key());
                if (putWhileWalking)
                    for (int n = 0; n < 2; n++) tx.put(found.get(random.nextInt(found.size())), new byte[random.nextInt(60)]);
                if (putWhileWalking) for (var passed : found) tx.put(passed, model.get(passed));
                if (looksAfterwards) assertThat(cursor.value()).isEqualTo(model.get(cursor.key()));
            }
        });
        assertThat(found).containsExactlyElementsOf(model.subMap(first, true, last, true).keySet());
        if (deleteWhileWalking) model.subMap(first, true, last, true).clear();
    }

    private void walkAll(TreeMap<Key, byte[]> model) throws Exception {
        var found = new ArrayList<Key>();
        operate(tx -> {
            found.clear();
            for (var cursor = tx.scan(Key.MIN, Key.MAX); cursor.next(); ) found.add(cursor.key());
        });
        assertThat(found).containsExactlyElementsOf(model.keySet());
    }

    @Test
    void blocks_and_numbers_come_back_from_an_attempt_that_ended_early_and_go_from_one_that_did_not() throws Exception {
        var taken = new ArrayList<Extent>();
        operate(tx -> {
            assertThat(tx.allocateInode(false)).isEqualTo(1024);
            assertThat(tx.allocateInode(false)).isEqualTo(1025);
            var blocks = tx.reserveData(10, 0);
            tx.referData(blocks);
            taken.add(blocks);
        });
        assertThat(transactions.otherNumbers.left()).isEqualTo(2046);
        assertThat(transactions.share.dataBlocks()).isEqualTo(90);
        assertThat(transactions.freeze().dataReferred).isEqualTo(taken);
    }

    @Test
    void a_full_share_waits_for_a_commit_and_fails_only_when_the_server_has_said_that_it_is_low() throws Exception {
        operate(tx -> tx.referData(tx.reserveData(100, 0)));
        attempt.begin(lacking);
        assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> attempt.reserveData(1, 0))).isSameAs(NotReady.INSTANCE);
        assertThat(lacking.kind).isEqualTo(Lacking.Kind.SPACE);
        attempt.undo();
        transactions.share.granted(SpaceGrant.newBuilder().setDataLow(true).build());
        attempt.begin(lacking);
        assertThat(org.assertj.core.api.Assertions.catchThrowable(() -> attempt.reserveData(1, 0)))
                .isSameAs(Errno.ENOSPC.failure());
        attempt.undo();
    }

    @Test
    void locks_cover_by_mode_and_are_asked_for_once() {
        var locks = transactions.locks;
        long id = LockClient.id(LockName.Kind.INODE_GROUP, 5);
        assertThat(locks.covers(id, LockMode.READ)).isFalse();
        assertThat(locks.want(id, LockMode.READ)).isTrue();
        assertThat(locks.want(id, LockMode.READ)).isFalse();
        assertThat(locks.want(id, LockMode.WRITE)).isTrue();
        locks.granted(grant(id, LockMode.READ, 0));
        assertThat(locks.covers(id, LockMode.READ)).isTrue();
        assertThat(locks.covers(id, LockMode.WRITE)).isFalse();
        locks.granted(grant(id, LockMode.WRITE, 77));
        assertThat(locks.covers(id, LockMode.WRITE)).isTrue();
        assertThat(locks.covers(id, LockMode.WRITE_ONLY)).isTrue();
        assertThat(locks.writeSeq(id)).isEqualTo(77);
        assertThat(locks.revoke(id, LockMode.READ)).isTrue();
        assertThat(locks.covers(id, LockMode.READ)).isFalse();
        assertThat(locks.want(id, LockMode.WRITE)).isFalse();
    }

    @Test
    void write_only_satisfies_neither_read_nor_write() {
        var locks = transactions.locks;
        long id = LockClient.id(LockName.Kind.META_SEQ_GROUP, 5);
        locks.granted(grant(id, LockMode.WRITE_ONLY, 3));
        assertThat(locks.covers(id, LockMode.WRITE_ONLY)).isTrue();
        assertThat(locks.covers(id, LockMode.READ)).isFalse();
        assertThat(locks.covers(id, LockMode.WRITE)).isFalse();
    }

    private static LockGranted grant(long id, LockMode mode, long writeSeq) {
        return LockGranted.newBuilder().setName(LockClient.name(id)).setMode(LockClient.mode(mode)).setWriteSeq(writeSeq).build();
    }

    /// Once it waited for a commit instead, and for another one, for ever: the server saw the blocks in this mount's share.
    @Test
    void an_attempt_that_has_reserved_all_there_is_gets_on_with_that() {
        attempt.begin(lacking);
        assertThat(attempt.reserveData(1000, 0).count()).isEqualTo(100);
        assertThatThrownBy(() -> attempt.reserveData(900, 0)).isInstanceOfSatisfying(Errno.Failure.class,
                failure -> assertThat(failure.errno()).isEqualTo(Errno.ENOSPC));
        attempt.referData(new Extent(64, 100));
        attempt.succeed();
        attempt.begin(lacking);
        assertThatThrownBy(() -> attempt.reserveData(900, 0)).isSameAs(NotReady.INSTANCE);
        assertThat(lacking.kind).isEqualTo(Lacking.Kind.SPACE);
        attempt.undo();
    }
}
