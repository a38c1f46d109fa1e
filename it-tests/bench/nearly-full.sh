#!/usr/bin/env bash
# Files created per second on an empty volume, on one whose metadata are 99 % full, and on one whose data are as well.
#
#   it-tests/bench/nearly-full.sh [-n FILES] [-r ROUNDS] [WORK]
#
# WORK is an empty directory (default: a new one under /tmp); two GiB are written there. Leaves nothing behind.
set -euo pipefail

files=5000 rounds=3
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


def rate(what, size):
    rates = []
    for n in range(rounds + 1):                 # the first one warms up
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
        time.sleep(8)                           # what was deleted is merged away
    median = statistics.median(rates[1:])
    v = os.statvfs(top)
    print("%-34s %8.0f files/s   (%s)" % (what, median, ", ".join("%.0f" % r for r in rates[1:])), flush=True)
    return median


def full(free, total, add):
    while free() > total // 100:
        try:
            add()
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise
            time.sleep(2)
    commit()
    time.sleep(10)


count = 0


def fill_metadata():
    global count
    os.makedirs(top + "/ballast", exist_ok=True)
    path = "%s/ballast/m%d" % (top, count)
    os.close(os.open(path, os.O_CREAT))
    count += 1
    for k in range(4):
        os.setxattr(path, "user.%d" % k, os.urandom(65000))
    if count % 16 == 0:
        commit()


def fill_data():
    global count
    os.makedirs(top + "/ballast", exist_ok=True)
    with open("%s/ballast/d%d" % (top, count), "w") as f:
        os.posix_fallocate(f.fileno(), 0, 16 << 20)
    count += 1


def percent(free, total):
    return 100 * (1 - free / total)


start = os.statvfs(top)
empty, empty_4k = rate("create, empty volume", 0), rate("create and write 4 KiB, empty", 4096)
full(lambda: os.statvfs(top).f_ffree, start.f_ffree, fill_metadata)
# While it was filled, merging took some as well; now that this is known, back to one hundredth.
while os.statvfs(top).f_ffree < start.f_ffree // 100 and count:
    # One of them is some 260 files' worth; what is unlinked is back when it has been merged.
    for _ in range(min(count, 1 + (start.f_ffree // 100 - os.statvfs(top).f_ffree) // 260)):
        count -= 1
        os.unlink("%s/ballast/m%d" % (top, count))
    commit()
    time.sleep(15)
v = os.statvfs(top)
print("metadata %.1f %% full" % percent(v.f_ffree, start.f_ffree), flush=True)
now = rate("create, metadata 99 % full", 0)
print("%-34s %8.0f %%" % ("of the rate when empty", 100 * now / empty))
for name in os.listdir(top + "/ballast"):
    os.unlink(top + "/ballast/" + name)
os.rmdir(top + "/ballast")
commit()
time.sleep(15)
full(lambda: os.statvfs(top).f_bavail - files, start.f_bavail, fill_data)
v = os.statvfs(top)
print("data %.1f %% full" % percent(v.f_bavail, start.f_bavail), flush=True)
now = rate("create and write 4 KiB, data full", 4096)
print("%-34s %8.0f %%" % ("of the rate when empty", 100 * now / empty_4k))
PY
