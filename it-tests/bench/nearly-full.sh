#!/usr/bin/env bash
# Files created per second on an empty volume, on one whose metadata are full but for 1 % and the mount's share, and on one
# whose data are 99 % full.
#
#   it-tests/bench/nearly-full.sh [-n FILES] [-r ROUNDS] [WORK]
#
# WORK is an empty directory (default: a new one under /tmp); two GiB are written there. Leaves nothing behind.
set -euo pipefail

files=5000 rounds=8
while getopts n:r: option; do
    case $option in
        n) files=$OPTARG ;; r) rounds=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

root=$(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --show-toplevel)
work=${1:-$(mktemp -d /tmp/cairn-nearly-full.XXXXXX)}
mkdir -p "$work/mount"
end() {
    "$root/cairn" down --state "$work/state" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap end EXIT
"$root/cairn" up --state "$work/state" --meta-size 1G --data-size 4G "$work/mount" >/dev/null

python3 - "$work/mount" "$files" "$rounds" <<'PY'
import errno, os, statistics, sys, time

top, files, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def commit():
    fd = os.open(top, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def rate(what, size, warm=1):
    rates = []
    for n in range(rounds + warm):
        os.mkdir(top + "/rate")
        data = b"x" * size
        began = time.monotonic()
        for k in range(files):
            fd = os.open("%s/rate/file%d" % (top, k), os.O_CREAT | os.O_WRONLY)
            if size:
                os.write(fd, data)
            os.close(fd)
        commit()
        rates.append(files / (time.monotonic() - began))
        for k in range(files):
            os.unlink("%s/rate/file%d" % (top, k))
        os.rmdir(top + "/rate")
        commit()
        time.sleep(4)                           # what was deleted is merged away
    rates = rates[warm:]
    median = statistics.median(rates)
    print("%-34s %8.0f files/s   (%s)" % (what, median, ", ".join("%.0f" % r for r in rates)), flush=True)
    return median


def settled(free):
    """What is free when merging has nothing to do any more."""
    commit()
    last, since = free(), time.monotonic()
    while time.monotonic() - since < 7:
        time.sleep(0.5)
        if free() != last:
            last, since = free(), time.monotonic()
    return last


def full(free, goal, each, add, remove):
    """Leaves so much free, of which each addition takes `each`. Merging takes and returns some as well: so in steps."""
    while True:
        now = settled(free)
        if 0.8 * goal <= now <= 1.2 * goal:
            return
        for _ in range(int((goal - now) / each + 0.5)):
            remove()
        for _ in range(int((now - goal) / each + 0.5)):
            try:
                add()
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise
                break


names = []


def fill_metadata():
    os.makedirs(top + "/ballast", exist_ok=True)
    name = "%s/ballast/m%d" % (top, len(names))
    os.close(os.open(name, os.O_CREAT))
    names.append(name)
    for k in range(4):
        os.setxattr(names[-1], "user.%d" % k, os.urandom(65000))


def fill_data():
    os.makedirs(top + "/ballast", exist_ok=True)
    name = "%s/ballast/d%d" % (top, len(names))
    with open(name, "w") as f:
        names.append(name)
        os.posix_fallocate(f.fileno(), 0, 4 << 20)


def remove():
    os.unlink(names.pop())


def empty():
    while names:
        remove()
    os.rmdir(top + "/ballast")


def files_free():
    return os.statvfs(top).f_ffree


def data_free():
    return os.statvfs(top).f_bavail


start = os.statvfs(top)
# The first rounds are slower: the node has just been started.
none, none_4k = rate("create, empty volume", 0, 5), rate("create and write 4 KiB, empty", 4096)
# One hundredth, and what the mount has in hand, up to a 32nd: with less the volume is flagged low, and nothing can be created.
full(files_free, start.f_ffree // 100 + (1 << 30) // (64 << 10) // 32 * 64, 260, fill_metadata, remove)
print("metadata %.1f %% full, the share in hand being free" % (100 * (1 - files_free() / start.f_ffree)), flush=True)
now = rate("create, metadata full but for 1 %", 0)
empty()
settled(files_free)
full(data_free, start.f_bavail // 100, 1024, fill_data, remove)
print("data %.1f %% full" % (100 * (1 - data_free() / start.f_bavail)), flush=True)
now_4k = rate("create and write 4 KiB, data full", 4096)
empty()
settled(files_free)
# Once more, for what is compared was measured minutes apart.
again, again_4k = rate("create, empty again", 0), rate("create and write 4 KiB, empty again", 4096)
print("%-34s %8.0f %%" % ("create, of the mean when empty", 100 * now / ((none + again) / 2)))
print("%-34s %8.0f %%" % ("with 4 KiB, the same", 100 * now_4k / ((none_4k + again_4k) / 2)))
PY
