package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ReaderPlacesTest {
    private final CpuPins pins = new CpuPins();
    private final List<DeviceReader> readers = IntStream.range(0, 2)
            .mapToObj(_ -> new DeviceReader(null, FuseMount.standIn(null, -1), pins, false, _ -> {})).toList();
    private final ReaderPlaces places = new ReaderPlaces(readers, () -> new int[] {3, 5}, pins);

    @AfterEach
    void stop() {
        places.stop();
    }

    private void look(int times, int... busy) {
        for (int i = 0; i < times; i++) for (int now : busy) places.look(now, 0);
    }

    private List<Integer> asked() {
        return readers.stream().map(DeviceReader::place).toList();
    }

    private void request(int reader, int client) {
        readers.get(reader).clients().count(client);
        places.requestCame();
    }

    private static boolean isResting(Thread thread) {
        return Arrays.stream(thread.getStackTrace()).anyMatch(frame -> frame.getMethodName().equals("rest"));
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
            places.look(2, 1);
        }
        assertThat(asked()).containsExactly(DeviceReader.ANYWHERE, DeviceReader.ANYWHERE);
    }

    /// They share a CPU and are never seen busy together, the clients have the other.
    @Test
    void readers_of_two_busy_clients_get_a_cpu_each_although_only_one_of_them_runs_at_a_time() throws Exception {
        var thread = Thread.ofPlatform().daemon().start(places);
        await().until(() -> isResting(thread));
        while (!asked().equals(List.of(3, 5))) {
            for (int client = 1001; client <= 1002; client++) request(client % 2, client);
            Thread.onSpinWait();
        }
        await().until(() -> asked().equals(List.of(DeviceReader.ANYWHERE, DeviceReader.ANYWHERE)));
        await().until(() -> isResting(thread));
    }

    @Test
    void the_kernels_own_requests_are_no_client_and_a_single_one_is_not_two() {
        for (int i = 0; i < 100; i++) {
            for (int j = 0; j < 1000; j++) {
                request(j % 2, 0);
                request(j % 2, 1001);
            }
            places.look(1, places.clients());
        }
        assertThat(asked()).containsExactly(DeviceReader.ANYWHERE, DeviceReader.ANYWHERE);
    }
}
