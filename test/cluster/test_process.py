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


# ---- what was taken and could not be committed ----

def numbered(label, count, first=0):
    return [b"%s line %d" % (label, number) for number in range(first, first + count)]


def stop_in_time(node):
    begun = time.monotonic()
    assert node.stop() == 0, node.log()
    assert time.monotonic() - begun < STOP_S_MAX


def check_everywhere(cluster, lines):
    """All nodes have these lines, each once and in this order, and nothing else."""
    cluster.wait_leader(cluster.nodes)
    for node in cluster.nodes:
        node.wait_committed(len(lines))
    with cluster.nodes[0].connect() as client:   # whatever came behind them has come by then
        assert client.ask(op="send", data="the last")["index"] == len(lines) + 1
    cluster.wait_same()
    for node in cluster.nodes:
        assert check_log(node.all_messages()) == lines + [b"the last"]


def write(node, lines):
    Writer(node.fifo_in, lines).finish()


def wait_taken(node):
    """Until px has read all that is in the FIFO."""
    fifo = os.open(node.fifo_in, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(fifo, select.POLLIN)
    try:
        wait_until("the FIFO is empty", lambda: not any(event & select.POLLIN for _, event in poll.poll(0)))
    finally:
        os.close(fifo)


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_lines_without_a_quorum_come_once_after_a_clean_stop(cluster, role):
    leader = cluster.wait_leader()
    node = leader if role == "leader" else cluster.others(leader)[0]
    first, more, last = numbered(b"first", 50), numbered(b"more", 100), numbered(b"last", 50)
    write(node, first)
    for other in cluster.nodes:
        other.wait_committed(len(first))
    for other in cluster.others(node):
        other.kill()
    write(node, more)
    wait_taken(node)
    stop_in_time(node)
    assert "100 messages" in node.log()
    for each in cluster.nodes:
        each.start()
    write(node, last)
    check_everywhere(cluster, first + more + last)


def test_stops_without_a_quorum_add_up_and_a_kill_between_them_loses_nothing(cluster):
    node = cluster.others(cluster.wait_leader())[0]
    for other in cluster.others(node):
        other.kill()
    lines = []
    for turn in range(3):
        more = numbered(b"turn %d" % turn, 40)
        lines += more
        write(node, more)
        wait_taken(node)
        stop_in_time(node)
        node.start()
        node.connect().close()
        if turn == 1:
            node.kill()
            node.start()
    for other in cluster.others(node):
        other.start()
    check_everywhere(cluster, lines)
    # What came through has left the file.
    stop_in_time(node)
    node.start()
    cluster.wait_leader(cluster.nodes)
    assert node.all_messages() == cluster.nodes[-1].all_messages()


@pytest.mark.parametrize("returns", ["with the leader", "before the leader"])
def test_lines_that_a_leader_had_taken_are_not_doubled(make_cluster, returns):
    five = make_cluster(5)
    leader = five.start()
    node, *rest = five.others(leader)
    first = numbered(b"first", 50)
    write(node, first)
    node.wait_committed(len(first))
    for other in rest:
        other.kill()
    # The leader appends them until it notices that it has no majority; none is chosen.
    more = numbered(b"more", 100)
    write(node, more)
    wait_taken(node)
    stop_in_time(node)
    assert "messages taken from pipes are not committed" in node.log()
    leader.kill()
    for each in five.others(leader):
        each.start()
    if returns == "before the leader":
        five.wait_leader()
        node.wait_committed(len(first) + len(more))
    leader.start()
    check_everywhere(five, first + more)


def test_a_stop_at_any_moment_of_a_lost_quorum_keeps_each_line_once(cluster):
    # An end of each FIFO stays open, as a shell's loop has it: what px has not read stays in there.
    ends = [os.open(node.fifo_in, os.O_WRONLY) for node in cluster.nodes]
    lines, total = [], 0
    for turn in range(6):
        cluster.wait_leader(cluster.nodes)
        node = cluster.nodes[turn % 3]
        more = numbered(b"turn %d" % turn, 600)
        lines += more
        writer = Writer(node.fifo_in, more, 2000)
        node.wait_committed(total + 100 + 37 * turn)
        for other in cluster.others(node):
            other.kill()
        if turn % 2:
            writer.finish()
        stop_in_time(node)
        for each in cluster.nodes:
            each.start()
        writer.finish()
        total = len(lines)
        node.wait_committed(total)
    check_everywhere(cluster, lines)
    assert any("kept" in node.log() for node in cluster.nodes)
    for end in ends:
        os.close(end)
