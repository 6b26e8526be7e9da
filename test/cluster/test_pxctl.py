# test_pxctl.py - what pxctl does when a node answers late, out of order, wrongly or not at all.
#
#     pxctl -- socket -- a scripted node in this process
# SPDX-License-Identifier: Apache-2.0
import json
import os
import socket
import subprocess
import threading

import pytest

from px_cluster import DEADLINE_S, PXCTL


class ScriptedNode(threading.Thread):
    """Serves one connection after the other: `answer` gets each request and returns the lines to send, or
    None to end the connection."""

    def __init__(self, path, answer):
        super().__init__(daemon=True)
        self.answer, self.path, self.requests = answer, path, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    self.requests.append(json.loads(line))
                    replies = self.answer(self.requests[-1])
                    if replies is None:
                        break
                    for reply in replies:
                        is_raw = isinstance(reply, bytes)
                        connection.sendall(reply if is_raw else json.dumps(reply).encode() + b"\n")

    def pxctl(self, *words, **more):
        return subprocess.run([PXCTL, "-s", self.path, *words], capture_output=True, timeout=DEADLINE_S,
                              **more)


@pytest.fixture
def scripted(tmp_path):
    return lambda answer: ScriptedNode(str(tmp_path / "px.sock"), answer)


def test_indexes_are_printed_in_the_order_of_the_lines(scripted):
    held = []

    def answer(request):
        held.insert(0, {"ok": True, "tag": request["tag"], "index": 10 + request["tag"]})
        if len(held) < 3:
            return []
        return held

    done = scripted(answer).pxctl("send", input=b"a\nb\nc")
    assert done.returncode == 0 and done.stdout == b"10\n11\n12\n"


def test_a_refused_line_is_named_and_the_others_go_on(scripted):
    def answer(request):
        if request["data"] == "bad":
            return [{"ok": False, "tag": request["tag"], "error": "too_large", "message": "send less"}]
        return [{"ok": True, "tag": request["tag"], "index": 1 + request["tag"]}]

    done = scripted(answer).pxctl("send", input=b"a\nbad\nc\n")
    assert done.returncode == 1 and done.stdout == b"1\n3\n"
    assert b"line 2: too_large: send less" in done.stderr


@pytest.mark.parametrize("words, stdin", [(["a"], None), ([], b"a\nb\n")])
def test_a_connection_that_ends_says_that_the_fate_is_unknown(scripted, words, stdin):
    done = scripted(lambda request: None).pxctl("send", *words, input=stdin)
    assert done.returncode == 1 and done.stdout == b"" and b"may still be committed" in done.stderr


@pytest.mark.parametrize("reply", [
    b"[]\n", b"hello\n", b"{}\n", b'{"ok":1}\n', b'{"ok":true,"tag":99,"index":1}\n',
])
def test_what_is_no_reply_is_said(scripted, reply):
    done = scripted(lambda request: [reply]).pxctl("send", "a")
    assert done.returncode == 1 and done.stdout == b"" and done.stderr.count(b"\n") == 1


def test_a_session_is_opened_and_numbers_go_on_where_it_was(scripted):
    def answer(request):
        if request["op"] == "publish":
            return [{"ok": True, "session": request["session"], "next": 8}]
        return [{"ok": True, "tag": request["tag"], "index": 100 + request["seq"]}]

    node = scripted(answer)
    done = node.pxctl("send", "--session", "s", input=b"a\nb\n")
    assert done.returncode == 0 and done.stdout == b"108\n109\n"
    assert [request.get("session") for request in node.requests] == ["s", "s", "s"]


def test_in_a_session_the_first_refusal_ends_it(scripted):
    def answer(request):
        if request["op"] == "publish":
            return [{"ok": True, "session": request["session"], "next": 1}]
        code = "fenced" if request["seq"] == 1 else "gap"
        return [{"ok": False, "tag": request["tag"], "error": code, "message": "so it is"}]

    done = scripted(answer).pxctl("send", "--session", "s", input=b"a\nb\nc\n")
    assert done.returncode == 1 and done.stdout == b"" and b"line 1: fenced" in done.stderr


def test_the_reason_of_a_refusal_is_shown(scripted):
    refusal = {"ok": False, "error": "no_quorum", "message": "start the others"}
    done = scripted(lambda request: [refusal]).pxctl("barrier", "--timeout", "100")
    assert done.returncode == 1 and done.stderr == b"pxctl: no_quorum: start the others\n"


def test_the_status_table_fits_into_80_columns(scripted):
    member = {"id": "x" * 60 + ".example", "addr": "[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
              "connected": True, "rtt_ms": 12345.678, "lag": 12345678, "voter": True}
    status = {"ok": True, "id": member["id"], "role": "leader", "leader": member["id"], "committed": 2**53,
              "ballot": {"n": 3, "id": member["id"]}, "first": 1,
              "members": [member, {**member, "id": "short"}],
              "digest": {"index": 2**53, "hash": "0123456789abcdef" * 2}}
    node = scripted(lambda request: [status])
    done = node.pxctl("status")
    assert done.returncode == 0
    table = done.stdout.decode().split("\n\n")[1].splitlines()
    assert len(table) == 3 and max(map(len, table)) <= 80
    assert json.loads(node.pxctl("status", "--json").stdout)["members"] == status["members"]


def test_no_socket_and_none_there_are_told_apart(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "PX_SOCKET"}
    told = subprocess.run([PXCTL, "status"], capture_output=True, env=environment, timeout=DEADLINE_S)
    assert told.returncode == 2 and b"PX_SOCKET" in told.stderr
    told = subprocess.run([PXCTL, "-s", "", "status"], capture_output=True, timeout=DEADLINE_S)
    assert told.returncode == 2 and b"which node?" in told.stderr
    told = subprocess.run([PXCTL, "-c"], capture_output=True, timeout=DEADLINE_S)
    assert told.returncode == 2 and b"-c needs a value" in told.stderr
    environment["PX_SOCKET"] = str(tmp_path / "none.sock")
    told = subprocess.run([PXCTL, "status"], capture_output=True, env=environment, timeout=DEADLINE_S)
    assert told.returncode == 1 and b"none.sock" in told.stderr
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "closed.sock"))
        listener.listen()
        os.chmod(tmp_path / "closed.sock", 0)
        words = [PXCTL, "-s", "closed.sock", "status"]
        if os.geteuid() == 0:   # rights do not bind root
            words[:0] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
            os.chmod(tmp_path, 0o755)
        told = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=DEADLINE_S)
        assert told.returncode == 1 and b"closed.sock may not be used: Permission denied" in told.stderr


def test_why_names_what_is_missing_and_is_content_with_a_good_cluster(scripted):
    members = [{"id": f"px{n}", "addr": f"10.0.0.{n}:7001", "connected": True, "lag": 0, "voter": True}
               for n in (1, 2, 3)]
    status = {"ok": True, "id": "px1", "role": "leader", "leader": "px1", "members": members}
    node = scripted(lambda request: [status])
    good = node.pxctl("why")
    assert good.returncode == 0 and b"Nothing is wrong" in good.stdout
    members[1]["connected"] = members[2]["connected"] = False
    status.update(role="candidate", leader=None, waiting_for="a majority")
    told = node.pxctl("why").stdout
    for word in (b"px2 at 10.0.0.2:7001", b"px3 at", b"a majority", b"1 of 3", b"2 are needed"):
        assert word in told
    assert b"Nothing is wrong" not in told
