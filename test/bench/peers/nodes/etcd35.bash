# etcd 3.5 of Debian 13, unpacked and not installed (fetch-newer)
. "$SRC/fetch-newer" || exit 1
ETCD=$ROOT/apt/x-etcd-server/usr/bin/etcd
. "$SRC/nodes/etcd.bash"
