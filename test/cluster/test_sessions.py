# test_sessions.py - publishing: raw lines up, receipts down, and sessions that are exactly once.
# SPDX-License-Identifier: Apache-2.0
import random
import select
import struct
import threading

import pytest

from px_cluster import POLL_S, Closed, check_log, payload_of, wait_until


class Publisher:
    """A connection that publishes under a session (None: without one)."""

    def __init__(self, node, session=None, **more):
        self.client = node.connect()
        request = dict(op="publish", **more)
        if session is not None:
            request["session"] = session
        self.opened = self.client.ask(**request)
        self.next = self.opened.get("next")
        self.acked = (self.next or 1) - 1
        self.index = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def put(self, *lines):
        self.client.put_bytes(b"".join(line + b"\n" for line in lines))

    def take(self):
        """The next line: an acknowledgement is remembered, anything else returned."""
        line = self.client.get()
        if "acked" not in line:
            return line
        assert line["acked"] > self.acked, "acknowledgements rise"
        self.acked, self.index = line["acked"], line.get("index")
        return None

    def wait_acked(self, sequence):
        while self.acked < sequence:
            error = self.take()
            assert error is None, error

    def wait_error(self):
        """The error that ends it; behind it the node closes."""
        while True:
            error = self.take()
            if error is not None:
                break
        with pytest.raises((Closed, ConnectionError)):
            self.client.line()
        return error

    def end(self):
        """Shuts the sending side; the rest is acknowledged before the node closes."""
        self.client.socket.shutdown(1)
        try:
            while True:
                error = self.take()
                assert error is None, error
        except Closed:
            return self.acked


@pytest.fixture
def node(make_cluster):
    return make_cluster(1, max_message_bytes=4096).start()


def payloads(node):
    """All that was acknowledged anywhere before the call."""
    with node.connect() as client:
        return [payload_of(message) for message in client.messages(1, client.ask(op="barrier")["index"])]


# ---- one connection ----

def test_lines_are_acknowledged_with_their_index_to_the_last_before_the_close(node):
    lines = [b"", b"a", b"\xff\x00\r", b"x" * 4096, *(b"line %d" % number for number in range(5000))]
    with Publisher(node) as publisher:
        assert publisher.opened == {"ok": True, "session": None, "next": 1}
        publisher.put(*lines)
        assert publisher.end() == len(lines)
        assert publisher.index == len(lines)
    assert payloads(node) == lines


def test_frames_carry_any_bytes(node):
    frames = [b"", b"\n", b"a\nb", bytes(range(256)), b"x" * 4096]
    with Publisher(node, "framed", format="length", tag=7) as publisher:
        assert publisher.opened == {"ok": True, "tag": 7, "session": "framed", "next": 1}
        publisher.client.put_bytes(b"".join(struct.pack(">I", len(frame)) + frame for frame in frames))
        publisher.client.put_bytes(struct.pack(">I", 10) + b"not whole")
        assert publisher.end() == len(frames)
    assert payloads(node) == frames


def test_lines_may_follow_the_request_at_once_and_wait_for_requests_before_it(node):
    with node.connect() as client:
        client.put_bytes(b'{"op":"send","data":"sent","tag":1}\n{"op":"publish","session":"s"}\none\ntwo\n')
        assert client.get() == {"ok": True, "tag": 1, "index": 1}
        assert client.get()["next"] == 1
        while client.get()["acked"] < 2:
            pass
    assert payloads(node) == [b"sent", b"one", b"two"]


def test_a_message_over_the_limit_ends_it_and_those_before_it_stand(node):
    for more in ({}, {"session": "s"}):
        with Publisher(node, **more) as publisher:
            publisher.put(b"good", b"x" * 4097, b"behind")
            error = publisher.wait_error()
            assert error["error"] == "too_large" and publisher.acked == 1
    assert payloads(node) == [b"good", b"good"]


def test_a_line_without_its_end_is_no_message(node):
    with Publisher(node, "s") as publisher:
        publisher.put(b"one")
        publisher.client.put_bytes(b"half a li")
        assert publisher.end() == 1
    with Publisher(node, "s") as publisher:
        assert publisher.next == 2
        publisher.put(b"two")
        publisher.wait_acked(2)
    assert payloads(node) == [b"one", b"two"]


def test_without_a_session_each_client_has_its_own_numbers_and_order(node):
    publishers = [Publisher(node) for _ in range(20)]
    for round_number in range(50):
        for number, publisher in enumerate(publishers):
            publisher.put(*(b"%d %d" % (number, 4 * round_number + i) for i in range(4)))
    for publisher in publishers:
        assert publisher.end() == 200
        publisher.client.close()
    lines = [line.split() for line in payloads(node)]
    for number in range(20):
        mine = [int(count) for who, count in lines if int(who) == number]
        assert mine == list(range(200))


def test_bad_requests_are_said(node):
    with node.connect() as client:
        for request in ({"session": ""}, {"session": "x" * 321}, {"session": 7}, {"format": "json"}):
            refused = client.ask(op="publish", **request)
            assert refused["error"] == "bad_request" and refused["message"]
        assert client.ask(op="publish", session="x" * 320)["next"] == 1


def test_a_client_that_does_not_read_is_acknowledged_in_one_line(node):
    with Publisher(node, "s") as publisher:
        for start in range(0, 200_000, 1000):
            publisher.put(*(b"%d" % number for number in range(start, start + 1000)))
        node.wait_committed(200_000)
        publisher.client.socket.shutdown(1)
        lines = 0
        while publisher.acked < 200_000:
            assert publisher.take() is None
            lines += 1
        assert lines < 20_000, "more lines than the socket's buffer holds, and one"
    assert payloads(node) == [b"%d" % number for number in range(200_000)]


# ---- sessions ----

def test_a_session_goes_on_at_its_number_at_any_node_and_after_a_restart_of_all(cluster):
    sent = 0
    for turn in range(2):
        for node in cluster.nodes:
            with Publisher(node, "s") as publisher:
                assert publisher.next == sent + 1
                publisher.put(*(b"%d" % number for number in range(sent, sent + 10)))
                sent += 10
                publisher.wait_acked(sent)
        for node in cluster.nodes:
            node.kill()
        cluster.start()
    assert payloads(cluster.nodes[0]) == [b"%d" % number for number in range(sent)]


def test_who_is_fenced_is_told_and_nothing_of_him_comes_behind_the_fence(cluster):
    for turn in range(5):
        first_node, second_node = random.sample(cluster.nodes, 2) if turn else [cluster.nodes[0]] * 2
        session = f"s{turn}"
        with Publisher(first_node, session) as first:
            flood = b"".join(b"first %d %d\n" % (turn, number) for number in range(1, 3001))

            def write():
                try:
                    first.client.put_bytes(flood)
                except OSError:
                    pass

            writer = threading.Thread(target=write)
            writer.start()
            first.wait_acked(1)
            with Publisher(second_node, session) as second:
                second.put(*(b"second %d %d" % (turn, number) for number in range(second.next, 4001)))
                error = first.wait_error()
                writer.join()
                assert error["error"] == "fenced" and first.acked < second.next
                second.wait_acked(4000)
                boundary = second.next
        lines = [line for line in payloads(second_node) if line.split()[1] == b"%d" % turn]
        assert lines == [(b"first" if number < boundary else b"second") + b" %d %d" % (turn, number)
                         for number in range(1, 4001)]


def test_clients_killed_in_mid_line_leave_no_fragment(cluster):
    text = b"a line that is to come whole or not at all"
    for number in range(30):
        with Publisher(random.choice(cluster.nodes), f"s{number % 3}") as publisher:
            data = (text + b"\n") * 20
            publisher.client.put_bytes(data[:random.randrange(len(data))])
    for session in range(3):   # opening it again fences off what was left
        Publisher(cluster.nodes[0], f"s{session}").client.close()
    assert set(payloads(cluster.nodes[0])) == {text}


# ---- send ----

def send(client, session, sequence, data):
    return client.ask(op="send", session=session, seq=sequence, data=data)


def test_a_send_under_a_session_is_there_once_at_whatever_node_and_after_a_restart_of_all(cluster):
    index = {}
    for sequence in range(1, 7):
        with cluster.nodes[sequence % 3].connect() as client:
            index[sequence] = send(client, "s", sequence, f"m{sequence}")["index"]
            again = send(client, "s", sequence, f"again {sequence}")
            assert again == {"ok": True, "index": index[sequence], "duplicate": True}
    for node in cluster.nodes:
        node.kill()
    cluster.start()
    for node in cluster.nodes:
        with node.connect() as client:
            for sequence in range(1, 7):
                again = send(client, "s", sequence, "again")
                assert again["duplicate"] and again.get("index", index[sequence]) == index[sequence]
    with cluster.nodes[1].connect() as client:
        assert send(client, "s", 7, "m7")["ok"]
    assert payloads(cluster.nodes[1]) == [b"m%d" % sequence for sequence in range(1, 8)]


def test_a_gap_is_said_and_the_number_is_free_still(cluster):
    with cluster.nodes[0].connect() as one, cluster.nodes[1].connect() as other:
        assert send(one, "s", 2, "too early")["error"] == "gap"
        assert send(one, "s", 1, "m1")["ok"] and send(one, "s", 3, "too early")["error"] == "gap"
        for sequence in range(2, 12):   # each node learns of the other's in time
            assert send((one, other)[sequence % 2], "s", sequence, f"m{sequence}")["ok"]
    assert payloads(cluster.nodes[0]) == [b"m%d" % sequence for sequence in range(1, 12)]


def test_sends_are_pipelined_and_a_number_on_its_way_is_a_duplicate(cluster):
    with cluster.nodes[0].connect() as client:
        for sequence in range(1, 501):
            for tag in (2 * sequence, 2 * sequence + 1):
                client.put(op="send", session="s", seq=sequence, data=f"m{sequence}", tag=tag)
        replies = [client.get() for _ in range(1000)]
    assert all(reply["ok"] for reply in replies)
    assert {reply["tag"] // 2: reply["index"] for reply in replies} == {n: n for n in range(1, 501)}
    assert sum("duplicate" in reply for reply in replies) == 500
    assert payloads(cluster.nodes[0]) == [b"m%d" % sequence for sequence in range(1, 501)]


def test_a_send_does_not_fence_and_who_publishes_goes_on(cluster):
    with Publisher(cluster.nodes[0], "s") as publisher, cluster.nodes[1].connect() as client:
        publisher.put(b"m1")
        publisher.wait_acked(1)
        assert send(client, "s", 2, "m2")["index"] == 2
        publisher.put(b"this number is taken", b"m3")
        publisher.wait_acked(3)
        with Publisher(cluster.nodes[2], "s") as second:
            assert second.next == 4 and publisher.wait_error()["error"] == "fenced"
        assert send(client, "s", 4, "m4").get("error", "fenced") == "fenced"
        assert send(client, "s", 4, "m4")["ok"]
    assert payloads(cluster.nodes[1]) == [b"m1", b"m2", b"m3", b"m4"]


def test_a_send_takes_session_and_seq_or_neither(node):
    with node.connect() as client:
        for request in ({"session": "s"}, {"seq": 1}, {"session": "s", "seq": 0}, {"session": "", "seq": 1}):
            assert client.ask(op="send", data="x", **request)["error"] == "bad_request"


def test_pxctl_sends_lines_in_a_session(cluster):
    for node in cluster.nodes:
        done = node.pxctl("send", "--session", "s", input=b"one\ntwo\n")
        assert done.returncode == 0 and len(done.stdout.split()) == 2, done.stderr
    assert payloads(cluster.nodes[0]) == [b"one", b"two"] * 3


# ---- many ----

def resident_bytes(node):
    with open(f"/proc/{node.process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
    return 0


@pytest.mark.parametrize("has_session", [True, False])
def test_1000_clients_publish_at_once_in_bounded_memory(cluster, has_session):
    count, size = 1000, 40
    lines = [b"%d " % number + b"x" * 1000 for number in range(size)]
    clients = []
    for number in range(count):
        client = cluster.nodes[0].connect()
        client.put(op="publish", **({"session": f"s{number}"} if has_session else {}))
        clients.append(client)
    for number, client in enumerate(clients):
        assert client.get()["next"] == 1
    most = 0
    for number, client in enumerate(clients):
        client.put_bytes(b"".join(b"%d %s\n" % (number, line) for line in lines))
        if number % 100 == 99:
            most = max(most, resident_bytes(cluster.nodes[0]))
    for client in clients:
        while client.get()["acked"] < size:
            pass
        client.close()
    most = max(most, *(resident_bytes(node) for node in cluster.nodes))
    assert most < 256 << 20, f"{most >> 20} MiB"
    seen = [0] * count
    for line in payloads(cluster.nodes[2]):
        who, order, _ = line.split()
        assert int(order) == seen[int(who)]
        seen[int(who)] += 1
    assert seen == [size] * count


# ---- kills ----

class Import(threading.Thread):
    """Publishes lines 1 to count under one session, whatever node is there to take them."""

    def __init__(self, nodes, session, count):
        super().__init__(daemon=True)
        self.nodes, self.session, self.count = nodes, session, count
        self.acked = self.connections = 0
        self.limit = 0   # it does not publish beyond
        self.current = None
        self.error = None
        self.start()

    def run(self):
        try:
            while self.acked < self.count:
                node = random.choice([node for node in self.nodes if node.is_running()])
                try:
                    with node.client(2.0) as client:
                        self.current = node
                        self.publish(client)
                except (OSError, Closed):
                    continue
        except BaseException as error:
            self.error = error
            raise

    def publish(self, client):
        opened = client.ask(op="publish", session=self.session)
        if "next" not in opened:
            assert opened["error"] in ("shutting_down", "fenced"), opened
            return
        self.connections += 1
        assert opened["next"] > self.acked, "what was acknowledged is gone"
        sent = self.acked = opened["next"] - 1
        rest = b""
        client.socket.setblocking(False)
        while self.acked < self.count:
            if not rest and sent < self.limit:
                last = min(sent + 50, self.limit)
                rest = b"".join(b"%d\n" % number for number in range(sent + 1, last + 1))
                sent = last
            wanted = [client.socket] if rest else []
            readable, writable, _ = select.select([client.socket], wanted, [], POLL_S)
            if writable:
                rest = rest[client.socket.send(rest):]
            if readable:
                client.socket.setblocking(True)
                self.acked = max(self.acked, client.get()["acked"])
                while b"\n" in client.rest:
                    self.acked = max(self.acked, client.get()["acked"])
                client.socket.setblocking(False)


def test_100_000_messages_go_in_once_and_in_order_through_20_kills(cluster):
    count, kills = 100_000, 20
    work = Import(cluster.nodes, "import", count)
    work.limit = 1000
    for number in range(kills):
        goal = work.acked + 1
        work.limit = (number + 1) * count // kills
        wait_until(f"{goal} acknowledged", lambda: work.acked >= goal or work.error, 60.0)
        assert work.error is None
        victim = work.current
        victim.kill()   # most of the share is on its way
        wait_until("a majority", lambda: cluster.leader(cluster.running()), 60.0)
        victim.start()
        wait_until(f"{work.limit} acknowledged", lambda: work.acked >= work.limit or work.error, 60.0)
    work.join(60.0)
    assert work.acked == count and work.error is None
    assert work.connections >= kills
    expected = [b"%d" % number for number in range(1, count + 1)]
    for node in cluster.nodes:
        node.wait_committed(count)
        assert check_log(node.all_messages()) == expected
