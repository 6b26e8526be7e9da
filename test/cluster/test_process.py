# test_process.py - px as a process: how it says that it is ready, how it stops, what cannot kill it.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import select
import signal
import socket
import subprocess
import time

import pytest

from px_cluster import DEADLINE_S, PX, Load, Writer, check_log, die_with_parent, wait_until

HEARTBEAT_S = 0.1
STOP_S_MAX = 4.5


def run_px(*words):
    return subprocess.run([PX, *words], capture_output=True, timeout=DEADLINE_S)


# ---- systemd ----

@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_manager_is_told_of_each_state(make_cluster, monkeypatch, kind):
    single = make_cluster(1)
    node = single.nodes[0]
    path = os.path.join(single.folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(DEADLINE_S)
        manager.bind(path if kind == "path" else "\0" + path)
        monkeypatch.setenv("NOTIFY_SOCKET", path if kind == "path" else "@" + path)
        node.start()
        assert manager.recv(4096) == b"READY=1"
        assert "ready" in node.log()
        assert node.status()["role"] == "leader"
        before = time.monotonic_ns() // 1000
        node.signal(signal.SIGHUP)
        reloading = dict(line.split(b"=") for line in manager.recv(4096).split(b"\n"))
        assert reloading[b"RELOADING"] == b"1"
        assert before <= int(reloading[b"MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.recv(4096) == b"READY=1"
        assert node.stop() == 0
        assert manager.recv(4096) == b"STOPPING=1"


# ---- the end ----

def test_writes_go_on_through_others_while_the_leader_stops(cluster):
    gaps = []
    for _ in range(3):
        leader = cluster.wait_leader(cluster.nodes)
        follower = cluster.others(leader)[0]
        reader = cluster.reader(follower)
        lines = [b"%d line %d" % (len(gaps), number) for number in range(3000)]
        begun = time.monotonic()
        writer = Writer(follower.fifo_in, lines, 1500)
        reader.wait_line(lines[500])
        assert leader.stop() == 0
        writer.finish()
        reader.wait_line(lines[-1])
        assert [line for line in reader.all_lines() if line.startswith(b"%d " % len(gaps))] == lines
        gaps.append(reader.longest_gap(begun))
        reader.end()
        leader.start()
        cluster.wait_leader(cluster.nodes)
    print("longest gap of each hand-over:", [f"{gap:.3f}" for gap in gaps])
    # An election by timeout takes three heartbeats before it begins.
    assert sorted(gaps)[1] < 2 * HEARTBEAT_S, gaps


def test_a_second_signal_ends_it_at_once(cluster):
    stopping, *others = cluster.nodes
    for node in others:
        node.kill()
    writer = Writer(stopping.fifo_in, [b"line %d" % number for number in range(10)])
    writer.finish()
    begun = time.monotonic()
    stopping.signal(signal.SIGTERM)
    wait_until("it stops", lambda: "stopping" in stopping.log())
    stopping.signal(signal.SIGINT)
    assert stopping.process.wait(DEADLINE_S) == 0
    assert time.monotonic() - begun < 1.0
