# nodes.bash - starting and stopping px nodes, for scripts that source it.
#
# Meaning    Knows nodes by their number: node 1 is px1.example. Every process that is started is stopped by
#            its own id, clean first and hard after a while.
# Holds      node_pid[I] is set while node I runs.
# SPDX-License-Identifier: Apache-2.0
build=${B:-build}
declare -A node_pid=()

# Makes the certificates of nodes 1 to COUNT in DIR where one is missing: make_certificates DIR COUNT
make_certificates() {
    local dir=$1 count=$2 names=() is_missing="" i
    for ((i = 1; i <= count; i++)); do
        names+=("px$i.example")
        [ -f "$dir/px$i.example.crt" ] || is_missing=1
    done
    [ -z "$is_missing" ] && return
    mkdir -p "$dir"
    "$build/pxctl" certs "$dir" "${names[@]}" >/dev/null
}

# Prints the configuration of node I of COUNT; certificates are in ./certs, ports follow PORT: print_config I
# COUNT PORT
print_config() {
    local me=$1 count=$2 port=$3 comma="" i
    printf '{\n  "me": {\n    "id": "px%s.example",\n    "addr": "127.0.0.1:%s",\n' "$me" $((port + me))
    printf '    "tls_config_info": {\n      "cert_path": "certs/px%s.example.crt",\n' "$me"
    printf '      "key_path": "certs/px%s.example.key",\n' "$me"
    printf '      "ca_cert_path": "certs/ca.crt"\n    }\n  },\n'
    printf '  "retry_delay": 100,\n  "servers": ['
    for ((i = 1; i <= count; i++)); do
        [ "$i" = "$me" ] && continue
        printf '%s\n    { "addr": "127.0.0.1:%s", "server_name": "px%s.example" }' "$comma" $((port + i)) "$i"
        comma=,
    done
    printf '\n  ],\n  "data_dir": "px%s"\n}\n' "$me"
}

# Starts node I with the configuration FILE; what it logs goes through COMMAND: start_node I FILE COMMAND...
# In a session of its own, so that a Ctrl-C at the terminal stops this script, and this script the node, once.
# The order of the redirections counts: COMMAND gets the standard output of the script, not of the node.
start_node() {
    local me=$1 file=$2
    shift 2
    setsid "$build/px" "$file" </dev/null 2> >(trap '' INT && exec "$@") >/dev/null &
    node_pid[$me]=$!
}

# Prints the number of the node that the node behind SOCKET follows or is itself; nothing where it knows none.
leader_at() {
    "$build/pxctl" -s "$1" status --json 2>/dev/null |
        sed -n 's/.*"leader": *"px\([0-9]\)\.example".*/\1/p'
}

# Stops every running node and waits for it: cleanly, and hard those that are still there after ten seconds.
stop_nodes() {
    [ ${#node_pid[@]} = 0 ] && return
    local ended alarm me
    kill -TERM "${node_pid[@]}" 2>/dev/null
    sleep 10 &
    alarm=$!
    while [ ${#node_pid[@]} != 0 ]; do
        ended=""
        wait -n -p ended "$alarm" "${node_pid[@]}" 2>/dev/null
        if [ -z "$ended" ]; then
            node_pid=()
        elif [ "$ended" = "$alarm" ]; then
            echo "these nodes did not stop and are killed: px${!node_pid[*]}" >&2
            kill -KILL "${node_pid[@]}" 2>/dev/null
            wait "${node_pid[@]}" 2>/dev/null
            node_pid=()
        fi
        for me in "${!node_pid[@]}"; do
            [ "${node_pid[$me]}" = "$ended" ] && unset "node_pid[$me]"
        done
    done
    kill -KILL "$alarm" 2>/dev/null # it ignores what this script ignores
    wait "$alarm" 2>/dev/null
}
