# test_reload.py - SIGHUP: certificates and the log level change under load, and nothing else does.
#
#     writer -> in  px1, px2, px3  out -> reader      old root, old + new, new leaves, new root alone
# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import signal
import time

import pytest

from px_cluster import Writer, make_certificates, wait_until

RATE = 1000
HEARTBEAT_S = 0.1
TAKEN = "certificates taken up"


@pytest.fixture
def files(certificates, tmp_path):
    """A folder of certificates that a test may change."""
    folder = tmp_path / "live"
    shutil.copytree(certificates, folder)
    return folder


def put_file(source, target):
    """A whole file takes the place of another: a reader sees one or the other."""
    fresh = f"{target}.fresh"
    with open(fresh, "wb") as file:
        file.write(source)
    os.replace(fresh, target)


def lines_with(node, words):
    return [line for line in node.log().splitlines() if words in line]


def reload_node(node, words=TAKEN):
    """SIGHUP; returns the new line of the log that holds these words."""
    before = len(lines_with(node, words))
    node.signal(signal.SIGHUP)
    wait_until(f"{words} at {node.name}", lambda: len(lines_with(node, words)) > before)
    return lines_with(node, words)[-1]


class Lines:
    """A writer at each node, and readers everywhere, through all phases of a test."""

    def __init__(self, cluster, seconds):
        self.sets = {node: [b"%d line %d" % (node.place, number) for number in range(RATE * seconds // 3)]
                     for node in cluster.nodes}
        self.readers = [cluster.reader(node) for node in cluster.nodes]
        self.writers = [Writer(node.fifo_in, lines, RATE / 3) for node, lines in self.sets.items()]

    def longest_gap(self, since):
        """The longest time without a line at any node since then, and through half a second of lines more."""
        for reader in self.readers:
            reader.wait_lines(reader.lines + RATE // 2)
        return max(reader.longest_gap(since) for reader in self.readers)

    def finish(self):
        for writer in self.writers:
            writer.finish(40)
        total = sum(map(len, self.sets.values()))
        for reader in self.readers:
            reader.wait_lines(total)
        outputs = [reader.all_lines() for reader in self.readers]
        assert all(output == outputs[0] for output in outputs) and len(outputs[0]) == total
        for node, lines in self.sets.items():
            assert [line for line in outputs[0] if line.startswith(b"%d " % node.place)] == lines


def test_root_and_certificates_are_replaced_under_load_without_losing_a_line(make_cluster, certificates,
                                                                           files, tmp_path):
    three = make_cluster(3)
    for node in three.nodes:
        node.configure(three.others(node), str(files))
    three.start()
    new = tmp_path / "new"
    make_certificates(new, *(node.name for node in three.nodes))
    old_root, new_root = (certificates + "/ca.crt", str(new / "ca.crt"))
    old_root, new_root = open(old_root, "rb").read(), open(new_root, "rb").read()
    lines = Lines(three, 9)
    lines.readers[0].wait_lines(1)
    usual = lines.longest_gap(time.monotonic())

    gaps = {}
    begun = time.monotonic()
    put_file(old_root + new_root, files / "ca.crt")
    for node in three.nodes:
        reload_node(node)
    gaps["both roots"] = lines.longest_gap(begun)
    begun = time.monotonic()
    for node in three.nodes:
        for end in (".crt", ".key"):
            put_file((new / (node.name + end)).read_bytes(), files / (node.name + end))
        reload_node(node)
    gaps["new certificates"] = lines.longest_gap(begun)
    begun = time.monotonic()
    put_file(new_root, files / "ca.crt")
    for node in three.nodes:
        reload_node(node)
    gaps["new root alone"] = lines.longest_gap(begun)
    print(f"longest gap: usual {usual:.3f} s, then", {what: f"{gap:.3f}" for what, gap in gaps.items()})
    assert max(gaps.values()) < usual + 2 * HEARTBEAT_S, (usual, gaps)
    lines.finish()

    # A node that knows nothing but the new root: who dials it, and whom it dials, shows the new ones.
    fresh = next(node for node in three.nodes if node is not three.leader())
    assert fresh.stop() == 0
    fresh.start()
    three.wait_leader(three.nodes)
    wait_until("connections both ways",
               lambda: all(member["connected"] for member in fresh.status()["members"]))
    with fresh.connect() as client:
        assert client.ask(op="send", data="after")["ok"]


def test_bad_certificates_are_refused_in_one_line_and_the_old_ones_stay(make_cluster, files, tmp_path):
    three = make_cluster(3)
    for node in three.nodes:
        node.configure(three.others(node), str(files))
    three.start()
    node = three.nodes[0]
    good = (files / f"{node.name}.crt").read_bytes()
    make_certificates(tmp_path / "strange", node.name)
    strange = (tmp_path / "strange" / f"{node.name}.crt").read_bytes()
    for bad in (b"", b"no PEM at all\n", good[:200], strange):
        put_file(bad, files / f"{node.name}.crt")
        before = len(node.log().splitlines())
        line = reload_node(node, "nothing changes")
        assert node.config in line and "me.tls_config_info." in line
        said = [line for line in node.log().splitlines()[before:] if "SIGHUP" in line]
        assert len(said) == 1, said
    put_file(good, files / f"{node.name}.crt")
    with open(node.config, "w") as file:
        file.write('{"me": ')
    assert node.config in reload_node(node, "nothing changes")
    node.write_config()
    reload_node(node)
    # The old ones stayed: others can still be dialled and dial.
    other = three.nodes[1]
    assert other.stop() == 0
    other.start()
    three.wait_leader(three.nodes)
    wait_until("connections both ways",
               lambda: all(member["connected"] for member in other.status()["members"]))


def test_certificates_at_other_paths_are_taken_up(make_cluster, files, tmp_path):
    three = make_cluster(3)
    for node in three.nodes:
        node.configure(three.others(node), str(files))
    three.start()
    node, other = three.nodes[0], three.nodes[1]
    moved = tmp_path / "moved"
    shutil.copytree(files, moved)
    make_certificates(moved, node.name)
    paths = node.settings["me"]["tls_config_info"]
    old_paths = dict(paths)
    paths.update(cert_path=str(moved / "none.crt"))
    node.write_config()
    assert "me.tls_config_info.cert_path" in reload_node(node, "nothing changes")
    paths.update(cert_path=str(moved / f"{node.name}.crt"), key_path=str(moved / f"{node.name}.key"),
                 ca_cert_path=str(moved / "ca.crt"))
    node.write_config()
    reload_node(node)
    assert not lines_with(node, "next start only")
    # The former files are not looked at any more; what is in the new ones counts.
    for path in (old_paths["cert_path"], old_paths["key_path"]):
        os.remove(path)
    reload_node(node)
    make_certificates(tmp_path / "strange", node.name)
    put_file((tmp_path / "strange" / f"{node.name}.crt").read_bytes(), moved / f"{node.name}.crt")
    assert str(moved) in reload_node(node, "nothing changes")
    assert other.stop() == 0
    other.start()
    three.wait_leader(three.nodes)
    wait_until("connections both ways",
               lambda: all(member["connected"] for member in other.status()["members"]))


def test_the_log_level_changes_and_what_wants_a_restart_is_named(make_cluster):
    single = make_cluster(1)
    node = single.start()
    node.settings.update(log_level="debug", heartbeat_ms=200, http="127.0.0.1:9", retry_delay=100)
    node.write_config()
    reload_node(node, "log_level debug, was info")
    told = wait_until("a line that names the rest", lambda: lines_with(node, "next start only"))[-1]
    assert "heartbeat_ms" in told and "http" in told and "retry_delay" not in told
    assert node.status()["role"] == "leader"
    node.settings["log_level"] = "error"
    node.write_config()
    reload_node(node, "log_level error, was debug")
    node.signal(signal.SIGHUP)
    with node.connect() as client:
        for number in range(3):
            assert client.ask(op="send", data=str(number))["index"] == number + 1
    assert len(lines_with(node, TAKEN)) == 2   # at level error such a line is not made
    assert node.stop() == 0
