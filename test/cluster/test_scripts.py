# test_scripts.py - the scripts that people start a cluster with.
#
#     scripts/run-nodes N     a copy of scripts/ and config/, in a network of its own: their ports are fixed
# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from px_cluster import BUILD, DEADLINE_S, PXCTL, ROOT, die_with_parent, wait_until
from test_process import IN_USER_NAMESPACE

STOP_S_MAX = 8.0   # a hand-over and a drain; less than the ten seconds after which nodes are killed


@pytest.fixture
def copy(tmp_path):
    for folder in ("scripts", "config"):
        shutil.copytree(os.path.join(ROOT, folder), tmp_path / folder)
    return tmp_path


def status_of(folder, node):
    asked = subprocess.run([PXCTL, "-s", folder / f"px{node}/px.sock", "status", "--json"],
                           capture_output=True, timeout=DEADLINE_S)
    return json.loads(asked.stdout) if asked.returncode == 0 else None


@pytest.mark.parametrize("count, folder", [(3, "run"), (5, "run/of-5"), (2, "run/of-2")])
def test_run_nodes_starts_so_many_and_stops_them(copy, count, folder):
    command = f"ip link set lo up && exec scripts/run-nodes {count}"
    quiet, end = os.pipe()   # a standard input that does not end
    with open(copy / "log", "wb") as log:
        nodes = subprocess.Popen(["unshare", *IN_USER_NAMESPACE, "--net", "sh", "-c", command], cwd=copy,
                                 stdin=quiet, stdout=log, stderr=log, env={**os.environ, "B": BUILD},
                                 preexec_fn=die_with_parent)
    os.close(quiet)
    try:
        def one_leader():
            assert nodes.poll() is None, (copy / "log").read_text()
            states = [status_of(copy / folder, node) for node in range(1, count + 1)]
            return None not in states and len({state["leader"] for state in states} - {None}) == 1

        wait_until("one leader", one_leader)
        sent = subprocess.run([PXCTL, "-s", copy / folder / "px1/px.sock", "send", "hello"],
                              capture_output=True, timeout=DEADLINE_S)
        assert sent.stdout == b"1\n", sent.stderr
        with open(copy / folder / f"px{count}/out", "rb") as out:
            assert out.readline() == b"hello\n"
        begun = time.monotonic()
    finally:
        nodes.send_signal(signal.SIGTERM)
        status = nodes.wait(DEADLINE_S)
        os.close(end)
    told = (copy / "log").read_text()
    assert status == 0, told
    assert time.monotonic() - begun < STOP_S_MAX, told
    for node in range(1, count + 1):
        assert f"px{node}  " in told and told.count("ready: takes messages") == count, told
    assert status_of(copy / folder, 1) is None


def test_ready_configurations_are_those_that_the_script_would_write(copy):
    for count, configs in ((3, "config"), (5, "config/of-5")):
        for node in range(1, count + 1):
            words = f". scripts/nodes.bash; print_config {node} {count} 7000"
            printed = subprocess.run(["bash", "-c", words], cwd=copy, capture_output=True, check=True).stdout
            ready = (copy / configs / f"px{node}.json").read_text()
            folder = "../run/" if count == 3 else f"../../run/of-{count}/"
            assert json.loads(ready.replace(folder, "")) == json.loads(printed)
