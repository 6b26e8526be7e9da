# test_restart.py - nodes that are stopped cleanly and started again.
#
#     writer -> in  px1, px2, px3  out -> reader     SIGTERM one after the other, or all
# SPDX-License-Identifier: Apache-2.0
import signal

from px_cluster import DEADLINE_S, Watch, Writer, wait_until

LINES = 600


def test_a_clean_stop_repeats_and_loses_nothing(cluster):
    node = cluster.nodes[0]
    reader = cluster.reader(node)
    lines = [b"line %d" % number for number in range(3 * LINES)]
    for turn in range(3):
        Writer(node.fifo_in, lines[turn * LINES:(turn + 1) * LINES]).finish()
        reader.wait_lines((turn + 1) * LINES)
        assert node.stop() == 0
        node.start()
        cluster.wait_leader(cluster.nodes)
    with node.connect() as client:
        last = client.ask(op="send", data="the last")["index"]
    reader.wait_line(b"the last")
    assert reader.all_lines() == lines + [b"the last"]
    assert last == len(lines) + 1


def test_lines_written_around_a_clean_stop_of_each_node_come_once(cluster):
    lines = {node: [b"%d line %d" % (node.place, number) for number in range(4 * LINES)]
             for node in cluster.nodes}
    readers = [cluster.reader(node) for node in cluster.nodes]
    writers = [Writer(node.fifo_in, lines[node], rate=LINES) for node in cluster.nodes]
    for node in cluster.nodes:
        readers[0].wait_line(lines[node][node.place * LINES])
        assert node.stop() == 0
        node.start()
        cluster.wait_leader(cluster.nodes)
    for writer in writers:
        writer.finish(30)
    expected = sum(len(writer_lines) for writer_lines in lines.values())
    for reader in readers:
        reader.wait_lines(expected)
    outputs = [reader.all_lines() for reader in readers]
    assert outputs[0] == outputs[1] == outputs[2]
    for node in cluster.nodes:
        assert [line for line in outputs[0] if line.startswith(b"%d " % node.place)] == lines[node]


def test_a_rolling_restart_keeps_the_sockets_load_going(cluster):
    watch = Watch(cluster)
    loads = [watch.load(node, f"n{node.place}", window=8) for node in cluster.nodes]
    for node in cluster.nodes:
        for load in loads:
            load.wait_acknowledged(len(load.acknowledged) + 100)
        assert node.stop() == 0
        node.start()
        cluster.wait_leader(cluster.nodes)
    watch.check()


def test_a_leader_that_stops_hands_over(cluster):
    leader = cluster.wait_leader()
    others = cluster.others(leader)
    assert leader.stop() == 0
    # Before an election timeout could have noticed anything: the old leader named its successor.
    heir = cluster.wait_leader(others, 2.0)
    assert heir in others
    with heir.connect() as client:
        assert client.ask(op="send", data="goes on")["ok"]


def test_a_line_written_while_px_drains_is_kept(cluster):
    node, *others = cluster.nodes
    reader = cluster.reader(node)
    Writer(node.fifo_in, [b"before"]).finish()
    reader.wait_line(b"before")
    for other in others:
        other.kill()
    Writer(node.fifo_in, [b"waits for a majority"]).finish()
    node.signal(signal.SIGTERM)
    wait_until("it to stop reading", lambda: "stopping" in node.log())
    Writer(node.fifo_in, [b"into the drain %d" % number for number in range(50)]).finish()
    assert node.process.wait(DEADLINE_S) == 0
    for each in cluster.nodes:
        each.start()
    cluster.wait_leader(cluster.nodes)
    reader.wait_line(b"into the drain 49")
    assert reader.all_lines() == [b"before", b"waits for a majority"] + [
        b"into the drain %d" % number for number in range(50)]
