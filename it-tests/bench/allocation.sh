#!/usr/bin/env bash
# Heap that a node allocates for one operation of each kind: the node's own count (cairn_allocated_bytes_total) before and
# after many of them, divided. It waits for commits and merges of what came before, so that an operation's own heap is
# what counts; what its items cost in later merges is not in it. Times and noise of the machine do not matter to it.
#
#   it-tests/bench/allocation.sh [COUNT] [WORK]
#
# Needs root and python3. Leaves nothing behind.
set -euo pipefail

count=${1:-20000}
root=$(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --show-toplevel)
work=${2:-$(mktemp -d /tmp/cairn-bench.XXXXXX)}
mkdir -p "$work/mount"

end() {
    "$root/cairn" down --state "$work/state" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap end EXIT

metrics=$("$root/cairn" up --state "$work/state" --meta-size 2G --data-size 8G "$work/mount" | sed -n 's/^metrics *//p')
python3 - "$work/mount" "$metrics" "$count" <<'PYTHON'
import os, statistics, sys, time, urllib.request

top, metrics, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

def allocated():
    for line in urllib.request.urlopen(metrics).read().decode().splitlines():
        if line.startswith("cairn_allocated_bytes_total"):
            return float(line.split()[1])

def scraping():
    seen = [allocated() for _ in range(11)]
    return statistics.median(b - a for a, b in zip(seen, seen[1:]))

def each(what, of):
    for n in range(count):
        of(n)

def settle():
    os.fsync(stream)
    for _ in range(20):
        before = allocated(); time.sleep(1)
        if allocated() - before - scrape < 8e6: return

def create(n): os.close(os.open("%s/%s/f%d" % (top, where, n), os.O_CREAT | os.O_WRONLY, 0o644))
def absent(n):
    try: os.stat("%s/%s/none%d" % (top, where, n))
    except FileNotFoundError: pass
def small(n):
    fd = os.open("%s/%s/w%d" % (top, where, n), os.O_CREAT | os.O_WRONLY, 0o644)
    os.write(fd, block); os.close(fd)
def append(n): os.write(stream, block)
def overwrite(n): os.pwrite(stream, block, n * 7919 % count * 4096)
def fsync(n):
    if n % 20 == 0: os.pwrite(stream, block, n * 4096); os.fsync(stream)
def rename(n): os.rename("%s/%s/f%d" % (top, where, n), "%s/%s/g%d" % (top, where, n))
def listing(n):
    if n == 0:
        for i in range(20): os.listdir("%s/%s" % (top, where))
def unlink(n): os.unlink("%s/%s/g%d" % (top, where, n))

block = b"x" * 4096
kinds = [("create", create, 1), ("lookup, absent", absent, 1), ("create and write 4 KiB", small, 1), ("append 4 KiB", append, 1),
         ("overwrite 4 KiB", overwrite, 1), ("fsync of 4 KiB", fsync, 1 / 20), ("rename", rename, 1),
         ("readdir, an entry", listing, 20), ("unlink", unlink, 1)]
print("%-24s %s" % ("operation", "bytes allocated"))
for where in ("warm", "counted"):
    os.mkdir("%s/%s" % (top, where))
    stream = os.open("%s/%s/stream" % (top, where), os.O_CREAT | os.O_WRONLY, 0o644)
    scrape = scraping()
    settle()
    start, begin = allocated(), time.time()
    time.sleep(3)
    idle = (allocated() - start - scrape) / (time.time() - begin)      # what the node does anyway
    for name, of, per in kinds:
        settle()
        before, begin = allocated(), time.time()
        each(name, of)
        used = allocated() - before - scrape - idle * (time.time() - begin)
        if where == "counted":
            print("%-24s %.0f" % (name, used / (count * per)))
    os.close(stream)
PYTHON
