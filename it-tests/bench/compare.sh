#!/usr/bin/env bash
# fsbench on Cairn, on the ceiling of FUSE and on a plain directory of the same disk, in turn; medians and ratios.
#
#   it-tests/bench/compare.sh [-n FILES] [-p PROCS] [-m MIB] [-r ROUNDS] [-t TRANSPORT[,TRANSPORT]] [WORK]
#
# WORK is an empty directory on the disk to measure (default: a new one under /tmp). TRANSPORT is auto (default), dev-fuse
# or io-uring; with two, a volume for each. For io-uring the machine's switch is turned on while mounting, and put back.
# Needs root, a C++ compiler, and the sources of the yardstick in $FSBENCH (default: shared/bench beside the checkout).
# Leaves nothing behind. Not for real-time priorities: a ring's thread stays on its CPU, and would wait there for the JVM's
# own threads for slices of 100 ms.
set -euo pipefail

files=5000 procs=1 mib=512 rounds=3 transports=auto
while getopts n:p:m:r:t: option; do
    case $option in
        n) files=$OPTARG ;; p) procs=$OPTARG ;; m) mib=$OPTARG ;; r) rounds=$OPTARG ;; t) transports=${OPTARG//,/ } ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

root=$(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --show-toplevel)
sources=${FSBENCH:-$root/../shared/bench}
work=${1:-$(mktemp -d /tmp/cairn-bench.XXXXXX)}
switch=/sys/module/fuse/parameters/enable_uring
mkdir -p "$work"/{ceiling,plain,results}

end() {
    [ -z "${switched:-}" ] || echo N >$switch
    for transport in $transports; do "$root/cairn" down --state "$work/state.$transport" >/dev/null 2>&1 || true; done
    umount "$work/ceiling" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

gcc -O2 -o "$work/fsbench" "$sources/fsbench.c"
g++ -O2 -std=c++17 -o "$work/fuseceil" "$sources/fuseceil.cc" -lpthread
"$work/fuseceil" "$work/ceiling" >/dev/null 2>&1 &
for transport in $transports; do
    if [ "$transport" = io-uring ] && [ "$(cat $switch)" = N ]; then
        switched=1
        echo Y >$switch
    fi
    mkdir "$work/$transport"
    "$root/cairn" up --state "$work/state.$transport" --meta-size 2G --data-size 8G --transport "$transport" \
        "$work/$transport" >/dev/null
    # A mount keeps what it found.
    [ -z "${switched:-}" ] || echo N >$switch
    switched=
done

# A node works for nobody at first (docs/configuration.md, CAIRN_WARM_UP); two of them would disturb each other.
for transport in $transports; do
    for ((wait = 0; wait < 150; wait++)); do
        ! grep -q "warmed up in" "$work/state.$transport/node.log" || break
        sleep 0.2
    done
done
# The first round warms up everybody's caches and compilers; it is not counted.
for ((round = 0; round <= rounds; round++)); do
    for side in $transports ceiling plain; do
        # While a node's clients are busy, and some 30 ms longer, it asks the machine's CPUs to wake promptly: not for the next side.
        sleep 0.3
        "$work/fsbench" -n "$files" -p "$procs" -m "$mib" "$work/$side" >"$work/results/$side.$round"
        rm -rf "$work/$side"/fsbench.*
    done
done

echo "fsbench -n $files -p $procs -m $mib, medians of $rounds, ops/s (MiB/s for seq*); $(uname -r), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg)"
awk -v rounds="$rounds" -v transports="$transports" '
    FNR == 1 { split(FILENAME, part, "/"); split(part[length(part)], name, "."); side = name[1]; next }
    name[2] > 0 { if (!seen[$1]++) order[++phases] = $1; value[side, $1, ++count[side, $1]] = $4 }
    function median(side, phase,   n, i, j, sorted, swap) {
        n = count[side, phase]
        for (i = 1; i <= n; i++) sorted[i] = value[side, phase, i]
        for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++)
            if (sorted[j] < sorted[i]) { swap = sorted[i]; sorted[i] = sorted[j]; sorted[j] = swap }
        return sorted[int((n + 1) / 2)]
    }
    END {
        ours = split(transports, transport, " ")
        printf "%-12s", "phase"
        for (t = 1; t <= ours; t++) printf " %10s %9s %9s", transport[t], "/ceiling", "/plain"
        printf " %10s %10s\n", "ceiling", "plain"
        for (i = 1; i <= phases; i++) {
            p = order[i]; f = median("ceiling", p); e = median("plain", p)
            printf "%-12s", p
            for (t = 1; t <= ours; t++) {
                c = median(transport[t], p)
                printf " %10.0f %8.0f%% %8.0f%%", c, 100 * c / f, 100 * c / e
            }
            printf " %10.0f %10.0f\n", f, e
        }
    }' "$work"/results/*
