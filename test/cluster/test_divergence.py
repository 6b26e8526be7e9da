# test_divergence.py - one node's log holds something else than the others': the alarm. [guarantee 9]
#
#     px1, px2: ... line 3 ...        px3: ... LIES 3 ..., with every checksum right
# SPDX-License-Identifier: Apache-2.0
import datetime
import json
import re
import subprocess

import pytest

from forge_log import forge
from px_cluster import DEADLINE_S, PXCTL, Closed, wait_until

HEARTBEAT_MS = 1000


def moment(log, words):
    """When the first line with these words was logged."""
    line = next(line for line in log.splitlines() if re.search(words, line))
    return datetime.datetime.fromisoformat(line.split(" ")[0].replace("Z", "+00:00"))


def make_liar(cluster):
    """A stopped node of the cluster whose third message is another one."""
    liar = cluster.wait_leader()
    with liar.connect() as client:
        for number in range(1, 6):
            assert client.ask(op="send", data=f"line {number}")["ok"]
        # What was chosen is known so from the record behind it.
        assert client.ask(op="send", data="the last")["ok"]
    cluster.wait_same()
    assert liar.stop() == 0
    forge(liar.data, b"line 3", b"LIES 3")
    verified = subprocess.run([PXCTL, "verify", liar.data], capture_output=True, timeout=DEADLINE_S)
    assert verified.returncode == 0, "a forged log is one that no checksum tells from a good one"
    return liar


def wait_diverged(node):
    return wait_until(f"{node.name} to notice", lambda: (node.status() or {}).get("diverged"))


@pytest.mark.parametrize("others_go_on", [False, True])
def test_a_node_that_differs_says_so_stops_and_the_others_go_on(make_cluster, others_go_on):
    cluster = make_cluster(3, heartbeat_ms=HEARTBEAT_MS)
    cluster.start()
    liar = make_liar(cluster)
    others = cluster.others(liar)
    if others_go_on:
        cluster.wait_leader(others)
        with others[0].connect() as client:
            for number in range(20):
                assert client.ask(op="send", data=f"meanwhile {number}")["ok"]
    before = len(liar.log())
    reader = cluster.reader(liar)
    liar.start()
    wait_diverged(liar)
    wait_until("the log to say so", lambda: "diverged: slot" in liar.log()[before:])
    log = liar.log()[before:]
    links = [moment(log, f"link: {node.name} is up") for node in others]
    late = moment(log, "diverged: slot") - max(links)
    assert late <= datetime.timedelta(milliseconds=2 * HEARTBEAT_MS)
    # It says what it found, everywhere.
    told = liar.pxctl("status").stdout
    assert b"waiting    diverged" in told
    assert b"has diverged" in liar.pxctl("why").stdout
    digest = liar.pxctl("digest", "--json")
    assert digest.returncode == 1 and json.loads(digest.stdout)["diverged"]
    assert any(f"{node.name} differs".encode() in digest.stderr for node in others) or others_go_on
    with liar.connect() as client:
        for request in ({"op": "send", "data": "x"}, {"op": "barrier"}, {"op": "follow", "from": 1},
                        {"op": "publish"}, {"op": "ack", "consumer": "c", "index": 1}):
            assert client.ask(**request)["error"] == "diverged"
    # The others have a leader, go on, and deliver nothing to the liar.
    leader = cluster.wait_leader(others)
    with leader.connect() as client:
        index = client.ask(op="send", data="behind")["index"]
        lines = [message["data"] for message in client.messages(1, index)]
    assert lines[2] == "line 3" and lines[-1] == "behind"
    for node in others:
        node.wait_committed(index)
        assert not node.status()["diverged"]
    assert liar.status()["diverged"] and b"behind" not in bytes(reader.data)
    assert liar.is_running()


def test_who_waits_at_a_diverged_node_is_told(make_cluster):
    cluster = make_cluster(3)
    cluster.start()
    liar = make_liar(cluster)
    liar.start()
    with liar.connect() as client:
        client.put(op="follow", **{"from": "end"})
        try:
            got = client.get()
            while "index" in got:
                got = client.get()
            assert got["error"] == "diverged"
        except Closed:
            pytest.fail("closed without a word")
