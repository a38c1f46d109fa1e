"""Each operation at an edge of a volume: just before it, at it, and after something was freed.

    edges.py DIR metadata|data

At the edge of the metadata whatever adds something is refused, at once; whatever changes or frees goes on. At the edge of the
data only new data blocks are refused. Prints what it tried; ends with 1 and the reason when an answer is wrong.
"""
import ctypes, errno, mmap, os, stat, sys, time

TOP, EDGE = sys.argv[1], sys.argv[2]
AT_ONCE = 2          # seconds; a commit that is waited for would take longer on a slow machine
BACK_WITHIN = 30
BLOCK = 4096
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
libc.renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]


def fallocate(path, mode, offset, length):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        if libc.fallocate(fd, mode, offset, length) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)


def pwrite(path, data, offset, flags=0):
    fd = os.open(path, os.O_WRONLY | flags)
    try:
        return os.pwrite(fd, data, offset)
    finally:
        os.close(fd)


def sync():
    fd = os.open(TOP, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def at(name):
    return TOP + "/" + name


fresh = 0


def new(kind="new"):
    global fresh
    fresh += 1
    return at("%s%d" % (kind, fresh))


def tmpfile():
    os.close(os.open(TOP, os.O_TMPFILE | os.O_WRONLY))


def map_and_write():
    """A store to a mapping is accepted before anybody asks; the page comes later, and must not be refused."""
    fd = os.open(at("written"), os.O_RDWR)
    try:
        with mmap.mmap(fd, 64 * BLOCK) as mapped:
            mapped[5 * BLOCK:5 * BLOCK + 7] = b"in time"
            mapped.flush()
        os.fsync(fd)
        assert os.pread(fd, 7, 5 * BLOCK) == b"in time"
    finally:
        os.close(fd)


ALLOCATE_NAMES = {
    "create": lambda: os.close(os.open(new(), os.O_CREAT | os.O_EXCL)),
    "mknod": lambda: os.mknod(new(), stat.S_IFIFO | 0o600),
    "mkdir": lambda: os.mkdir(new()),
    "symlink": lambda: os.symlink("somewhere", new()),
    "link": lambda: os.link(at("written"), new()),
    "setxattr": lambda: os.setxattr(at("written"), "user.n%d" % time.monotonic_ns(), b"v"),
    "tmpfile": tmpfile,
}
ALLOCATE_DATA = {
    "write": lambda: pwrite(at("sparse"), b"x" * BLOCK, fresh_block() * 2 * BLOCK),
    "fallocate": lambda: fallocate(at("sparse"), 1, fresh_block() * 2 * BLOCK, BLOCK),
}
MODIFY = {
    "overwrite": lambda: pwrite(at("written"), b"y" * 10_000, 3000),
    "mmap": map_and_write,
    "chmod": lambda: os.chmod(at("written"), 0o640),
    "chown": lambda: os.chown(at("written"), 7, 7),
    "utime": lambda: os.utime(at("written")),
    "truncate to more": lambda: os.truncate(at("sparse"), 1 << 30),
    "fsync": sync,
    "readdir": lambda: os.listdir(TOP),
    "read": lambda: open(at("written"), "rb").read(),
    "getxattr": lambda: os.getxattr(at("written"), "user.a"),
}


def fresh_block():
    global fresh
    fresh += 1
    return fresh


def freeing(n):
    """What frees, on things made beforehand; n tells the two times apart."""
    return {
        "rename": lambda: os.rename(at("name%d" % n), at("other name%d" % n)),
        "rename over": lambda: os.rename(at("other name%d" % n), at("replaced%d" % n)),
        "exchange": lambda: exchange(at("replaced%d" % n), at("written")),
        "exchange back": lambda: exchange(at("replaced%d" % n), at("written")),
        "truncate to less": lambda: os.truncate(at("long%d" % n), 5000),
        "punch": lambda: fallocate(at("holes%d" % n), 3, BLOCK, 3 * BLOCK),
        "removexattr": lambda: os.removexattr(at("written"), "user.r%d" % n),
        "unlink": lambda: os.unlink(at("gone%d" % n)),
        "rmdir": lambda: os.rmdir(at("empty%d" % n)),
    }


def exchange(a, b):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def works(name, operation):
    try:
        operation()
    except OSError as e:
        sys.exit("%s at the edge of the %s: %s" % (name, EDGE, e))
    print("works: " + name)


def refused(name, operation, fill):
    # Merging may have brought a little back since the volume was full: then it is filled again.
    for _ in range(20):
        began = time.monotonic()
        try:
            operation()
        except OSError as e:
            took = time.monotonic() - began
            if e.errno != errno.ENOSPC:
                sys.exit("%s at the edge of the %s: %s, not ENOSPC" % (name, EDGE, e))
            if took > AT_ONCE:
                sys.exit("%s at the edge of the %s: ENOSPC after %.1f s" % (name, EDGE, took))
            print("refused: " + name)
            return
        fill()
    sys.exit("%s at the edge of the %s is never refused" % (name, EDGE))


def back(name, operation):
    deadline = time.monotonic() + BACK_WITHIN
    while True:
        try:
            operation()
            print("works again: " + name)
            return
        except OSError as e:
            if e.errno != errno.ENOSPC:
                sys.exit("%s after freeing: %s" % (name, e))
            if time.monotonic() > deadline:
                sys.exit("%s after freeing: no space within %d s" % (name, BACK_WITHIN))
            time.sleep(0.1)


def until_full(operation):
    try:
        while True:
            operation()
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise


def fill_metadata():
    os.makedirs(at("ballast"), exist_ok=True)

    def one():
        path = new("ballast/")
        os.close(os.open(path, os.O_CREAT))
        for k in range(4):
            os.setxattr(path, "user.%d" % k, os.urandom(60_000))
    until_full(one)
    until_full(lambda: os.close(os.open(new("ballast/"), os.O_CREAT)))


def fill_data():
    os.makedirs(at("ballast"), exist_ok=True)
    for step in (16 << 20, 1 << 20, BLOCK):
        until_full(lambda: fallocate(new("ballast/"), 0, 0, step))


def remove_ballast():
    for name in os.listdir(at("ballast")):
        os.unlink(at("ballast/" + name))


def prepare():
    for name in ("written", "sparse"):
        os.close(os.open(at(name), os.O_CREAT))
    pwrite(at("written"), b"w" * (64 * BLOCK), 0)
    os.setxattr(at("written"), "user.a", b"value")
    for n in (0, 1):
        for name in ("name", "replaced", "gone"):
            os.close(os.open(at("%s%d" % (name, n)), os.O_CREAT))
        os.mkdir(at("empty%d" % n))
        os.setxattr(at("written"), "user.r%d" % n, b"v")
        for name in ("long", "holes"):
            fallocate(at("%s%d" % (name, n)), 0, 0, 64 * BLOCK)
            pwrite(at("%s%d" % (name, n)), b"h" * (32 * BLOCK), 0)
    fallocate(at("allocated"), 0, 0, 16 * BLOCK)
    sync()


def at_metadata_edge():
    fill_metadata()
    for name, operation in {**ALLOCATE_NAMES, **ALLOCATE_DATA}.items():
        refused(name, operation, fill_metadata)
    for name, operation in MODIFY.items():
        works(name, operation)
    for name, operation in freeing(0).items():
        works(name, operation)
    remove_ballast()
    for name, operation in {**ALLOCATE_NAMES, **ALLOCATE_DATA}.items():
        back(name, operation)


def at_data_edge():
    fill_data()
    if os.statvfs(TOP).f_bavail != 0:
        sys.exit("%d blocks are free when no step of one block is to be had" % os.statvfs(TOP).f_bavail)
    for name, operation in ALLOCATE_DATA.items():
        refused(name, operation, fill_data)
    for name, operation in {**MODIFY, **ALLOCATE_NAMES}.items():
        works(name, operation)
    works("write to what is allocated", lambda: pwrite(at("allocated"), b"z" * 10 * BLOCK, 100))
    short_writes()
    for name, operation in freeing(0).items():
        works(name, operation)
    remove_ballast()
    for name, operation in {**ALLOCATE_NAMES, **ALLOCATE_DATA}.items():
        back(name, operation)


def short_writes():
    """Three blocks are free: a write of ten says how far it came, and what it took stays taken."""
    fill_data()
    fallocate(at("holes1"), 3, 2 * BLOCK, 3 * BLOCK)
    sync()
    fd = os.open(new(), os.O_CREAT | os.O_RDWR)
    wrote = os.pwrite(fd, b"s" * (10 * BLOCK), 0)
    if wrote != 3 * BLOCK:
        sys.exit("a write of ten blocks with three free returned %d" % wrote)
    try:
        os.pwrite(fd, b"s" * (7 * BLOCK), wrote)
        sys.exit("a write succeeded with nothing free")
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
    os.fsync(fd)
    if os.fstat(fd).st_size != wrote or os.fstat(fd).st_blocks != wrote // 512 or os.pread(fd, 1 << 20, 0) != b"s" * wrote:
        sys.exit("a short write left %d bytes in %d sectors" % (os.fstat(fd).st_size, os.fstat(fd).st_blocks))
    os.ftruncate(fd, 0)
    os.fsync(fd)
    # What does not fit is refused as a whole by fallocate, and nothing of it is lost when the file goes.
    try:
        if libc.fallocate(fd, 0, 0, 10 * BLOCK) == 0:
            sys.exit("ten blocks were allocated with three free")
        if ctypes.get_errno() != errno.ENOSPC:
            sys.exit("fallocate of ten blocks with three free: errno %d" % ctypes.get_errno())
    finally:
        os.close(fd)
    os.unlink(at("new%d" % fresh))
    # The blocks of a file that has gone are freed behind the unlink, and counted with the commit after that.
    deadline = time.monotonic() + BACK_WITHIN
    while os.statvfs(TOP).f_bavail != 3:
        if time.monotonic() > deadline:
            sys.exit("%d blocks are free, not three" % os.statvfs(TOP).f_bavail)
        sync()
        time.sleep(0.1)
    print("works: short writes")


def main():
    prepare()
    for name, operation in {**ALLOCATE_NAMES, **ALLOCATE_DATA, **MODIFY}.items():
        works(name + " before", operation)
    if EDGE == "metadata":
        at_metadata_edge()
    else:
        at_data_edge()
    for name, operation in freeing(1).items():
        works(name + " afterwards", operation)


main()
