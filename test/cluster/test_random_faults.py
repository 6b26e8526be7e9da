# test_random_faults.py - nodes are killed, stopped, frozen and started by chance, under load at all of them.
#
# Meaning    Faults follow each other by progress: the next comes when more was acknowledged, or soon where a
#            majority is away. Followers and barriers at all nodes see it all; in the end all nodes run, and
#            what everybody saw is the history of one log (history.py). PX_SEED repeats a run; a failed one
#            names its seed.
# SPDX-License-Identifier: Apache-2.0
import os
import random
import signal
import time

import pytest

from px_cluster import Watch, wait_until

FAULTS = 20
PROGRESS = 40
PATIENCE_S = 0.4


class Faults:
    """What may happen to the nodes of a cluster. Each fault is chosen among those that are possible."""

    def __init__(self, cluster, chance):
        self.cluster, self.chance, self.frozen = cluster, chance, set()

    def happen(self):
        awake = [node for node in self.cluster.running() if node not in self.frozen]
        down = [node for node in self.cluster.nodes if not node.is_running()]
        choices = [(self.kill, awake)] * 3 + [(self.stop, awake), (self.freeze, awake), (self.freeze, awake)]
        choices += [(self.thaw, list(self.frozen))] * 3 + [(self.start, down)] * 4
        fault, nodes = self.chance.choice([choice for choice in choices if choice[1]])
        fault(self.chance.choice(nodes))

    def kill(self, node):
        node.kill()

    def stop(self, node):
        node.connect().close()   # a signal before that would only end a program that has not begun
        assert node.stop() == 0, f"{node.name} did not stop cleanly"

    def freeze(self, node):
        node.signal(signal.SIGSTOP)
        self.frozen.add(node)

    def thaw(self, node):
        node.signal(signal.SIGCONT)
        self.frozen.discard(node)

    def start(self, node):
        assert node.process.poll() in (0, -signal.SIGKILL), f"{node.name} ended by itself:\n{node.log()}"
        node.start()

    def end(self):
        for node in list(self.frozen):
            self.thaw(node)
        for node in self.cluster.nodes:
            if not node.is_running():
                self.start(node)


@pytest.mark.parametrize("size", [3, 5])
def test_whatever_happens_the_log_holds_what_was_acknowledged(make_cluster, size):
    seed = int(os.environ.get("PX_SEED", random.randrange(2**32)))
    chance = random.Random(seed)
    print(f"PX_SEED={seed}")
    cluster = make_cluster(size)
    cluster.start()
    faults = Faults(cluster, chance)
    watch = Watch(cluster)
    watch.see_all()
    loads = [watch.load(node, f"n{node.place}", chance.choice([1, 8, 64])) for node in cluster.nodes]
    for _ in range(FAULTS):
        goal, since = total(loads) + PROGRESS, time.monotonic()
        wait_until("progress", lambda: total(loads) >= goal or time.monotonic() - since > PATIENCE_S)
        faults.happen()
    faults.end()
    cluster.wait_leader(cluster.nodes)
    for load in loads:
        load.wait_acknowledged(len(load.acknowledged) + PROGRESS)
    watch.check()


def total(loads):
    return sum(len(load.acknowledged) for load in loads)
