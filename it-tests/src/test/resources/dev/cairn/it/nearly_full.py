"""Eight processes at random on a volume that is kept nearly full; what must not happen ends the program with 1.

    nearly_full.py DIR SECONDS SEED DATA_SLACK_MIB METADATA_SLACK_FILES

Ballast takes everything but the slack first. Operations that free (unlink, rmdir, truncate to less, punch, removexattr), and
those that neither free nor allocate (rename, chmod, utimens, fsync) never fail for
space; those that allocate do so only while statvfs says that (within one refill) nothing is left; nothing takes long,
nothing ends with EIO.
"""
import collections, ctypes, errno, json, multiprocessing, os, random, resource, signal, sys, time

TOP, SECONDS, SEED, DATA_SLACK, METADATA_SLACK = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
PROCESSES = 8
HANGS_AFTER = 30
RACES = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.EBUSY, errno.ENODATA,
         errno.EPERM, errno.EMLINK, errno.ESTALE, errno.ENXIO}
FREEING = {"unlink", "rmdir", "shrink", "punch", "removexattr", "rename", "chmod", "utime", "fsync"}
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, offset, length) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


class Violation(Exception):
    pass


def statvfs():
    v = os.statvfs(TOP)
    return v.f_bavail, v.f_ffree


class Worker:
    def __init__(self, nr, refill_data, refill_files):
        self.random = random.Random(SEED * 1000 + nr)
        self.refill_data, self.refill_files = refill_data, refill_files
        self.counts = collections.Counter()
        self.slowest = (0, "")

    def path(self):
        return "%s/work/d%d/%s%d" % (TOP, self.random.randrange(6), self.random.choice("fs"), self.random.randrange(40))

    def directory(self):
        return "%s/work/d%d/sub%d" % (TOP, self.random.randrange(6), self.random.randrange(5))

    def with_file(self, flags, what):
        fd = os.open(self.path(), flags)
        try:
            what(fd)
        finally:
            os.close(fd)

    def create(self):
        os.close(os.open(self.path(), os.O_CREAT | os.O_WRONLY | self.random.choice([0, os.O_EXCL])))

    def write(self):
        length = self.random.choice([100, 4096, 5000, 65536, 1 << 20, 4 << 20])
        offset = self.random.choice([0, 4096, 100_000, 1 << 20, 3 << 20])

        def all_of_it(fd):
            data, done = b"x" * length, 0
            while done < length:
                n = os.pwrite(fd, data[done:], offset + done)      # short where space ends
                if n == 0:
                    raise Violation("a write of nothing")
                done += n
        self.with_file(os.O_CREAT | os.O_WRONLY, all_of_it)

    def append(self):
        self.with_file(os.O_CREAT | os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"y" * self.random.randrange(1, 200_000)))

    def allocate(self):
        length = self.random.choice([4096, 1 << 20, 8 << 20])
        self.with_file(os.O_CREAT | os.O_WRONLY, lambda fd: fallocate(fd, self.random.choice([0, 1]), self.random.randrange(0, 2 << 20), length))

    def read(self):
        self.with_file(os.O_RDONLY, lambda fd: os.pread(fd, 1 << 20, self.random.randrange(0, 2 << 20)))

    def fsync(self):
        self.with_file(os.O_RDONLY, os.fsync)

    def shrink(self):
        def to_less(fd):
            size = os.fstat(fd).st_size
            os.ftruncate(fd, self.random.randrange(0, size) if size else 0)
        self.with_file(os.O_WRONLY, to_less)

    def grow(self):
        def to_more(fd):
            os.ftruncate(fd, os.fstat(fd).st_size + self.random.randrange(0, 10 << 20))
        self.with_file(os.O_WRONLY, to_more)

    def punch(self):
        self.with_file(os.O_WRONLY, lambda fd: fallocate(fd, 3, self.random.randrange(0, 4 << 20), self.random.choice([4096, 10_000, 1 << 20])))

    def rename(self):
        os.rename(self.path(), self.path())

    def chmod(self):
        os.chmod(self.path(), 0o600 | self.random.randrange(0o100))

    def utime(self):
        os.utime(self.path())

    def unlink(self):
        os.unlink(self.path())

    def mkdir(self):
        os.mkdir(self.directory())

    def rmdir(self):
        os.rmdir(self.directory())

    def symlink(self):
        os.symlink("t/" * self.random.randrange(1, 2000), self.path())

    def link(self):
        os.link(self.path(), self.path(), follow_symlinks=False)

    def setxattr(self):
        os.setxattr(self.path(), "user.%d" % self.random.randrange(4), os.urandom(self.random.choice([10, 4000, 60_000])), follow_symlinks=False)

    def removexattr(self):
        os.removexattr(self.path(), "user.%d" % self.random.randrange(4), follow_symlinks=False)

    def tmpfile(self):
        fd = os.open(TOP + "/work", os.O_TMPFILE | os.O_WRONLY)
        os.close(fd)

    OPERATIONS = [create, create, write, write, write, append, allocate, read, fsync, shrink, grow, punch, punch, rename, rename, chmod,
                  utime, unlink, unlink, unlink, mkdir, rmdir, symlink, link, setxattr, setxattr, removexattr, tmpfile]

    def step(self):
        operation = self.random.choice(self.OPERATIONS)
        name = operation.__name__
        before = statvfs()
        began = time.monotonic()
        signal.alarm(HANGS_AFTER)
        try:
            operation(self)
            self.counts[name] += 1
        except OSError as e:
            self.counts["%s %s" % (name, errno.errorcode.get(e.errno, e.errno))] += 1
            if e.errno == errno.ENOSPC:
                after = statvfs()
                if name in FREEING:
                    raise Violation("%s was refused for lack of space" % name)
                data, files = min(before[0], after[0]), min(before[1], after[1])
                if data > self.refill_data and files > self.refill_files:
                    raise Violation("%s got ENOSPC with %d data blocks and %d files free" % (name, data, files))
            elif e.errno not in RACES and e.errno != errno.ELOOP:
                raise Violation("%s: %s" % (name, e))
        finally:
            signal.alarm(0)
        self.slowest = max(self.slowest, (time.monotonic() - began, name))


def hangs(*_):
    raise Violation("an operation took more than %d s" % HANGS_AFTER)


def work(nr, refills, results):
    signal.signal(signal.SIGALRM, hangs)
    worker = Worker(nr, *refills)
    problem = None
    try:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            worker.step()
    except Violation as e:
        problem = "process %d, seed %d: %s" % (nr, SEED, e)
    except Exception as e:
        problem = "process %d, seed %d: %r" % (nr, SEED, e)
    results.put((problem, worker.counts, worker.slowest))


def ballast():
    """Everything but the slack; on both devices, so that either can be the one that is full."""
    os.makedirs(TOP + "/work", exist_ok=True)
    for n in range(6):
        os.makedirs("%s/work/d%d" % (TOP, n), exist_ok=True)
    os.makedirs(TOP + "/ballast", exist_ok=True)
    n = 0
    while statvfs()[0] > DATA_SLACK * 256 + 1024:
        with open("%s/ballast/data%d" % (TOP, n), "w") as f:
            os.posix_fallocate(f.fileno(), 0, min(64 << 20, (statvfs()[0] - DATA_SLACK * 256) * 4096))
        n += 1
    n = 0
    while statvfs()[1] > METADATA_SLACK:
        # Now and then time for merging, which brings back what it took itself.
        if n % 200 == 199:
            time.sleep(3)
        path = "%s/ballast/metadata%d" % (TOP, n)
        try:
            fd = os.open(path, os.O_CREAT)
            for k in range(4):
                os.setxattr(path, "user.%d" % k, os.urandom(60_000))
            if n % 5 == 0:      # statvfs counts what is committed
                os.fsync(fd)
            os.close(fd)
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise
            time.sleep(3)
            n += 1
            break
        n += 1
        if statvfs()[1] <= METADATA_SLACK:
            time.sleep(3)
    # What merging took itself while all this was written was not known: now the slack is there for sure.
    while n > 0 and statvfs()[1] < METADATA_SLACK:
        n -= 1
        try:
            os.unlink("%s/ballast/metadata%d" % (TOP, n))
        except FileNotFoundError:
            pass
        if n % 4 == 0:
            fd = os.open(TOP, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
            time.sleep(0.5)


def main():
    total = os.statvfs(TOP)
    # As the server's policy has them: a 16th of the data, a 32nd of the metadata.
    refills = total.f_blocks // 16, total.f_files // 32
    ballast()
    results = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=work, args=(nr, refills, results)) for nr in range(PROCESSES)]
    for process in processes:
        process.start()
    counts, problems, slowest = collections.Counter(), [], (0, "")
    for _ in processes:
        problem, done, slow = results.get(timeout=SECONDS + 4 * HANGS_AFTER)
        counts.update(done)
        slowest = max(slowest, slow)
        if problem:
            problems.append(problem)
    for process in processes:
        process.join()
    print(json.dumps({"operations": sum(counts.values()), "slowest": slowest, "refused": {k: v for k, v in counts.items() if "ENOSPC" in k},
                      "counts": dict(sorted(counts.items()))}))
    for name in ("create", "write", "setxattr", "unlink", "punch", "rename"):
        if counts[name] == 0:
            problems.append("not one %s got through: nothing was tried" % name)
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
