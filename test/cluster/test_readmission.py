# test_readmission.py - disks that were emptied, rolled back or put back, under load.
#
#     load -> px1, px2, px3     rm -rf of one data folder; a copy of an older one; the former one again
# SPDX-License-Identifier: Apache-2.0
import os
import shutil

from px_cluster import Watch, wait_until


def is_voter(node, among):
    """Do all of these nodes say that it votes, and does it itself?"""
    for other in among:
        status = other.status() or {}
        member = [item for item in status.get("members", []) if item["id"] == node.name]
        if not member or not member[0]["voter"]:
            return False
    return (node.status() or {}).get("role") in ("follower", "leader")


def wait_voter(node, cluster):
    wait_until(f"{node.name} is a voter", lambda: is_voter(node, cluster.nodes), 60)


def copy_folder(source, target):
    """The files of a data folder, without its FIFOs and socket."""
    os.makedirs(target)
    for name in os.listdir(source):
        path = os.path.join(source, name)
        if os.path.isfile(path):
            shutil.copy2(path, os.path.join(target, name))


def put_back(node, copy):
    shutil.rmtree(node.data)
    copy_folder(copy, node.data)


def said(node, words):
    return any(words in line for line in node.log().splitlines())


def test_an_emptied_disk_is_taken_back_and_another_may_die(cluster):
    watch = Watch(cluster)
    emptied, killed, third = cluster.nodes
    loads = [watch.load(node, f"n{node.place}", window=8) for node in (killed, third)]
    for load in loads:
        load.wait_acknowledged(200)
    emptied.kill()
    shutil.rmtree(emptied.data)
    emptied.start()
    wait_until("it is said", lambda: said(emptied, "knows this node by another disk"))
    wait_voter(emptied, cluster)
    for load in loads:
        load.wait_acknowledged(len(load.acknowledged) + 100)
    killed.kill()
    cluster.wait_leader([emptied, third])
    loads[1].wait_acknowledged(len(loads[1].acknowledged) + 100)
    killed.start()
    watch.check()


def test_the_leaders_disk_is_emptied(cluster):
    leader = cluster.wait_leader(cluster.nodes)
    with leader.connect() as client:
        for number in range(20):
            assert client.ask(op="send", data=f"before {number}")["ok"]
    leader.kill()
    shutil.rmtree(leader.data)
    leader.start()
    wait_voter(leader, cluster)
    cluster.wait_same()
    assert len(leader.all_messages()) == 20


def test_a_disk_that_was_rolled_back_is_found_and_taken_back(cluster, tmp_path):
    node, other, third = cluster.nodes
    copy = str(tmp_path / "older")

    def send(count, total):
        with other.connect() as client:
            for number in range(count):
                assert client.ask(op="send", data=f"message {number}")["ok"]
        wait_until("the node to have all", lambda: len(node.all_messages()) == total)

    send(10, 10)
    assert node.stop() == 0
    copy_folder(node.data, copy)
    node.start()
    cluster.wait_leader(cluster.nodes)
    # The third one remembers less of the node; from it the older disk could catch up before it is found.
    assert third.stop() == 0
    send(10, 20)
    node.kill()
    put_back(node, copy)
    node.start()
    wait_until("it is said", lambda: said(node, "remembers more of this disk than it has"))
    third.start()
    wait_voter(node, cluster)
    cluster.wait_same()
    assert len(node.all_messages()) == 20


def test_a_former_disk_that_is_put_back_is_taken_for_a_new_one(cluster, tmp_path):
    node, other, third = cluster.nodes
    copy = str(tmp_path / "former")
    with other.connect() as client:
        assert client.ask(op="send", data="one")["ok"]
    assert node.stop() == 0
    copy_folder(node.data, copy)
    shutil.rmtree(node.data)
    node.start()
    wait_voter(node, cluster)
    assert node.stop() == 0
    put_back(node, copy)
    node.start()
    wait_until("it is said", lambda: said(node, "has replaced this disk by another")
               or said(node, "remembers more of this disk than it has"))
    wait_voter(node, cluster)
    other.kill()
    cluster.wait_leader([node, third])
    with node.connect() as client:
        assert client.ask(op="send", data="two")["ok"]
    other.start()
    cluster.wait_same()


def test_two_of_three_emptied_serve_nothing_and_say_so(cluster):
    first, second, left = cluster.nodes
    with left.connect() as client:
        assert client.ask(op="send", data="one")["ok"]
    for node in (first, second):
        node.kill()
        shutil.rmtree(node.data)
    for node in (first, second):
        node.start()
    wait_until("it is said", lambda: "2 of 3 members" in (left.status() or {}).get("waiting_for", ""))
    with left.connect() as client:
        assert client.ask(op="send", data="two", timeout_ms=2000)["error"] == "unknown"
    assert all(node.status()["leader"] is None for node in cluster.nodes)
