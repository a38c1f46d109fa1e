package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReaderPlacesTest {
    private final CpuPins pins = new CpuPins();
    private final List<DeviceReader> readers = IntStream.range(0, 2)
            .mapToObj(_ -> new DeviceReader(null, FuseMount.standIn(null, -1), pins, false, _ -> {})).toList();
    private final ReaderPlaces places = new ReaderPlaces(readers, () -> new int[] {3, 5}, pins);

    private void look(int times, int... busy) {
        for (int i = 0; i < times; i++) for (int now : busy) places.look(now);
    }

    private List<Integer> asked() {
        return readers.stream().map(DeviceReader::place).toList();
    }

    @Test
    void readers_that_are_busy_together_get_a_cpu_each_until_they_are_not() {
        look(10, 1, 2, 0, 1);
        assertThat(asked()).containsExactly(3, 5);
        look(200, 1);
        assertThat(asked()).containsExactly(DeviceReader.ANYWHERE, DeviceReader.ANYWHERE);
    }

    @Test
    void one_client_and_a_rare_second_one_leave_them_to_the_scheduler() {
        for (int i = 0; i < 100; i++) {
            look(10, 1, 0, 1);
            places.look(2);
        }
        assertThat(asked()).containsExactly(DeviceReader.ANYWHERE, DeviceReader.ANYWHERE);
    }
}
