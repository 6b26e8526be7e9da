# test_barrier.py - a barrier covers whatever was acknowledged before it was asked, at any node.
# SPDX-License-Identifier: Apache-2.0
import itertools
import signal
import threading
import time

from px_cluster import Closed, wait_until

ROUNDS = 150
CHECKS = 10000
FAULTS_LEAST = 12
BARRIERS_AT_ONCE = 8
BARRIERS_MANY = 2000


def test_a_barrier_at_any_node_covers_what_any_node_acknowledged(cluster):
    clients = [node.connect() for node in cluster.nodes]
    for number, (sender, asker) in zip(range(ROUNDS), itertools.cycle(itertools.product(clients, clients))):
        index = sender.ask(op="send", data=f"line {number}")["index"]
        barrier = asker.ask(op="barrier")
        assert barrier["ok"] and barrier["index"] >= index
    for client in clients:
        client.close()


def test_many_barriers_on_one_connection_are_all_answered(cluster):
    for node in cluster.nodes:
        with node.connect() as client:
            for number in range(500):
                client.put(op="barrier", tag=number)
            assert {client.get()["tag"] for _ in range(500)} == set(range(500))


def test_without_a_majority_a_barrier_says_no_quorum_and_with_one_it_goes_on(cluster):
    leader = cluster.wait_leader()
    others = cluster.others(leader)
    with leader.connect() as client:
        index = client.ask(op="send", data="a line")["index"]
        for node in others:
            node.kill()
        refused = client.ask(op="barrier", timeout_ms=300)
        assert not refused["ok"] and refused["error"] == "no_quorum" and refused["message"]
        client.put(op="barrier", tag="waits")
        others[0].start()
        answer = client.get()
        assert answer["ok"] and answer["tag"] == "waits" and answer["index"] >= index


def test_a_send_without_a_majority_is_unknown_after_its_timeout(cluster):
    leader = cluster.wait_leader()
    others = cluster.others(leader)
    for node in others:
        node.kill()
    with leader.connect() as client:
        reply = client.ask(op="send", data="maybe", timeout_ms=300)
        assert not reply["ok"] and reply["error"] == "unknown"
        others[0].start()
        index = client.ask(op="send", data="surely")["index"]
        messages = [message["data"] for message in client.messages(1, index)]
    assert messages in (["maybe", "surely"], ["surely"])


def test_pxctl_barrier_prints_the_index(cluster):
    sent = cluster.nodes[0].pxctl("send", "a line")
    done = cluster.nodes[1].pxctl("barrier")
    assert sent.returncode == done.returncode == 0
    assert int(done.stdout) >= int(sent.stdout) == 1


class Checks(threading.Thread):
    """Asks one node for barriers all the time, and compares each with what was acknowledged before it."""

    def __init__(self, node, acknowledged, is_over):
        super().__init__(daemon=True)
        self.node, self.acknowledged, self.is_over = node, acknowledged, is_over
        self.count, self.stale = 0, []
        self.start()

    def run(self):
        while not self.is_over.is_set():
            try:
                with self.node.client(5.0) as client:
                    self.ask(client)
            except (OSError, Closed):
                self.is_over.wait(0.01)

    def ask(self, client):
        """Several under way at once: each must cover what was acknowledged before it was asked."""
        while not self.is_over.is_set():
            asked = []
            for tag in range(BARRIERS_AT_ONCE):
                asked.append(self.acknowledged.highest)
                client.put(op="barrier", tag=tag)
            for _ in asked:
                answer = client.get()
                assert answer["ok"], answer
                if answer["index"] < asked[answer["tag"]]:
                    self.stale.append((asked[answer["tag"]], answer["index"]))
                self.count += 1


class Sender(threading.Thread):
    """Sends through one node, and notes the highest index that was acknowledged."""

    def __init__(self, node, acknowledged, is_over):
        super().__init__(daemon=True)
        self.node, self.acknowledged, self.is_over = node, acknowledged, is_over
        self.start()

    def run(self):
        while not self.is_over.is_set():
            try:
                with self.node.client(5.0) as client:
                    while not self.is_over.is_set():
                        answer = client.ask(op="send", data="x")
                        if answer["ok"]:
                            self.acknowledged.note(answer["index"])
            except (OSError, Closed):
                self.is_over.wait(0.01)


class Acknowledged:
    """The highest index that any client has seen acknowledged."""

    def __init__(self):
        self.highest, self.lock = 0, threading.Lock()

    def note(self, index):
        with self.lock:
            self.highest = max(self.highest, index)


def test_no_barrier_is_stale_while_leaders_are_killed_and_stopped(cluster):
    """10,000 barriers at all nodes, asked while the leader is killed, or put to sleep and woken."""
    acknowledged, is_over = Acknowledged(), threading.Event()
    threads = [Sender(node, acknowledged, is_over) for node in cluster.nodes]
    checks = [Checks(node, acknowledged, is_over) for node in cluster.nodes]
    end = time.monotonic() + 60

    def checked():
        return sum(check.count for check in checks)

    faults = 0
    while checked() < CHECKS or faults < FAULTS_LEAST:
        assert time.monotonic() < end, f"{checked()} checks, {faults} faults"
        leader = cluster.wait_leader()
        others = cluster.others(leader)
        target = checked() + CHECKS // FAULTS_LEAST // 2
        wait_until("checks under the leader", lambda: checked() >= target)
        if faults % 2:
            leader.signal(signal.SIGSTOP)
            cluster.wait_leader(others)
            before = acknowledged.highest
            wait_until("progress without the sleeper", lambda: acknowledged.highest > before)
            leader.signal(signal.SIGCONT)
        else:
            leader.kill()
            cluster.wait_leader(others)
            leader.start()
        faults += 1
    is_over.set()
    for thread in threads + checks:
        thread.join(20)
        assert not thread.is_alive()
    assert [check.stale for check in checks] == [[], [], []]
    assert checked() >= CHECKS and min(check.count for check in checks) > 0
    assert acknowledged.highest > 100


def test_many_waiting_barriers_are_one_round_to_the_quorum(cluster):
    """Those that are asked while a probe is under way share the next one: few messages for many of them."""
    leader = cluster.wait_leader()
    others = cluster.others(leader)
    with leader.connect() as client:
        client.ask(op="send", data="x")
        for node in others:
            node.signal(signal.SIGSTOP)
        for tag in range(BARRIERS_MANY):
            client.put(op="barrier", tag=tag)
        # What is sent meanwhile to those that sleep waits for them; nothing more is sent for each barrier.
        client.put(op="status", tag="status")
        answer = client.get()
        assert answer["tag"] == "status"
        before = answer["counters"]["json_sent"]
        for node in others:
            node.signal(signal.SIGCONT)
        for _ in range(BARRIERS_MANY):
            assert client.get()["ok"]
        after = client.ask(op="status")["counters"]["json_sent"]
    assert after - before < BARRIERS_MANY // 4
