# test_single.py - a cluster of one: pipes, socket and restart.
# SPDX-License-Identifier: Apache-2.0
import os
import stat
import subprocess

from px_cluster import DEADLINE_S, PX, PXCTL, Writer, check_log


def test_one_node_orders_and_keeps_its_messages(make_cluster):
    single = make_cluster(1)
    node = single.start()
    reader = single.reader(node)
    lines = [b"line %d" % number for number in range(1000)]
    Writer(node.fifo_in, lines).finish()
    reader.wait_lines(len(lines))
    node.kill()
    single.start()
    with node.connect() as client:
        assert client.ask(op="send", data="after")["index"] == len(lines) + 1
    assert check_log(node.all_messages()) == lines + [b"after"]


def test_pipes_are_made_with_their_mode_and_stay(make_cluster):
    single = make_cluster(1)
    node = single.start()
    for path in (node.fifo_in, node.fifo_out):
        made = os.stat(path)
        assert stat.S_ISFIFO(made.st_mode) and stat.S_IMODE(made.st_mode) == 0o660
    assert node.stop() == 0
    assert os.path.exists(node.fifo_in) and os.path.exists(node.fifo_out)


def test_several_pipes_with_their_formats(make_cluster):
    single = make_cluster(1)
    node = single.nodes[0]
    names = {name: os.path.join(single.folder, name)
             for name in ("a.in", "b.in", "c.in", "a.out", "b.out", "c.out")}
    node.settings["pipes"] = [
        {"name": "a", "in": names["a.in"], "out": names["a.out"], "format": "line", "mode": "0600"},
        {"name": "b", "in": names["b.in"], "out": names["b.out"], "format": "json"},
        {"name": "c", "in": names["c.in"], "out": names["c.out"], "format": "length"},
    ]
    node.write_config()
    single.start()
    assert stat.S_IMODE(os.stat(names["a.in"]).st_mode) == 0o600
    with open(names["a.in"], "wb") as fifo:
        fifo.write(b"plain\n")
    node.wait_committed(1)
    with open(names["b.in"], "wb") as fifo:
        fifo.write(b'{"data":"js\\non"}\n{"b64":"/w=="}\n{"bad":1}\n{"data":"more"}\n')
    node.wait_committed(4)
    with open(names["c.in"], "wb") as fifo:
        fifo.write(b"\0\0\0\5" + b"fr\nme" + b"\0\0\0\0")
    node.wait_committed(6)
    payloads = [b"plain", b"js\non", b"\xff", b"more", b"fr\nme", b""]
    assert check_log(node.all_messages()) == payloads
    framed = b"".join(len(payload).to_bytes(4, "big") + payload for payload in payloads)
    with open(names["c.out"], "rb", buffering=0) as fifo:
        assert read_exactly(fifo, len(framed)) == framed
    with open(names["a.out"], "rb", buffering=0) as fifo:
        lines = b"".join(payload + b"\n" for payload in payloads)
        assert read_exactly(fifo, len(lines)) == lines


def read_exactly(file, size):
    data = b""
    while len(data) < size:
        more = file.read(size - len(data))
        assert more, f"the writer left after {len(data)} of {size} bytes"
        data += more
    return data


def test_a_second_px_on_the_same_folder_is_refused(make_cluster):
    single = make_cluster(1)
    node = single.start()
    second = subprocess.run([PX, node.config], capture_output=True, timeout=DEADLINE_S)
    assert second.returncode in (1, 2) and second.stderr
    assert node.is_running() and node.status()["role"] == "leader"


def test_help_and_version_and_usage():
    for program in (PX, PXCTL):
        told = subprocess.run([program, "--help"], capture_output=True, timeout=DEADLINE_S)
        assert told.returncode == 0 and b"usage" in told.stdout.lower()
        assert subprocess.run([program, "--version"], capture_output=True, timeout=DEADLINE_S).returncode == 0
        assert subprocess.run([program], capture_output=True, timeout=DEADLINE_S).returncode == 2
    for command in ("status", "send", "tail", "barrier", "bench", "certs"):
        told = subprocess.run([PXCTL, command, "--help"], capture_output=True, timeout=DEADLINE_S)
        assert told.returncode == 0 and b"Example" in told.stdout
