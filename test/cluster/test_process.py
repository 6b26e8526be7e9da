# test_process.py - px as a process: how it says that it is ready, how it stops, what cannot kill it.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import select
import signal
import socket
import subprocess
import time

import pytest

from px_cluster import DEADLINE_S, PX, Writer, check_log, die_with_parent, wait_until

HEARTBEAT_S = 0.1
STOP_S_MAX = 4.5
LEADERLESS_STOP_S_MAX = 2.5   # it would be three seconds and more, were a leader waited for


def run_px(*words):
    return subprocess.run([PX, *words], capture_output=True, timeout=DEADLINE_S)


# ---- systemd ----

@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_manager_is_told_of_each_state(make_cluster, monkeypatch, kind):
    single = make_cluster(1)
    node = single.nodes[0]
    path = os.path.join(single.folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(DEADLINE_S)
        manager.bind(path if kind == "path" else "\0" + path)
        monkeypatch.setenv("NOTIFY_SOCKET", path if kind == "path" else "@" + path)
        node.start()
        assert manager.recv(4096) == b"READY=1"
        assert "ready" in node.log()
        assert node.status()["role"] == "leader"
        before = time.monotonic_ns() // 1000
        node.signal(signal.SIGHUP)
        reloading = dict(line.split(b"=") for line in manager.recv(4096).split(b"\n"))
        assert reloading[b"RELOADING"] == b"1"
        assert before <= int(reloading[b"MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.recv(4096) == b"READY=1"
        assert node.stop() == 0
        assert manager.recv(4096) == b"STOPPING=1"


# ---- the end ----

def test_writes_go_on_through_others_while_the_leader_stops(cluster):
    gaps = []
    for _ in range(3):
        leader = cluster.wait_leader(cluster.nodes)
        follower = cluster.others(leader)[0]
        reader = cluster.reader(follower)
        lines = [b"%d line %d" % (len(gaps), number) for number in range(3000)]
        begun = time.monotonic()
        writer = Writer(follower.fifo_in, lines, 1500)
        reader.wait_line(lines[500])
        assert leader.stop() == 0
        writer.finish()
        reader.wait_line(lines[-1])
        assert [line for line in reader.all_lines() if line.startswith(b"%d " % len(gaps))] == lines
        gaps.append(reader.longest_gap(begun))
        reader.end()
        leader.start()
        cluster.wait_leader(cluster.nodes)
    print("longest gap of each hand-over:", [f"{gap:.3f}" for gap in gaps])
    # An election by timeout takes three heartbeats before it begins.
    assert sorted(gaps)[1] < 2 * HEARTBEAT_S, gaps


def test_a_second_signal_ends_it_at_once(cluster):
    stopping, *others = cluster.nodes
    for node in others:
        node.kill()
    writer = Writer(stopping.fifo_in, [b"line %d" % number for number in range(10)])
    writer.finish()
    begun = time.monotonic()
    stopping.signal(signal.SIGTERM)
    wait_until("it stops", lambda: "stopping" in stopping.log())
    stopping.signal(signal.SIGINT)
    assert stopping.process.wait(DEADLINE_S) == 0
    assert time.monotonic() - begun < 1.0


# ---- where it runs ----

IN_USER_NAMESPACE = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return None


def start_as(node, *words, **more):
    """Starts the node by way of another command, which is the process then."""
    with open(node.log_path, "ab") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **more}
        node.process = subprocess.Popen([*words, PX, node.config], preexec_fn=die_with_parent, **streams)


def send_one(node, text="x"):
    with node.connect() as client:
        wait_until("a leader", lambda: client.ask(op="status")["leader"])
        return client.ask(op="send", data=text)["index"]


def test_it_works_as_process_1_and_reaps_orphans(make_cluster):
    node = make_cluster(1).nodes[0]
    start_as(node, "unshare", *IN_USER_NAMESPACE, "--pid", "--fork", "--mount-proc", "--kill-child")
    send_one(node)
    pid = children_of(node.process.pid)[0]
    with open(f"/proc/{pid}/status") as file:
        numbers = next(line for line in file if line.startswith("NSpid")).split()
    assert numbers[-1] == "1"
    # A shell leaves two children behind, one that has ended and one that ends when its input does.
    read_end, write_end = os.pipe()
    user = ["--user", "--preserve-credentials"] if IN_USER_NAMESPACE else []
    enter = ["nsenter", *user, "-t", str(pid), "-p"]
    subprocess.run([*enter, "sh", "-c", "exec 3<&0; true & cat <&3 & exec true"], check=True,
                   timeout=DEADLINE_S, stdin=read_end, stdout=subprocess.DEVNULL)
    os.close(read_end)
    wait_until("an orphan is there", lambda: children_of(pid))
    orphans = children_of(pid)
    os.close(write_end)
    wait_until("no child is left", lambda: not children_of(pid))
    assert all(state_of(orphan) is None for orphan in orphans)
    assert send_one(node) == 2
    os.kill(pid, signal.SIGTERM)
    assert node.process.wait(DEADLINE_S) == 0
    assert "stopped" in node.log()


def test_sigpipe_and_sigchld_change_nothing(make_cluster):
    node = make_cluster(1).start()
    for number in (signal.SIGPIPE, signal.SIGCHLD):
        for _ in range(3):
            node.signal(number)
            assert node.status()["role"] == "leader"
    assert send_one(node) == 1 and node.stop() == 0


READ_ONLY = """
mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,bind,ro / || exit 9
shift
if touch /px-was-here 2>/dev/null; then exit 8; fi
exec "$@"
"""


def test_it_runs_unprivileged_over_a_read_only_root(make_cluster, certificates):
    single = make_cluster(1)
    node = single.nodes[0]
    for name in (f"{node.name}.crt", f"{node.name}.key", "ca.crt"):
        with open(os.path.join(certificates, name), "rb") as source:
            with open(os.path.join(single.folder, name), "wb") as target:
                target.write(source.read())
    node.configure([], single.folder)
    os.mkdir(node.data)
    drop = []
    if os.geteuid() == 0:
        drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]
        for name in [single.folder, node.data, *os.listdir(single.folder)]:
            os.chown(os.path.join(single.folder, name), 65534, 65534)
    start_as(node, "unshare", *IN_USER_NAMESPACE, "--mount", "sh", "-c", READ_ONLY, "sh", node.data, *drop)
    assert send_one(node) == 1
    with open(f"/proc/{node.process.pid}/status") as file:
        facts = dict(line.split(":", 1) for line in file)
    assert "0" not in facts["Uid"].split() or drop == []
    node.signal(signal.SIGHUP)
    wait_until("the certificates are read", lambda: "certificates taken up" in node.log())
    Writer(node.fifo_in, [b"line"]).finish()
    node.wait_committed(2)
    assert node.stop() == 0


# ---- its log ----

def test_a_reader_of_stderr_that_stands_still_stops_nothing(make_cluster):
    node = make_cluster(1, log_level="debug").nodes[0]
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with pytest.raises(BlockingIOError):   # it is full before px begins
        while True:
            os.write(write_end, b"." * 512)
    os.set_blocking(write_end, True)
    start_as(node, stderr=write_end)
    os.close(write_end)
    for number in range(20):
        assert send_one(node) == number + 1
        node.signal(signal.SIGHUP)
    os.set_blocking(read_end, False)
    text = b""

    def said():
        nonlocal text
        try:
            text += os.read(read_end, 1 << 20)
        except BlockingIOError:
            node.signal(signal.SIGHUP)
        return b"lines dropped" in text and b"certificates" in text

    wait_until("px says what it dropped", said)
    assert node.stop() == 0
    os.close(read_end)


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-", "| true"])
def test_a_closed_stderr_stops_nothing_and_nothing_is_written_elsewhere(make_cluster, closed):
    node = make_cluster(1).nodes[0]
    # In a pipeline px is the shell's child; its number goes to a file.
    number = os.path.join(node.folder, "pid")
    start_as(node, "sh", "-c", f'(echo $$ >/dev/null; exec sh -c \'echo $$ >"{number}"; exec "$@"\' sh "$@") '
             + (f"2>&1 {closed}" if "|" in closed else closed), "sh")
    assert send_one(node) == 1
    with open(number) as file:
        pid = int(file.read())
    os.kill(pid, signal.SIGHUP)
    assert send_one(node) == 2
    os.kill(pid, signal.SIGTERM)
    assert "|" in closed or node.process.wait(DEADLINE_S) == 0
    wait_until("it has ended", lambda: state_of(pid) in (None, "Z"))
    for name in os.listdir(node.data):
        path = os.path.join(node.data, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                assert b" info " not in file.read(), name
    node.process.wait(DEADLINE_S)
    node.start()
    assert send_one(node) == 3


def test_json_log_lines_are_json_whatever_they_tell(make_cluster):
    single = make_cluster(3, log_format="json", log_level="debug")
    node = single.nodes[0]
    strange = os.path.join(single.folder, 'a "b" \\ é\u2028\x01\x85')
    node.settings["data_dir"] = node.data = strange
    # The path of the configuration is no UTF-8: it comes from the command line.
    node.config = os.path.join(os.fsencode(single.folder), b"n\xff\xc3.json")
    node.write_config()
    node.socket = os.path.join(strange, "px.sock")
    for each in single.nodes:
        each.start()
    single.wait_leader()
    node.signal(signal.SIGHUP)
    wait_until("it is read", lambda: "SIGHUP" in node.log())
    with open(node.config, "w") as file:
        file.write("{")
    node.signal(signal.SIGHUP)
    wait_until("it is refused", lambda: "nothing changes" in node.log())
    single.nodes[1].kill()
    assert node.stop() == 0
    for each in single.nodes:
        with open(each.log_path, "rb") as file:
            lines = file.read().decode().splitlines()
        levels = set()
        for line in lines:
            event = json.loads(line)
            assert set(event) == {"time", "level", "message"} and event["message"]
            levels.add(event["level"])
        assert lines and levels <= {"error", "warn", "info", "debug"}


# ---- exit statuses ----

def test_http_that_is_not_served_is_said(make_cluster):
    node = make_cluster(1).nodes[0]
    node.settings["http"] = "127.0.0.1:1"
    node.write_config()
    assert b"http is not served" in run_px("--check", node.config).stdout
    node.start()
    wait_until("ready", lambda: "ready" in node.log())
    assert " warn http: nothing is served at 127.0.0.1:1 " in node.log()


def test_exit_statuses_tell_use_configuration_and_running_apart(make_cluster, tmp_path):
    node = make_cluster(1).start()
    assert run_px("--check", node.config).returncode == 0
    with open("/dev/full", "wb") as full:
        run = subprocess.run([PX, "--check", node.config], stdout=full, timeout=DEADLINE_S)
    assert run.returncode == 1
    for words in ([], ["--wrong"], ["a", "b"], [str(tmp_path / "missing.json")], [str(tmp_path)]):
        run = run_px(*words)
        assert run.returncode == 2 and run.stderr, words
    taken = run_px(node.config)
    assert taken.returncode == 1 and b"in use by another px" in taken.stderr
    assert node.stop() == 0


# ---- what was taken and could not be committed ----

def numbered(label, count, first=0):
    return [b"%s line %d" % (label, number) for number in range(first, first + count)]


def stop_in_time(node):
    begun = time.monotonic()
    assert node.stop() == 0, node.log()
    assert time.monotonic() - begun < STOP_S_MAX


def test_a_stop_without_a_leader_does_not_wait_for_one(cluster):
    node, *others = cluster.nodes
    first, more = numbered(b"first", 50), numbered(b"more", 100)
    write(node, first)
    node.wait_committed(len(first))
    for other in others:
        other.kill()
    wait_until("no leader is known", lambda: node.status()["leader"] is None)
    write(node, more)
    wait_taken(node)
    begun = time.monotonic()
    assert node.stop() == 0, node.log()
    assert time.monotonic() - begun < LEADERLESS_STOP_S_MAX
    assert "100 messages" in node.log()
    for each in cluster.nodes:
        each.start()
    check_everywhere(cluster, first + more)


def check_everywhere(cluster, lines):
    """All nodes have these lines, each once and in this order, and nothing else."""
    cluster.wait_leader(cluster.nodes)
    for node in cluster.nodes:
        node.wait_committed(len(lines))
    with cluster.nodes[0].connect() as client:   # whatever came behind them has come by then
        assert client.ask(op="send", data="the last")["index"] == len(lines) + 1
    cluster.wait_same()
    for node in cluster.nodes:
        assert check_log(node.all_messages()) == lines + [b"the last"]


def write(node, lines):
    Writer(node.fifo_in, lines).finish()


def wait_taken(node):
    """Until px has read all that is in the FIFO."""
    fifo = os.open(node.fifo_in, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(fifo, select.POLLIN)
    try:
        wait_until("the FIFO is empty", lambda: not any(event & select.POLLIN for _, event in poll.poll(0)))
    finally:
        os.close(fifo)


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_lines_without_a_quorum_come_once_after_a_clean_stop(cluster, role):
    leader = cluster.wait_leader()
    node = leader if role == "leader" else cluster.others(leader)[0]
    first, more, last = numbered(b"first", 50), numbered(b"more", 100), numbered(b"last", 50)
    write(node, first)
    for other in cluster.nodes:
        other.wait_committed(len(first))
    for other in cluster.others(node):
        other.kill()
    write(node, more)
    wait_taken(node)
    stop_in_time(node)
    assert "100 messages" in node.log()
    for each in cluster.nodes:
        each.start()
    write(node, last)
    check_everywhere(cluster, first + more + last)


def test_stops_without_a_quorum_add_up_and_a_kill_between_them_loses_nothing(cluster):
    node = cluster.others(cluster.wait_leader())[0]
    for other in cluster.others(node):
        other.kill()
    lines = []
    for turn in range(3):
        more = numbered(b"turn %d" % turn, 40)
        lines += more
        write(node, more)
        wait_taken(node)
        stop_in_time(node)
        node.start()
        node.connect().close()
        if turn == 1:
            node.kill()
            node.start()
    for other in cluster.others(node):
        other.start()
    check_everywhere(cluster, lines)
    # What came through has left the file.
    stop_in_time(node)
    node.start()
    cluster.wait_leader(cluster.nodes)
    assert node.all_messages() == cluster.nodes[-1].all_messages()


@pytest.mark.parametrize("returns", ["with the leader", "before the leader"])
def test_lines_that_a_leader_had_taken_are_not_doubled(make_cluster, returns):
    five = make_cluster(5)
    leader = five.start()
    node, *rest = five.others(leader)
    first = numbered(b"first", 50)
    write(node, first)
    node.wait_committed(len(first))
    for other in rest:
        other.kill()
    # The leader appends them until it notices that it has no majority; none is chosen.
    more = numbered(b"more", 100)
    write(node, more)
    wait_taken(node)
    stop_in_time(node)
    assert "messages taken from pipes are not committed" in node.log()
    leader.kill()
    for each in five.others(leader):
        each.start()
    if returns == "before the leader":
        five.wait_leader()
        node.wait_committed(len(first) + len(more))
    leader.start()
    check_everywhere(five, first + more)


def test_a_stop_at_any_moment_of_a_lost_quorum_keeps_each_line_once(cluster):
    # An end of each FIFO stays open, as a shell's loop has it: what px has not read stays in there.
    ends = [os.open(node.fifo_in, os.O_WRONLY) for node in cluster.nodes]
    lines, total = [], 0
    for turn in range(6):
        cluster.wait_leader(cluster.nodes)
        node = cluster.nodes[turn % 3]
        more = numbered(b"turn %d" % turn, 600)
        lines += more
        writer = Writer(node.fifo_in, more, 2000)
        node.wait_committed(total + 100 + 37 * turn)
        for other in cluster.others(node):
            other.kill()
        if turn % 2:
            writer.finish()
        stop_in_time(node)
        for each in cluster.nodes:
            each.start()
        writer.finish()
        total = len(lines)
        node.wait_committed(total)
    check_everywhere(cluster, lines)
    assert any("kept" in node.log() for node in cluster.nodes)
    for end in ends:
        os.close(end)


def keep_lines(cluster, lines):
    """Stops a node with these lines in its kept file, all others being killed; returns that node."""
    node = cluster.others(cluster.wait_leader())[0]
    for other in cluster.others(node):
        other.kill()
    write(node, lines)
    wait_taken(node)
    stop_in_time(node)
    assert f"{len(lines)} messages" in node.log()
    return node


def test_kills_while_kept_lines_are_sent_neither_lose_nor_double_any(cluster):
    lines = [line.ljust(1500, b".") for line in numbered(b"kept", 400)]
    node = keep_lines(cluster, lines)
    for other in cluster.others(node):
        other.start()
    cluster.wait_leader(cluster.others(node))
    for share in (0, 1, 100, 200, 399):
        node.start()
        witness = cluster.others(node)[0]
        wait_until("some are committed", lambda: (witness.status() or {}).get("committed", 0) >= share)
        node.kill()
    node.start()
    check_everywhere(cluster, lines)


def test_a_damaged_kept_file_is_said_and_moved_away(cluster):
    node = keep_lines(cluster, numbered(b"kept", 20))
    path = os.path.join(node.data, "kept")
    with open(path, "r+b") as file:
        file.seek(60)
        byte = file.read(1)
        file.seek(60)
        file.write(bytes([byte[0] ^ 1]))
    for each in cluster.nodes:
        each.start()
    check_everywhere(cluster, [])
    assert "kept.damaged" in node.log() and os.path.exists(path + ".damaged")


def test_kept_lines_over_a_smaller_limit_are_not_dropped(cluster):
    node = keep_lines(cluster, [b"x" * 3000])
    node.settings["max_message_bytes"] = 2000
    node.write_config()
    refused = run_px(node.config)
    assert refused.returncode == 1 and b"max_message_bytes" in refused.stderr
    del node.settings["max_message_bytes"]
    node.write_config()
    for each in cluster.nodes:
        each.start()
    check_everywhere(cluster, [b"x" * 3000])
