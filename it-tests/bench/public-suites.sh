#!/usr/bin/env bash
# Public test suites on a mount: pjdfstest (what each system call must answer, by POSIX) and fsx (random changes of one file,
# every read checked), in their current versions from crates.io.
#
#   it-tests/bench/public-suites.sh [-n FSX_OPERATIONS] [-s SEED] [-t TRANSPORT] [WORK]
#
# WORK is an empty directory on the disk to use (default: a new one under /tmp); a second directory of the same disk stands for
# another file system. Needs root and cargo. The tests of EROFS remount: they run where `deploy/install` has put the helper
# of mount(8), after the others, and are left out elsewhere. Leaves nothing behind; exits non-zero when a test fails.
set -euo pipefail

operations=40000 seed=$RANDOM transport=auto
while getopts n:s:t: option; do
    case $option in
        n) operations=$OPTARG ;; s) seed=$OPTARG ;; t) transport=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

root=$(git -C "$(dirname "$(readlink -f "$0")")" rev-parse --show-toplevel)
work=${1:-$(mktemp -d /tmp/cairn-suites.XXXXXX)}
# The suite's other users have to get through.
chmod 755 "$work"
mkdir -p "$work/mount" "$work/other"

end() {
    "$root/cairn" down --state "$work/state" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap end EXIT

CARGO_HOME=$work/cargo cargo install --quiet --root "$work" pjdfstest fsx
"$root/cairn" up --state "$work/state" --meta-size 1G --data-size 8G --transport "$transport" "$work/mount" >/dev/null
mkdir "$work/mount/pjdfstest"

pjdfstest() {      # whether it may remount, which tests
    settings "$1" >"$work/pjdfstest.toml"
    "$work/bin/pjdfstest" -c "$work/pjdfstest.toml" -p "$work/mount/pjdfstest" -s "$work/other" "${@:2}" | grep -v ' ok$' | grep -v '^$'
}
settings() {
    cat <<TOML
[features]
posix_fallocate = {}
rename_ctime = {}
stat_st_birthtime = {}
utime_now = {}
utimensat = {}
[settings]
naptime = 0.01
allow_remount = $1
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
TOML
}
pjdfstest false
# By themselves: others leave files open for writing behind, and the mount is busy then, ext4's as well.
[ ! -e /sbin/mount.fuse.cairn ] || pjdfstest true erofs

cat >"$work/fsx.toml" <<TOML
flen = 1048576
[opsize]
max = 65536
[weights]
close_open = 1.0
invalidate = 0.2
mapread = 5.0
mapwrite = 5.0
read = 10.0
write = 10.0
truncate = 2.0
fsync = 0.1
fdatasync = 0.1
posix_fallocate = 1.0
punch_hole = 2.0
sendfile = 2.0
posix_fadvise = 1.0
copy_file_range = 2.0
TOML
echo "fsx: $operations operations, seed $seed"
"$work/bin/fsx" -f "$work/fsx.toml" -N "$operations" -S "$seed" -P "$work" "$work/mount/fsx"
"$root/cairn" check "$work/mount"
