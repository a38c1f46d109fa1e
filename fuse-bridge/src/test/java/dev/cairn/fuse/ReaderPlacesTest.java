package dev.cairn.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ReaderPlacesTest {
    private static final long LOOK_NANOS = 10_000_000;

    private final CpuPins pins = new CpuPins();
    private final List<DeviceReader> readers = IntStream.range(0, 2)
            .mapToObj(_ -> new DeviceReader(null, FuseMount.standIn(null, -1), pins, false, _ -> {})).toList();
    private final ReaderPlaces places = new ReaderPlaces(readers, () -> new int[] {3, 5}, pins);

    @AfterEach
    void stop() {
        places.stop();
    }

    private List<Integer> asked() {
        return readers.stream().map(DeviceReader::place).toList();
    }

    private void request(int reader, int client) {
        readers.get(reader).clients().count(client);
        places.clientCame();
    }

    private static boolean isResting(Thread thread) {
        return Arrays.stream(thread.getStackTrace()).anyMatch(frame -> frame.getMethodName().equals("rest"));
    }

    @Test
    void a_second_client_now_and_then_leaves_them_to_the_scheduler() {
        for (int i = 0; i < 100; i++) {
            places.look(2);
            places.look(1);
        }
        assertThat(asked()).containsExactly(DeviceReader.ANYWHERE, DeviceReader.ANYWHERE);
    }

    @Test
    void a_client_that_waits_now_and_then_leaves_them_where_they_are() {
        for (int i = 0; i < 100; i++) {
            for (int clients : new int[] {2, 2, 1, 0, 1}) places.look(clients);
            assertThat(asked()).containsExactly(3, 5);
        }
    }

    @Test
    void clients_with_few_requests_leave_them_to_the_scheduler_however_late_the_look() {
        for (int i = 0; i < 100; i++) {
            for (int j = 0; j < 600; j++) request(j % 2, 1001 + j % 2);
            places.look(places.clients(10 * LOOK_NANOS));
        }
        assertThat(asked()).containsExactly(DeviceReader.ANYWHERE, DeviceReader.ANYWHERE);
    }

    @Test
    void readers_of_two_busy_clients_get_a_cpu_each_until_the_clients_are_done() throws Exception {
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
    void a_single_client_of_both_readers_is_not_two() {
        for (int i = 0; i < 100; i++) {
            for (int j = 0; j < 1000; j++) request(j % 2, 1001);
            places.look(places.clients(LOOK_NANOS));
        }
        assertThat(asked()).containsExactly(DeviceReader.ANYWHERE, DeviceReader.ANYWHERE);
    }
}
