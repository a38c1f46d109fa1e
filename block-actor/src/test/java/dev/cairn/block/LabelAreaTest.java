package dev.cairn.block;

import dev.cairn.block.DeviceLabel.Part;
import dev.cairn.block.DeviceLabel.Role;
import dev.cairn.block.LabelException.Problem;
import dev.cairn.block.simulated.Recording;
import dev.cairn.block.simulated.SimulatedDevice;
import dev.cairn.block.simulated.SimulatedDevice.Tearing;
import java.lang.foreign.Arena;
import java.time.Instant;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

class LabelAreaTest {
    static DeviceLabel label(Role role, long fsid) {
        return new DeviceLabel(role, fsid, 1, Part.of(Role.METADATA, 256), Part.of(Role.DATA, 1024),
                Instant.now(), List.of(new QuorumSlot(0, "127.0.0.1", 12345), new QuorumSlot(14, "fe80::1", 65535)),
                false, 0);
    }

    private static DeviceLabel atSequence(DeviceLabel label, long sequence) {
        return new DeviceLabel(label.role(), label.fsid(), sequence, label.metadata(), label.data(), label.created(),
                label.slots(), label.journalBorn(), label.dataAllocZoneBlocks());
    }

    private static SimulatedDevice device() {
        return SimulatedDevice.create("sim", 4096, 1024);
    }

    @Test
    void what_was_written_is_read() throws DeviceException {
        var device = device();
        var label = label(Role.DATA, -5).withJournalBorn();
        LabelArea.write(device, label);
        assertThat(LabelArea.read(device)).isEqualTo(label);
    }

    @Test
    void a_label_of_fifteen_ipv6_slots_fits() throws DeviceException {
        var slots = new java.util.ArrayList<QuorumSlot>();
        for (int nr = 0; nr <= QuorumSlot.NR_MAX; nr++)
            slots.add(new QuorumSlot(nr, "2001:db8:1111:2222:3333:4444:5555:" + nr, 65535));
        var small = label(Role.DATA, -1);
        var large = new DeviceLabel(Role.DATA, -1, Long.MAX_VALUE, small.metadata(), small.data(), small.created(), slots,
                true, Long.MAX_VALUE);
        var device = device();
        LabelArea.write(device, large);
        assertThat(LabelArea.read(device)).isEqualTo(large);
    }

    /// Updates, power cuts at random instants with torn sectors, updates again: there is always the label of the last
    /// finished update, or of the one that was cut.
    @RepeatedTest(300)
    void every_power_cut_leaves_the_old_label_or_the_new_one(RepetitionInfo run) throws DeviceException {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var device = device();
        var label = label(Role.DATA, 42);
        LabelArea.write(device, label);
        for (int round = 0; round < 10; round++) {
            device.forgetHistory();
            long from = device.recording().now();
            var next = atSequence(label, label.sequence() + 1);
            LabelArea.write(device, next);
            long at = from + random.nextLong(device.recording().now() - from + 1);
            boolean finished = at == device.recording().now();
            device = device.crash(at, random.split(), Tearing.SECTORS_512);
            var found = LabelArea.read(device);
            if (finished) assertThat(found).isEqualTo(next);
            else assertThat(found).isIn(label, next);
            label = found;
            if (random.nextBoolean()) LabelArea.repair(device, label);
        }
    }

    /// An update of both devices cut at any instant: the pair is still a pair, and says the old thing or the new.
    @RepeatedTest(200)
    void a_pair_cut_in_the_middle_of_an_update_is_still_a_pair(RepetitionInfo run) throws DeviceException {
        var random = new SplittableRandom(run.getCurrentRepetition());
        var recording = new Recording();
        var meta = SimulatedDevice.create("meta", 65536, 256, recording);
        var data = SimulatedDevice.create("data", 4096, 1024, recording);
        var old = label(Role.METADATA, 42);
        LabelArea.write(data, old.withRole(Role.DATA));
        LabelArea.write(meta, old);
        long from = recording.now();
        var born = old.withJournalBorn();
        LabelArea.write(meta, born);
        LabelArea.write(data, born.withRole(Role.DATA));
        long at = from + random.nextLong(recording.now() - from + 1);
        var found = VolumeDevices.pair(meta.crash(at, random.split(), Tearing.SECTORS_512),
                data.crash(at, random.split(), Tearing.SECTORS_512));
        if (at == recording.now()) assertThat(found).isEqualTo(born);
        else assertThat(found).isIn(old, born);
    }

    @Test
    void every_torn_prefix_of_an_update_leaves_a_label() throws DeviceException {
        try (var arena = Arena.ofConfined()) {
            var old = label(Role.DATA, 42);
            var next = atSequence(old, 2);
            var buffer = arena.allocate(LabelArea.PLACE_BYTES);
            LabelArea.encode(next, buffer);
            for (int place = 0; place < 2; place++) {
                for (int bytes = 1; bytes <= 600; bytes++) {
                    var device = device();
                    LabelArea.write(device, old);
                    device.write(LabelArea.placeAt(place), buffer.asSlice(0, bytes));
                    assertThat(LabelArea.read(device)).isIn(old, next);
                }
            }
        }
    }

    @Property(tries = 500)
    void a_flipped_bit_in_one_copy_is_survived_and_in_both_is_an_error(@ForAll @IntRange(max = LabelArea.PLACE_BYTES * 8 - 1) int bit)
            throws DeviceException {
        var device = device();
        var label = label(Role.METADATA, 1);
        LabelArea.write(device, label);
        device.corrupt(LabelArea.placeAt(0) + bit / 8, 1 << bit % 8);
        assertThat(LabelArea.read(device)).isEqualTo(label);
        device.corrupt(LabelArea.placeAt(1) + bit / 8, 1 << bit % 8);
        assertThatThrownBy(() -> LabelArea.read(device)).isInstanceOf(LabelException.class)
                .hasMessageStartingWith("sim: ");
    }

    @Test
    void an_unreadable_copy_is_survived() throws DeviceException {
        var device = device();
        LabelArea.write(device, label(Role.DATA, 3));
        device.failReads(new Extent(LabelArea.placeAt(0) / 4096, 1));
        assertThat(LabelArea.read(device).fsid()).isEqualTo(3);
        device.failReads(new Extent(LabelArea.placeAt(1) / 4096, 1));
        assertProblem(device, Problem.DAMAGED, "EIO");
    }

    @Test
    void no_label_garbage_and_newer_versions_are_told_apart() throws DeviceException {
        var device = device();
        assertProblem(device, Problem.MISSING, "no Cairn label");
        try (var arena = Arena.ofConfined()) {
            var garbage = arena.allocate(256 * 1024);
            var random = new SplittableRandom(1);
            for (int i = 0; i < garbage.byteSize(); i++)
                garbage.set(java.lang.foreign.ValueLayout.JAVA_BYTE, i, (byte) random.nextInt());
            device.write(0, garbage);
            assertProblem(device, Problem.MISSING, "no Cairn label");
            LabelArea.write(device, label(Role.DATA, 3));
            var newer = arena.allocate(LabelArea.PLACE_BYTES);
            LabelArea.encode(label(Role.DATA, 3), 2, newer);
            device.write(LabelArea.placeAt(1), newer);
            assertProblem(device, Problem.NEWER_VERSION, "version 2");
        }
        assertProblem(SimulatedDevice.create("sim", 4096, 10), Problem.MISSING, "too few");
    }

    private static void assertProblem(BlockDevice device, Problem problem, String words) {
        assertThatThrownBy(() -> LabelArea.read(device)).isInstanceOfSatisfying(LabelException.class, e -> {
            assertThat(e.problem()).isEqualTo(problem);
            assertThat(e).hasMessageContaining("sim").hasMessageContaining(words);
        });
    }
}
