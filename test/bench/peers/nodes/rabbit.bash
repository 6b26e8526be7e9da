# RabbitMQ quorum queue (Debian 3.10.8), publisher confirms; Ra's WAL does fdatasync before a confirm
up() {
    needs rabbitmq-server librabbitmq-dev
    build lg_rabbit lg_rabbit.c -lrabbitmq
    export HOME=$D ERL_EPMD_PORT=7801 ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_ENABLED_PLUGINS_FILE=$D/plugins
    echo '[].' > "$D/plugins"; echo PXBENCHCOOKIE > "$D/.erlang.cookie"; chmod 400 "$D/.erlang.cookie"
    spawn "$D/epmd" epmd -address 127.0.0.1 -port 7801
    local i
    for i in 1 2 3; do
        mkdir -p "$D/$i"
        printf '%s\n' "listeners.tcp.1 = 127.0.0.1:781$i" \
            'cluster_formation.peer_discovery_backend = classic_config' \
            'cluster_formation.classic_config.nodes.1 = r1@localhost' \
            'cluster_formation.classic_config.nodes.2 = r2@localhost' \
            'cluster_formation.classic_config.nodes.3 = r3@localhost' 'log.file.level = warning' \
            >"$D/$i.conf"
        RABBITMQ_NODENAME=r$i@localhost RABBITMQ_DIST_PORT=782$i RABBITMQ_CONFIG_FILE=$D/$i.conf \
            RABBITMQ_MNESIA_BASE=$D/$i RABBITMQ_LOG_BASE=$D/$i RABBITMQ_PID_FILE=$D/$i.pid \
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" \
            spawn "$D/log$i" /usr/lib/rabbitmq/bin/rabbitmq-server
        [ $i = 1 ] && until_ok port_open 7811
    done
    until_ok port_open 7812; until_ok port_open 7813
    until_ok rabbit_three
    SH=("${PIDS[@]}")
    PIDS=($(for i in 1 2 3; do cat "$D/$i.pid"; echo; done)); LEADER=${PIDS[0]}
    until_ok bin/lg_rabbit declare 7811; sleep 1
}
rabbit_three() {
    RABBITMQ_CONF_ENV_FILE=/dev/null /usr/lib/rabbitmq/bin/rabbitmqctl -q -n r1@localhost \
        eval 'length(rabbit_nodes:all_running()).' | grep -qx 3
}
down() { kill -9 "${SH[@]}" 2>/dev/null; }
load() { timeout $((SECS + 60)) bin/lg_rabbit 7811 7812 7813; }
