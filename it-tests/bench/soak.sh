#!/usr/bin/env bash
# Mixed load for a long time under a small heap: does the node grow, does it pause?
#
#   it-tests/bench/soak.sh [-t MINUTES] [-x HEAP] [-T TRANSPORT] [WORK]
#
# WORK is an empty directory on the disk to use (default: a new one under /tmp). Prints a line a minute: resident set, heap
# after collecting, collections, files there are; in the end what grew, the longest pause of the collector, requests that
# took longer than 50 ms by opcode, the same of small writes and fsyncs that bypass Cairn on the same disk meanwhile, and what
# `cairn check` says. Ends with 1 when the check finds something or the resident set of the last quarter is more than a tenth
# above that of the second. Leaves nothing behind.
set -euo pipefail

minutes=60 heap=512m transport=auto
while getopts t:x:T: option; do
    case $option in t) minutes=$OPTARG ;; x) heap=$OPTARG ;; T) transport=$OPTARG ;; *) exit 2 ;; esac
done
shift $((OPTIND - 1))

root=$(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --show-toplevel)
work=${1:-$(mktemp -d /tmp/cairn-soak.XXXXXX)}
state=$work/state mount=$work/mount
mkdir -p "$mount"
loads=()
end_loads() {
    [ ${#loads[@]} = 0 ] || kill -- "${loads[@]/#/-}" 2>/dev/null || true
    wait 2>/dev/null || true
    loads=()
}
end() {
    end_loads
    "$root/cairn" down --state "$state" --lazy >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap end EXIT

CAIRN_HEAP=$heap "$root/cairn" up --state "$state" --meta-size 2G --data-size 16G --transport "$transport" "$mount" >/dev/null
pid=$(sed -n 's/.*"pid" *: *\([0-9]*\).*/\1/p' "$state/running.json")
http=$(sed -n 's/.*"http" *: *"\([^"]*\)".*/\1/p' "$state/running.json")

# ---- the load: what archives and their users do, each for ever

trees() {          # many small files come, are read and go
    for ((n = 0;; n++)); do
        mkdir -p "$mount/trees/$n"
        git -C "$root" archive HEAD | tar -x -C "$mount/trees/$n"
        find "$mount/trees/$n" -type f -print0 | xargs -0 cat | cksum >/dev/null
        cp -a "$mount/trees/$n" "$mount/trees/$n.copy"
        diff -r "$mount/trees/$n" "$mount/trees/$n.copy" || echo "soak: a copy differs" >&2
        ((n < 20)) || rm -rf "$mount/trees/$((n - 20))" "$mount/trees/$((n - 20)).copy"
    done
}
streams() {        # large files
    mkdir -p "$mount/streams"
    for ((n = 0;; n++)); do
        head -c $((RANDOM * 8192)) /dev/urandom | tee "$mount/streams/$((n % 12))" | cksum >"$work/sum.$((n % 12))"
        cksum <"$mount/streams/$((n % 12))" | cmp - "$work/sum.$((n % 12))" || echo "soak: a stream differs" >&2
    done
}
updates() {        # a database: writes in place, with fsync, at random
    truncate -s 256M "$mount/updates"
    while true; do
        dd if=/dev/urandom of="$mount/updates" bs=4k count=$((1 + RANDOM % 16)) seek=$((RANDOM * 2)) conv=notrunc,fsync status=none
    done
}
names() {          # one large directory: names, links, attributes
    mkdir -p "$mount/names"
    for ((n = 0;; n++)); do
        : >"$mount/names/$n"
        ln "$mount/names/$n" "$mount/names/$n.link"
        setfattr -n user.n -v "$n" "$mount/names/$n"
        mv "$mount/names/$n" "$mount/names/$n.moved"
        if ((n >= 20000)); then rm "$mount/names/$((n - 20000)).moved" "$mount/names/$((n - 20000)).link"; fi
        ((n % 2000)) || ls -l "$mount/names" | wc -l >/dev/null
    done
}
# Each is a process group: when it is to end, so is what it runs.
set -m
for load in trees streams updates names; do
    $load &
    loads+=($!)
done

# What the disk itself does to whoever waits for it: the same load on its file system, beside.
python3 -c '
import os, random, signal, sys, time
done = []
signal.signal(signal.SIGTERM, lambda *_: done.append(True))
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.truncate(fd, 64 << 20)
block, count, slow, longest = os.urandom(4096), [0, 0], [0, 0], [0.0, 0.0]
while not done:
    place = random.randrange(1 << 14) << 12
    for kind, call in enumerate((lambda: os.pwrite(fd, block, place), lambda: os.fsync(fd))):
        began = time.monotonic()
        call()
        took = time.monotonic() - began
        count[kind] += 1
        slow[kind] += took > 0.05
        longest[kind] = max(longest[kind], took)
    time.sleep(0.02)
for kind, name in enumerate(("write", "fsync")):
    print("  %-16s %9d %6d  longest %.0f ms" % (name, count[kind], slow[kind], longest[kind] * 1000))
' "$work/beside" >"$work/beside.result" &
loads+=($!)
set +m

# ---- looking at it

metric() { curl -s "http://$http/metrics" | awk -v name="$1" 'index($1, name) == 1 { sum += $NF } END { printf "%.0f", sum }'; }
echo "minute rss_mib heap_mib collections requests"
declare -a rss
for ((minute = 1; minute <= minutes; minute++)); do
    sum=0
    for _ in 1 2 3 4 5 6; do
        sleep 10
        sum=$((sum + $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")))
    done
    rss[minute]=$((sum / 6 / 1024))
    echo "$minute ${rss[minute]} $(($(metric 'jvm_gc_live_data_size_bytes') >> 20)) $(metric 'jvm_gc_pause_seconds_count') $(metric 'cairn_fuse_requests_seconds_count')"
done

end_loads

mean() { local sum=0 count=0; for ((m = $1; m <= $2; m++)); do sum=$((sum + rss[m])); count=$((count + 1)); done; echo $((sum / (count ? count : 1))); }
second=$(mean $((minutes / 4 + 1)) $((minutes / 2 > minutes / 4 ? minutes / 2 : minutes / 4 + 1)))
last=$(mean $((minutes - minutes / 4 > 0 ? minutes - minutes / 4 : 1)) "$minutes")
echo "resident set: $second MiB in the second quarter, $last MiB in the last"
curl -s "http://$http/metrics" >"$work/metrics"
awk '/^jvm_gc_pause_seconds_max/ && $NF > longest { longest = $NF } END { printf "longest pause of the collector in the last minutes: %.1f ms\n", longest * 1000 }' "$work/metrics"
echo "requests by opcode: of how many, longer than 50 ms (fsync and write wait for the disk)"
awk '/^cairn_fuse_requests_seconds_(bucket|count)/ {
        match($1, /opcode="[^"]+"/); opcode = substr($1, RSTART + 8, RLENGTH - 9)
        if ($1 ~ /_count/) total[opcode] = $NF
        else if ($1 ~ /le="0\.05"/) within[opcode] = $NF
    } END { for (opcode in total) if (total[opcode] > within[opcode]) printf "  %-16s %9d %6d\n", opcode, total[opcode], total[opcode] - within[opcode] }' "$work/metrics" | sort
echo "the same of the disk's own file system, beside it"
cat "$work/beside.result"
"$root/cairn" check "$mount"
[ "$last" -le $((second + second / 10)) ] || { echo "the node has grown" >&2; exit 1; }
