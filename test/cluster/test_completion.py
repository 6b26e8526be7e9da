# test_completion.py - bash completes what pxctl takes.
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

import pytest

from px_cluster import DEADLINE_S, PXCTL, ROOT

COMPLETION = os.path.join(ROOT, "packaging", "pxctl.bash-completion")
HELPER = os.path.join(ROOT, "test", "cluster", "complete.bash")


def offers(*words, folder=None):
    done = subprocess.run(["bash", HELPER, COMPLETION, PXCTL, *words], capture_output=True, cwd=folder,
                          timeout=DEADLINE_S)
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    return done.stdout.decode().split()


@pytest.mark.parametrize("words, offered", [
    (["st"], ["status"]),
    (["t"], ["tail", "transfer"]),
    (["-c", "px1.json", "ver"], ["verify"]),
    (["status", "--"], ["--json", "--help"]),
    (["tail", "--fo"], ["--follow"]),
    (["tail", "--from", ""], ["start", "end"]),
    (["tail", "--from", "st"], ["start"]),
    (["-s", "a.sock", "bench", "--s"], ["--seconds", "--size"]),
    (["bench", "--size", ""], []),
    (["-"], ["-c", "-s", "--help", "--version"]),
    (["nonsense", "--"], ["--help"]),
])
def test_commands_and_options_are_completed(words, offered):
    assert sorted(offers(*words)) == sorted(offered)


def test_every_command_is_offered():
    assert len(offers("")) == 11 and {"send", "certs", "why"} < set(offers(""))


def test_files_folders_and_members_are_completed(cluster, tmp_path):
    (tmp_path / "px1.json").touch()
    (tmp_path / "px1.data").mkdir()
    assert sorted(offers("-c", "px", folder=tmp_path)) == ["px1.data", "px1.json"]
    assert offers("verify", "px", folder=tmp_path) == ["px1.data"]
    config = cluster.nodes[0].config
    assert offers("-c", config, "transfer", "px") == [node.name for node in cluster.nodes]
