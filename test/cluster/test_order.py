# test_order.py - lines of three writers come out of three FIFOs in one order.
#
#     writer -> in  px1  out -> reader
#     writer -> in  px2  out -> reader        all lines, the same bytes everywhere
#     writer -> in  px3  out -> reader
# SPDX-License-Identifier: Apache-2.0
import random

from px_cluster import Writer

LINES = 3000
LONG_BYTES = 200 * 1024
UTF8 = "Größe naïve Ελλάδα 日本語 🙂 "


def make_lines(writer, seed):
    """Lines of every kind. Each but the empty ones begins with its writer and number."""
    chance = random.Random(seed)
    lines = []
    for number in range(LINES):
        kind = number % 10
        if kind == 3:
            lines.append(b"")
            continue
        if number in (1000, 2000):
            rest = bytes(chance.choices(range(0x20, 0x7f), k=LONG_BYTES))
        elif kind == 1:
            rest = UTF8.encode() * chance.randint(1, 5)
        elif kind == 5:
            rest = bytes(chance.choices(range(0x80, 0x100), k=chance.randint(1, 100)))
        elif kind == 7:
            rest = b'"\\"\\\\ {"data":"\\u0000"} \'' * chance.randint(1, 4)
        elif kind == 8:
            rest = bytes(byte for byte in chance.choices(range(0x100), k=300) if byte != 0x0a)
        else:
            rest = bytes(chance.choices(range(0x20, 0x7f), k=chance.randint(0, 200)))
        lines.append(b"%d %d " % (writer, number) + rest)
    return lines


def test_three_writers_are_read_in_one_order_everywhere(cluster):
    written = [make_lines(node.place, node.place) for node in cluster.nodes]
    readers = [cluster.reader(node) for node in cluster.nodes]
    writers = [Writer(node.fifo_in, lines) for node, lines in zip(cluster.nodes, written)]
    for writer in writers:
        writer.finish(60)
    for reader in readers:
        reader.wait_lines(3 * LINES, 60)
    cluster.wait_same()
    outputs = [bytes(reader.data) for reader in readers]
    assert outputs[0] == outputs[1] == outputs[2]
    lines = readers[0].all_lines()
    assert len(lines) == 3 * LINES
    for node, mine in zip(cluster.nodes, written):
        mark = b"%d " % node.place
        assert [line for line in lines if line.startswith(mark)] == [line for line in mine if line]
    assert lines.count(b"") == sum(mine.count(b"") for mine in written)


def test_a_last_line_without_newline_counts(cluster):
    reader = cluster.reader(cluster.nodes[1])
    with open(cluster.nodes[0].fifo_in, "wb", buffering=0) as fifo:
        fifo.write(b"first\nlast")
    reader.wait_lines(2)
    assert reader.all_lines() == [b"first", b"last"]


def test_a_line_over_the_limit_is_dropped_whole_and_the_next_is_intact(make_cluster):
    single = make_cluster(1, max_message_bytes=1024)
    node = single.start()
    reader = single.reader(node)
    Writer(node.fifo_in, [b"before", b"x" * 1025, b"y" * 1024, b"z" * 100000, b"behind"]).finish()
    reader.wait_lines(3)
    assert reader.all_lines() == [b"before", b"y" * 1024, b"behind"]
