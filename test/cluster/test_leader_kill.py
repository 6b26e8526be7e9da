# test_leader_kill.py - the leader dies three times while lines are written through a follower.
#
#     writer -> in  follower  out -> reader      every line once, no gap of a second
#                   leader    kill -9
#                   other     out -> reader      the same
# SPDX-License-Identifier: Apache-2.0
import time

from px_cluster import Watch, Writer

RATE = 2000
SECONDS = 3
TURNS = 3
GAP_S_MAX = 1.0


def lines_of(turn):
    return [b"turn %d line %d" % (turn, number) for number in range(RATE * SECONDS)]


def run_turn(cluster, watch, turn):
    """Kills the leader in the middle of the writing; returns the one that was killed."""
    leader = cluster.wait_leader()
    follower, other = cluster.others(leader)
    readers = [cluster.reader(follower), cluster.reader(other)]
    lines = lines_of(turn)
    begun = time.monotonic()
    writer = Writer(follower.fifo_in, lines, RATE)
    readers[0].wait_line(lines[RATE])
    leader.kill()
    writer.finish()
    watch.wrote(writer)
    for reader in readers:
        reader.wait_line(lines[-1])
        assert [line for line in reader.all_lines() if line.startswith(b"turn %d " % turn)] == lines
        reader.end()
    gap = readers[0].longest_gap(begun)
    assert gap < GAP_S_MAX, f"{gap:.2f} s without a line"
    return leader


def test_lines_through_a_follower_survive_three_leaders(cluster):
    watch = Watch(cluster)
    watch.see_all()
    for turn in range(TURNS):
        killed = run_turn(cluster, watch, turn)
        killed.start()
        cluster.wait_leader(cluster.nodes)
        killed.wait_committed((turn + 1) * RATE * SECONDS)
    assert watch.check() == [line for turn in range(TURNS) for line in lines_of(turn)]
