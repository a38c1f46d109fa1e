#!/usr/bin/env bash
# nfs.sh MOUNT WORK: NFS-Ganesha exports MOUNT, libnfs writes and reads through it. In a network, with mounts and processes, of
# its own: nothing is left when it ends, and no other NFS server is in the way.
if [ "${3-}" != inside ]; then exec unshare --net --mount --pid --fork --kill-child --mount-proc bash "$0" "$1" "$2" inside; fi
set -eu
mount=$1 work=$2
mount -t tmpfs tmpfs /run
mkdir -p /run/rpcbind /run/ganesha
ip link set lo up
cat > "$work/ganesha.conf" <<CONF
NFS_CORE_PARAM { Protocols = 3; Enable_NLM = false; Enable_RQUOTA = false; }
EXPORT { Export_Id = 1; Path = "$mount"; Pseudo = /cairn; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; FSAL { Name = VFS; } }
CONF
rpcbind -f &
ganesha.nfsd -F -f "$work/ganesha.conf" -L "$work/ganesha.log" -p /run/ganesha.pid -N NIV_EVENT &
url=nfs://127.0.0.1$mount version='?version=3'
for try in $(seq 150); do
    if nfs-ls "$url$version" >/dev/null 2>"$work/nfs-ls.err"; then break; fi
    [ "$try" != 150 ] || { cat "$work/nfs-ls.err"; tail -n 20 "$work/ganesha.log"; exit 1; } >&2
    sleep 0.1
done

# What one side writes the other one reads.
mkdir -p "$mount/nfs/deep"
head -c 3000000 /dev/urandom > "$work/in"
nfs-cp "$work/in" "$url/nfs/deep/file$version" >/dev/null
cmp "$work/in" "$mount/nfs/deep/file"
echo local > "$mount/nfs/deep/local"
[ "$(nfs-cat "$url/nfs/deep/local$version")" = local ]
[ "$(nfs-ls "$url/nfs/deep$version" | awk '{print $NF}' | sort | xargs)" = 'file local' ]

# The server keeps handles, not names: what was moved and forgotten by the kernel is found.
mv "$mount/nfs/deep" "$mount/nfs/moved"
echo 2 > /proc/sys/vm/drop_caches
nfs-cat "$url/nfs/moved/file$version" | cmp - "$work/in"
nfs-cp "$work/ganesha.conf" "$url/nfs/moved/second$version" >/dev/null
cmp "$work/ganesha.conf" "$mount/nfs/moved/second"
