# test_tools.py - pxctl for people: who leads, what is wrong, colour and progress only on a terminal.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pty
import re
import signal
import subprocess

import pytest

from px_cluster import DEADLINE_S, PXCTL, wait_until

COMMANDS = ["status", "send", "tail", "barrier", "bench", "members", "transfer", "digest", "why", "certs",
            "verify"]


def on_terminal(*words, **environment):
    """What a command writes to a terminal, as text."""
    main, side = pty.openpty()
    process = subprocess.Popen([PXCTL, *words], stdin=side, stdout=side, stderr=side, close_fds=True,
                               env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment})
    os.close(side)
    text = b""
    try:
        while True:
            text += os.read(main, 65536)
    except OSError:   # the end of a terminal
        pass
    os.close(main)
    return process.wait(DEADLINE_S), text.decode()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_is_in_the_overview(command):
    told = subprocess.run([PXCTL, command, "--help"], capture_output=True, timeout=DEADLINE_S)
    assert told.returncode == 0 and told.stderr == b""
    assert re.search(rb"^Example: .*pxctl .*\b%s\b" % command.encode(), told.stdout, re.M)
    assert max(map(len, told.stdout.splitlines()[1:])) <= 100
    overview = subprocess.run([PXCTL, "--help"], capture_output=True, timeout=DEADLINE_S).stdout
    assert re.search(rb"^  %s +\S" % command.encode(), overview, re.M)
    assert subprocess.run([PXCTL, command, "--nonsense"], capture_output=True).returncode == 2


def test_leadership_is_handed_to_whom_it_is_asked_and_to_anybody(cluster):
    old = cluster.wait_leader()
    heir, third = cluster.others(old)
    elsewhere = heir.pxctl("transfer", third.name)
    assert elsewhere.returncode == 1 and f"{old.name} leads".encode() in elsewhere.stderr
    done = old.pxctl("transfer", heir.name)
    assert done.returncode == 0 and done.stdout.decode() == heir.name + "\n", done.stderr
    assert cluster.wait_leader() is heir
    done = heir.pxctl("transfer", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["leader"] != heir.name
    stranger = cluster.wait_leader().pxctl("transfer", "px9.example")
    assert stranger.returncode == 1 and stranger.stderr.startswith(b"pxctl: not_member: ")
    assert heir.pxctl("transfer", "a", "b").returncode == 2


def test_nothing_is_lost_while_leadership_goes_round(cluster):
    with cluster.nodes[0].connect() as client:
        for number in range(300):
            if number % 60 == 30:
                leader = cluster.wait_leader()
                with leader.connect() as other:
                    assert other.ask(op="transfer")["ok"]
            assert client.ask(op="send", data=f"line {number}")["ok"]
        index = client.ask(op="barrier")["index"]
        lines = [message["data"] for message in client.messages(1, index)]
    assert lines == [f"line {number}" for number in range(300)]


def test_digests_are_compared_with_what_the_others_said(cluster):
    for node in cluster.nodes:
        assert node.pxctl("send", "a line").returncode == 0
    cluster.wait_same()

    def all_same():
        told = [json.loads(node.pxctl("digest", "--json").stdout) for node in cluster.nodes]
        same = [member["same"] for one in told for member in one["members"]]
        assert False not in same
        return told if same == [True] * 6 else None

    told = wait_until("digests of all members", all_same)
    assert {(one["index"], one["hash"]) for one in told} == {(3, told[0]["hash"])}
    done = cluster.nodes[0].pxctl("digest")
    assert done.returncode == 0 and done.stdout.decode() == f"3 {told[0]['hash']}\n"
    assert all(node.status()["digest"]["hash"] == told[0]["hash"] for node in cluster.nodes)


def test_why_names_who_is_missing_and_what_waits_in_which_pipe(make_cluster):
    cluster = make_cluster(3, pipes=[{"name": "orders", "in": "data1/orders.in", "out": "data1/orders.out"}])
    for node in cluster.nodes:
        node.settings["pipes"] = [{"name": "orders", "in": f"{node.data}/i", "out": f"{node.data}/o"}]
        node.write_config()
    cluster.start()
    node, others = cluster.nodes[0], cluster.nodes[1:]
    assert b"Nothing is wrong" in node.pxctl("why").stdout
    assert node.pxctl("send", input=b"a line\n" * 1234).returncode == 0
    told = node.pxctl("why")
    assert told.returncode == 0 and b'pipe "orders" out: 1,234 messages wait for a reader.' in told.stdout
    pipes = {pipe["direction"]: pipe for pipe in node.status()["pipes"]}
    assert pipes["out"]["name"] == "orders" and pipes["out"]["waiting"] == 1234 and not pipes["out"]["reader"]
    for other in others:
        other.kill()
    wait_until("no leader", lambda: node.status()["leader"] is None)
    descriptor = os.open(f"{node.data}/i", os.O_WRONLY | os.O_NONBLOCK)

    def blocked():
        try:
            os.write(descriptor, b"x" * 4000 + b"\n")
        except BlockingIOError:
            return node.status()["pipes"][0]["blocked_ms"] >= 1000
        return False

    wait_until("the pipe to block", blocked)
    told = node.pxctl("why").stdout.decode()
    assert re.search(r'pipe "orders" in: blocked, no quorum since\s+\d+ s', told), told
    for word in [other.name for other in others] + ["1 of 3", "2 are needed"]:
        assert word in told
    assert max(map(len, told.splitlines())) <= 80
    findings = json.loads(node.pxctl("why", "--json").stdout)
    assert findings["leader"] is None and len(findings["findings"]) >= 5
    os.close(descriptor)


def test_why_tells_the_reason_of_each_missing_link(make_cluster):
    cluster = make_cluster(3)
    node, other, unknown = cluster.nodes
    addresses = {server["server_name"]: server for server in node.settings["servers"]}
    addresses[unknown.name]["addr"] = "nowhere.invalid:4711"
    node.write_config()
    node.start()
    unknown.start()

    def faults():
        members = (node.status() or {"members": []})["members"]
        return {member["id"]: member.get("link_fault", "") for member in members}

    wait_until("a refusal", lambda: "nobody listens there" in faults().get(other.name, ""))
    wait_until("a name that is none", lambda: "cannot be resolved" in faults().get(unknown.name, ""))
    told = " ".join(node.pxctl("why").stdout.decode().split())
    assert f"{other.name} at 127.0.0.1:{other.port} is not connected both ways: nobody listens there" in told
    assert f"{unknown.name} at nowhere.invalid:4711 is not connected both ways: " in told
    wait_until("the other side", lambda: "has not connected" in str(unknown.status()))
    other.start()
    wait_until("the link", lambda: faults().get(other.name) == "")


def test_colour_is_for_terminals_and_can_be_turned_off(cluster):
    node = cluster.nodes[0]
    assert b"\033" not in node.pxctl("status").stdout
    status, text = on_terminal("-c", node.config, "status")
    assert status == 0 and "\033[32mup" in text
    assert "\033" not in on_terminal("-c", node.config, "status", NO_COLOR="1")[1]
    assert "\033" not in on_terminal("-c", node.config, "status", TERM="dumb")[1]
    plain = re.sub("\033\\[[0-9;]*m", "", text).replace("\r", "")
    table = plain.split("\n\n")[1].splitlines()
    assert len(table) == 4 and max(map(len, table)) <= 80


def test_progress_is_for_terminals(cluster):
    node = cluster.nodes[0]
    words = ["bench", "--seconds", "1", "--size", "100", "--window", "8"]
    plain = node.pxctl(*words)
    assert plain.returncode == 0 and plain.stderr == b"" and b"p99.9" in plain.stdout
    status, text = on_terminal("-c", node.config, *words)
    assert status == 0 and re.search(r"\r\[#+\.*\] +\d+% +\d+ messages/s", text) and "\r\033[K" in text
    assert node.stop() == 0
    plain = subprocess.run([PXCTL, "verify", node.data], capture_output=True, timeout=DEADLINE_S)
    assert plain.returncode == 0 and plain.stderr == b"" and b"\r" not in plain.stdout
    status, text = on_terminal("verify", node.data)
    assert status == 0 and re.search(r"\r\[[#.]+\] +\d+%", text) and "sound" in text


def test_verify_tells_its_findings_as_json(cluster):
    node = cluster.nodes[0]
    assert node.pxctl("send", input=b"a line\n" * 100).returncode == 0
    assert node.stop() == 0
    good = subprocess.run([PXCTL, "verify", "--json", node.data], capture_output=True, timeout=DEADLINE_S)
    told = json.loads(good.stdout)
    assert good.returncode == 0 and told["sound"] and told["faults"] == [] and told["id"] == node.name
    assert told["messages"] == 100 and len(told["hash"]) == 32
    with open(f"{node.data}/0000000000000001.log", "r+b") as log:
        log.seek(100)
        byte = log.read(1)
        log.seek(100)
        log.write(bytes([byte[0] ^ 1]))
    bad = subprocess.run([PXCTL, "verify", node.data, "--json"], capture_output=True, timeout=DEADLINE_S)
    told = json.loads(bad.stdout)
    assert bad.returncode == 1 and not told["sound"]
    assert told["faults"][0]["where"].startswith("0000000000000001.log")


def test_a_stopped_process_is_told_in_words(make_cluster):
    """It takes a connection and says nothing: whoever only asks how it is must not wait for ever."""
    cluster = make_cluster(1)
    cluster.start()
    node = cluster.nodes[0]
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        run = subprocess.run([PXCTL, "-s", node.socket, "status"], capture_output=True, timeout=DEADLINE_S)
    finally:
        os.kill(node.process.pid, signal.SIGCONT)
    assert run.returncode == 1 and b"does not answer" in run.stderr
