# etcd (Debian 3.4.23; ETCD=... for another binary): Put on one key, gRPC, fsync'ed WAL
up() {
    needs etcd-server curl libnghttp2-dev
    build lg_etcd lg_etcd.c -lnghttp2
    local cl=n1=http://127.0.0.1:7521,n2=http://127.0.0.1:7522,n3=http://127.0.0.1:7523 i
    for i in 1 2 3; do
        spawn "$D/log$i" ${ETCD:-etcd} --name n$i --data-dir "$D/$i" \
            --listen-client-urls http://127.0.0.1:751$i --advertise-client-urls http://127.0.0.1:751$i \
            --listen-peer-urls http://127.0.0.1:752$i \
            --initial-advertise-peer-urls http://127.0.0.1:752$i --initial-cluster $cl \
            --initial-cluster-state new --logger zap --log-level ${ETCDLOG:-warn}
    done
    until_ok etcd_leads
    L=$(etcd_leader); LEADER=${PIDS[L-1]}
}
# over the JSON gateway: etcdctl takes seconds to notice that a node has come up
ask() { curl -s -m 2 "http://127.0.0.1:751$1/v3/$2" -d "$3"; }
etcd_leads() { ask 1 kv/put '{"key":"cHg=","value":"eA=="}' | grep -q revision && [ -n "$(etcd_leader)" ]; }
etcd_leader() {
    local i s
    for i in 1 2 3; do
        s=$(ask $i maintenance/status '{}')
        [ -n "$s" ] && [ "$(field member_id)" = "$(field leader)" ] && echo $i && return
    done
}
field() { sed -E "s/.*\"$1\":\"([0-9]+)\".*/\1/" <<<"$s"; }
load() {
    case $L in 1) p="7511 7512 7513";; 2) p="7512 7513 7511";; 3) p="7513 7511 7512";; esac
    timeout $((SECS + 60)) bin/lg_etcd $p
}
