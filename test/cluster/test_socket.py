# test_socket.py - the socket of a node: what clients may ask, and what they get for it.
# SPDX-License-Identifier: Apache-2.0
import base64
import json
import os
import stat

import pytest

from px_cluster import Closed

LIMIT = 4096


@pytest.fixture
def node(make_cluster):
    single = make_cluster(1, max_message_bytes=LIMIT)
    return single.start()


@pytest.fixture
def client(node):
    with node.connect() as connection:
        yield connection


def test_send_gives_the_index_and_brings_the_tag_back(client):
    assert client.ask(op="send", data="a", tag=7) == {"ok": True, "tag": 7, "index": 1}
    assert client.ask(op="send", data="b", tag="x")["tag"] == "x"
    assert "tag" not in client.ask(op="send", data="c")


def test_payloads_come_back_as_they_were(client):
    payloads = [b"", b"plain", "Ελ🙂".encode(), b'"\\/\x00\x1f\x7f', bytes(range(256)), b"\xff", b"a\nb\r\n"]
    for payload in payloads:
        assert client.ask(op="send", b64=base64.b64encode(payload).decode())["ok"]
    messages = client.messages(1, len(payloads))
    for payload, message in zip(payloads, messages):
        try:
            text = payload.decode()
            assert message["data"] == text and "b64" not in message
        except UnicodeDecodeError:
            assert base64.b64decode(message["b64"]) == payload and "data" not in message
        assert message["from"] == "px1.example" and message["time"] > 1.6e12
    times = [message["time"] for message in messages]
    assert times == sorted(times)


@pytest.mark.parametrize("request_line", [
    b"{", b"[]", b"7", b'"op"', b"{}", b'{"op":7}', b'{"op":"sing"}', b'{"op":"send"}',
    b'{"op":"send","data":7}',
    b'{"op":"send","data":"a","b64":"YQ=="}', b'{"op":"send","b64":"YQ"}', b'{"op":"send","b64":"Y!=="}',
    b'{"op":"send","data":"\xff"}', b'{"op":"send","data":"\\ud800"}',
    b'{"op":"send","data":"a","timeout_ms":-1}',
    b'{"op":"send","data":"a","seq":1}', b'{"op":"follow","from":"middle"}', b'{"op":"follow","from":-1}',
    b'{"op":"ack"}', b'{"op":"ack","consumer":"","index":1}', b'{"op":"send","data":"a"} x',
    b'{"op":"publish","format":"csv"}',
])
def test_a_bad_request_is_said_and_keeps_the_connection(client, request_line):
    client.put_bytes(request_line + b"\n")
    refused = client.get()
    assert refused["ok"] is False and refused["error"] == "bad_request" and refused["message"]
    assert client.ask(op="send", data="goes on")["index"] == 1


def test_a_message_over_the_limit_is_too_large_and_one_of_the_limit_is_not(client):
    assert client.ask(op="send", data="x" * (LIMIT + 1))["error"] == "too_large"
    assert client.ask(op="send", data="x" * LIMIT)["index"] == 1
    assert client.ask(op="send", data="x" * 10 * LIMIT)["error"] == "too_large"
    assert client.ask(op="send", data="after")["index"] == 2


def test_a_thousand_requests_may_be_on_their_way_at_once(client):
    for number in range(1000):
        client.put(op="send", data=f"line {number}", tag=number)
    replies = [client.get() for _ in range(1000)]
    assert [reply["tag"] for reply in sorted(replies, key=lambda reply: reply["index"])] == list(range(1000))
    assert [message["data"] for message in client.messages(1, 1000)] == [f"line {n}" for n in range(1000)]


def test_follow_until_gives_the_connection_back(client):
    for number in range(5):
        client.ask(op="send", data=str(number))
    assert [message["index"] for message in client.messages(2, 4)] == [2, 3, 4]
    assert client.ask(op="barrier")["index"] == 5


def test_follow_waits_at_the_end_for_more(node, client):
    with node.connect() as follower:
        client.ask(op="send", data="old")
        follower.put(op="follow", **{"from": "end"})
        # Nothing tells when it has begun to follow: messages go out until it sees one.
        sent = []
        follower.socket.settimeout(0.05)
        while True:
            sent.append(f"new {len(sent)}")
            client.ask(op="send", data=sent[-1])
            try:
                first = follower.get()
                break
            except TimeoutError:
                continue
        assert first["data"] in sent
        follower.socket.settimeout(20)
        client.ask(op="send", data="last")
        seen = first["data"]
        while seen != "last":
            message = follower.get()
            assert message["index"] == first["index"] + 1
            first, seen = message, message["data"]


def test_follow_from_start_gives_all(client):
    for number in range(3):
        client.ask(op="send", data=str(number))
    client.put(op="follow", until=3, **{"from": "start"})
    assert [client.get()["data"] for _ in range(3)] == ["0", "1", "2"]


def test_status_says_what_spec_names(client):
    client.ask(op="send", data="a")
    status = client.ask(op="status")
    assert status["ok"] is True and status["id"] == status["leader"] == "px1.example"
    assert status["role"] == "leader" and status["committed"] == 1 and status["first"] == 1
    assert status["ballot"]["n"] >= 1 and status["ballot"]["id"] == "px1.example"
    assert status["digest"]["index"] == 1 and status["digest"]["hash"]
    (member,) = status["members"]
    assert member["id"] == "px1.example" and member["connected"] is True and member["voter"] is True
    assert member["lag"] == 0 and "rtt_ms" in member and "addr" in member


def test_digests_agree_on_all_nodes(cluster):
    with cluster.nodes[0].connect() as client:
        for number in range(10):
            client.ask(op="send", data=str(number))
    cluster.wait_same()
    digests = [node.status()["digest"] for node in cluster.nodes]
    assert digests[0] == digests[1] == digests[2] and digests[0]["index"] == 10


def test_the_socket_is_for_owner_and_group_and_answers_a_half_closed_client(node, client):
    assert stat.S_IMODE(os.stat(node.socket).st_mode) == 0o660
    client.put(op="send", data="last words")
    client.socket.shutdown(1)
    assert client.get()["index"] == 1
    with pytest.raises(Closed):
        client.line()


def test_pxctl_sends_tails_and_measures(node):
    assert node.pxctl("send", "one").stdout == b"1\n"
    lines = b"two\n\nf\xffour\n" + "".join(f"line {number}\n" for number in range(3000)).encode()
    done = node.pxctl("send", input=lines)
    assert done.returncode == 0 and done.stdout.split() == [b"%d" % index for index in range(2, 3005)]
    assert node.pxctl("tail").stdout == b"one\n" + lines
    assert node.pxctl("tail", "--from", "3004", "--json").stdout.count(b"\n") == 1
    assert node.pxctl("tail", "--from", "end").stdout == b""
    status = node.pxctl("status", "--json")
    assert json.loads(status.stdout)["committed"] == 3004 and "ok" not in json.loads(status.stdout)
    table = node.pxctl("status").stdout.decode().splitlines()
    assert max(map(len, table)) <= 80 and any("px1.example" in line and "leader" in line for line in table)
    bench = json.loads(node.pxctl("bench", "--messages", "500", "--json").stdout)
    assert bench["messages"] == 500 and bench["latency_us"]["p50"] <= bench["latency_us"]["max"]


def test_pxctl_says_refusals_and_usage_by_its_status(node):
    refused = node.pxctl("send", "x" * (LIMIT + 1))
    assert refused.returncode == 1 and b"too_large" in refused.stderr
    assert node.pxctl("sing").returncode == 2
    assert node.pxctl("send", "--wrong").returncode == 2
    node.stop()
    down = node.pxctl("status")
    assert down.returncode == 1 and down.stderr.count(b"\n") == 1
