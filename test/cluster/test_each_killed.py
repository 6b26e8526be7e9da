# test_each_killed.py - each node in turn dies and comes back, while the two others are under load.
#
#     load -> socket of every node;  kill -9 px1, start, caught up;  kill -9 px2, ...;  kill -9 px3, ...
# SPDX-License-Identifier: Apache-2.0
from px_cluster import Watch

MORE = 200


def test_each_node_dies_once_and_nothing_acknowledged_is_lost(cluster):
    watch = Watch(cluster)
    watch.see_all()
    loads = [watch.load(node, f"n{node.place}", window=8) for node in cluster.nodes]
    for node in cluster.nodes:
        before = [len(load.acknowledged) for load in loads]
        for load, count in zip(loads, before):
            load.wait_acknowledged(count + MORE)
        node.kill()
        living = [load for load in loads if load.node is not node]
        before = [len(load.acknowledged) for load in living]
        for load, count in zip(living, before):
            load.wait_acknowledged(count + MORE)
        node.start()
        cluster.wait_leader(cluster.nodes)
    watch.check()


def test_a_dead_follower_does_not_stop_the_others_and_catches_up_without_traffic(cluster):
    leader = cluster.wait_leader()
    follower, other = cluster.others(leader)
    follower.kill()
    with other.connect() as client:
        for number in range(300):
            client.put(op="send", data=f"line {number}")
        last = [client.get()["index"] for _ in range(300)][-1]
    follower.start()
    follower.wait_committed(last)
    assert follower.all_messages() == leader.all_messages()
