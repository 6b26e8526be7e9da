# NATS 2.10 of Debian 13, unpacked and not installed (fetch-newer); as it comes: NOT durable
. "$SRC/fetch-newer" || exit 1
NATS=$ROOT/apt/x-nats-server/usr/sbin/nats-server
. "$SRC/nodes/nats.bash"
