# test_disk_full.py - disks that are really full, and disks that fail a sync.
#
# Meaning    A node's data folder is a small tmpfs in a mount namespace of the node's own, which anybody may
#            make where the system lets users have namespaces; the test reaches into it by /proc/PID/root.
#            Socket and pipes lie outside. The log takes 64 MiB at a time; a ballast file takes the rest.
# Source     [R17]; spec.md §4, §5
# SPDX-License-Identifier: Apache-2.0
import os
import re
import subprocess
import time

from px_cluster import DEADLINE_S, PX, Closed, Watch, Writer, die_with_parent, wait_until

MIB = 1 << 20
SEGMENT_BYTES = 64 * MIB
TMPFS_BYTES = 3 * SEGMENT_BYTES
# What is left beside the first segment: less than another one.
LEFT_BYTES = SEGMENT_BYTES // 2
# The promise is 5 s; a machine that is busy with other things gets more.
HEALS_S = DEADLINE_S
MESSAGE_BYTES = 64 << 10
MEMORY_MIB_MAX = 256
# Writes before the disk fails: more than a start needs.
WRITES = 300


class SmallDisk:
    """The disk of a node that has not started yet."""

    def __init__(self, node):
        self.node = node
        os.mkdir(node.data)
        outside = os.path.join(node.folder, f"outside{node.place}")
        os.mkdir(outside)
        node.socket = os.path.join(outside, "px.sock")
        node.fifo_in, node.fifo_out = os.path.join(outside, "in"), os.path.join(outside, "out")
        node.settings["socket"] = node.socket
        node.settings["pipes"] = [{"in": node.fifo_in, "out": node.fifo_out}]
        node.write_config()

    def start(self):
        mount = f"mount -t tmpfs -o size={TMPFS_BYTES} none '{self.node.data}'"
        ballast = f"fallocate -l {TMPFS_BYTES - SEGMENT_BYTES - LEFT_BYTES} '{self.node.data}/ballast'"
        command = f"{mount} && {ballast} && exec '{PX}' '{self.node.config}'"
        with open(self.node.log_path, "ab") as log:
            words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", command]
            self.node.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                 preexec_fn=die_with_parent)

    def path(self, name):
        return f"/proc/{self.node.process.pid}/root{self.node.data}/{name}"

    def make_space(self):
        os.unlink(self.path("ballast"))


def disk_of(node):
    state = node.status()
    return state and next(member["disk"] for member in state["members"] if member["id"] == node.name)


def fill(node, through, mebibytes):
    """Sends that many MiB through a node; where it is `node` itself, at most until its disk is full."""

    def is_over():
        return node is through and disk_of(node) == "full"

    def replied(client):
        """False where it is refused, or no reply will come: what a full disk has taken waits for space."""
        try:
            return client.get()["ok"]
        except TimeoutError:
            assert is_over(), f"{node.name} neither replies nor has a full disk"
            return False

    with through.client(5.0) as client:
        data = "x" * MESSAGE_BYTES
        for _ in range(mebibytes):
            for _ in range(MIB // MESSAGE_BYTES):
                client.put(op="send", data=data)
            for _ in range(MIB // MESSAGE_BYTES):
                if not replied(client):
                    return


def memory_mib(node):
    with open(f"/proc/{node.process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) // 1024


def test_a_full_disk_stops_intake_and_heals_by_itself_on_an_idle_node(make_cluster):
    cluster = make_cluster(1)
    node = cluster.nodes[0]
    disk = SmallDisk(node)
    disk.start()
    cluster.wait_leader()
    with node.connect() as client:
        assert client.ask(op="send", data="in a session", session="s", seq=1)["index"] == 1
    fill(node, node, 100)
    wait_until("the disk to be full", lambda: disk_of(node) == "full")
    committed = node.status()["committed"]
    with node.connect() as client:
        reply = client.ask(op="send", data="refused", session="s", seq=2)
        assert not reply["ok"] and reply["error"] == "disk_full", reply
        assert client.ask(op="send", data="again", session="s", seq=1)["duplicate"]
        reply = client.ask(op="send", data="refused")
        assert not reply["ok"] and reply["error"] == "disk_full", reply
    writer = Writer(node.fifo_in, [b"line %d of a writer that waits" % number for number in range(100000)])
    wait_until("the writer to block", lambda: writer.has_stood_still(0.5))
    assert node.is_running() and node.status()["committed"] == committed
    with node.connect() as client:
        assert client.ask(op="barrier")["index"] == committed
    disk.make_space()
    since = time.monotonic()
    wait_until("the disk to heal", lambda: disk_of(node) == "well", HEALS_S)
    print(f"healed in {time.monotonic() - since:.2f} s")
    writer.finish(60)
    node.wait_committed(committed + len(writer.lines))
    with node.connect() as client:
        assert client.ask(op="send", data="now", session="s", seq=2)["ok"]


def test_an_idle_disk_heals_without_anybody_asking(make_cluster):
    cluster = make_cluster(1, heartbeat_ms=10000)
    node = cluster.nodes[0]
    disk = SmallDisk(node)
    disk.start()
    cluster.wait_leader(seconds=60)
    fill(node, node, 100)
    wait_until("the disk to be full", lambda: "disk: full" in node.log())
    disk.make_space()
    wait_until("the disk to heal", lambda: "disk: well" in node.log(), HEALS_S)


def test_a_follower_with_a_full_disk_stays_small_and_catches_up(make_cluster):
    cluster = make_cluster(3)
    full, *others = cluster.nodes
    disk = SmallDisk(full)
    disk.start()
    for node in others:
        node.start()
    cluster.wait_leader()
    watch = Watch(cluster)
    watch.see_all()
    load = watch.load(others[0], "load", 8)
    watch.history.is_whole = False   # the filling is nobody's operation
    fill(full, others[0], SEGMENT_BYTES // MIB + 150)
    wait_until("the disk to be full", lambda: disk_of(full) == "full")
    leader = cluster.wait_leader(others)
    assert leader is not full, "a node with a full disk leads"
    load.wait_acknowledged(len(load.acknowledged) + 100)
    lag = others[0].status()["committed"] - full.status()["committed"]
    assert lag > 0, "the full disk has taken everything"
    memory = memory_mib(full)
    print(f"{memory} MiB with a full disk, {lag} messages behind")
    assert memory < MEMORY_MIB_MAX
    load.end()
    disk.make_space()
    # Two segments more is all there is: what lies beyond them fills it again, and waits for the next space.
    wait_until("the disk to heal", lambda: "disk: well" in full.log(), HEALS_S)
    enter = ["nsenter", "--target", str(full.process.pid), "--user", "--mount", "--preserve-credentials"]
    subprocess.run([*enter, "mount", "-o", f"remount,size={8 * SEGMENT_BYTES}", full.data], check=True)
    watch.check()


def test_a_failed_sync_ends_the_process_with_1(make_cluster):
    cluster = make_cluster(1)
    node = cluster.nodes[0]
    with open(node.log_path, "ab") as log:
        # Without the kernel's own queue every durable write is a pwrite of a thread, and one of them fails.
        inject = ["-e", "inject=io_submit:error=EAGAIN", "-e", f"inject=pwrite64:error=EIO:when={WRITES}+"]
        node.process = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", *inject, PX, node.config],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        preexec_fn=die_with_parent)
    acknowledged = 0
    with node.connect() as client:
        try:
            while client.ask(op="send", data="until a write fails")["ok"]:
                acknowledged += 1
                assert acknowledged <= WRITES, "no write failed"
        except (OSError, Closed):
            pass
    assert node.process.wait(DEADLINE_S) == 1
    assert acknowledged > 0 and "nothing on this disk can be trusted" in node.log()
    node.start()
    with node.connect() as client:
        there = client.ask(op="barrier")["index"]
    assert acknowledged <= there <= acknowledged + 1, f"{acknowledged} acknowledged, {there} there"
