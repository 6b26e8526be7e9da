# test_data_folder.py - a folder that px must not use, or cannot: one line, exit 1, nothing changed.
# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import subprocess

from px_cluster import DEADLINE_S, PX, wait_until


def contents(folder):
    """Every file of the folder, by name."""
    found = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


def refused(node, *words, prefix=()):
    """Starts the node, which must end with exit 1 and one line of error that holds these words."""
    run = subprocess.run([*prefix, PX, node.config], capture_output=True, timeout=DEADLINE_S)
    errors = [line for line in run.stderr.decode().splitlines() if " error " in line]
    assert run.returncode == 1, run.stderr
    assert len(errors) == 1 and all(word in errors[0] for word in words), run.stderr


def refused_at_once(node, prefix=()):
    """The same where the check of the configuration finds it."""
    run = subprocess.run([*prefix, PX, node.config], capture_output=True, timeout=DEADLINE_S)
    assert run.returncode == 2 and run.stderr.count(b"\n") == 1, run.stderr
    assert b": data_dir: " in run.stderr and b"Permission denied; " in run.stderr, run.stderr


def test_a_folder_in_use_is_refused(cluster):
    node = cluster.nodes[0]
    refused(node, node.data, "in use")
    assert node.status() is not None


def test_the_folder_of_another_node_is_refused_and_not_changed(cluster):
    first, second, _ = cluster.nodes
    for node in (first, second):
        assert node.stop() == 0
    second.settings["data_dir"] = first.data
    second.write_config()
    before = contents(first.data)
    refused(second, f"{first.data}: ", first.name, "data_dir")
    assert contents(first.data) == before
    second.settings["data_dir"] = second.data
    second.write_config()
    for node in (first, second):
        node.start()
    cluster.wait_leader(cluster.nodes)


def test_the_folder_of_another_cluster_does_not_mix(make_cluster):
    """One node comes back with the folder that it has in another cluster of the same names."""
    ours, theirs = make_cluster(3), make_cluster(3)
    for cluster, text in ((ours, "ours"), (theirs, "theirs")):
        leader = cluster.start()
        with leader.connect() as client:
            for _ in range(3):
                assert client.ask(op="send", data=text)["ok"]
        cluster.wait_same()
    stray, source = ours.nodes[0], theirs.nodes[0]
    assert stray.stop() == 0 and source.stop() == 0
    stray.settings["data_dir"] = source.data
    stray.write_config()
    stray.socket = source.socket
    stray.start()
    wait_until("it is said", lambda: any("cluster" in line and (" warn " in line or " error " in line)
                                         for line in stray.log().splitlines()))
    pair = ours.others(stray)
    ours.wait_leader(pair)
    with pair[0].connect() as client:
        assert client.ask(op="send", data="ours")["index"] == 4
    assert all(message["data"] == "ours" for message in pair[0].all_messages())
    assert stray.status()["leader"] is None
    assert all(message["data"] == "theirs" for message in stray.all_messages())


def test_a_folder_of_other_members_is_refused(make_cluster):
    cluster = make_cluster(1)
    cluster.start()
    node = cluster.nodes[0]
    assert node.stop() == 0
    node.settings["servers"] = [{"addr": "127.0.0.1:1", "server_name": "stranger.test"}]
    node.write_config()
    refused(node, f"{node.data}: servers: ", f"it is of {node.name} and the configuration has",
            "stranger.test")


def test_a_folder_without_rights_is_refused(make_cluster, certificates):
    single = make_cluster(1)
    node = single.nodes[0]
    drop = []
    for name in (f"{node.name}.crt", f"{node.name}.key", "ca.crt"):
        shutil.copy(os.path.join(certificates, name), single.folder)
    node.configure([], single.folder)
    if os.geteuid() == 0:   # rights do not bind root
        drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        os.chown(single.folder, 65534, 65534)
        for name in os.listdir(single.folder):
            os.chown(os.path.join(single.folder, name), 65534, 65534)
    os.mkdir(node.data)
    os.chmod(node.data, 0o500)
    if drop:
        os.chown(node.data, 65534, 65534)
    refused_at_once(node, prefix=drop)
    assert os.listdir(node.data) == []
    os.chmod(single.folder, 0o500)
    os.rmdir(node.data)
    refused_at_once(node, prefix=drop)
    os.chmod(single.folder, 0o700)
