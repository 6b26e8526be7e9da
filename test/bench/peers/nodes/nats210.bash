# NATS 2.10 of Debian 13, unpacked and not installed (fetch-newer); default sync: NOT durable before the acknowledgement
. "$SRC/fetch-newer" || exit 1
NATS=$ROOT/apt/x-nats-server/usr/sbin/nats-server
. "$SRC/nodes/nats.bash"
