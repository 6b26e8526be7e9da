# test_batching.py - many messages at once cost few batches: one record, one sync, one message to each node.
# SPDX-License-Identifier: Apache-2.0
import json

MESSAGES = 20000
WINDOW = 1024
# Each costs a few bytes on the way that are no payload: in sum more than what may be on its way at once.
FORWARDED = 600000
# Heartbeats, acknowledgements and barriers beside the load.
OTHERS_SHARE = 4


def test_a_window_of_1024_is_batched(cluster):
    leader = cluster.wait_leader()
    before = leader.status()
    done = leader.pxctl("bench", "--messages", str(MESSAGES), "--window", str(WINDOW), "--json")
    assert json.loads(done.stdout)["messages"] == MESSAGES
    after = leader.status()
    used = {key: after["counters"][key] - before["counters"][key] for key in after["counters"]}
    assert used["messages_proposed"] == MESSAGES
    batches = used["slots_proposed"]
    assert batches * 20 < MESSAGES, f"{MESSAGES / batches:.1f} messages a batch"
    assert used["records"] <= 2 * batches, used
    assert used["syncs"] <= batches + batches // OTHERS_SHARE + 10, used
    assert used["json_sent"] <= OTHERS_SHARE * batches * len(cluster.others(leader)), used


def test_an_idle_cluster_syncs_nothing(cluster):
    leader = cluster.wait_leader()
    with leader.connect() as client:
        client.ask(op="send", data="a line")
        cluster.wait_same()
        before = client.ask(op="status")["counters"]
        # A hundred barriers take the time of several heartbeats, and need no disk.
        for _ in range(100):
            assert client.ask(op="barrier")["ok"]
        after = client.ask(op="status")["counters"]
    assert after["syncs"] - before["syncs"] <= 2
    assert after["slots_proposed"] == before["slots_proposed"]


def test_a_follower_forwards_more_messages_than_its_bounds_hold_bytes(cluster):
    leader = cluster.wait_leader()
    follower = cluster.others(leader)[0]
    done = follower.pxctl("bench", "--messages", str(FORWARDED), "--size", "0", "--window", "4096", "--json")
    assert json.loads(done.stdout)["messages"] == FORWARDED
    assert leader.status()["committed"] == FORWARDED
