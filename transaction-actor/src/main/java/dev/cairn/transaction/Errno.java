package dev.cairn.transaction;

/// The errors of POSIX calls that Cairn answers, with Linux' numbers (asm-generic/errno-base.h, errno.h).
public enum Errno {
    EPERM(1), ENOENT(2), EINTR(4), EIO(5), ENXIO(6), E2BIG(7), EBADF(9), EAGAIN(11), ENOMEM(12), EACCES(13), EBUSY(16),
    EEXIST(17), EXDEV(18), ENODEV(19), ENOTDIR(20), EISDIR(21), EINVAL(22), ENOTTY(25), ETXTBSY(26), EFBIG(27),
    ENOSPC(28), EROFS(30), EMLINK(31), ERANGE(34), EDEADLK(35), ENAMETOOLONG(36), ENOSYS(38), ENOTEMPTY(39), ELOOP(40),
    ENODATA(61), ENOLINK(67), EPROTO(71), EOVERFLOW(75), EUCLEAN(117), EOPNOTSUPP(95), ESTALE(116), EDQUOT(122);

    private final int number;
    private final Failure failure;

    Errno(int number) {
        this.number = number;
        this.failure = new Failure(this);
    }

    public int number() {
        return number;
    }

    /// Ends an operation with this error: `throw ENOENT.failure()`. One instance for each, without a stack trace: an
    /// error that POSIX names is an answer, and lookups of missing names are frequent.
    public Failure failure() {
        return failure;
    }

    public static final class Failure extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final Errno errno;

        private Failure(Errno errno) {
            super(errno.name(), null, false, false);
            this.errno = errno;
        }

        public Errno errno() {
            return errno;
        }
    }
}
