# test_all_killed.py - all nodes die at once, twice, under load.
#
#     load -> socket px1 |
#     load -> socket px2 | kill -9 of all three, start, again
#     load -> socket px3 |     everything acknowledged is at its index, nothing is there twice
# SPDX-License-Identifier: Apache-2.0
from px_cluster import Watch

ACKNOWLEDGED = 400


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
