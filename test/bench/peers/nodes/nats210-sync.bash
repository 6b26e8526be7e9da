# NATS 2.10 of Debian 13 with sync_interval: always (fsync before the acknowledgement)
. "$SRC/fetch-newer" || exit 1
NATS=$ROOT/apt/x-nats-server/usr/sbin/nats-server
NATSJS=", sync_interval: always"
. "$SRC/nodes/nats.bash"
