# test_barrier.py - a barrier covers whatever was acknowledged before it was asked, at any node.
# SPDX-License-Identifier: Apache-2.0
import itertools

ROUNDS = 150


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
