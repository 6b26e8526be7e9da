# test_all_killed.py - all nodes die at once, twice, under load.
#
#     load -> socket px1 |
#     load -> socket px2 | kill -9 of all three, start, again
#     load -> socket px3 |     everything acknowledged is at its index, nothing is there twice
# SPDX-License-Identifier: Apache-2.0
import random
import subprocess

from px_cluster import Watch

ACKNOWLEDGED = 400
STARTS = 8
# A start takes about so long.
START_S = 0.15


def test_what_was_acknowledged_survives_the_death_of_all(cluster):
    watch = Watch(cluster)
    watch.see_all()
    for turn in range(2):
        now = [watch.load(node, f"t{turn}n{node.place}", window=32) for node in cluster.nodes]
        for load in now:
            load.wait_acknowledged(ACKNOWLEDGED)
        for node in cluster.nodes:
            node.process.kill()
        for node in cluster.nodes:
            node.process.wait()
        for load in now:
            load.end()
        cluster.start()
    watch.check()


def test_the_order_goes_on_behind_the_death_of_all(cluster):
    with cluster.nodes[0].connect() as client:
        assert client.ask(op="send", data="before")["index"] == 1
    for node in cluster.nodes:
        node.process.kill()
    for node in cluster.nodes:
        node.process.wait()
    cluster.start()
    with cluster.nodes[2].connect() as client:
        assert client.ask(op="send", data="behind")["index"] == 2


def test_kills_while_nodes_start_lose_nothing(cluster):
    chance = random.Random(1)
    watch = Watch(cluster)
    watch.see_all()
    loads = [watch.load(node, f"n{node.place}", window=32) for node in cluster.nodes]
    for load in loads:
        load.wait_acknowledged(ACKNOWLEDGED)
    for _ in range(STARTS):
        for node in cluster.nodes:
            node.kill()
            node.start()
        for node in cluster.nodes:
            try:
                node.process.wait(chance.uniform(0, START_S))   # it ends only where its start fails
                raise AssertionError(f"{node.name} ended while it started:\n{node.log()}")
            except subprocess.TimeoutExpired:
                node.kill()
                node.start()
    cluster.wait_leader(cluster.nodes)
    for load in loads:
        load.wait_acknowledged(len(load.acknowledged) + ACKNOWLEDGED)
    watch.check()
