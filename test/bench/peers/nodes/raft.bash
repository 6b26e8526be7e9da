# canonical libraft 0.15 (C, libuv): raftd = our driver around its own io
up() {
    needs libraft-dev libuv1-dev
    build raftd raftd.c -lraft -luv; build lg_raft lg_raft.c
    for i in 1 2 3; do mkdir -p "$D/$i"; spawn "$D/log$i" bin/raftd $i "$D/$i" 7400 7410 "$LG_PAYLOAD"; done
    until_ok grep -l 'state leader' "$D"/log[123]
    L=$(grep -l 'state leader' "$D"/log[123] | head -1); L=${L: -1}; LEADER=${PIDS[L-1]}
}
load() {
    case $L in 1) p="7411 7412 7413";; 2) p="7412 7413 7411";; 3) p="7413 7411 7412";; esac
    timeout $((SECS + 60)) bin/lg_raft $p
}
