# test_addresses.py - nodes that move, names that do not resolve yet, members that disagree.
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

from px_cluster import DEADLINE_S, PX, check_log, die_with_parent, free_port, wait_until
from test_process import IN_USER_NAMESPACE


def said(node, *words):
    return [line for line in node.log().splitlines() if all(word in line for word in words)]


def wait_said(node, *words):
    return wait_until(f"{words} in the log of {node.name}", lambda: said(node, *words))[0]


def test_all_addresses_may_change_at_once(cluster, certificates):
    for number, node in enumerate(cluster.nodes):
        with node.connect() as client:
            assert client.ask(op="send", data=str(number))["index"] == number + 1
    for turn in range(2):
        for node in cluster.nodes:
            if turn:
                node.kill()
            else:
                assert node.stop() == 0
        for node in cluster.nodes:
            node.port = free_port()
        for node in cluster.nodes:
            node.configure(cluster.others(node), certificates)
            node.start()
        cluster.wait_leader()
        with cluster.nodes[turn].connect() as client:
            assert client.ask(op="send", data=f"moved {turn}")["index"] == 4 + turn
    cluster.wait_same()
    for node in cluster.nodes:
        assert check_log(node.all_messages()) == [b"0", b"1", b"2", b"moved 0", b"moved 1"]


OWN_NAMES = """
mount --make-rprivate / && mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/nsswitch.conf || exit 9
shift 2
exec "$@"
"""


def test_a_name_that_resolves_later_is_dialled_then(make_cluster):
    three = make_cluster(3)
    late = three.nodes[2]
    hosts, order = os.path.join(three.folder, "hosts"), os.path.join(three.folder, "nsswitch")
    with open(hosts, "w") as file:
        file.write("127.0.0.1 localhost\n")
    with open(order, "w") as file:
        file.write("hosts: files\n")
    for node in three.others(late):
        for server in node.settings["servers"]:
            if server["server_name"] == late.name:
                server["addr"] = f"late.px.test:{late.port}"
        node.write_config()
        with open(node.log_path, "ab") as log:
            node.process = subprocess.Popen(
                ["unshare", *IN_USER_NAMESPACE, "--mount", "sh", "-c", OWN_NAMES, "sh", hosts, order, PX,
                 node.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
    late.start()
    for node in three.others(late):
        wait_said(node, late.name, "resolved")
        status = wait_until(f"status of {node.name}", node.status)
        assert status["leader"] is None
    with open(hosts, "a") as file:
        file.write("127.0.0.1 late.px.test\n")
    three.wait_leader()
    for node in three.others(late):
        assert node.stop() == 0


def test_members_that_disagree_say_so_on_both_sides_and_form_nothing(make_cluster, certificates):
    three = make_cluster(3)
    first, second, odd = three.nodes
    odd.configure([first], certificates)   # it does not know the second
    for node in three.nodes:
        node.start()
    for node, other in ((first, odd), (odd, first)):
        wait_said(node, " error ", other.name, "other members")
    for node in three.nodes:
        assert wait_until(f"status of {node.name}", node.status)["leader"] is None
    # Put right, they form.
    assert odd.stop() == 0
    odd.configure([first, second], certificates)
    odd.start()
    three.wait_leader()


def test_a_limit_that_differs_is_said_on_both_sides(make_cluster, certificates):
    three = make_cluster(3)
    odd = three.nodes[2]
    odd.configure(three.others(odd), certificates, max_message_bytes=4096)
    for node in three.nodes:
        node.start()
    for node in three.others(odd):
        wait_said(node, odd.name, "max_message_bytes")
        wait_said(odd, node.name, "max_message_bytes")
    assert all(wait_until("status", node.status)["leader"] is None for node in three.nodes)


def test_a_port_that_is_taken_ends_it_with_one_line(make_cluster):
    single = make_cluster(1)
    node = single.start()
    node.settings["data_dir"] = os.path.join(single.folder, "another")
    node.write_config()
    run = subprocess.run([PX, node.config], capture_output=True, timeout=DEADLINE_S)
    errors = [line for line in run.stderr.decode().splitlines() if " error " in line]
    assert run.returncode == 1 and len(errors) == 1 and str(node.port) in errors[0], run.stderr
