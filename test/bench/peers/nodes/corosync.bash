# Corosync 3.1.7 CPG, agreed order, in memory: NOT durable.  Its IPC sockets are
# abstract, so each node gets a network namespace: 10.77.7.1-3 over a bridge in a
# fourth.  kill: node 3's daemon (there is no leader; the client sits on node 1).
up() {
    needs corosync libcpg-dev iproute2
    build lg_cpg lg_cpg.c -lcpg
    N=pxc$$
    down
    ip netns add $N-b; ip netns exec $N-b ip link add br0 type bridge; ip netns exec $N-b ip link set br0 up
    for i in 1 2 3; do
        ip netns add $N-$i; ip netns exec $N-$i ip link set lo up
        ip link add c$i-$$ type veth peer name d$i-$$
        ip link set c$i-$$ netns $N-$i; ip link set d$i-$$ netns $N-b
        ip netns exec $N-$i ip addr add 10.77.7.$i/24 dev c$i-$$; ip netns exec $N-$i ip link set c$i-$$ up
        ip netns exec $N-b ip link set d$i-$$ master br0; ip netns exec $N-b ip link set d$i-$$ up
    done
    for i in 1 2 3; do
        mkdir -p "$D/$i"
        {
            printf '%s\n' 'totem {' 'version: 2' 'cluster_name: px' "transport: ${COROT:-udpu}" \
                'crypto_cipher: none' 'crypto_hash: none' $COROTOTEM '}'
            printf '%s\n' 'system {' "state_dir: $D/$i" '}' 'logging {' 'to_stderr: no' 'to_logfile: yes' \
                "logfile: $D/corolog$i" 'to_syslog: no' '}'
            printf '%s\n' 'quorum {' 'provider: corosync_votequorum' '}' 'nodelist {'
            for k in 1 2 3; do
                printf '%s\n' 'node {' "name: n$k" "nodeid: $k" "ring0_addr: 10.77.7.$k" '}'
            done
            echo '}'
        } > "$D/$i.conf"
        # its pid file has one fixed name: a private /run for each
        spawn "$D/log$i" ip netns exec $N-$i unshare -m \
            sh -c "mount -t tmpfs t /run; exec corosync -f -c $D/$i.conf"
    done
    local own=("${PIDS[@]}")
    for i in 2 3; do
        spawn "$D/sink$i" ip netns exec $N-$i \
            sh -c 'i=0; while [ $i -lt 100 ]; do '"$ROOT"'/bin/lg_cpg sink; i=$((i+1)); sleep .2; done'
    done
    SINKS=("${PIDS[@]:3}"); PIDS=("${own[@]}"); LEADER=${PIDS[2]}
    until_ok ip netns exec $N-1 timeout 1 corosync-quorumtool -s
    until_ok coro_ready
    sleep 1
}
coro_ready() {
    grep -q 'members 2' "$D/sink2" && ip netns exec $N-1 corosync-quorumtool -s | grep -q 'Nodes: *3'
}
down() {
    for p in "${SINKS[@]}"; do pkill -9 -P $p; kill -9 $p; done 2>/dev/null
    [ ${#PIDS[@]} -gt 0 ] && kill -9 "${PIDS[@]}" 2>/dev/null
    for i in 1 2 3 b; do ip netns del $N-$i 2>/dev/null; done
}
load() { ip netns exec $N-1 timeout $((SECS + 60)) bin/lg_cpg; }
