# test_consumers.py - named readers of the socket: at least once, behind what they have acknowledged.
# SPDX-License-Identifier: Apache-2.0
import random

from px_cluster import Closed, payload_of, wait_until

MESSAGES = 3000
KILLS = 6


def send_all(node, lines):
    with node.connect() as client:
        for number, line in enumerate(lines):
            client.put(op="send", data=line, tag=number)
        for _ in lines:
            assert client.get()["ok"]


def next_of(node, consumer, **more):
    """The first message that a follow of the consumer gives."""
    with node.connect() as client:
        return client.ask(op="follow", consumer=consumer, **more)


def test_a_consumer_sees_every_message_at_least_once_across_kills(cluster):
    """Its node is killed again and again, each time after a random number of messages."""
    node, other = cluster.nodes[0], cluster.nodes[1]
    chance = random.Random(5)
    send_all(other, [f"line {number}" for number in range(MESSAGES)])
    seen, acknowledged, kills = [], 0, 0
    while acknowledged < MESSAGES:
        stop_at = acknowledged + chance.randint(1, MESSAGES // KILLS)
        try:
            with node.connect() as client:
                client.put(op="follow", consumer="c")
                first = client.get()
                assert "index" in first, first
                # What was acknowledged does not come again; nothing is skipped.
                assert first["index"] == acknowledged + 1
                message = first
                while True:
                    seen.append(message["index"])
                    assert payload_of(message) == b"line %d" % (message["index"] - 1)
                    if message["index"] >= min(stop_at, MESSAGES):
                        break
                    message = client.get()
                client.put(op="ack", consumer="c", index=message["index"])
                while "ok" not in message:
                    message = client.get()
                assert message["ok"], message
                acknowledged = seen[-1]
                if kills < KILLS:
                    # One that is not waited for may be taken or lost, with the node.
                    node.kill()
                    kills += 1
                    node.start()
        except (OSError, Closed):
            assert not node.is_running()
    assert kills == KILLS and sorted(set(seen)) == list(range(1, MESSAGES + 1))


def test_acks_are_taken_while_a_long_log_is_followed(cluster):
    """Each message is acknowledged when it is read, with thousands still to come: nobody waits for ever."""
    node = cluster.nodes[0]
    send_all(node, [f"line {number}" for number in range(MESSAGES)])
    with node.connect() as client:
        client.put(op="follow", consumer="c", **{"from": "start"})
        replies = messages = 0
        while messages < MESSAGES or replies < MESSAGES:
            got = client.get()
            if "ok" in got:
                assert got["ok"], got
                replies += 1
            else:
                messages += 1
                assert got["index"] == messages
                client.put(op="ack", consumer="c", index=messages)
    with node.connect() as client:
        index = client.ask(op="send", data="behind")["index"]
    assert next_of(node, "c")["index"] == index


def test_cursors_belong_to_their_node_and_name_and_begin_at_from(cluster):
    one, two = cluster.nodes[:2]
    send_all(one, [f"line {number}" for number in range(10)])
    two.wait_committed(10)
    assert next_of(one, "c", **{"from": 4})["index"] == 4
    with one.connect() as client:
        assert client.ask(op="ack", consumer="c", index=6, tag="t") == {"ok": True, "tag": "t"}
    assert next_of(one, "c", **{"from": 4})["index"] == 7
    assert next_of(one, "d")["index"] == 1
    assert next_of(two, "c")["index"] == 1
    assert one.stop() == 0
    one.start()
    assert next_of(one, "c")["index"] == 7


def test_an_ack_beyond_the_end_is_refused_and_moves_nothing(cluster):
    node = cluster.nodes[0]
    send_all(node, ["one", "two"])
    with node.connect() as client:
        assert client.ask(op="ack", consumer="c", index=1)["ok"]
        refused = client.ask(op="ack", consumer="c", index=3)
        assert not refused["ok"] and refused["error"] == "cursor_ahead" and "2" in refused["message"]
        for bad in ({"consumer": "c"}, {"index": 1}, {"consumer": "", "index": 1},
                    {"consumer": "c", "index": -1}, {"consumer": 7, "index": 1},
                    {"consumer": "x" * 81, "index": 1}):
            assert client.ask(op="ack", **bad)["error"] == "bad_request"
    assert next_of(node, "c")["index"] == 2


def test_a_cursor_ahead_of_the_log_is_said_loudly(make_cluster):
    """The data folder of another, shorter log beside cursors of a longer one."""
    long, short = make_cluster(1), make_cluster(1)
    for cluster, count in ((long, 8), (short, 3)):
        cluster.start()
        send_all(cluster.nodes[0], ["a line"] * count)
    with long.nodes[0].connect() as client:
        assert client.ask(op="ack", consumer="c", index=8)["ok"]
    assert long.nodes[0].stop() == short.nodes[0].stop() == 0
    with open(f"{long.nodes[0].data}/consumers", "rb") as file:
        cursors = file.read()
    with open(f"{short.nodes[0].data}/consumers", "wb") as file:
        file.write(cursors)
    node = short.nodes[0]
    node.start()
    refused = next_of(node, "c")
    assert not refused["ok"] and refused["error"] == "cursor_ahead"
    wait_until("the log to say so", lambda: "has the log lost its end?" in node.log())
    with node.connect() as client:
        assert client.ask(op="ack", consumer="c", index=2)["ok"]
        assert client.ask(op="follow", consumer="c")["index"] == 3


def test_pxctl_tail_moves_the_cursor_along(cluster):
    node = cluster.nodes[0]
    send_all(node, ["one", "two"])
    assert node.pxctl("tail", "--consumer", "c").stdout == b"one\ntwo\n"
    assert node.pxctl("tail", "--consumer", "c").stdout == b""
    send_all(node, ["three"])
    node.kill()
    node.start()
    node.wait_committed(3)
    assert node.pxctl("tail", "--consumer", "c").stdout == b"three\n"
    ahead = node.pxctl("tail", "--consumer", "c", "--from", "1")
    assert ahead.returncode == 0 and ahead.stdout == b""
