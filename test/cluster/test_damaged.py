# test_damaged.py - logs that rot while their nodes are down: they mend themselves, and nothing is guessed.
#
#     load -> px1, px2, px3     bytes of records flipped on the disks of nodes that are stopped
# SPDX-License-Identifier: Apache-2.0
import mmap
import os
import re
import signal
import struct

from forge_log import HEADER, find_records
from px_cluster import DEADLINE_S, Writer, wait_until
from test_verify import flip, verify

MENDED = "the log is whole again"


class Record:
    """A record with entries: the slots above `after` up to `end`."""

    def __init__(self, path, log, at):
        self.path, self.at = path, at
        (self.after,) = struct.unpack_from("<Q", log, at + 128)
        (self.count,) = struct.unpack_from("<I", log, at + 152)
        self.end = self.after + self.count

    def damage(self, is_header):
        flip(self.path, self.at + 60 if is_header else self.at + HEADER + 5)


def records_of(node):
    """The records with entries, in their order."""
    found = []
    for name in sorted(name for name in os.listdir(node.data) if re.fullmatch(r"[0-9a-f]{16}\.log", name)):
        path = os.path.join(node.data, name)
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as log:
            records = [Record(path, log, at) for at in find_records(log)]
        found += [record for record in records if record.count]
    return found


def said(node, words):
    return any(words in line for line in node.log().splitlines())


def wait_said(node, words):
    wait_until(f"{node.name} says: {words}", lambda: said(node, words), 60)


def write(node, count, total, label="line"):
    """Messages that make a record for each few of them."""
    Writer(node.fifo_in, [b"%s %d" % (label.encode(), number) for number in range(count)], 400).finish()
    node.wait_committed(total)


def check_same(cluster, total):
    """All nodes have the same, and all of it; each is a member like the others."""
    for node in cluster.nodes:
        node.wait_committed(total, 60)
    cluster.wait_leader(cluster.nodes)
    assert cluster.wait_same() == total
    wait_until("one digest", lambda: len({str(node.status()["digest"]) for node in cluster.nodes}) == 1)
    contents = [node.all_messages() for node in cluster.nodes]
    assert contents[0] == contents[1] == contents[2]
    assert [message["index"] for message in contents[0]] == list(range(1, total + 1))
    assert len({message["data"] for message in contents[0]}) == total


def check_each_may_be_down(cluster, total):
    """Every node is a voter like the others; each is killed once, and a message sent meanwhile."""
    for each in cluster.nodes:
        each.kill()
        among = cluster.others(each)
        cluster.wait_leader(among)
        with among[0].connect() as client:
            assert client.ask(op="send", data=f"without {each.name}")["ok"]
        each.start()
    check_same(cluster, total + len(cluster.nodes))


def test_a_damaged_log_mends_itself_while_the_others_go_on(cluster):
    node, other, _ = cluster.nodes
    write(other, 300, 300)
    node.wait_committed(300)
    assert node.stop() == 0
    records = records_of(node)
    assert len(records) > 30
    middle = len(records) // 2
    for place, is_header in ((2, False), (middle, True), (middle + 1, False), (-2, True)):
        records[place].damage(is_header)
    assert verify(node.data).returncode == 1
    write(other, 100, 400, "meanwhile")
    node.start()
    wait_said(node, MENDED)
    assert said(node, "a record that was on disk is damaged") and said(node, "recovering: slots from")
    check_same(cluster, 400)
    check_each_may_be_down(cluster, 400)


def test_a_node_without_its_small_state_is_as_emptied(cluster):
    """Its log is whole, what it promised is lost: it sets all aside, and votes when it is admitted again."""
    node, other, _ = cluster.nodes
    write(other, 300, 300)
    node.wait_committed(300)
    assert node.stop() == 0
    former = [name for name in os.listdir(node.data) if re.fullmatch(r"[0-9a-f]{16}\.log", name)]
    for name in ("state-a", "state-b"):
        flip(os.path.join(node.data, name), 50)
    write(other, 100, 400, "meanwhile")
    node.start()
    wait_said(node, "both copies of the small state are damaged or gone")
    wait_said(node, "votes again")
    for name in former + ["mark", "state-a", "state-b"]:
        assert os.path.exists(os.path.join(node.data, name + ".lost"))
    check_same(cluster, 400)
    check_each_may_be_down(cluster, 400)


def test_each_slot_is_sound_on_one_node_only(cluster):
    """The helix: of any ten slots that follow one another one node still has some, and each has others."""
    write(cluster.nodes[0], 300, 300)
    cluster.wait_same()
    for node in cluster.nodes:
        assert node.stop() == 0
    for turn, node in enumerate(cluster.nodes):
        records = records_of(node)
        damaged = [record for record in records
                   if all(slot // 10 % 3 != turn for slot in range(record.after + 1, record.end + 1))]
        assert len(records) / 2 < len(damaged) < len(records)
        for number, record in enumerate(damaged):
            record.damage(number % 2 == 0)
    for node in cluster.nodes:
        node.start()
    for node in cluster.nodes:
        wait_said(node, MENDED)
    check_same(cluster, 300)
    write(cluster.nodes[1], 50, 350, "behind")
    check_same(cluster, 350)


def make_tail(cluster):
    """The leader alone has some slots more, as records of their own, and is down; a follower is down, too,
    and the third node was stopped before. Returns them, and those records."""
    leader = cluster.wait_leader(cluster.nodes)
    follower, third = cluster.others(leader)
    write(leader, 100, 100)
    cluster.wait_same()
    assert third.stop() == 0
    follower.signal(signal.SIGSTOP)
    end = records_of(leader)[-1].end
    with leader.connect() as client:
        for number in range(4):   # before it notices that it is alone
            client.put(op="send", data=f"tail {number}")
            wait_until("it is on the leader's disk",
                       lambda: records_of(leader)[-1].end == end + number + 1)
        leader.kill()
    follower.kill()
    return leader, follower, third, [record for record in records_of(leader) if record.after >= end]


def test_rot_in_the_unchosen_tail_of_one_of_two(cluster):
    """What was not chosen cannot be told from what was by the two of three that run: they wait."""
    leader, follower, third, tail = make_tail(cluster)
    tail[1].damage(False)
    leader.start()
    follower.start()
    wait_until("it is said what is missing",
               lambda: "damaged" in ((leader.status() or {}).get("waiting_for") or ""))
    assert leader.status()["role"] == "recovering"
    third.start()
    cluster.wait_leader(cluster.nodes, 60)
    with follower.connect() as client:
        index = client.ask(op="send", data="after")["index"]
    for node in cluster.nodes:
        node.wait_committed(index)
    cluster.wait_same()
    contents = [[message["data"] for message in node.all_messages()] for node in cluster.nodes]
    assert contents[0] == contents[1] == contents[2]
    assert contents[0][:100] == [f"line {number}" for number in range(100)]
    assert "after" in contents[0] and len(set(contents[0])) == len(contents[0])


def test_rot_met_while_the_node_runs_is_mended_at_its_next_start(cluster):
    node, other, _ = cluster.nodes
    write(other, 600, 600)
    node.wait_committed(600)
    assert node.stop() == 0
    node.start()   # of the log the newest slots alone are in its memory
    node.wait_committed(600)
    records_of(node)[100].damage(False)
    with node.connect() as client:
        client.put(op="follow", **{"from": 1})
        assert node.process.wait(DEADLINE_S) == 1
    assert said(node, "cannot be read: a record that was on disk is damaged: the node stops")
    node.start()
    wait_said(node, MENDED)
    check_same(cluster, 600)
