# test_sigstop.py - the leader sleeps for three seconds and wakes up as if nothing had happened.
#
#     px1 (leader)  SIGSTOP ........ SIGCONT     its barrier must cover what the others took meanwhile
#     px2, px3      a new leader takes messages
# SPDX-License-Identifier: Apache-2.0
import signal
import time

from px_cluster import Watch, Writer

STOPPED_S = 3.0


def test_a_leader_that_slept_answers_no_stale_barrier(cluster):
    leader = cluster.wait_leader()
    others = cluster.others(leader)
    lines = [b"written before %d" % number for number in range(100)]
    writer = Writer(leader.fifo_in, lines)
    writer.finish()
    leader.wait_committed(len(lines))
    watch = Watch(cluster)
    watch.wrote(writer)
    watch.see_all()
    asleep = leader.connect()
    leader.signal(signal.SIGSTOP)
    since = time.monotonic()
    # Waits in its socket, for the moment at which it wakes up: nothing says that the node read it before.
    asleep.put(op="barrier")
    new = cluster.wait_leader(others)
    loads = [watch.load(node, f"n{node.place}", window=4) for node in others]
    for load in loads:
        load.wait_acknowledged(200)
    while time.monotonic() - since < STOPPED_S:
        for load in loads:
            load.wait_acknowledged(len(load.acknowledged) + 10)
    newest = max(max(load.acknowledged.values()) for load in loads)
    leader.signal(signal.SIGCONT)
    barrier = asleep.get()
    assert barrier["ok"] and barrier["index"] >= newest
    asleep.close()
    assert watch.check()[:len(lines)] == lines
    assert new.is_running()


def test_lines_written_to_a_sleeping_leader_come_once(cluster):
    leader = cluster.wait_leader()
    others = cluster.others(leader)
    reader = cluster.reader(others[0])
    lines = [b"line %d" % number for number in range(2000)]
    writer = Writer(leader.fifo_in, lines, rate=1000)
    reader.wait_line(lines[500])
    leader.signal(signal.SIGSTOP)
    cluster.wait_leader(others)
    with others[0].connect() as client:
        assert client.ask(op="send", data="from another")["ok"]
    leader.signal(signal.SIGCONT)
    writer.finish()
    reader.wait_lines(len(lines) + 1)
    assert [line for line in reader.all_lines() if line.startswith(b"line")] == lines
