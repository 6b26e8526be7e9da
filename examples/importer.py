#!/usr/bin/env python3
# importer.py - imports the lines of a file exactly once, whatever dies on the way.
#
#     examples/importer.py FILE SESSION SOCKET...
#
# The session remembers in the log how many of its messages are there. Whoever publishes under it is told
# which comes next: so after a crash, of this program or of a node, go to any node and go on there. A line is
# message number `line number`, so nothing else has to be kept.
# SPDX-License-Identifier: Apache-2.0
import itertools
import json
import socket
import sys
import threading
import time


def publish(path, session, lines):
    """Publishes what is not in the log yet; returns when all is acknowledged, or raises OSError."""
    with socket.socket(socket.AF_UNIX) as px:
        px.settimeout(10)
        px.connect(path)
        replies = px.makefile("rb")
        px.sendall(json.dumps({"op": "publish", "session": session}).encode() + b"\n")
        opened = json.loads(replies.readline() or b"{}")
        if not opened.get("ok"):
            raise OSError(opened.get("message", "the node went away"))
        acked = opened["next"] - 1
        print(f"{path}: {acked} of {len(lines)} lines are there", file=sys.stderr)

        def write():
            try:
                px.sendall(b"".join(line + b"\n" for line in lines[acked:]))
                px.shutdown(socket.SHUT_WR)   # px acknowledges the rest, then closes
            except OSError:
                pass   # the reading side hears of it

        threading.Thread(target=write, daemon=True).start()
        for reply in map(json.loads, replies):
            if "error" in reply:
                raise OSError(reply["message"])
            acked = reply["acked"]
        if acked < len(lines):
            raise OSError("the connection ended early")


if len(sys.argv) < 4:
    sys.exit("usage: importer.py FILE SESSION SOCKET...")
file, session, sockets = sys.argv[1], sys.argv[2], sys.argv[3:]
with open(file, "rb") as opened_file:
    all_lines = opened_file.read().splitlines()
for node in itertools.cycle(sockets):
    try:
        publish(node, session, all_lines)
        break
    except OSError as error:
        print(f"{node}: {error}; going on at the next node", file=sys.stderr)
        time.sleep(0.2)
