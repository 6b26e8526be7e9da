# px_cluster.py - real px processes on this machine, as tests use them.
#
# Meaning    A Cluster owns a short folder under /tmp, a configuration and a process for each node, and the
#            threads that read and write their FIFOs. Whatever is waited for is a condition with a deadline;
#            everything that was started is stopped by its pid when the test ends, however it ends.
# SPDX-License-Identifier: Apache-2.0
import base64
import collections
import ctypes
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from history import History

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("PX_BUILD", os.path.join(ROOT, "build"))
PX = os.path.join(BUILD, "px")
PXCTL = os.path.join(BUILD, "pxctl")
# Below the range from which the system takes ports by itself.
PORT_FIRST, PORT_LAST = 20000, 29999
DEADLINE_S = 20.0
POLL_S = 0.01
PR_SET_PDEATHSIG = 1


class Late(AssertionError):
    """A condition did not come true before its deadline."""


def wait_until(what, condition, seconds=DEADLINE_S):
    """Returns the first true value of `condition`, asked again and again until the deadline."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Late(f"{what}: not within {seconds} s")
        pause.wait(POLL_S)


def free_port():
    while True:
        port = random.randint(PORT_FIRST, PORT_LAST)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def make_certificates(folder, *names):
    """A root in the folder, kept if it exists, and a certificate for each name."""
    subprocess.run([PXCTL, "certs", folder, *names], check=True, stdout=subprocess.DEVNULL,
                   timeout=DEADLINE_S)


def payload_of(message):
    """The bytes of a message as the socket gives it."""
    return base64.b64decode(message["b64"]) if "b64" in message else message["data"].encode()


class Closed(Exception):
    """The node ended the connection."""


class Client:
    """A connection to a node's socket."""

    def __init__(self, path, timeout=DEADLINE_S):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.rest, self.last = b"", None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def put(self, **request):
        self.put_bytes(json.dumps(request).encode() + b"\n")

    def put_bytes(self, data):
        """Writes it all. A node reads no further while nobody takes its replies: they are taken meanwhile."""
        either = select.poll()
        either.register(self.socket, select.POLLIN | select.POLLOUT)
        data = memoryview(data)
        while data:
            ready = either.poll(1000 * self.socket.gettimeout())
            if not ready:
                raise TimeoutError("the node neither reads nor replies")
            if ready[0][1] & (select.POLLOUT | select.POLLERR):
                data = data[self.socket.send(data):]
            else:
                self.receive()

    def receive(self):
        more = self.socket.recv(1 << 18)
        if not more:
            raise Closed()
        self.rest += more

    def line(self):
        """The next line as bytes; raises Closed at the end."""
        while b"\n" not in self.rest:
            self.receive()
        self.last, self.rest = self.rest.split(b"\n", 1)
        return self.last

    def get(self):
        return json.loads(self.line())

    def ask(self, **request):
        self.put(**request)
        return self.get()

    def messages(self, first, last):
        """Messages first to last."""
        if last < first:
            return []
        self.put(op="follow", until=last, **{"from": first})
        return [self.get() for _ in range(last - first + 1)]


class Node:
    def __init__(self, cluster, place, name):
        self.cluster, self.place, self.name = cluster, place, name
        self.port = free_port()
        self.folder = cluster.folder
        self.data = os.path.join(self.folder, f"data{place}")
        self.config = os.path.join(self.folder, f"n{place}.json")
        self.log_path = os.path.join(self.folder, f"log{place}")
        self.socket = os.path.join(self.data, "px.sock")
        self.fifo_in = os.path.join(self.data, "in")
        self.fifo_out = os.path.join(self.data, "out")
        self.process = None

    def configure(self, peers, certificates, **more):
        """Writes the configuration: the original fields, data_dir, and what the test adds."""
        self.settings = {
            "me": {
                "id": self.name,
                "addr": f"127.0.0.1:{self.port}",
                "tls_config_info": {
                    "cert_path": os.path.join(certificates, f"{self.name}.crt"),
                    "key_path": os.path.join(certificates, f"{self.name}.key"),
                    "ca_cert_path": os.path.join(certificates, "ca.crt"),
                },
            },
            "retry_delay": 100,
            "servers": [{"addr": f"127.0.0.1:{peer.port}", "server_name": peer.name} for peer in peers],
            "data_dir": self.data,
            **more,
        }
        self.write_config()

    def write_config(self):
        with open(self.config, "w") as file:
            json.dump(self.settings, file)

    # ---- the process ----

    def start(self):
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([PX, self.config], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=die_with_parent)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def stop(self):
        """A clean stop; returns the exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def end(self):
        if self.is_running():
            self.signal(signal.SIGCONT)
            self.kill()

    def log(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # ---- asking it ----

    def client(self, timeout=DEADLINE_S):
        return Client(self.socket, timeout)

    def connect(self):
        """A client, as soon as the socket takes one."""

        def attempt():
            try:
                return self.client()
            except OSError:
                assert self.is_running(), f"{self.name} has ended:\n{self.log()}"
                return None

        return wait_until(f"socket of {self.name}", attempt)

    def status(self):
        """The status, or None where the node does not answer."""
        try:
            with self.client(2.0) as client:
                return client.ask(op="status")
        except (OSError, Closed):
            return None

    def pxctl(self, *words, **more):
        return subprocess.run([PXCTL, "-c", self.config, *words], capture_output=True, timeout=DEADLINE_S,
                              **more)

    def all_messages(self):
        """Every message that this node knows committed."""
        with self.connect() as client:
            return client.messages(1, client.ask(op="status")["committed"])

    def wait_committed(self, index, seconds=DEADLINE_S):
        return wait_until(f"index {index} at {self.name}",
                          lambda: (self.status() or {}).get("committed", 0) >= index, seconds)


class Writer(threading.Thread):
    """Writes lines into a FIFO, at most `rate` a second where one is given."""

    def __init__(self, path, lines, rate=None):
        super().__init__(daemon=True)
        self.path, self.lines, self.rate = path, lines, rate
        self.error = None
        self.begun = self.moved = time.monotonic()   # when the FIFO last took something
        self.start()

    def has_stood_still(self, seconds):
        return time.monotonic() - self.moved > seconds

    def run(self):
        try:
            wait_until(f"FIFO {self.path}", lambda: os.path.exists(self.path))
            self.fifo = open(self.path, "wb", buffering=0)
            try:
                if self.rate:
                    self.write_paced()
                else:
                    self.write_all(b"".join(line + b"\n" for line in self.lines))
            finally:
                self.fifo.close()
        except (OSError, Late) as error:
            self.error = error

    def write_all(self, data):
        view = memoryview(data)
        while view:
            view = view[self.fifo.write(view[:select.PIPE_BUF]):]
            self.moved = time.monotonic()

    def write_paced(self):
        begun, pause = time.monotonic(), threading.Event()
        for number, line in enumerate(self.lines):
            ahead = begun + number / self.rate - time.monotonic()
            if ahead > 0.002:
                pause.wait(ahead)
            self.write_line(line + b"\n")

    def write_line(self, line):
        """A line goes whole or, where px is down, not at all; then the next px gets it. The old end
        stays open until then, so that the FIFO keeps what is in it."""
        assert len(line) <= select.PIPE_BUF
        while True:
            try:
                self.fifo.write(line)
                return
            except BrokenPipeError:
                old, self.fifo = self.fifo, open(self.path, "wb", buffering=0)
                old.close()

    def finish(self, seconds=DEADLINE_S):
        self.join(seconds)
        assert not self.is_alive(), f"writing into {self.path} did not end"
        assert self.error is None, self.error


class Reader(threading.Thread):
    """Reads a FIFO all the time, through ends of its writer, and remembers when bytes came."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.data, self.lines = path, bytearray(), 0
        self.times = []   # when bytes came
        self.is_over = threading.Event()
        self.start()

    def run(self):
        wait_until(f"FIFO {self.path}", lambda: os.path.exists(self.path))
        fifo = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        poll = select.poll()
        poll.register(fifo, select.POLLIN)
        try:
            while not self.is_over.is_set():
                events = poll.poll(50)
                if events and events[0][1] & select.POLLIN:
                    more = os.read(fifo, 1 << 20)
                    self.data += more
                    self.lines += more.count(b"\n")
                    self.times.append(time.monotonic())
                elif events:   # no writer at the moment
                    self.is_over.wait(POLL_S)
        finally:
            os.close(fifo)

    def wait_lines(self, count, seconds=DEADLINE_S):
        try:
            wait_until(f"{count} lines from {self.path}", lambda: self.lines >= count, seconds)
        except Late as late:
            raise Late(f"{late}; {self.lines} came") from None

    def all_lines(self):
        assert not self.data or self.data.endswith(b"\n"), "the output ends in mid-line"
        return bytes(self.data).split(b"\n")[:-1]

    def wait_line(self, line, seconds=DEADLINE_S):
        wait_until(f"{line} from {self.path}", lambda: line + b"\n" in self.data[-(1 << 20):], seconds)

    def longest_gap(self, since):
        """The longest time without a byte, from a moment on."""
        moments = [since] + [moment for moment in self.times if moment >= since]
        return max(after - before for before, after in zip(moments, moments[1:]))

    def end(self):
        self.is_over.set()
        self.join(DEADLINE_S)


class Cluster:
    def __init__(self, size, certificates, **more):
        self.folder = tempfile.mkdtemp(prefix="px-", dir="/tmp")
        self.certificates = certificates
        self.nodes = [Node(self, place, f"px{place}.example") for place in range(1, size + 1)]
        self.readers = []
        for node in self.nodes:
            node.configure(self.others(node), certificates, **more)

    def others(self, node):
        return [other for other in self.nodes if other is not node]

    def start(self):
        for node in self.nodes:
            node.start()
        return self.wait_leader()

    def running(self):
        return [node for node in self.nodes if node.is_running()]

    def leader(self, among=None):
        """The node that leads, where all of `among` (those that run) agree on it."""
        among = among or self.running()
        states = [node.status() for node in among]
        names = {state["leader"] if state else None for state in states}
        if len(names) != 1 or None in names:
            return None
        name = names.pop()
        for node, state in zip(among, states):
            if node.name == name:
                return node if state["role"] == "leader" else None
        return None

    def wait_leader(self, among=None, seconds=DEADLINE_S):
        return wait_until("one leader", lambda: self.leader(among), seconds)

    def wait_same(self, seconds=DEADLINE_S):
        """Waits until all nodes have committed the same; returns that index."""

        def same():
            states = [node.status() for node in self.nodes]
            if None in states or len({state["committed"] for state in states}) != 1:
                return None
            return states[0]["committed"] or None

        return wait_until("the same index everywhere", same, seconds)

    def reader(self, node):
        reader = Reader(node.fifo_out)
        self.readers.append(reader)
        return reader

    def end(self):
        for reader in self.readers:
            reader.end()
        for node in self.nodes:
            node.end()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Load(threading.Thread):
    """Sends numbered messages over the socket of a node, `window` at a time, and remembers their indexes.

    A lost connection is made again; messages whose fate is unknown are not sent again: each is sent once.
    What was asked and answered when is kept in `history`, which several may share."""

    def __init__(self, node, label, window=1, history=None):
        super().__init__(daemon=True)
        self.node, self.label, self.window = node, label, window
        self.history = history or History()
        self.acknowledged = {}   # payload -> index
        self.sent = self.connections = 0
        self.acknowledged_of = 0.0   # when the newest acknowledged message had been asked
        self.is_over = threading.Event()
        self.start()

    def run(self):
        while not self.is_over.is_set():
            try:
                with self.node.client(5.0) as client:
                    self.send(client)
            except (OSError, Closed):
                self.is_over.wait(POLL_S)

    def send(self, client):
        self.connections += 1
        writer, open_ones = f"{self.label}, connection {self.connections}", {}
        while True:
            while len(open_ones) < self.window and not self.is_over.is_set():
                text = f"{self.label} {self.sent}"
                self.sent += 1
                open_ones[text] = self.history.invoke(writer, self.sent, text.encode(), time.monotonic())
                client.put(op="send", data=text, tag=text)
            if not open_ones:
                return
            reply = client.get()
            operation = open_ones.pop(reply["tag"])
            if reply["ok"]:
                operation.acknowledge(reply["index"], time.monotonic())
                self.acknowledged[operation.payload] = reply["index"]
                self.acknowledged_of = max(self.acknowledged_of, operation.invoked)
            else:
                operation.refuse(reply["error"], time.monotonic())

    def wait_acknowledged(self, count, seconds=DEADLINE_S):
        wait_until(f"{count} acknowledged", lambda: len(self.acknowledged) >= count, seconds)

    def end(self):
        self.is_over.set()
        self.join(DEADLINE_S)
        assert not self.is_alive(), f"the load on {self.node.name} did not end"


class Observer(threading.Thread):
    """Asks a node over and over, over connections that come and go, until its end."""

    def __init__(self, node, timeout):
        super().__init__(daemon=True)
        self.node, self.timeout, self.is_over, self.fault = node, timeout, threading.Event(), None
        self.start()

    def run(self):
        while not self.is_over.is_set() and not self.fault:
            try:
                with self.node.client(self.timeout) as client:
                    self.ask(client)
            except (OSError, Closed):
                self.is_over.wait(POLL_S)
            except (KeyError, ValueError) as fault:
                self.fault = f"{fault!r}, the last line being {client.last!r}"

    def end(self):
        self.is_over.set()
        self.join(DEADLINE_S)
        assert not self.is_alive(), f"an observer of {self.node.name} did not end"
        assert not self.fault, f"{self.node.name} gave an observer what it could not read: {self.fault}"


class Follower(Observer):
    """Follows the log at a node from its start, into a history."""

    def __init__(self, node, history):
        self.reading = history.reader(f"the follower of {node.name}")
        super().__init__(node, 0.5)

    def ask(self, client):
        client.put(op="follow", **{"from": len(self.reading.items) + 1})
        while not self.is_over.is_set():
            message = client.get()
            if message.get("error") == "shutting_down":
                raise Closed()
            self.reading.add(message["index"], payload_of(message), time.monotonic())


class Barriers(Observer):
    """Asks a node for one barrier after the other, into a history."""

    def __init__(self, node, history):
        self.history, self.count = history, 0
        super().__init__(node, 2.0)

    def ask(self, client):
        while not self.is_over.is_set():
            invoked = time.monotonic()
            reply = client.ask(op="barrier")
            if reply["ok"]:
                self.history.barrier(invoked, time.monotonic(), reply["index"])
                self.count += 1
            self.is_over.wait(POLL_S)


class Watch:
    """A history of a cluster under load: who sends, who follows, who asks for barriers."""

    def __init__(self, cluster):
        self.cluster, self.history, self.threads = cluster, History(), []
        self.written = collections.Counter()

    def load(self, node, label, window=1):
        self.threads.append(Load(node, label, window, self.history))
        return self.threads[-1]

    def see_all(self):
        """A follower and barriers at every node."""
        for node in self.cluster.nodes:
            self.threads += [Follower(node, self.history), Barriers(node, self.history)]

    def wrote(self, writer):
        """Lines that a Writer put into a FIFO: asked at some moment since its begin, never answered."""
        for line in writer.lines:
            self.written[writer.path] += 1
            self.history.invoke(writer.path, self.written[writer.path], line, writer.begun)

    def end(self):
        for thread in self.threads:
            thread.end()
        self.threads = []

    def check(self):
        """Ends what runs, reads every node's log and checks all of it. Returns the payloads."""
        self.end()
        self.cluster.wait_same()
        for node in self.cluster.nodes:
            reading = self.history.reader(f"the log of {node.name}")
            for message in node.all_messages():
                reading.add(message["index"], payload_of(message))
        last = {len(reading.items) for reading in self.history.readings[-len(self.cluster.nodes):]}
        assert len(last) == 1, f"logs of different length: {last}"
        self.history.assert_good()
        return [payload for _, payload, _ in self.history.readings[-1].items]


def check_log(messages):
    """Indexes rise by one from 1. Returns the payloads."""
    assert [message["index"] for message in messages] == list(range(1, len(messages) + 1))
    return [payload_of(message) for message in messages]
