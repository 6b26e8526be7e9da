# udp_proxy.py - every ordered pair of nodes has a UDP port of its own between them, so that each direction of
# each link can be cut, or lose, delay, double and reorder its datagrams.
#
# Meaning    Node a is told that node b lives at port(a, b). A node dials from a new port each time: whatever
#            address sends to port(a, b) gets a way of its own, a socket that sends on to b's own port and
#            takes the answers back. Both directions of a way obey the rules of their links, (a, b) and
#            (b, a). Rules arrive as JSON lines on stdin; each is answered by a line once it holds.
# Usage      as a program: udp_proxy.py SEED, the first line on stdin being the ports of the nodes.
#            in tests: net = Net(cluster) before the nodes start, then net.cut(a, b), net.heal(), ...
# SPDX-License-Identifier: Apache-2.0
import heapq
import itertools
import json
import random
import selectors
import socket
import subprocess
import sys
import time

DATAGRAM_BYTES = 65535
SOCKET_BYTES = 4 << 20
# Datagrams of one port taken before the others have their turn.
TURN = 64
# Ways kept of one port: those of dials that ended long ago are closed.
WAYS = 32
# A datagram that is reordered comes this much later.
REORDER_S = (0.002, 0.02)
HEALTHY = {"cut": False, "drop": 0.0, "delay": [0.0, 0.0], "duplicate": 0.0, "reorder": 0.0}


class Proxy:
    def __init__(self, seed, nodes):
        self.chance, self.nodes = random.Random(seed), nodes   # the nodes' own ports
        self.fronts, self.rules, self.ways = {}, {}, {}
        self.late, self.numbers = [], itertools.count()        # (moment, number, link, send, datagram)
        self.selector = selectors.DefaultSelector()
        for link in itertools.permutations(range(len(nodes)), 2):
            self.rules[link], self.ways[link] = dict(HEALTHY), {}   # ways: address -> socket
            self.fronts[link] = self.make_socket(lambda link=link: self.take_dialled(link))
        self.selector.register(sys.stdin.buffer.raw, selectors.EVENT_READ, None)

    def make_socket(self, on_readable):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        made.bind(("127.0.0.1", 0))
        made.setblocking(False)
        self.selector.register(made, selectors.EVENT_READ, on_readable)
        return made

    def ports(self):
        return [[a, b, front.getsockname()[1]] for (a, b), front in self.fronts.items()]

    def run(self):
        while True:
            wait = max(self.late[0][0] - time.monotonic(), 0) if self.late else None
            for key, _ in self.selector.select(wait):
                if key.data is None:
                    if not self.take_rule():
                        return
                else:
                    key.data()
            while self.late and self.late[0][0] <= time.monotonic():
                _, _, _, send, datagram = heapq.heappop(self.late)
                send(datagram)

    def take_rule(self):
        line = sys.stdin.buffer.raw.readline()
        if not line:
            return False
        links, rule = json.loads(line)
        for link in links:
            self.rules[tuple(link)] = {**HEALTHY, **rule}
        # What was under way in a direction that is cut now does not arrive.
        self.late = [item for item in self.late if not self.rules[item[2]]["cut"]]
        heapq.heapify(self.late)
        print("done", flush=True)
        return True

    def take_dialled(self, link):
        """What came to port(a, b), from any address."""
        for datagram, address in received(self.fronts[link]):
            way = self.ways[link].get(address) or self.make_way(link, address)
            self.pass_on(link, lambda data, way=way: send(way, data, ("127.0.0.1", self.nodes[link[1]])),
                         datagram)

    def make_way(self, link, address):
        ways, front, back = self.ways[link], self.fronts[link], link[::-1]

        def take_answers():
            for datagram, _ in received(way):
                self.pass_on(back, lambda data: send(front, data, address), datagram)

        way = ways[address] = self.make_socket(take_answers)
        if len(ways) > WAYS:
            oldest = ways.pop(next(iter(ways)))
            self.selector.unregister(oldest)
            oldest.close()
        return way

    def pass_on(self, link, send_it, datagram):
        rule = self.rules[link]
        if rule["cut"] or self.happens(rule["drop"]):
            return
        for _ in range(2 if self.happens(rule["duplicate"]) else 1):
            delay = self.chance.uniform(*rule["delay"])
            if self.happens(rule["reorder"]):
                delay += self.chance.uniform(*REORDER_S)
            if delay > 0:
                moment = time.monotonic() + delay
                heapq.heappush(self.late, (moment, next(self.numbers), link, send_it, datagram))
            else:
                send_it(datagram)

    def happens(self, probability):
        return probability > 0 and self.chance.random() < probability


def received(port):
    """Up to TURN datagrams that are there, with the address each came from."""
    for _ in range(TURN):
        try:
            yield port.recvfrom(DATAGRAM_BYTES)
        except OSError:
            return


def send(port, datagram, address):
    try:
        port.sendto(datagram, address)
    except OSError:
        pass   # a full buffer loses it, as a network does


class Net:
    """The proxy of a cluster, as tests use it. Makes the nodes' configurations lead through it."""

    def __init__(self, cluster, seed=1):
        self.nodes = cluster.nodes
        self.process = subprocess.Popen([sys.executable, __file__, str(seed)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        ports = {(a, b): port for a, b, port in self.ask([node.port for node in self.nodes])}
        for a, node in enumerate(self.nodes):
            for server, other in zip(node.settings["servers"], cluster.others(node)):
                server["addr"] = f"127.0.0.1:{ports[a, self.nodes.index(other)]}"
            node.write_config()

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().strip()
        return None if line == "done" else json.loads(line)

    def rule(self, links, **rule):
        """The rule for directed links, given as pairs of nodes; it holds when this returns."""
        places = {node: place for place, node in enumerate(self.nodes)}
        self.ask([[[places[a], places[b]] for a, b in links], rule])

    def all_links(self):
        return list(itertools.permutations(self.nodes, 2))

    def heal(self):
        self.rule(self.all_links())

    def keep(self, links):
        """Both directions of these links work, all others are cut."""
        kept = {(a, b) for a, b in links} | {(b, a) for a, b in links}
        self.rule([link for link in self.all_links() if link not in kept], cut=True)

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


def main():
    proxy = Proxy(int(sys.argv[1]), json.loads(sys.stdin.buffer.raw.readline()))
    print(json.dumps(proxy.ports()), flush=True)
    proxy.run()


if __name__ == "__main__":
    main()
