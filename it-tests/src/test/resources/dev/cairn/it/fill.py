"""Fills a volume from four processes at once, each in a directory of its own, until ENOSPC; anything else is an error.

    fill.py DIR data|xattrs|files|extents [BYTES]

Prints the least that statvfs said to the writers right when they met ENOSPC: free data blocks for data, free files for the rest.
`data` allocates in steps of BYTES; `extents` gives one file as many extents as there can be, each writer in a range of its own.
"""
import ctypes, errno, multiprocessing, os, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
KEEP_SIZE, PUNCH_HOLE = 1, 2


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, offset, length) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def opened(path):
    return os.open(path, os.O_CREAT | os.O_RDWR)


def data(top, step):
    n = 0
    while True:
        fd = opened("%s/%d" % (top, n))
        try:
            fallocate(fd, 0, 0, step)
        finally:
            os.close(fd)
        n += 1


def xattrs(top, _):
    n = 0
    while True:
        # Never one that is there: replacing values would make room again.
        path = "%s/%d.%d" % (top, os.getpid(), n)
        os.close(opened(path))
        for k in range(4):
            os.setxattr(path, "user.%d" % k, os.urandom(65535))
        n += 1


def files(top, _):
    n = 0
    while True:
        os.close(opened("%s/%d" % (top, n)))
        n += 1


def extents(top, _):
    all, name = os.path.split(top)
    os.makedirs(all + "/a", exist_ok=True)
    fd = opened(all + "/a/one")
    at = "abcd".index(name) << 40
    while True:
        fallocate(fd, 0, at, 4096)
        at += 8192


def writer(kind, top, step, results):
    try:
        os.makedirs(top, exist_ok=True)
        globals()[kind](top, step)
    except OSError as e:
        v = os.statvfs(os.path.dirname(top))
        free = v.f_bavail if kind == "data" else v.f_ffree
        results.put((None, free) if e.errno == errno.ENOSPC else (str(e), free))
    except BaseException as e:
        results.put((repr(e), 0))


def main():
    top, kind, step = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 128 << 20
    results = multiprocessing.Queue()
    writers = [multiprocessing.Process(target=writer, args=(kind, top + "/" + name, step, results)) for name in "abcd"]
    for one in writers:
        one.start()
    outcomes = [results.get() for _ in writers]
    for one in writers:
        one.join()
    problems = [problem for problem, _ in outcomes if problem]
    if problems:
        sys.exit("; ".join(problems))
    print(min(free for _, free in outcomes))


main()
