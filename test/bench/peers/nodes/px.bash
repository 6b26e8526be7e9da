# px: three nodes as a user runs them; the load is `pxctl bench`, with `kill` lg_px, which goes on elsewhere
up() {
    PX=${PX:-$TOP/build/px} PXCTL=${PXCTL:-$TOP/build/pxctl}
    [ "$HOW" = kill ] && build lg_px lg_px.c
    "$PXCTL" certs "$D" n1.px n2.px n3.px >"$D/certs.log" 2>&1 || { tail -n 3 "$D/certs.log" >&2; exit 1; }
    local i j others
    for i in 1 2 3; do
        others=
        for j in 1 2 3; do
            [ $j = $i ] && continue
            others="$others${others:+,}{\"addr\":\"127.0.0.1:790$j\",\"server_name\":\"n$j.px\"}"
        done
        {
            printf '{"me":{"id":"n%s.px","addr":"127.0.0.1:790%s","tls_config_info":{' $i $i
            printf '"cert_path":"n%s.px.crt","key_path":"n%s.px.key","ca_cert_path":"ca.crt"}},' $i $i
            printf '"retry_delay":100,"servers":[%s],"data_dir":"data%s"%s}\n' \
                "$others" $i "${PX_EXTRA:+,$PX_EXTRA}"
        } >"$D/n$i.json"
        spawn "$D/log$i" "$PX" "$D/n$i.json"
    done
    until_ok px_leader
    L=$(px_leader)
    LEADER=${PIDS[L-1]}
}
# Prints the place of the node that says it leads.
px_leader() {
    local i
    for i in 1 2 3; do
        timeout 2 "$PXCTL" -s "$D/data$i/px.sock" status --json 2>/dev/null | tr -d ' \n' |
            grep -q '"role":"leader"' && { echo $i; return 0; }
    done
    return 1
}
load() {
    if [ "$HOW" != kill ]; then
        python3 "$SRC/px-load" "$PXCTL" "$D/data$L/px.sock"
        return
    fi
    local o
    case $L in 1) o="1 2 3" ;; 2) o="2 3 1" ;; 3) o="3 1 2" ;; esac
    timeout $((SECS + 60)) bin/lg_px $(for i in $o; do echo "$D/data$i/px.sock"; done)
}
