# test_pipes.py - FIFOs as spec.md §4 wants them: writers and readers that come, go, sleep and die.
# SPDX-License-Identifier: Apache-2.0
import os
import select
import time

import pytest

from px_cluster import Writer, wait_until

IDLE_S = 1.0
IDLE_CPU_SHARE = 0.1


@pytest.fixture
def single(make_cluster):
    one = make_cluster(1)
    one.start()
    return one


def write_lines(node, lines):
    Writer(node.fifo_in, lines).finish()


def cpu_seconds(node):
    with open(f"/proc/{node.process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_line(path):
    """What `read line < out` of a shell does: takes one line byte by byte, and leaves the rest."""
    with open(path, "rb", buffering=0) as fifo:
        line = b""
        while not line.endswith(b"\n"):
            byte = fifo.read(1)
            assert byte, f"the writer left behind {line}"
            line += byte
        return line[:-1]


def test_a_reader_that_opens_the_pipe_for_each_line_neither_repeats_nor_skips(single):
    node = single.nodes[0]
    lines = [b"line %d" % number for number in range(300)]
    write_lines(node, lines)
    assert [read_line(node.fifo_out) for _ in lines] == lines


def test_a_reader_that_dies_in_mid_message_costs_nothing(single):
    node = single.nodes[0]
    lines = [b"%03d " % number + b"x" * 1000 for number in range(100)]
    write_lines(node, lines)
    with open(node.fifo_out, "rb", buffering=0) as fifo:
        taken = b""
        while len(taken) < 10500:   # ten whole lines and a part of the eleventh
            taken += fifo.read(10500 - len(taken))
    # px must have seen it go before the next one comes: two answers later its loop has been round.
    with node.connect() as client:
        assert client.ask(op="status")["ok"] and client.ask(op="status")["ok"]
    reader = single.reader(node)
    reader.wait_lines(90)
    assert reader.all_lines() == lines[10:]


def test_a_slow_reader_stalls_neither_node_nor_others(single):
    node = single.nodes[0]
    slow = os.open(node.fifo_out, os.O_RDONLY | os.O_NONBLOCK)
    lines = [b"%05d " % number + b"y" * 500 for number in range(5000)]
    write_lines(node, lines)
    node.wait_committed(len(lines))
    poll = select.poll()
    poll.register(slow, select.POLLIN)
    data = b""
    while data.count(b"\n") < len(lines):
        assert poll.poll(5000), "nothing more comes"
        data += os.read(slow, 4096)
    os.close(slow)
    assert data.split(b"\n")[:-1] == lines


def test_a_pipe_that_begins_at_the_end_shows_only_what_comes(make_cluster):
    single = make_cluster(1)
    node = single.nodes[0]
    single.start()
    write_lines(node, [b"old"])
    node.wait_committed(1)
    node.stop()
    late = os.path.join(single.folder, "late")
    node.settings["pipes"] = [{"name": "late", "out": late, "from": "end"}]
    node.write_config()
    single.start()
    with node.connect() as client:
        client.ask(op="send", data="new")
    assert read_line(late) == b"new"


def test_kill_9_may_repeat_the_last_messages_but_skips_none(single):
    node = single.nodes[0]
    reader = single.reader(node)
    lines = [b"line %d" % number for number in range(2000)]
    for part in range(4):
        write_lines(node, lines[part * 500:(part + 1) * 500])
        node.wait_committed((part + 1) * 500)
        node.kill()
        single.start()
    reader.wait_line(lines[-1])
    seen = reader.all_lines()
    place = -1
    for line in seen:
        number = lines.index(line)
        assert number <= place + 1, f"{line} came behind {lines[place]}"
        place = number
    assert place == len(lines) - 1


def test_without_a_majority_writers_block_and_go_on_later(cluster):
    leader = cluster.wait_leader()
    others = cluster.others(leader)
    reader = cluster.reader(leader)
    for node in others:
        node.kill()
    lines = [b"%06d " % number + b"z" * 90 for number in range(60000)]   # more than px and the FIFO hold
    writer = Writer(leader.fifo_in, lines)
    wait_until("the writer to block", lambda: writer.has_stood_still(0.5))
    assert writer.is_alive()
    for node in others:
        node.start()
    writer.finish()
    reader.wait_lines(len(lines))
    assert reader.all_lines() == lines


def test_idle_pipes_cost_no_processor_time(cluster):
    for node in cluster.nodes:
        write_lines(node, [b"a line"])   # its writer has come and gone: the FIFO is at its end
    cluster.wait_same()
    before = [cpu_seconds(node) for node in cluster.nodes]
    since = time.monotonic()
    wait_until("a second of idleness", lambda: time.monotonic() - since >= IDLE_S)
    for node, spent in zip(cluster.nodes, before):
        assert cpu_seconds(node) - spent < IDLE_CPU_SHARE * IDLE_S
