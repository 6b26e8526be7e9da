# test_examples.py - each program of examples/ against a real cluster, as its first lines say.
# SPDX-License-Identifier: Apache-2.0
import glob
import json
import os
import subprocess

import pytest

from px_cluster import DEADLINE_S, PXCTL, ROOT, payload_of

EXAMPLES = os.path.join(ROOT, "examples")
LINES = 100000


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=DEADLINE_S,
                          env={**os.environ, "PXCTL": PXCTL}, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted(glob.glob(os.path.join(EXAMPLES, "*.*"))), ids=os.path.basename)
def test_an_example_is_short(path):
    with open(path) as file:
        assert len(file.readlines()) < 60


def test_an_example_without_its_words_says_what_it_takes():
    for name, *words in (("importer.py", "file", "name"), ("counter.sh",), ("counter.sh", "socket", "add")):
        done = subprocess.run([os.path.join(EXAMPLES, name), *words], capture_output=True, text=True,
                              timeout=DEADLINE_S)
        assert done.returncode != 0 and done.stderr.startswith("usage: "), done.stderr


def test_the_counter_is_the_same_on_all_nodes(cluster):
    counter = os.path.join(EXAMPLES, "counter.sh")
    sockets = [node.socket for node in cluster.nodes]
    assert run(counter, sockets[0], "show") == "0\n"
    assert run(counter, sockets[0], "add", 5) == "5\n"
    assert run(counter, sockets[1], "add", -7) == "-2\n"
    for socket in sockets:
        assert run(counter, socket, "show") == "-2\n"
    adds = [subprocess.Popen([counter, socket, "add", "10"], env={**os.environ, "PXCTL": PXCTL},
                             stdout=subprocess.PIPE) for socket in sockets * 3]
    values = sorted(int(add.communicate(timeout=DEADLINE_S)[0]) for add in adds)
    assert values == list(range(8, 98, 10))
    assert run(counter, sockets[2], "show") == "88\n"


def test_the_importer_imports_exactly_once_while_it_and_its_nodes_are_killed(cluster, tmp_path):
    file = tmp_path / "orders.csv"
    file.write_text("".join(f"order {number}\n" for number in range(LINES)))
    words = [os.path.join(EXAMPLES, "importer.py"), str(file), "orders"]
    words += [node.socket for node in cluster.nodes]
    reader = cluster.nodes[2]
    for killed in ("importer", "node"):
        target = min(reader.status()["committed"] + 1, LINES)
        importer = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        reader.wait_committed(target)
        if killed == "importer":
            importer.kill()
            importer.wait(DEADLINE_S)
        else:
            cluster.nodes[0].kill()
            assert importer.wait(2 * DEADLINE_S) == 0
            cluster.nodes[0].start()
    run(*words)   # once more: all is there already
    with reader.connect() as client:
        index = client.ask(op="barrier")["index"]
        lines = [payload_of(message) for message in client.messages(1, index)]
    assert lines == [b"order %d" % number for number in range(LINES)]


def test_the_chat_shows_the_same_lines_to_all_and_goes_on_behind_them(cluster):
    chat = os.path.join(EXAMPLES, "chat.js")

    def shown(output):
        return [line.split(" ", 2)[2] for line in output.splitlines()]

    ada = subprocess.Popen(["node", chat, cluster.nodes[0].socket, "ada"], stdin=subprocess.PIPE, text=True,
                           stdout=subprocess.PIPE)
    bob = run("node", chat, cluster.nodes[1].socket, "bob", input="hello\nanybody?\n")
    assert shown(bob) == ["bob: hello", "bob: anybody?"]
    output = ""
    while output.count("\n") < 2:
        output += ada.stdout.readline()
    rest, _ = ada.communicate("yes, me\n", timeout=DEADLINE_S)
    assert shown(output + rest) == ["bob: hello", "bob: anybody?", "ada: yes, me"]
    # What bob has seen does not come again.
    cluster.nodes[1].wait_committed(3)
    bob = run("node", chat, cluster.nodes[1].socket, "bob", input="bye\n")
    assert shown(bob) == ["ada: yes, me", "bob: bye"]


def test_the_c_program_sends_and_follows(cluster, tmp_path):
    program = tmp_path / "last"
    run("cc", "-Wall", "-Wextra", "-Werror", "-O2", "-o", program, os.path.join(EXAMPLES, "last.c"))
    node = cluster.nodes[0]
    assert node.pxctl("send", "before").returncode == 0
    message = json.loads(run(program, node.socket, "a message", 1))
    assert (message["index"], message["from"], message["data"]) == (2, node.name, "a message")
    missing = subprocess.run([program, "/nowhere", "x", "1"], capture_output=True, timeout=DEADLINE_S)
    assert missing.returncode == 1 and b"/nowhere" in missing.stderr
