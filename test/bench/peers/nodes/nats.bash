# NATS JetStream, stream R=3 on file.  Debian 2.9.10 cannot fsync before it acks
# (its file store syncs every 2 minutes): NOT durable in our sense.
up() {
    needs nats-server
    build lg_nats lg_nats.c
    for i in 1 2 3; do
        cat > "$D/$i.conf" <<END
server_name: n$i
listen: 127.0.0.1:761$i
jetstream { store_dir: "$D/$i", max_file_store: 20GB, max_memory_store: 256MB $NATSJS }
cluster {
  name: c
  listen: 127.0.0.1:762$i
  routes: [nats://127.0.0.1:7621, nats://127.0.0.1:7622, nats://127.0.0.1:7623]
}
END
        spawn "$D/log$i" ${NATS:-nats-server} -c "$D/$i.conf"
    done
    until_ok nats_made
    L=$(cat "$D/leader"); L=${L#n}; LEADER=${PIDS[L-1]}; sleep 1
}
nats_made() { bin/lg_nats create 7611 > "$D/leader"; }
load() {
    case $L in 1) p="7611 7612 7613";; 2) p="7612 7613 7611";; 3) p="7613 7611 7612";; esac
    timeout $((SECS + 60)) bin/lg_nats $p
}
