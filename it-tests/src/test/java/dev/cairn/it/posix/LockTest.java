package dev.cairn.it.posix;

import static dev.cairn.it.posix.Linux.*;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// flock and fcntl record locks, between descriptors of this process.
class LockTest extends PosixTest {
    @Test
    void flock_is_shared_or_exclusive() {
        var file = file("f", 0600, "");
        int a = opened(file, O_RDWR), b = opened(file, O_RDWR), c = opened(file, O_RDONLY);
        ok(root.flock(a, LOCK_SH | LOCK_NB));
        ok(root.flock(b, LOCK_SH | LOCK_NB));
        refused(EAGAIN, root.flock(c, LOCK_EX | LOCK_NB));
        ok(root.flock(a, LOCK_UN));
        closed(b);
        ok(root.flock(c, LOCK_EX | LOCK_NB));
        refused(EAGAIN, root.flock(a, LOCK_SH | LOCK_NB));
        closed(c);
        ok(root.flock(a, LOCK_EX | LOCK_NB));
    }

    @Test
    void record_locks_of_two_open_files_meet_where_they_overlap() {
        var file = file("f", 0600, "");
        int a = opened(file, O_RDWR), b = opened(file, O_RDWR);
        ok(root.lock(a, F_OFD_SETLK, F_WRLCK, 10, 10));
        refused(EAGAIN, root.lock(b, F_OFD_SETLK, F_RDLCK, 15, 1));
        refused(EAGAIN, root.lock(b, F_OFD_SETLK, F_WRLCK, 0, 0));
        ok(root.lock(b, F_OFD_SETLK, F_WRLCK, 20, 10));
        ok(root.lock(b, F_OFD_SETLK, F_WRLCK, 0, 10));
        assertThat(root.lockInTheWay(b, F_OFD_GETLK, F_RDLCK, 0, 0)).isEqualTo(F_WRLCK);
        ok(root.lock(a, F_OFD_SETLK, F_RDLCK, 10, 10));
        ok(root.lock(b, F_OFD_SETLK, F_RDLCK, 15, 1));
        ok(root.lock(a, F_OFD_SETLK, F_UNLCK, 0, 0));
        assertThat(root.lockInTheWay(b, F_OFD_GETLK, F_WRLCK, 0, 0)).isEqualTo(F_UNLCK);
    }

    @Test
    void a_closed_file_has_no_locks_left() {
        var file = file("f", 0600, "");
        int a = opened(file, O_RDWR), b = opened(file, O_RDWR);
        ok(root.lock(a, F_OFD_SETLK, F_WRLCK, 0, 0));
        closed(a);
        ok(root.lock(b, F_OFD_SETLK, F_WRLCK, 0, 0));
    }

    @Test
    void a_process_lock_meets_that_of_an_open_file() {
        var file = file("f", 0600, "");
        int a = opened(file, O_RDWR), b = opened(file, O_RDWR);
        ok(root.lock(a, F_SETLK, F_WRLCK, 0, 100));
        refused(EAGAIN, root.lock(b, F_OFD_SETLK, F_WRLCK, 50, 1));
        ok(root.lock(a, F_SETLK, F_UNLCK, 0, 60));
        ok(root.lock(b, F_OFD_SETLK, F_WRLCK, 50, 1));
    }

    @Test
    void a_lock_needs_the_access_mode() {
        var file = file("f", 0600, "");
        int reader = opened(file, O_RDONLY), writer = opened(file, O_WRONLY);
        refused(EBADF, root.lock(reader, F_SETLK, F_WRLCK, 0, 1));
        refused(EBADF, root.lock(writer, F_SETLK, F_RDLCK, 0, 1));
        ok(root.lock(reader, F_SETLK, F_RDLCK, 0, 1));
    }

    @Test
    void locks_outlive_names() {
        var file = file("f", 0600, "");
        int a = opened(file, O_RDWR), b = opened(file, O_RDWR);
        ok(root.flock(a, LOCK_EX | LOCK_NB));
        ok(root.rename(file, at("g")));
        refused(EAGAIN, root.flock(b, LOCK_EX | LOCK_NB));
        ok(root.unlink(at("g")));
        refused(EAGAIN, root.flock(b, LOCK_EX | LOCK_NB));
        int other = opened(file("g", 0600, ""), O_RDWR);
        ok(root.flock(other, LOCK_EX | LOCK_NB));
    }
}
