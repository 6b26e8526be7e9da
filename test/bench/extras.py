"""extras - what px does with pipes and with large messages: three nodes on loopback, as a user runs them."""
# SPDX-License-Identifier: Apache-2.0
import contextlib
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time

PIPE_MESSAGES = 2000
PIPE_MEGABYTES = 400


def free_ports(count):
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """Three nodes; `leader` and `other` are folders of the one that leads and of one that does not."""

    def __init__(self, top, folder):
        self.pxctl = top / "build" / "pxctl"
        self.folder = folder
        names = [f"px{number}.bench" for number in (1, 2, 3)]
        subprocess.run([self.pxctl, "certs", folder, *names], check=True, stdout=subprocess.DEVNULL)
        ports = free_ports(3)
        self.nodes = []
        for name, port in zip(names, ports):
            config = {
                "me": {
                    "id": name,
                    "addr": f"127.0.0.1:{port}",
                    "tls_config_info": {
                        "cert_path": f"{name}.crt",
                        "key_path": f"{name}.key",
                        "ca_cert_path": "ca.crt",
                    },
                },
                "retry_delay": 100,
                "data_dir": name,
                "servers": [
                    {"addr": f"127.0.0.1:{other}", "server_name": its}
                    for its, other in zip(names, ports)
                    if its != name
                ],
            }
            path = folder / f"{name}.json"
            path.write_text(json.dumps(config))
            with open(folder / f"{name}.log", "w") as log:
                self.nodes.append(subprocess.Popen([top / "build" / "px", path], stderr=log))
        leader = self.wait_for_leader(names)
        self.leader = folder / leader
        self.other = folder / next(name for name in names if name != leader)

    def wait_for_leader(self, names):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for name in names:
                asked = subprocess.run(
                    [self.pxctl, "-s", self.folder / name / "px.sock", "status", "--json"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
                if asked.returncode == 0 and json.loads(asked.stdout)["role"] == "leader":
                    return name
        raise SystemExit("bench: no leader within 20 s")

    def bench(self, *options):
        command = [self.pxctl, "-s", self.leader / "px.sock", "bench", "--json", *options]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def stop(self):
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.wait(20)


@contextlib.contextmanager
def cluster(top, out):
    folder = pathlib.Path(tempfile.mkdtemp(dir=out))
    made = Cluster(top, folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


# ---- pipes ----


def drain(reader):
    while select.select([reader], [], [], 0.3)[0]:
        os.read(reader, 1 << 20)


def pipe_latency(writer, reader):
    """From the byte in the leader's `in` to the byte out of another node's `out`."""
    took = []
    for number in range(PIPE_MESSAGES):
        line = b"%08d" % number + b"x" * 247 + b"\n"
        began = time.perf_counter()
        os.write(writer, line)
        got = 0
        while got < len(line):
            got += len(os.read(reader, 65536))
        took.append((time.perf_counter() - began) * 1e6)
    took.sort()
    return took[len(took) // 2], took[len(took) * 99 // 100]


def pipe_throughput(writer, reader):
    block = (b"y" * 1023 + b"\n") * 64
    total = PIPE_MEGABYTES * 1000000 // len(block) * len(block)

    def read_all():
        left = total
        while left:
            left -= len(os.read(reader, 1 << 20))

    thread = threading.Thread(target=read_all)
    thread.start()
    began = time.perf_counter()
    for _ in range(total // len(block)):
        rest = block
        while rest:
            rest = rest[os.write(writer, rest) :]
    written = time.perf_counter() - began
    thread.join()
    return total / written / 1e6, total / (time.perf_counter() - began) / 1e6


def pipes(top, out):
    with cluster(top, out) as at:
        acknowledged = at.bench("--seconds", "3", "--size", "256", "--window", "1")["latency_us"]["p50"]
        writer = os.open(at.leader / "in", os.O_WRONLY)
        reader = os.open(at.other / "out", os.O_RDONLY)
        drain(reader)
        half, most = pipe_latency(writer, reader)
        into, through = pipe_throughput(writer, reader)
        os.close(writer)
        os.close(reader)
    return {
        "in to another node's out, p50 ms": half / 1000,
        "p99 ms": most / 1000,
        "acknowledged on the socket, p50 ms": acknowledged / 1000,
        "p50 against that": half / acknowledged,
        "lines of 1 KiB into a FIFO, MB/s": into,
        "and out of another node's, MB/s": through,
    }


# ---- large messages ----


def disk_bandwidth(folder):
    """Sequential synced writes of 1 MiB, MB/s."""
    path = folder / "disk"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DIRECT | os.O_DSYNC, 0o600)
    import mmap

    block = mmap.mmap(-1, 1 << 20)
    block.write(os.urandom(1 << 20))  # a disk may be faster with zeros
    began = time.perf_counter()
    for _ in range(500):
        os.write(descriptor, block)
    took = time.perf_counter() - began
    os.close(descriptor)
    path.unlink()
    return 500 * (1 << 20) / took / 1e6


def large(top, out, seconds):
    with cluster(top, out) as at:
        disk = disk_bandwidth(at.folder)
        big = at.bench("--seconds", f"{seconds:g}", "--size", "65536", "--window", "64")
        alone = at.bench("--seconds", f"{seconds:g}", "--size", "256", "--window", "16")["latency_us"][
            "p99"
        ]
        stop = threading.Event()

        def send_large():
            while not stop.is_set():
                at.bench("--messages", "1", "--size", "1048576", "--window", "1")
                stop.wait(0.1)

        thread = threading.Thread(target=send_large)
        thread.start()
        beside = at.bench("--seconds", f"{seconds:g}", "--size", "256", "--window", "16")["latency_us"][
            "p99"
        ]
        stop.set()
        thread.join()
    rate = big["bytes_per_second"] / 1e6
    return {
        "64 KiB messages, MB/s": rate,
        "the disk's synced writes, MB/s": disk,
        "against a third of those": rate / (disk / 3),
        "p99 of 256 B at window 16, ms": alone / 1000,
        "and with 1 MiB messages beside, ms": beside / 1000,
    }
