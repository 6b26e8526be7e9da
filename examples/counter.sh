#!/bin/bash
# counter.sh - a counter that is the same on every node.
#
#     examples/counter.sh SOCKET add 5     adds, and prints the value that includes it
#     examples/counter.sh SOCKET show      prints the value
#
# The log is the state: a value is the sum of all messages up to an index. Everybody who sums up to the same
# index has the same value, so there is nothing to lock.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

if ! [ "${2-}:$#" = add:3 ] && ! [ "${2-}:$#" = show:2 ]; then
    echo "usage: $0 SOCKET add N | show" >&2
    exit 2
fi
export PX_SOCKET=$1
pxctl=${PXCTL:-pxctl}

# Adds up the messages from the first to the one with index $1.
value_at() {
    [ "$1" -gt 0 ] || { echo 0; return; }
    # `head` ends the sum at the index; `tail` alone would go to the log's end.
    "$pxctl" tail | head -n "$1" | awk '{ sum += $1 } END { print sum + 0 }'
}

case $2 in
add)
    # The index is printed once the message is on the disks of a majority.
    index=$("$pxctl" send -- "$3")
    # This node may not have got there yet: a barrier has.
    "$pxctl" barrier >/dev/null
    ;;
show)
    # No smaller than any message that anybody was told is committed.
    index=$("$pxctl" barrier)
    ;;
esac
value_at "$index"
