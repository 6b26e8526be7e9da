# test_first_start.py - the very first start needs every member once; from then on a majority does.
# SPDX-License-Identifier: Apache-2.0
import subprocess

from px_cluster import DEADLINE_S, PXCTL, wait_until


def test_two_of_three_do_not_form_and_name_who_is_missing(make_cluster):
    three = make_cluster(3)
    first, second, third = three.nodes
    first.start()
    second.start()
    for node in (first, second):
        wait_until(f"{node.name} names {third.name}",
                   lambda node=node: third.name in (node.status() or {}).get("waiting_for", ""))
        wait_until("the log says so too",
                   lambda node=node: f"every member once; not here yet: {third.name}" in node.log())
    why = subprocess.run([PXCTL, "-s", first.socket, "why"], capture_output=True, text=True,
                         timeout=DEADLINE_S)
    assert "first start" in why.stdout and "majority" not in why.stdout and "2 are needed" not in why.stdout
    with first.connect() as client:
        reply = client.ask(op="send", data="too early", timeout_ms=500)
        assert not reply["ok"] and reply["error"] == "unknown"
    assert first.status()["leader"] is None and second.status()["leader"] is None
    third.start()
    three.wait_leader()
    for node in three.nodes:
        wait_until(f"{node.name} is ready", lambda node=node: "ready" in node.log())


def test_after_the_first_start_a_majority_does(cluster):
    for node in cluster.nodes:
        node.kill()
    pair = cluster.nodes[1:]
    for node in pair:
        node.start()
    cluster.wait_leader(pair)
    with pair[0].connect() as client:
        assert client.ask(op="send", data="two of three")["index"] == 1


def test_nodes_that_disagree_on_the_members_form_nothing_and_say_so(make_cluster, certificates):
    three = make_cluster(3)
    odd = three.nodes[2]
    odd.configure(three.nodes[:1], certificates)   # it does not know px2
    for node in three.nodes:
        node.start()
    wait_until("the disagreement in words", lambda: "member" in three.nodes[0].log().lower())
    wait_until("an unready node", lambda: three.nodes[0].status())
    assert three.nodes[0].status()["leader"] is None
