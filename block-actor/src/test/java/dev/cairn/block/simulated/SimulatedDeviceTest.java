package dev.cairn.block.simulated;

import dev.cairn.block.DeviceException;
import dev.cairn.block.Extent;
import dev.cairn.block.simulated.SimulatedDevice.Tearing;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class SimulatedDeviceTest {
    private static final int BLOCKS = 8, BYTES = 8192;

    private static SimulatedDevice device() {
        return SimulatedDevice.create("sim", BYTES, BLOCKS);
    }

    private static MemorySegment filled(int value) {
        var segment = Arena.ofAuto().allocate(BYTES);
        segment.fill((byte) value);
        return segment;
    }

    private static int at(SimulatedDevice device, long byteOffset) throws DeviceException {
        var one = Arena.ofAuto().allocate(1);
        device.read(byteOffset, one);
        return Byte.toUnsignedInt(one.get(ValueLayout.JAVA_BYTE, 0));
    }

    /// Against the slow way: each sector of each block has a list of values it may have after the crash.
    @Property(tries = 300)
    void after_a_crash_each_sector_has_its_flushed_value_or_a_later_one(@ForAll long seed) throws DeviceException {
        var random = new SplittableRandom(seed);
        var device = device();
        long at = random.nextLong(60);
        var possible = new ArrayList<Set<Integer>>();
        for (int i = 0; i < BLOCKS; i++) possible.add(new HashSet<>(Set.of(0)));
        var last = new int[BLOCKS];
        for (int value = 1; value <= 60; value++) {
            boolean before = device.recording().now() < at;
            switch (random.nextInt(5)) {
                case 0 -> {
                    device.flush();
                    for (int i = 0; i < BLOCKS && before; i++) possible.set(i, new HashSet<>(Set.of(last[i])));
                }
                case 1 -> {
                    int block = random.nextInt(BLOCKS);
                    device.discard(new Extent(block, 1));
                    if (before) possible.get(block).add(last[block] = 0);
                }
                default -> {
                    int block = random.nextInt(BLOCKS);
                    device.write((long) block * BYTES, filled(value));
                    if (before) possible.get(block).add(last[block] = value);
                }
            }
        }
        var tearing = Tearing.values()[random.nextInt(Tearing.values().length)];
        long crashSeed = random.nextLong();
        var crashed = device.crash(at, new SplittableRandom(crashSeed), tearing);
        var again = device.crash(at, new SplittableRandom(crashSeed), tearing);
        var prefix = device.prefix(at);
        for (int block = 0; block < BLOCKS; block++) {
            for (int sector = 0; sector < BYTES; sector += 512) {
                long where = (long) block * BYTES + sector;
                assertThat(possible.get(block)).contains(at(crashed, where)).contains(at(crashed, where + 511));
                assertThat(at(crashed, where + 511)).isEqualTo(at(crashed, where));
                assertThat(at(again, where)).isEqualTo(at(crashed, where));
            }
            assertThat(at(prefix, (long) block * BYTES)).isEqualTo(last[block]);
        }
    }

    @Test
    void what_was_not_flushed_can_be_lost_and_what_was_flushed_cannot() throws DeviceException {
        var device = device();
        device.write(0, filled(1));
        device.flush();
        device.write(0, filled(2));
        device.write(BYTES, filled(3));
        var lost = device.flushedOnly(device.recording().now());
        assertThat(at(lost, 0)).isEqualTo(1);
        assertThat(at(lost, BYTES)).isZero();
        assertThat(at(device.restart(), 0)).isEqualTo(2);
        assertThat(device.recording().flushBoundaries()).containsExactly(2L);
        device.forgetHistory();
        assertThat(at(device.flushedOnly(device.recording().now()), 0)).isEqualTo(2);
    }

    @Test
    void torn_writes_happen() throws DeviceException {
        var device = device();
        device.write(0, filled(1));
        boolean torn = false;
        for (int seed = 0; seed < 100 && !torn; seed++) {
            var crashed = device.crash(1, new SplittableRandom(seed), Tearing.SECTORS_512);
            var values = new HashSet<Integer>();
            for (int sector = 0; sector < BYTES; sector += 512) values.add(at(crashed, sector));
            torn = values.size() == 2;
        }
        assertThat(torn).isTrue();
    }

    @Test
    void a_failed_flush_takes_its_writes_out_of_the_next_ones_promise() throws DeviceException {
        var device = device();
        device.write(0, filled(1));
        device.failFlushes();
        assertThatThrownBy(device::flush).hasMessageContaining("sim: flush").hasMessageContaining("EIO");
        device.heal();
        device.write(BYTES, filled(2));
        device.flush();
        var lost = device.flushedOnly(device.recording().now());
        assertThat(at(lost, 0)).isZero();
        assertThat(at(lost, BYTES)).isEqualTo(2);
    }

    @Test
    void two_devices_on_one_recording_crash_at_the_same_instant() throws DeviceException {
        var recording = new Recording();
        var one = SimulatedDevice.create("one", BYTES, BLOCKS, recording);
        var two = SimulatedDevice.create("two", BYTES, BLOCKS, recording);
        one.write(0, filled(1));
        two.write(0, filled(2));
        two.flush();
        long between = recording.now();
        one.flush();
        two.write(0, filled(3));
        assertThat(at(one.flushedOnly(between), 0)).isZero();
        assertThat(at(two.flushedOnly(between), 0)).isEqualTo(2);
        assertThat(at(one.flushedOnly(recording.now()), 0)).isEqualTo(1);
    }

    @Test
    void faults_hit_what_they_name() throws DeviceException {
        var device = device();
        device.write(0, filled(1));
        device.failReads(new Extent(1, 2));
        device.failWrites(new Extent(4, 1));
        assertThat(at(device, 0)).isEqualTo(1);
        assertThatThrownBy(() -> at(device, BYTES)).isInstanceOf(DeviceException.class).hasMessageContaining("block 1");
        assertThatThrownBy(() -> device.write(4L * BYTES, filled(1))).hasMessageContaining("EIO");
        device.heal();
        device.fillUp();
        device.write(0, filled(2));
        assertThatThrownBy(() -> device.write(5L * BYTES, filled(1))).hasMessageContaining("ENOSPC");
        device.heal();
        device.makeReadOnly();
        assertThatThrownBy(() -> device.write(0, filled(1))).hasMessageContaining("EROFS");
        device.heal();
        device.corrupt(3, 0x80);
        assertThat(at(device, 3)).isEqualTo(0x82);
        assertThat(at(device.prefix(device.recording().now()), 3)).isEqualTo(0x82);
        device.disappear();
        for (var call : List.<org.assertj.core.api.ThrowableAssert.ThrowingCallable>of(() -> at(device, 0),
                device::flush, () -> device.discard(new Extent(0, 1))))
            assertThatThrownBy(call).isInstanceOf(DeviceException.class).hasMessageContaining("gone");
        assertThatThrownBy(() -> device.write((long) BLOCKS * BYTES, filled(1))).hasMessageContaining("first 8 blocks");
    }

    @Test
    void with_a_cold_cache_nothing_is_read_without_waiting() throws DeviceException {
        var device = device();
        assertThat(device.readWithoutWaiting(0, filled(1))).isTrue();
        device.cacheCold(true);
        assertThat(device.readWithoutWaiting(0, filled(1))).isFalse();
    }
}
