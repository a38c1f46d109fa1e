package dev.cairn.filesystem;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.cairn.block.BlockDevice;
import dev.cairn.block.Extent;
import dev.cairn.proto.SpaceReport;
import dev.cairn.transaction.Cursor;
import dev.cairn.transaction.DataPin;
import dev.cairn.transaction.Errno;
import dev.cairn.transaction.Key;
import dev.cairn.transaction.LockMode;
import dev.cairn.transaction.NotReady;
import dev.cairn.transaction.Tx;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Function;

/// A volume in memory that is as unkind as the contract of [Tx] allows: attempts end in NotReady at random, free data comes
/// in random fragments, names collide when asked to, and touching an item without its lock fails the test.
final class MemoryVolume {
    final FileSystem fs = new FileSystem();
    final MemorySegment bytes;
    final DataIo io;
    final int blocks;
    final SplittableRandom random;
    TreeMap<Key, byte[]> items = new TreeMap<>();
    private TreeMap<Key, byte[]> committed = new TreeMap<>();
    BitSet reserved = new BitSet(), referred = new BitSet(), pending = new BitSet();
    private BitSet referredCommitted = new BitSet();
    long seq = 10, nextIno = 2000, nextDirIno = 100_000, inodes, inodesCommitted;
    int pins;
    /// In a thousand.
    int notReady = 0;
    int fragmentMax = 1 << 20;
    boolean collide;
    boolean metadataLow, metadataScarce;
    int writes, attempts;

    MemoryVolume(int blocks, long seed) {
        this.blocks = blocks;
        random = new SplittableRandom(seed);
        bytes = Arena.ofAuto().allocate((long) blocks * 4096);
        bytes.fill((byte) 0xA5);
        io = new DataIo(new Device());
        doing(tx -> fs.format(tx, Time.ZERO));
        commit();
    }

    void doing(Consumer<Tx> operation) {
        calling(tx -> {
            operation.accept(tx);
            return null;
        });
    }

    <T> T calling(Function<Tx, T> operation) {
        for (int tries = 0; tries < 10_000; tries++) {
            var attempt = new Attempt(tries);
            attempts++;
            try {
                T result = operation.apply(attempt);
                attempt.done();
                return result;
            } catch (NotReady e) {
                assertTrue(attempt.pins == 0, "a pin was taken before the last step");
            }
        }
        throw new AssertionError("never ready");
    }

    void commit() {
        committed = new TreeMap<>(items);
        inodesCommitted = inodes;
        referredCommitted = (BitSet) referred.clone();
        if (pins == 0) pending.clear();
        seq += 1 + random.nextInt(700);
    }

    /// What has been committed is there again; the device has everything that was written.
    void crash() {
        items = new TreeMap<>(committed);
        inodes = inodesCommitted;
        referred = (BitSet) referredCommitted.clone();
        reserved.clear();
        pending.clear();
        pins = 0;
        seq += 1000;
    }

    int free() {
        return blocks - 1 - reserved.cardinality() - referred.cardinality() - pending.cardinality();
    }

    // ---- whole calls, with their I/O

    /// @return how much was written
    long write(long ino, long offset, byte[] data) {
        return writeHooked(ino, offset, data, () -> {});
    }

    long writeHooked(long ino, long offset, byte[] data, Runnable beforeFinish) {
        var plan = new DataPlan();
        for (int tries = 0; tries < 10_000; tries++) {
            if (calling(tx -> fs.planWrite(tx, ino, offset, data.length, plan)) == Outcome.AGAIN) continue;
            try {
                var buffer = Arena.ofAuto().allocate(Math.max(1, data.length));
                MemorySegment.copy(data, 0, buffer, java.lang.foreign.ValueLayout.JAVA_BYTE, 0, data.length);
                io.write(plan, buffer);
                beforeFinish.run();
                if (calling(tx -> fs.finishWrite(tx, plan, now(), KillPriv.BY_MEMBER)) == Outcome.DONE) return plan.bytes();
            } catch (java.io.IOException e) {
                throw new AssertionError(e);
            } finally {
                plan.release();
            }
        }
        throw new AssertionError("never finished");
    }

    byte[] read(long ino, long offset, int length) {
        var plan = new DataPlan();
        doing(tx -> fs.planRead(tx, ino, offset, length, plan));
        try {
            var buffer = Arena.ofAuto().allocate(Math.max(1, plan.bytes()));
            buffer.fill((byte) 0x77);
            if (random.nextBoolean()) io.read(plan, buffer);
            else assertTrue(io.tryReadNow(plan, buffer));
            return buffer.asSlice(0, plan.bytes()).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        } finally {
            plan.release();
        }
    }

    void fallocate(long ino, int mode, long offset, long length) {
        var plan = new DataPlan();
        if ((mode & (FileSystem.FALLOC_PUNCH_HOLE | FileSystem.FALLOC_ZERO_RANGE)) != 0) {
            doing(tx -> fs.planZero(tx, ino, offset, length, (mode & FileSystem.FALLOC_PUNCH_HOLE) != 0, plan));
            try {
                io.write(plan, null);
            } catch (java.io.IOException e) {
                throw new AssertionError(e);
            }
            plan.release();
        }
        for (long done = 0; done < length; ) {
            long at = done;
            done += calling(tx -> fs.fallocate(tx, ino, mode, offset + at, length - at, plan, now(), KillPriv.BY_MEMBER));
        }
    }

    /// @return how much was copied: less than asked at the end of the source
    long copy(long from, long fromOffset, long to, long toOffset, long length) {
        var plan = new DataPlan();
        long done = 0;
        while (done < length) {
            long before = done;
            doing(tx -> fs.planCopy(tx, from, fromOffset + before, length - before, 10_000, plan));
            if (plan.bytes() == 0) break;
            if (plan.segments() > 0) {
                plan.release();
                done += write(to, toOffset + done, read(from, fromOffset + done, (int) plan.bytes()));
                continue;
            }
            long end = done + plan.bytes();
            doing(tx -> fs.planZero(tx, to, toOffset + before, end - before, true, plan));
            try {
                io.write(plan, null);
            } catch (java.io.IOException e) {
                throw new AssertionError(e);
            }
            plan.release();
            while (done < end) {
                long at = done;
                done += calling(tx -> fs.copyHole(tx, to, toOffset + at, end - at, now(), KillPriv.BY_MEMBER));
            }
        }
        return done;
    }

    void setattr(long ino, SetAttr change) {
        while (calling(tx -> fs.setattr(tx, ino, change, now())) == Outcome.AGAIN) {}
    }

    Inode inode(long ino) {
        return calling(tx -> fs.getattr(tx, ino));
    }

    long clock;

    Time now() {
        return new Time(1_000_000 + clock++ / 3, 0);
    }

    // ---- the contract

    private final class Device implements BlockDevice {
        @Override
        public String name() {
            return "memory";
        }

        @Override
        public int blockBytes() {
            return 4096;
        }

        @Override
        public long blocks() {
            return blocks;
        }

        @Override
        public void read(long byteOffset, MemorySegment into) {
            into.copyFrom(bytes.asSlice(byteOffset, into.byteSize()));
        }

        @Override
        public boolean readWithoutWaiting(long byteOffset, MemorySegment into) {
            read(byteOffset, into);
            return true;
        }

        @Override
        public void write(long byteOffset, MemorySegment from) {
            writes++;
            bytes.asSlice(byteOffset, from.byteSize()).copyFrom(from);
        }

        @Override
        public void flush() {}

        @Override
        public void discard(Extent extent) {}

        @Override
        public void close() {}
    }

    private final class Attempt implements Tx {
        final TreeMap<Key, byte[]> changes = new TreeMap<>();
        final BitSet takes = new BitSet(), refers = new BitSet(), returns = new BitSet(), frees = new BitSet();
        final Map<Long, LockMode> groups = new HashMap<>();
        final HashSet<String> others = new HashSet<>();
        long ino = nextIno, dirIno = nextDirIno, inodesDelta;
        final int tries;
        int pins;

        Attempt(int tries) {
            this.tries = tries;
        }

        void done() {
            changes.forEach((key, value) -> {
                if (value == null) items.remove(key);
                else items.put(key, value);
            });
            nextIno = ino;
            nextDirIno = dirIno;
            inodes += inodesDelta;
            reserved.or(takes);
            refers.stream().forEach(block -> {
                assertTrue(reserved.get(block), "referred without a reservation: " + block);
                reserved.clear(block);
                referred.set(block);
            });
            returns.stream().forEach(block -> {
                assertTrue(reserved.get(block), "returned without a reservation: " + block);
                reserved.clear(block);
            });
            frees.stream().forEach(block -> {
                assertTrue(referred.get(block), "freed twice: " + block);
                referred.clear(block);
                pending.set(block);
            });
            MemoryVolume.this.pins += pins;
        }

        private void maybe() {
            assertTrue(pins == 0, "the pin has to be the last step");
            // What was missing is fetched, so in the end an attempt has all it needs.
            if (tries < 50 && notReady > 0 && random.nextInt(1000) < notReady) throw NotReady.INSTANCE;
        }

        @Override
        public void lockInode(long ino, LockMode mode) {
            assertTrue(ino != 0);
            maybe();
            groups.merge(ino >>> 10, mode, (a, b) -> a == LockMode.WRITE ? a : b);
        }

        @Override
        public void lockIndex(boolean data, long seq, LockMode mode) {
            maybe();
            others.add((data ? "data" : "meta") + (seq >>> 10) + mode);
        }

        @Override
        public void lockOrphans(LockMode mode) {
            maybe();
            others.add("orphans" + mode);
        }

        @Override
        public void lockRename() {
            maybe();
            others.add("rename");
        }

        private void covered(Key key, boolean change) {
            boolean is = switch (key.zone()) {
                case Keys.ZONE_FS -> groups.get(key.first() >>> 10) == LockMode.WRITE
                        || !change && groups.get(key.first() >>> 10) == LockMode.READ;
                case Keys.ZONE_META_SEQ, Keys.ZONE_DATA_SEQ -> change && key.first() == seq
                        || others.contains((key.zone() == Keys.ZONE_DATA_SEQ ? "data" : "meta") + (key.first() >>> 10)
                                + (change ? LockMode.WRITE_ONLY : LockMode.READ));
                case Keys.ZONE_ORPHAN -> others.contains("orphans" + (change ? LockMode.WRITE_ONLY : LockMode.READ));
                default -> false;
            };
            assertTrue(is, () -> "no lock covers " + key);
        }

        private Key masked(Key key) {
            boolean hashed = key.zone() == Keys.ZONE_FS && (key.type() == Keys.ENTRY || key.type() == Keys.XATTR);
            return collide && hashed ? new Key(key.zone(), key.first(), key.type(), key.second() & 1, key.third()) : key;
        }

        @Override
        public byte[] get(Key key) {
            covered(key, false);
            maybe();
            key = masked(key);
            return changes.containsKey(key) ? changes.get(key) : items.get(key);
        }

        @Override
        public void want(Key key) {}

        @Override
        public Cursor scan(Key first, Key last) {
            covered(first, false);
            maybe();
            var view = new TreeMap<>(items.subMap(first, true, last, true));
            changes.subMap(first, true, last, true).forEach((key, value) -> {
                if (value == null) view.remove(key);
                else view.put(key, value);
            });
            var iterator = view.entrySet().iterator();
            int changesSeen = changes.size();
            return new Cursor() {
                Map.Entry<Key, byte[]> entry;

                @Override
                public boolean next() {
                    assertEquals(changesSeen, changes.size(), "the items changed under a cursor");
                    maybe();
                    if (!iterator.hasNext()) return false;
                    entry = iterator.next();
                    if (entry.getKey().zone() == Keys.ZONE_FS) covered(entry.getKey(), false);
                    return true;
                }

                @Override
                public Key key() {
                    return entry.getKey();
                }

                @Override
                public byte[] value() {
                    return entry.getValue();
                }
            };
        }

        @Override
        public void put(Key key, byte[] value) {
            covered(key, true);
            assertTrue(value.length <= 4096);
            changes.put(masked(key), value);
        }

        @Override
        public void create(Key key, byte[] value) {
            var masked = masked(key);
            assertTrue(changes.containsKey(masked) ? changes.get(masked) == null : !items.containsKey(masked), () -> "there already: " + key);
            put(key, value);
        }

        @Override
        public void delete(Key key) {
            covered(key, true);
            changes.put(masked(key), null);
        }

        @Override
        public long seq() {
            return seq;
        }

        @Override
        public long committedSeq() {
            return seq - 1;
        }

        @Override
        public long allocateInode(boolean directory) {
            maybe();
            return directory ? dirIno++ : ino++;
        }

        @Override
        public void countInodes(int delta) {
            inodesDelta += delta;
        }

        @Override
        public Extent reserveData(long count, long goal) {
            maybe();
            int from = goal > 0 && goal < blocks && random.nextInt(4) > 0 ? (int) goal : 1 + random.nextInt(blocks - 1);
            for (int round = 0; round < 2; round++, from = 1) {
                for (int block = from; block < blocks; block++) {
                    if (taken(block)) continue;
                    int length = 0;
                    int max = (int) Math.min(count, 1 + random.nextInt(fragmentMax));
                    while (length < max && block + length < blocks && !taken(block + length)) length++;
                    takes.set(block, block + length);
                    return new Extent(block, length);
                }
            }
            throw Errno.ENOSPC.failure();
        }

        private boolean taken(int block) {
            return takes.get(block) || reserved.get(block) || referred.get(block) || pending.get(block);
        }

        @Override
        public void referData(Extent extent) {
            refers.set((int) extent.start(), (int) extent.end());
        }

        @Override
        public void returnData(Extent extent) {
            returns.set((int) extent.start(), (int) extent.end());
        }

        @Override
        public void freeData(Extent extent) {
            assertTrue(extent.start() > 0 && extent.end() <= blocks);
            assertTrue(frees.get((int) extent.start(), (int) extent.end()).isEmpty(), "freed twice: " + extent);
            frees.set((int) extent.start(), (int) extent.end());
        }

        @Override
        public DataPin pinData() {
            pins++;
            return () -> MemoryVolume.this.pins--;
        }

        @Override
        public boolean metadataLow() {
            return metadataLow;
        }

        @Override
        public boolean metadataScarce() {
            return metadataScarce;
        }

        @Override
        public SpaceReport space() {
            return SpaceReport.newBuilder().setInodeCount(inodes).setMetadata(dev.cairn.proto.Space.newBuilder().setFree(1000)).build();
        }
    }

    /// Everything keyed by an inode, for the checker.
    List<Map.Entry<Key, byte[]>> range(Key first, Key last) {
        return List.copyOf(items.subMap(first, true, last, true).entrySet());
    }
}
